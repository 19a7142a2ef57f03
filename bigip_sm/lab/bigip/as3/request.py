"""From an HTTP request to what AS3 is to do: body, wrapper of class AS3, path, query.

Facts: AS3's ``src/lib/as3request.js``, ``context/requestContext.js``, ``declareHandler.js``, ``util/perAppUtil.js``
and ``schema/latest/as3-request-schema.json``.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bigip_sm.lab.bigip.as3 import inspect, patching
from bigip_sm.lab.bigip.as3.invalid import invalid, unprocessable
from bigip_sm.lab.bigip.as3.query import Query
from bigip_sm.lab.bigip.as3.schema import Schema
from bigip_sm.lab.bigip.replies import Json, Refusal, not_emulated

Action = Literal["deploy", "redeploy", "retrieve", "remove", "patch"]

_ID = re.compile(r"[^\x00-\x20\x22'<>\x5c^`|\x7f]{0,255}")
_ACTIONS = ("deploy", "dry-run", "redeploy", "retrieve", "remove", "patch")
_PER_APP = ("$schema", "schemaVersion", "controls")
_LOCAL = {"targetHost": ("localhost", ""), "targetPort": (0,), "targetUsername": ("",), "targetPassphrase": ("",)}
_DUPLICATE = (
    "Error(s): 'Invalid/Duplicate': another request exists with the same targetHost-declaration tenant, "
    "declaration target, and/or declaration tenant-app"
)


@dataclass(frozen=True)
class PerApp:
    """A request about single applications of one tenant."""

    tenant: str
    applications: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """One thing to do. ``declaration`` is of class ADC, a stub where the action has none of its own.

    ``tenants_in_path`` narrow it to those tenants; ``age`` is that of the declaration to redeploy; ``warnings`` are
    those about tenants; ``problem`` is why it cannot be done at all.
    """

    action: Action
    declaration: Json = field(repr=False)
    query: Query = field(default_factory=Query)
    dry_run: bool = False
    history_limit: int = 4
    persist: bool = True
    sync_to_group: str = ""
    age: int = 0
    redeploy_mode: str = "original"
    operations: tuple[Json, ...] = ()
    tenants_in_path: tuple[str, ...] = ()
    per_app: PerApp | None = None
    warnings: tuple[Json, ...] = ()
    problem: str | None = None

    @property
    def id(self) -> str:
        """The declaration's id, which AS3 makes up when there is none."""
        return str(self.declaration["id"])

    @property
    def controls(self) -> Json:
        """The controls in force: those of the query, then those of the declaration."""
        return {**_controls(self.declaration), **self.query.controls}

    def refusal(self, status: int, message: str) -> Refusal:
        """A refusal that names the host, the tenants and the declaration, as AS3's do."""
        return Refusal(status, message, **self.about())

    def about(self) -> Json:
        """Host, tenants and declaration, as AS3's refusals name them."""
        tenants = list(inspect.tenants(self.declaration)) or list(self.tenants_in_path)
        return {"host": "localhost", "tenant": tenants, "declarationId": self.id}


def orders(method: str, path: Sequence[str], body: bytes, query: Query, schema: Schema | None) -> list[Order]:
    """What a request to ``declare`` asks for; ``path`` is what follows that word.

    An array of declarations gives several. Raises Refusal (400, 422).
    """
    if len(path) > 1:
        return [_per_app(method, path, body, query)]
    tenants = tuple(dict.fromkeys(name for name in path[0].split(",") if name)) if path else ()
    if method == "GET":
        return [Order("retrieve", _stub(), query, tenants_in_path=tenants)]
    if method == "DELETE":
        return [_with_controls(_removal(tenants, query=query))]
    document = _document(body)
    if method == "PATCH":
        if not isinstance(document, dict) or document.get("class") != "AS3":
            document = {"class": "AS3", "action": "patch", "patchBody": document}
        if tenants:
            raise unprocessable("PATCH of single tenants: not emulated by the lab")
    documents = document if isinstance(document, list) else [document]
    if not documents:
        raise unprocessable("Invalid request: should NOT have fewer than 1 items")
    found = [_order(each, tenants, query, schema) for each in documents]
    return _without_duplicates(found) if len(found) > 1 else found


def _document(body: bytes) -> Any:
    if not body:
        raise Refusal(408, "Request exceeded iControl LX timeout")
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refusal(400, f"cannot parse JSON POST payload ({error})") from error


