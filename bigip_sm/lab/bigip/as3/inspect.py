"""What AS3 looks at beside the schema: property names, duplicates, lengths of paths.

Facts: AS3's ``src/lib/validator.js``, ``adcParser.js``, ``postValidator.js``, ``constants.js``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from bigip_sm.lab.bigip.as3 import classes
from bigip_sm.lab.bigip.as3.invalid import invalid, unprocessable
from bigip_sm.lab.bigip.as3.scope import Item
from bigip_sm.lab.bigip.replies import Json, Refusal

MAXIMUM_PATH = 195
_HARD_MAXIMUM_PATH = 255
_ONCE = (
    "rules",
    "doNotProxyHosts",
    "members",
    "certificates",
    "tcpOptions",
    "monitors",
    "persistenceMethods",
    "iRules",
)
_NAME = re.compile(r"[A-Za-z][0-9A-Za-z_.-]{0,189}")
_ITEM_NAME = re.compile(r"[A-Za-z]([0-9A-Za-z_.-]{0,188}[0-9A-Za-z_.])?")
_SCHEMA_VERSION = re.compile(r"3\.([0-9]|[1-4][0-9]|5[0-6])(\.[0-9]+)?")
_FREE_FORM = ("constants", "verifiers")
_SKIPPED = ("metadata", "localZones", "forwardZones", "environmentVariables", "$value")


def tenants(declaration: Json) -> dict[str, Json]:
    """The tenants of a declaration of class ADC, by name."""
    return {name: body for name, body in declaration.items() if _is(body, "Tenant")}


def applications(tenant: Json) -> dict[str, Json]:
    """The applications of a tenant, by name."""
    return {name: body for name, body in tenant.items() if _is(body, "Application")}


def items(declaration: Json) -> Iterator[Item]:
    """Every item of every application."""
    for tenant_name, tenant in tenants(declaration).items():
        for application_name, application in applications(tenant).items():
            for name, body in application.items():
                if isinstance(body, dict) and "class" in body:
                    yield Item(tenant_name, application_name, name, body)


def _is(body: Any, kind: str) -> bool:
    return isinstance(body, dict) and body.get("class") == kind


def check_structure(declaration: Json) -> None:
    """A declaration holds tenants, a tenant applications, an application items. Raises Refusal (422)."""
    version = declaration.get("schemaVersion")
    if not isinstance(version, str) or not _SCHEMA_VERSION.fullmatch(version):
        raise invalid("/schemaVersion", "should be a version of AS3 from 3.0 to 3.56")
    for where, name, body, kind in _levels(declaration):
        pattern = _ITEM_NAME if kind is None else _NAME
        if not pattern.fullmatch(name):
            raise invalid(where, f'property name {name!r} should match pattern "^{pattern.pattern}$"')
        if not isinstance(body, dict):
            raise invalid(f"{where}/{name}", "should be object")
        if "class" not in body:
            raise invalid(f"{where}/{name}", "should have required property 'class'")
        if kind is not None and body["class"] != kind:
            raise invalid(f"{where}/{name}/class", "should be equal to constant")


def _levels(declaration: Json) -> Iterator[tuple[str, str, Any, str | None]]:
    """Where, name, body and class of everything that users name; items may be of any class (None)."""
    for name, body in declaration.items():
        if name in classes.ADC:
            continue
        yield "", name, body, "Tenant"
        for application_name, application in body.items():
            if application_name in classes.TENANT.properties:
                continue
            where = f"/{name}"
            yield where, application_name, application, "Application"
            for item_name, item in application.items():
                if item_name not in classes.APPLICATION.properties:
                    yield f"{where}/{application_name}", item_name, item, None


def check_names(declaration: Json, known: Callable[[str], bool]) -> None:
    """Every property name must exist somewhere in the schema. Raises Refusal (422)."""
    for name in _property_names(declaration):
        if not known(name):
            raise unprocessable(f"Invalid data property: {name}")


def _property_names(node: Any) -> Iterator[str]:
    """Property names at any depth; an object with a class is named by the user, not by the schema."""
    if isinstance(node, list):
        for entry in node:
            yield from _property_names(entry)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        named_by_user = isinstance(value, dict) and "class" in value
        if not named_by_user and name not in ("class", "constants", "$value") and not name.isdigit():
            yield name
        if name not in _FREE_FORM and name not in _SKIPPED:
            yield from _property_names(value)


def check_duplicates(declaration: Json) -> None:
    """Some arrays may not hold a value twice. Raises Refusal (422)."""
    for name in _ONCE:
        for values in _arrays(declaration, name):
            if any(value in values[:index] for index, value in enumerate(values)):
                raise unprocessable(f"declaration has duplicate values in {name}")


def _arrays(node: Any, name: str) -> Iterator[list[Any]]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == name and isinstance(value, list):
            yield value
        if isinstance(value, (dict, list)):
            yield from _arrays(value, name)


def check_paths(declaration: Json) -> None:
    """``/tenant/application/item`` has at most 195 characters. Raises Refusal (400, 422)."""
    for item in items(declaration):
        if len(item.path) > _HARD_MAXIMUM_PATH:
            raise Refusal(400, f"The path {item.path} exceeds the 255 full path character limit")
    for item in items(declaration):
        if len(item.path) > MAXIMUM_PATH:
            raise unprocessable(f"Path {item.path} is longer than {MAXIMUM_PATH} characters")


def check_node_names(declaration: Json) -> None:
    """One node name stands for one address in the whole declaration. Raises Refusal (422)."""
    addresses: dict[str, Any] = {}
    for item in items(declaration):
        members = item.body.get("members") if item.kind == "Pool" else None
        for member in members if isinstance(members, list) else []:
            for server in member.get("servers", []) if isinstance(member, dict) else []:
                name, address = server.get("name"), server.get("address")
                if addresses.setdefault(name, address) != address:
                    message = "The node name must be unique throughout the declaration. Duplicate node name"
                    raise unprocessable(f"{message} '{name}' found.")
