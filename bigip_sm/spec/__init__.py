"""gateway.yaml as typed models: ``load`` reads it, ``json_schema`` describes it."""

from __future__ import annotations

from typing import Any

from bigip_sm.spec.load import load

__all__ = ["json_schema", "load"]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of gateway.yaml (draft 2020-12), for editors and other tools. The same on every call."""
    from bigip_sm.spec import schema

    return schema.json_schema()