def _order(document: Any, tenants: tuple[str, ...], query: Query, schema: Schema | None) -> Order:
    """One declaration, bare or in a wrapper. Raises Refusal (400, 422)."""
    if not isinstance(document, dict) or document.get("class") not in ("AS3", "ADC"):
        raise unprocessable("Invalid request: the body must be of class AS3 or ADC")
    wrapper: Json = document if document["class"] == "AS3" else {"action": "deploy", "declaration": document}
    if wrapper is document:
        _check_wrapper(wrapper, schema)
    action = wrapper.get("action", "deploy")
    declaration = wrapper.get("declaration")
    if declaration is None and action in ("deploy", "dry-run"):
        raise Refusal(400, f'for action "{action}", a declaration is required.')
    if declaration is not None and action not in ("deploy", "dry-run"):
        raise Refusal(400, f'for action "{action}", a declaration is not allowed.')
    _check_actions(wrapper, action, tenants)
    common: Json = {
        "query": query,
        "history_limit": wrapper.get("historyLimit", 15 if action == "redeploy" else 4),
        "persist": wrapper.get("persist", True),
        "sync_to_group": wrapper.get("syncToGroup", ""),
    }
    match action:
        case "retrieve":
            return Order("retrieve", _stub(), _aged(query, wrapper), tenants_in_path=tenants)
        case "remove":
            return _with_controls(_removal(tenants, **common))
        case "redeploy":
            mode = wrapper.get("redeployUpdateMode", "original")
            age = wrapper.get("redeployAge", 0) or 1
            return _with_controls(Order("redeploy", _stub(), age=age, redeploy_mode=mode, **common))
        case "patch":
            operations = patching.checked_operations(wrapper["patchBody"])
            touched = patching.tenants_of(operations)
            return _with_controls(Order("patch", _stub(), operations=operations, tenants_in_path=touched, **common))
    copied = _identified(declaration)
    if tenants:
        named = inspect.tenants(copied)
        copied = {name: value for name, value in copied.items() if name not in named or name in tenants}
    return _with_controls(Order("deploy", copied, dry_run=action == "dry-run", tenants_in_path=tenants, **common))


def _check_wrapper(wrapper: Json, schema: Schema | None) -> None:
    """Raises Refusal (422) for what AS3's request schema refuses, and for devices that the lab does not reach."""
    error = schema.first_wrapper_error(wrapper) if schema is not None else None
    if error is not None:
        raise unprocessable(f"Invalid request: {error}")
    if wrapper.get("action", "deploy") not in _ACTIONS:
        raise unprocessable("Invalid request: /action: should be equal to one of the allowed values")
    for name, harmless in _LOCAL.items():
        if wrapper.get(name, harmless[0]) not in harmless:
            raise unprocessable(f"{name}: a target other than this device is not emulated by the lab")
    if wrapper.get("targetTokens"):
        raise unprocessable("targetTokens: a target other than this device is not emulated by the lab")
    for name, low, default in (("historyLimit", 2, 4), ("redeployAge", 0, 0)):
        value = wrapper.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= 15:
            raise unprocessable(f"Invalid request: /{name}: should be >= {low} and <= 15")
    for name, kind in (("persist", bool), ("syncToGroup", str)):
        if not isinstance(wrapper.get(name, kind()), kind):
            raise unprocessable(f"Invalid request: /{name}: should be {'boolean' if kind is bool else 'string'}")
    if wrapper.get("redeployUpdateMode", "original") not in ("original", "complete", "selective"):
        raise unprocessable("Invalid request: /redeployUpdateMode: should be equal to one of the allowed values")


def _check_actions(wrapper: Json, action: str, tenants: tuple[str, ...]) -> None:
    """Properties that belong to one action only. Raises Refusal (400)."""
    if wrapper.get("retrieveAge") and action != "retrieve":
        raise Refusal(400, f'retrieveAge value is not allowed for action "{action}". use only with "retrieve"')
    if action != "redeploy" and wrapper.get("redeployAge"):
        raise Refusal(400, 'redeployAge is valid only with action "redeploy"')
    if action != "redeploy" and wrapper.get("redeployUpdateMode", "original") != "original":
        raise Refusal(400, 'redeployUpdateMode is valid only with action "redeploy"')
    if action == "patch" and not wrapper.get("patchBody"):
        raise Refusal(400, "for action 'patch', a patchBody must be included - refer to AS3 docs for details")
    if action != "patch" and wrapper.get("patchBody"):
        raise Refusal(400, "patchBody is valid only with action 'patch'")
    if action == "redeploy" and tenants:
        raise Refusal(400, f'action "redeploy" is not allowed for URI /shared/appsvcs/declare/{",".join(tenants)}')


