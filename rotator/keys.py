"""The key sets of JWT issuers beside the credentials: when issuers are asked, and how devices get the keys.

On the board, in the journal and in ``status`` they are a role named ``jwks``; no role of a gateway may have that name.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bigip_sm.bigip.device import Device, Record
from bigip_sm.errors import ObjectNotFound
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import jwks_group
from bigip_sm.spec.sources import Rotation
from rotator.jwks import LIFE, STEP, KeySets, identities, merged, not_after
from rotator.push import Result, write

ROLE = "jwks"
"""What the key sets are called where credentials are called by their role."""

EVERY = 600.0
"""Seconds between two questions to an issuer, +-10 %: new keys are published well before they sign."""

RETRY = 60.0
"""The same while an issuer does not answer."""


@dataclass(frozen=True)
class WantedKeys:
    """What a device is to hold of key sets: ``fetched`` by identity, and ``problem`` if an issuer does not answer."""

    spec: Spec = field(repr=False)
    fetched: Mapping[str, tuple[Record, ...]] = field(repr=False)
    problem: str = ""
    role = ROLE
    rotation = Rotation()

    @property
    def path(self) -> str:
        """The data group."""
        return jwks_group(self.spec.gateway)

    def records(self, present: Iterable[Record], now: float) -> tuple[Record, ...]:
        """What the group should hold, given what it holds. A later end that another rotator has written stays."""
        ends = {record: not_after(record) for record in present}
        latest = {(one.name, _key(one)): one for one, end in ends.items() if end <= now + LIFE + 2 * STEP}
        wanted = merged(self.spec, ends, self.fetched, now)
        return tuple(_later(one, latest.get((one.name, _key(one)))) for one in wanted)


class KeysKeeper:
    """The key sets as they were last fetched well. ``tried``: every issuer was asked at least once."""

    def __init__(self, spec: Spec, sets: KeySets) -> None:
        self.wanted_by = tuple(identities(spec))
        self.tried = False
        self.fetching = False
        self.problem = ""
        self._spec = spec
        self._sets = sets
        self._fetched: Mapping[str, tuple[Record, ...]] = {}
        self._next = 0.0
        self._one_at_a_time = threading.Lock()

    def wants_fetch(self, ticks: float) -> bool:
        """Whether the issuers are to be asked now."""
        return bool(self.wanted_by) and not self.fetching and ticks >= self._next

    def demand(self) -> None:
        """Have the issuers asked as soon as possible."""
        self._next = 0.0

    def fetch(self, clock: Callable[[], float], ticks: Callable[[], float]) -> bool:
        """Ask every issuer, waiting for each. Returns whether there are other keys than before. Never raises."""
        with self._one_at_a_time:
            before, failed = self._fetched, ""
            try:
                self._fetched = self._sets.refresh(clock())
                failed = "; ".join(f"identity {name}: {why}" for name, why in sorted(self._sets.problems.items()))
            except Exception as error:
                failed = f"unexpected {type(error).__name__} from an issuer's key set"
            self.problem, self.tried = failed, True
            pause = RETRY if failed else EVERY
            self._next = ticks() + pause * random.uniform(0.9, 1.1)  # noqa: S311 (not cryptography)
            return self._fetched != before

    def wanted(self) -> WantedKeys:
        """What devices are to hold."""
        return WantedKeys(self._spec, self._fetched, self.problem)

    def next_at(self, now: float, ticks: float) -> float:
        """When the issuers are asked next, epoch seconds."""
        return now + max(0.0, self._next - ticks)


def push_keys(device: Device, wanted: WantedKeys, *, now: float) -> Result:
    """Bring the keys onto a device, if it does not hold them already; read back and compared. Raises DeviceError."""
    try:
        group = device.data_group(wanted.path)
    except ObjectNotFound:
        group = None
    records = wanted.records(group.records if group else (), now)
    if group is not None and group.records == records:
        return _result(device.name, wanted, records, Result(ROLE, device.name, "fresh", "already fresh"))
    wrong = write(device, group, wanted.path, records, now)
    if wrong:
        return Result(ROLE, device.name, "failed", wrong, failure="mismatch")
    why = "the data group is missing" if group is None else "other keys"
    return _result(device.name, wanted, records, Result(ROLE, device.name, "pushed", why, wrote=True))


def check_keys(device: Device, wanted: WantedKeys, *, now: float) -> Result:
    """What a device holds, without changing it. Raises DeviceError."""
    try:
        records = device.data_group(wanted.path).records
    except ObjectNotFound:
        records = ()
    good = tuple(record for record in records if not_after(record) > now)
    if wanted.fetched and good != wanted.records(good, now):
        return _result(device.name, wanted, good, Result(ROLE, device.name, "stale", "it holds other keys"))
    return _result(device.name, wanted, good, Result(ROLE, device.name, "fresh", "left as it is"))


def _result(device: str, wanted: WantedKeys, records: Iterable[Record], result: Result) -> Result:
    """The result with when these keys were last seen at their issuers, and until when they are used."""
    ends = {record.name: not_after(record) for record in records}
    lacking = [name for name in identities(wanted.spec) if not any(one.startswith(f"{name}/") for one in ends)]
    if lacking:
        reason = wanted.problem or "they were never fetched"
        text = f"{device}: no keys of {', '.join(lacking)}: {reason}"
        return Result(ROLE, device, "failed", text, failure="source", wrote=result.wrote)
    until = min(ends.values())
    return replace(result, generation=(until - LIFE - STEP) * 1000, expires_at=until, until=until)


def _key(record: Record) -> str:
    return record.data.rpartition("|")[2]


def _later(one: Record, other: Record | None) -> Record:
    return one if other is None or not_after(other) <= not_after(one) else other
