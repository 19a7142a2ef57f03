"""The key of the pseudonyms in audit records: made once, the same on every BIG-IP of a gateway, never shown.

It is in ``/bigip_sm/<gateway>.audit``, record ``subject-key`` -> ``1|<64 hex>``. Who has it can find out whether a
pseudonym is a certain subject's; so it is kept as well as the credentials beside it, and does not change.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from bigip_sm.bigip.device import Device, Record
from bigip_sm.errors import DeviceError, ObjectNotFound
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import audit_group

NAME = "subject-key"
_DATA = re.compile(r"1\|(?P<key>[0-9a-f]{64})")


def uses_key(spec: Spec) -> bool:
    """Whether the gateway's records have pseudonyms."""
    return spec.audit is not None and spec.audit.subject == "hmac"


def read_key(device: Device, spec: Spec) -> str | None:
    """The key on a device; None if it has none. Raises DeviceError if what is there is no key."""
    path = audit_group(spec.gateway)
    try:
        records = device.data_group(path).records
    except ObjectNotFound:
        return None
    found = {record.name: record.data for record in records}
    if NAME not in found:
        return None
    match = _DATA.fullmatch(found[NAME])
    if match is None:
        raise DeviceError(
            device.name, f"{path} holds no key of 64 hexadecimal digits; delete the data group, and apply"
        )
    return match["key"]


def choose_key(known: Iterable[tuple[str, str | None]]) -> str:
    """The key for every device: the one that they have, or a new one. ``known`` is (device, its key).

    Raises DeviceError if two devices have different keys.
    """
    found: dict[str, str] = {}
    for device, key in known:
        if key is not None:
            found.setdefault(key, device)
    if len(found) > 1:
        first, second, *_ = found.values()
        raise DeviceError(
            second,
            f"its key for pseudonyms is not that of {first}; delete the data group whose key is to go, and apply",
        )
    return next(iter(found), None) or secrets.token_hex(32)


def write_key(device: Device, spec: Spec, key: str) -> None:
    """Put the key on a device whose data group exists, unless it has it."""
    if read_key(device, spec) != key:
        device.replace_records(audit_group(spec.gateway), [Record(NAME, f"1|{key}")])
