"""What AS3 shows of a declaration: with defaults, of one class, with the hashes of its tenants.

Facts: AS3's ``src/lib/declarationHandler.js`` and ``util/hashUtil.js``.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from typing import Any

from bigip_sm.lab.bigip.as3 import inspect
from bigip_sm.lab.bigip.as3.invalid import invalid
from bigip_sm.lab.bigip.as3.schema import Schema
from bigip_sm.lab.bigip.replies import Json, not_emulated

LOCK_KEY = "optimisticLockKey"


def tenant_hash(tenant: Json) -> str:
    """AS3's hash of a stored tenant: SHA-256 of its JSON in base64, in base64."""
    body = {name: value for name, value in tenant.items() if name != LOCK_KEY}
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(hashlib.sha256(base64.b64encode(text.encode())).digest()).decode()


def with_hashes(declaration: Json) -> Json:
    """The declaration with ``optimisticLockKey`` in each tenant."""
    hashed = {name: {**body, LOCK_KEY: tenant_hash(body)} for name, body in inspect.tenants(declaration).items()}
    return {**declaration, **hashed}


def of_class(declaration: Json, wanted: str) -> Json:
    """Only the objects of a class, each below the names that lead to it."""
    found = _filtered(declaration, wanted)
    return found if isinstance(found, dict) else {}


def _filtered(node: Any, wanted: str) -> Any:
    if not isinstance(node, dict):
        return None
    if node.get("class") == wanted:
        return node
    found = {name: _filtered(value, wanted) for name, value in node.items()}
    return {name: value for name, value in found.items() if value is not None} or None


def shown(declaration: Json, how: str, schema: Schema | None) -> Json:
    """The declaration as ``show=`` asks: ``base`` as it was sent, ``full`` with the schema's defaults.

    Raises Refusal (501) for ``expanded``, and for ``full`` without F5's schema.
    """
    if how == "base":
        return declaration
    if how == "expanded":
        raise not_emulated("show=expanded")
    if schema is None:
        raise not_emulated("show=full without F5's AS3 schema")
    full = copy.deepcopy(declaration)
    error = schema.first_error(full)
    if error is not None:
        raise invalid(*error.split(": ", 1))
    return full
