"""JSON Patch (RFC 6902) on a stored declaration, with the errors of the library that AS3 uses (``jiff``).

Facts: AS3's ``src/lib/declarationHandler.js`` (handlePatch): no ``test``, ``updateMode`` only selective; RFC 6901.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from typing import Any

from bigip_sm.lab.bigip.as3.invalid import unprocessable
from bigip_sm.lab.bigip.replies import Json, Refusal

_INDEX = re.compile(r"0|[1-9][0-9]*")
_MISSING = object()
_BAD_BODY = "invalid patch body - refer to AS3 docs for correct syntax."


def checked_operations(body: Any) -> tuple[Json, ...]:
    """The operations of a patch, a list or a single one. Raises Refusal (400, 422) for what AS3 refuses at once."""
    operations = body if isinstance(body, list) else [body]
    if not all(isinstance(each, dict) and "class" not in each for each in operations):
        raise Refusal(400, _BAD_BODY)
    if any(each.get("op") == "test" for each in operations):
        raise unprocessable("invalid patch - op 'test' is not supported")
    if any(each.get("path") == "/updateMode" and each.get("value") != "selective" for each in operations):
        raise unprocessable("invalid patch - updateMode value can only be 'selective'")
    if any("target" in each for each in operations):
        raise unprocessable("invalid patch - declaration target can only be used when running on BIG-IQ")
    for each in operations:
        if not isinstance(each.get("path"), str) or not isinstance(each.get("from", ""), str):
            raise Refusal(400, _BAD_BODY)
    return tuple(operations)


def tenants_of(operations: Sequence[Json]) -> tuple[str, ...]:
    """The tenants that the paths lead into, each once: the only ones that AS3 then deploys."""
    names = (each["path"].split("/")[1] for each in operations if "/" in each["path"])
    return tuple(dict.fromkeys(names))


def patched(document: Json, operations: Sequence[Json]) -> Json:
    """The document after all operations. Raises Refusal (422) for the first that cannot be done."""
    result: Any = copy.deepcopy(document)
    for operation in operations:
        result = _apply(result, operation)
    if not isinstance(result, dict):
        raise unprocessable("Invalid request: the body must be of class AS3 or ADC")
    return result


def _apply(document: Any, operation: Json) -> Any:
    match operation.get("op"):
        case "add":
            return _add(document, operation["path"], _value(operation), operation)
        case "remove":
            _remove(document, operation["path"], operation)
            return document
        case "replace":
            path, value = operation["path"], _value(operation)
            if path == "":
                return value
            target, key = _find(document, path, operation)
            if _get(target, key) is _MISSING:
                raise _error("path does not exist", operation)
            target[_index(key) if isinstance(target, list) else key] = value
            return document
        case "move":
            if operation["path"].startswith(f"{_from(operation)}/"):
                raise _error("move.from cannot be ancestor of move.path", operation)
            moved = _remove(document, _from(operation), operation)
            return _add(document, operation["path"], moved, operation)
        case "copy":
            target, key = _find(document, _from(operation), operation)
            copied = _get(target, key)
            if copied is _MISSING:
                raise _error("copy.from must exist", operation)
            return _add(document, operation["path"], copy.deepcopy(copied), operation)
    raise _error("invalid op", operation)


def _value(operation: Json) -> Any:
    if "value" not in operation:
        raise _error("missing value", operation)
    return copy.deepcopy(operation["value"])


def _from(operation: Json) -> str:
    if not isinstance(operation.get("from"), str):
        raise _error("path does not exist", operation)
    return str(operation["from"])


def _add(document: Any, path: str, value: Any, operation: Json) -> Any:
    if path == "":
        return value
    target, key = _find(document, path, operation)
    if isinstance(target, list):
        place = len(target) if key == "-" else _index(key)
        if place > len(target):
            raise _error("target of add outside of array bounds", operation)
        target.insert(place, value)
    else:
        target[key] = value
    return document


def _remove(document: Any, path: str, operation: Json) -> Any:
    target, key = _find(document, path, operation)
    if _get(target, key) is _MISSING:
        raise _error("path does not exist", operation)
    return target.pop(_index(key) if isinstance(target, list) else key)


def _find(document: Any, path: str, operation: Json) -> tuple[Any, str]:
    """The object or array that holds what ``path`` names, and its key there. Raises Refusal (422)."""
    if not path.startswith("/"):
        raise _error("path does not exist", operation)
    *parents, key = (part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    target = document
    for parent in parents:
        target = _get(target, parent)
    if not isinstance(target, (dict, list)):
        raise _error("path does not exist", operation)
    return target, key


def _get(target: Any, key: str) -> Any:
    if isinstance(target, dict):
        return target.get(key, _MISSING)
    if isinstance(target, list):
        place = _index(key)
        return target[place] if place < len(target) else _MISSING
    return _MISSING


def _index(key: str) -> int:
    if not _INDEX.fullmatch(key):
        raise unprocessable(f"InvalidPatchOperationError: invalid array index {key}")
    return int(key)


def _error(message: str, operation: Json) -> Refusal:
    shown = json.dumps(operation, separators=(",", ":"), ensure_ascii=False)
    return unprocessable(f"InvalidPatchOperationError: {message} {shown}")