def _aged(query: Query, wrapper: Json) -> Query:
    age = wrapper.get("retrieveAge", 0)
    if age != "list" and (not isinstance(age, int) or not 0 <= age <= 15):
        raise unprocessable("Invalid request: /retrieveAge: should be >= 0 and <= 15")
    return Query(query.show, age, query.filter_class, query.show_hash)


def _stub() -> Json:
    return {"class": "ADC", "schemaVersion": "3.0.0", "id": f"autogen_{uuid.uuid4()}"}


def _removal(tenants: tuple[str, ...], **more: Any) -> Order:
    """The tenants declared empty; without names every tenant that AS3 knows."""
    declaration = {**_stub(), "updateMode": "selective" if tenants else "complete"}
    declaration.update({name: {"class": "Tenant"} for name in tenants})
    return Order("remove", declaration, tenants_in_path=tenants, **more)


def _identified(declaration: Any) -> Json:
    """A copy with an id. Raises Refusal (422) for one that AS3 does not take."""
    if not isinstance(declaration, dict):
        raise unprocessable("Invalid request: a deploy action must include a declaration")
    if declaration.get("class") != "ADC":
        raise unprocessable("Invalid request: the declaration must be of class ADC")
    copied = copy.deepcopy(declaration)
    if "target" in copied:
        raise unprocessable("target: not emulated by the lab")
    if copied.get("id") in (None, "", "generate"):
        copied["id"] = f"autogen_{uuid.uuid4()}"
    if not isinstance(copied["id"], str) or not _ID.fullmatch(copied["id"]):
        raise unprocessable("declaration lacks valid 'id' property")
    return copied


def _with_controls(order: Order) -> Order:
    """The order as the controls of declaration, tenants and query make it: a dry run or not."""
    warnings = [
        {"tenant": name, "message": "dryRun true found in Tenant controls"}
        for name, tenant in inspect.tenants(order.declaration).items()
        if _controls(tenant).get("dryRun") is True
    ]
    dry_run = order.dry_run or order.controls.get("dryRun") is True or bool(warnings)
    return replace(order, dry_run=dry_run, warnings=tuple(warnings))


def _controls(node: Json) -> Json:
    """The controls of a declaration or tenant, with the class that AS3 gives them by default."""
    controls = node.get("controls")
    if not isinstance(controls, dict):
        return {}
    controls.setdefault("class", "Controls")
    return controls


def _without_duplicates(found: list[Order]) -> list[Order]:
    """Orders that name a tenant which another one names too are refused, both of them."""
    names = [set(inspect.tenants(order.declaration)) for order in found]
    return [
        replace(order, problem=_DUPLICATE)
        if any(mine & other for place, other in enumerate(names) if place != number)
        else order
        for number, (order, mine) in enumerate(zip(found, names, strict=True))
    ]


def _per_app(method: str, path: Sequence[str], body: bytes, query: Query) -> Order:
    """``declare/<tenant>/applications[/<application>]``. Raises Refusal (400, 422, 501)."""
    tenant, word, *application = path
    if word != "applications" or len(application) > 1:
        raise Refusal(400, "Bad Request: Invalid path")
    if "," in "/".join(path):
        message = "is an invalid path. Only 1 tenant and 1 application may be specified in the URL."
        raise Refusal(400, f"declare/{'/'.join(path)} {message}")
    if method == "GET":
        about = PerApp(tenant, tuple(application))
        return Order("retrieve", _stub(), query, tenants_in_path=(tenant,), per_app=about)
    if method == "DELETE" and application:
        return _with_controls(_removal((tenant,), query=query, per_app=PerApp(tenant, tuple(application))))
    if method == "DELETE" or (method == "POST" and application):
        raise not_emulated(f"{method} declare/{'/'.join(path)}")
    if method != "POST":  # a PATCH ends like this: its body holds no application
        raise unprocessable("Invalid data property: Per-app declaration must contain at least one application")
    document = _document(body)
    if not isinstance(document, dict):
        raise unprocessable("declaration should be an object")
    applications = inspect.applications(document)
    if not applications:
        raise unprocessable("Invalid data property: Per-app declaration must contain at least one application")
    if "schemaVersion" not in document:
        raise invalid("", "should have required property 'schemaVersion'")
    if set(document) - {*_PER_APP, *applications}:
        raise invalid("", "should NOT have additional properties")
    named: Json = {"class": "Tenant", **copy.deepcopy(applications)}
    if "controls" in document:
        named["controls"] = copy.deepcopy(document["controls"])
    declaration = {**_stub(), "schemaVersion": document["schemaVersion"], tenant: named}
    about = PerApp(tenant, tuple(applications))
    return _with_controls(Order("deploy", declaration, query, tenants_in_path=(tenant,), per_app=about))
