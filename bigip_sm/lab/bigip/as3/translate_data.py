"""Data_Group and iRule as objects of the device."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from bigip_sm.lab.bigip.as3.invalid import invalid, lab_gap
from bigip_sm.lab.bigip.as3.scope import Item, Scope
from bigip_sm.lab.bigip.as3.text import decoded, record_text, refuse_expansion, rule_text
from bigip_sm.lab.bigip.datagroups import Type, sort_key
from bigip_sm.lab.bigip.objects import DataGroup, Object, Rule


def data_group(_scope: Scope, item: Item) -> list[Object]:
    """The internal data group of a Data_Group item. Of records with the same key the last wins, in silence."""
    kind: Type = item.body["keyDataType"]
    found: dict[str, str] = {}
    for index, record in enumerate(item.body["records"]):
        where = f"{item.path}/records/{index}"
        if not isinstance(record, dict) or "key" not in record:
            raise invalid(where, "should have required property 'key'")
        value = record.get("value", "")
        if not isinstance(value, str):
            raise invalid(f"{where}/value", "should be string")
        found[_key(kind, record["key"], f"{where}/key")] = record_text(value, f"{where}/value")
    records = sorted(found.items(), key=lambda entry: sort_key(kind, entry[0]))
    return [DataGroup(item.path, kind, tuple(records), item.body.get("remark", ""))]


def _key(kind: Type, key: Any, where: str) -> str:
    """A record's key as TMOS stores it."""
    if kind == "integer":
        if not isinstance(key, int) or isinstance(key, bool):
            raise invalid(where, "should be integer")
        return str(key)
    if not isinstance(key, str):
        raise invalid(where, "should be string")
    if kind == "string":
        text = record_text(key, where)
        if not text:
            raise lab_gap(where, "an empty key is")
        return text
    try:
        return str(ip_network(key))
    except ValueError:
        raise lab_gap(where, f"{key!r}, which is not an address or network without host bits, is") from None


def irule(_scope: Scope, item: Item) -> list[Object]:
    """The rule of an iRule item, its text rewritten as AS3 does."""
    where = f"{item.path}/iRule"
    text = decoded(item.body["iRule"], where)
    if item.body.get("expand", True):
        refuse_expansion(text, where)
    if not text.isascii():
        raise lab_gap(where, "non-ASCII text is")
    return [Rule(item.path, rule_text(text))]
