"""The request around a declaration: body, wrapper of class AS3, query parameters.

Facts: AS3's ``src/lib/as3request.js`` and ``declareHandler.js``, ``schema/latest/as3-request-schema.json``.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from bigip_sm.lab.bigip.as3 import inspect
from bigip_sm.lab.bigip.as3.invalid import unprocessable
from bigip_sm.lab.bigip.as3.schema import Schema
from bigip_sm.lab.bigip.replies import Json, Refusal, not_emulated

_ID = re.compile(r"[^\x00-\x20\x22'<>\x5c^`|\x7f]{0,255}")
_QUERY = ("async", "controls.dryRun", "controls.traceResponse", "controls.logLevel", "controls.userAgent")
_UNEMULATED_QUERY = ("show", "age", "showHash", "unchecked", "filterClass")


@dataclass(frozen=True)
class Order:
    """One request to deploy: a declaration of class ADC, whether it is a dry run, whether it is answered at once."""

    declaration: Json = field(repr=False)
    dry_run: bool
    asynchronous: bool
    history_limit: int = 4

    @property
    def id(self) -> str:
        """The declaration's id, which AS3 makes up when there is none."""
        return str(self.declaration["id"])

    @property
    def tenants(self) -> list[str]:
        """Names of the tenants that the declaration names."""
        return list(inspect.tenants(self.declaration))

    def refusal(self, status: int, message: str) -> Refusal:
        """A refusal that names the host, the tenants and the declaration, as AS3's do."""
        return Refusal(status, message, host="localhost", tenant=self.tenants, declarationId=self.id)


def parse(body: bytes, query: str, schema: Schema | None) -> Order:
    """The order that a POST to ``declare`` gives. Raises Refusal (400, 422, 501)."""
    parameters = parse_query(query)
    document = _document(body)
    wrapper: Json = {}
    if document.get("class") == "AS3":
        wrapper, document = document, _unwrapped(document, schema)
    if document.get("class") != "ADC":
        raise unprocessable("Invalid request: the body must be of class AS3 or ADC")
    declaration = copy.deepcopy(document)
    controls = _controls(declaration)
    dry_run = wrapper.get("action") == "dry-run" or _flag(
        parameters.get("controls.dryRun", controls.get("dryRun", False))
    )
    dry_run = dry_run or any(
        _controls(tenant).get("dryRun") is True for tenant in inspect.tenants(declaration).values()
    )
    declaration.setdefault("id", f"autogen_{uuid.uuid4()}")
    if not isinstance(declaration["id"], str) or not _ID.fullmatch(declaration["id"]):
        raise unprocessable("declaration lacks valid 'id' property")
    limit = wrapper.get("historyLimit", 4)
    return Order(declaration, dry_run, _flag(parameters.get("async", False)), limit)


def removal(tenants: list[str], query: str) -> Order:
    """The order that a DELETE of ``declare`` gives: the tenants declared empty."""
    parameters = parse_query(query)
    declaration: Json = {"class": "ADC", "schemaVersion": "3.0.0", "id": f"autogen_{uuid.uuid4()}"}
    declaration.update({name: {"class": "Tenant"} for name in tenants})
    return Order(declaration, _flag(parameters.get("controls.dryRun", False)), _flag(parameters.get("async", False)))


def parse_query(query: str) -> dict[str, str]:
    """The query parameters. Raises Refusal (400) for one that AS3 does not know, 501 for one that the lab does not."""
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    for name in parameters:
        if name in _UNEMULATED_QUERY and not (name == "show" and parameters[name] == "base"):
            raise not_emulated(f"query parameter {name}")
        if name not in (*_QUERY, *_UNEMULATED_QUERY):
            raise Refusal(400, f'unrecognized URL query parameter "{name}"')
    return parameters


def _document(body: bytes) -> Json:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Refusal(400, f"cannot parse JSON POST payload ({error})") from error
    if isinstance(document, list):
        raise unprocessable("several declarations in one request: not emulated by the lab")
    if not isinstance(document, dict):
        raise unprocessable("Invalid request: the body must be of class AS3 or ADC")
    return document


def _unwrapped(wrapper: Json, schema: Schema | None) -> Json:
    """The declaration in a wrapper of class AS3. Raises Refusal (422)."""
    error = schema.first_wrapper_error(wrapper) if schema is not None else None
    if error is not None:
        raise unprocessable(f"Invalid request: {error}")
    action = wrapper.get("action", "deploy")
    if action not in ("deploy", "dry-run"):
        raise unprocessable(f"action {action}: not emulated by the lab")
    for name, harmless in (("targetHost", "localhost"), ("syncToGroup", ""), ("targetPort", 0)):
        if wrapper.get(name, harmless) != harmless:
            raise unprocessable(f"{name} {wrapper[name]!r}: not emulated by the lab")
    limit = wrapper.get("historyLimit", 4)
    if not isinstance(limit, int) or not 2 <= limit <= 15:
        raise unprocessable("Invalid request: /historyLimit: should be >= 2 and <= 15")
    declaration = wrapper.get("declaration")
    if not isinstance(declaration, dict):
        raise unprocessable("Invalid request: a deploy action must include a declaration")
    return declaration


def _controls(node: Json) -> Json:
    """The controls of a declaration or tenant, with the class that AS3 gives them by default."""
    controls = node.get("controls")
    if not isinstance(controls, dict):
        return {}
    controls.setdefault("class", "Controls")
    return controls


def _flag(value: Any) -> bool:
    return value is True or value == "true"
