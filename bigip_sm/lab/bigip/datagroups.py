"""Internal data groups as ``/mgmt/tm/ltm/data-group/internal`` shows and takes them.

Facts: F5's "tmsh reference" (``ltm data-group internal``), DevCentral articles 285113 and 287462, K-articles on
the limit of 65,520 bytes (error 01070712).
"""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Literal, cast, get_args

from bigip_sm.lab.bigip.calls import exists_already, identity, missing, new_path, refuse_unknown
from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.bigip.replies import Json, icrd_refusal
from bigip_sm.lab.bigip.tmsh import records_option

LONGEST = 65_520
"""Bytes that a record's name or data may have."""

COLLECTION = "/mgmt/tm/ltm/data-group/internal"
KIND = "tm:ltm:data-group:internal:internalstate"
_SETTABLE = (
    "name",
    "partition",
    "subPath",
    "fullPath",
    "kind",
    "generation",
    "selfLink",
    "type",
    "records",
    "description",
)
Type = Literal["string", "ip", "integer"]


def to_json(group: DataGroup) -> Json:
    """A data group as iControl REST shows it: records sorted, empty lists and empty data left out."""
    shown = {**identity(group.path, KIND, COLLECTION), "type": group.type}
    if group.description:
        shown["description"] = group.description
    if group.records:
        shown["records"] = [_record_json(name, data) for name, data in group.records]
    return shown


def _record_json(name: str, data: str) -> Json:
    return {"name": name, "data": data} if data else {"name": name}


def created(body: Json) -> DataGroup:
    """The data group of a POST. Raises Refusal (400, 409)."""
    refuse_unknown(body, _SETTABLE)
    path = new_path(body)
    kind = _type(body.get("type"))
    return DataGroup(path, kind, records(path, kind, body.get("records", [])), _description(body))


def patched(group: DataGroup, body: Json) -> DataGroup:
    """The data group after a PATCH: ``records`` replaces the whole list. Raises Refusal (400, 409)."""
    refuse_unknown(body, _SETTABLE)
    if "type" in body and _type(body["type"]) != group.type:
        if group.records:
            raise icrd_refusal(400, f"0107074b:3: {group.path} has entries: its type cannot be changed")
        group = replace(group, type=_type(body["type"]))
    if "description" in body:
        group = replace(group, description=_description(body))
    if body.get("records") is None:  # absent or null: nothing changes (hashicorp provider's issue 1164)
        return group
    return replace(group, records=records(group.path, group.type, body["records"]))


def replaced(group: DataGroup, body: Json, version: tuple[int, ...]) -> DataGroup:
    """The data group after a PUT. Raises Refusal (400, 409).

    It needs the type since TMOS 14.1.0.1; before, it may not have it (F5Networks/terraform-provider-bigip#248, #257;
    the text is TMSH's for other properties that a modify cannot set).
    """
    if version < _PUT_NEEDS_TYPE:
        if "type" in body:
            raise icrd_refusal(
                400,
                '"type" may not be specified in the context of the "modify" command. "type" may be specified using '
                "the following commands: create, list, show",
                1,
            )
    elif not body.get("type"):
        raise icrd_refusal(400, 'invalid property value "type":""', 26214401)
    return patched(group, {"records": [], **body})


_PUT_NEEDS_TYPE = (14, 1, 0, 1)


def with_option(group: DataGroup, option: str) -> DataGroup:
    """The data group after ``options=records add|modify|delete {...}``: single records. Raises Refusal."""
    verb, entries = records_option(option)
    found = dict(group.records)
    for name, data in entries:
        name = checked_name(group.path, group.type, name)
        if verb == "add" and name in found:
            raise exists_already("class item", f"{group.path} {name}")
        if verb != "add" and name not in found:
            raise missing("class item", f"{group.path} {name}")
        if verb == "delete":
            del found[name]
        else:
            found[name] = found.get(name, "") if data is None else data
    listed = [{"name": name, "data": data} for name, data in found.items()]
    return replace(group, records=records(group.path, group.type, listed))


def records(path: str, kind: Type, value: Any) -> tuple[tuple[str, str], ...]:
    """The records of a request, checked and sorted as TMOS lists them. Raises Refusal (400, 409)."""
    if not isinstance(value, list):
        raise icrd_refusal(400, 'invalid property value "records"', 26214401)
    found: dict[str, str] = {}
    for record in value:
        name, data = _record(record)
        name = checked_name(path, kind, name)
        for text in (name, data):
            if len(text.encode()) > LONGEST:
                message = f"01070712:3: Max string size exceeded for field (class_value_item) max:{LONGEST}"
                raise icrd_refusal(400, message)
        if name in found:
            raise exists_already("class item", f"{path} {name}")
        found[name] = data
    return tuple(sorted(found.items(), key=lambda item: sort_key(kind, item[0])))


def _record(record: Any) -> tuple[str, str]:
    if not isinstance(record, dict):
        raise icrd_refusal(400, 'invalid property value "records"', 26214401)
    unknown = set(record) - {"name", "data"}
    if unknown:
        raise icrd_refusal(400, f'"{min(unknown)}" unknown property', 2)
    name, data = record.get("name"), record.get("data", "")
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not isinstance(data, str):
        raise icrd_refusal(400, 'invalid property value "records"', 26214401)
    return name, data


def checked_name(path: str, kind: Type, name: str) -> str:
    """A record's name as TMOS stores it, after the type of the data group. Raises Refusal (400)."""
    if kind == "integer":
        if not re.fullmatch(r"-?\d{1,19}", name):
            raise icrd_refusal(400, f'01070734:3: Configuration error: {path}: "{name}" is not an integer')
        return str(int(name))
    if kind == "ip":
        try:
            return str(ip_network(name))
        except ValueError:
            message = f'01070734:3: Configuration error: {path}: "{name}" is not an address or network'
            raise icrd_refusal(400, message) from None
    if not name or any(ord(character) < 0x20 for character in name):
        raise icrd_refusal(400, f"01070734:3: Configuration error: {path}: {name!r} cannot be a record's name")
    return name


def sort_key(kind: Type, name: str) -> Any:
    """What TMOS sorts records by."""
    if kind == "integer":
        return int(name)
    if kind == "ip":
        network = ip_network(name)
        return network.version, int(network.network_address), network.prefixlen
    return name.encode()


def _type(value: Any) -> Type:
    if value not in get_args(Type):
        raise icrd_refusal(400, f'invalid property value "type":"{value or ""}"', 26214401)
    return cast(Type, value)


def _description(body: Json) -> str:
    description = body.get("description", "")
    if not isinstance(description, str):
        raise icrd_refusal(400, 'invalid property value "description"', 26214401)
    return description
