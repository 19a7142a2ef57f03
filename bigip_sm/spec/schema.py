"""The JSON Schema of gateway.yaml."""

from __future__ import annotations

from typing import Any

from bigip_sm.spec.model import Spec

IDENTIFIER = "urn:bigip-sm:gateway:1"
"""``$id`` of the schema: the 1 is the ``version`` of the file."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what a user may write. Deterministic: keys in the order of the models.

    Keys of mappings are as closed as in the loader, which pydantic does not say for keys with a pattern.
    """
    schema = Spec.model_json_schema(mode="validation")
    _close(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": IDENTIFIER,
        **schema,
        "title": "gateway.yaml",
        "description": "A BIG-IP in front of AWS SageMaker: who may call which model, and with which role.",
    }


def _close(node: Any) -> None:
    """Allow no key beside the patterns, everywhere below ``node``."""
    if isinstance(node, dict):
        if "patternProperties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _close(value)
    elif isinstance(node, list):
        for value in node:
            _close(value)
