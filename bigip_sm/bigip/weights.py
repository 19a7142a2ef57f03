"""The weights in force on a BIG-IP: records of the data group ``/bigip_sm/<gateway>.weights``.

``<route>`` and ``upstream/<upstream>`` -> ``1|<name>=<percent>,...``; ``before/<the same>`` -> what was in force before
that, or ``-`` where gateway.yaml was. A record that is not there, or not whole, leaves gateway.yaml in force.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bigip_sm.bigip.device import Device, Record
from bigip_sm.errors import DeviceError, ObjectNotFound

ALL = 100
"""What the weights of a key sum up to."""

LONGEST = 1000
"""Characters of a record at which the iRule follows it no more."""

_FORM = re.compile(r"1[|][a-z0-9_-]+=[0-9]{1,3}(?:,[a-z0-9_-]+=[0-9]{1,3})*")
_BEFORE = "before/"
_INITIAL = "-"

Weights = dict[str, int]


@dataclass(frozen=True)
class State:
    """The weights of one key on one device. ``before`` is None if nothing was ever changed there."""

    initial: Weights
    in_force: Weights
    before: Weights | None


def encode(weights: Mapping[str, int]) -> str:
    """As the data of a record."""
    return "1|" + ",".join(f"{name}={weight}" for name, weight in weights.items())


def decode(data: str, names: Sequence[str]) -> Weights | None:
    """The weights of ``names`` in a record's data as the iRule reads them; None if it would not follow them.

    Like the iRule (weights.tcl.j2), it passes over names that gateway.yaml no longer has, and takes the last of two
    weights of one name.
    """
    if len(data) >= LONGEST or not _FORM.fullmatch(data):
        return None
    given = dict(pair.split("=") for pair in data.removeprefix("1|").split(","))
    found = {name: int(given.get(name, "0")) for name in names}
    return found if sum(found.values()) == ALL else None


def states(device: Device, path: str, initial: Mapping[str, Weights]) -> dict[str, State]:
    """What is in force for each key of ``initial``. Raises DeviceError, also if the group is missing."""
    records = {record.name: record.data for record in _read(device, path)}
    found = {}
    for key, weights in initial.items():
        before = records.get(_BEFORE + key)
        found[key] = State(
            weights,
            decode(records.get(key, ""), tuple(weights)) or weights,
            None if before is None else (decode(before, tuple(weights)) or weights),
        )
    return found


def change(device: Device, path: str, key: str, weights: Weights, initial: Weights) -> State:
    """Put weights in force on one device, keep those before them, and read back. Raises DeviceError."""
    state = states(device, path, {key: initial})[key]
    if state.in_force == weights:
        return state
    others = [record for record in _read(device, path) if record.name not in (key, _BEFORE + key)]
    before = _INITIAL if state.in_force == initial else encode(state.in_force)
    device.replace_records(path, [*others, Record(key, encode(weights)), Record(_BEFORE + key, before)])
    after = states(device, path, {key: initial})[key]
    if after.in_force != weights:
        raise DeviceError(device.name, f"data group {path} does not hold the weights that were written")
    return after


def _read(device: Device, path: str) -> tuple[Record, ...]:
    try:
        return device.data_group(path).records
    except ObjectNotFound:
        raise DeviceError(device.name, f"there is no data group {path}; make it with: bigip-sm apply") from None
