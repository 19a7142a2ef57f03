"""Bringing one role onto one device: one PATCH, read back and compared.

What a device holds is judged first (``rotator.generations``): what is as good or newer stays. Nothing here raises for
what a device does; it becomes a ``Result``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bigip_sm.bigip.device import DataGroup, Device, Record
from bigip_sm.bigip.records import Meta
from bigip_sm.errors import (
    AuthenticationFailed,
    BigipSmError,
    DeviceTimeout,
    DeviceUnreachable,
    ObjectNotFound,
    RequestRefused,
)
from bigip_sm.spec.names import PARTITION
from bigip_sm.spec.sources import Rotation
from rotator.generations import REVOKED, Verdict, inspect, judge, revocation
from rotator.material import Material

logger = logging.getLogger(__name__)

STALE_AFTER = 300
"""A credential with less than this left, in seconds, is stale whatever ``rotation`` says."""

State = Literal["pushed", "fresh", "stale", "failed"]
Failure = Literal["", "unreachable", "timeout", "authentication", "refused", "mismatch", "clock", "source", "defect"]


@dataclass(frozen=True)
class Wanted:
    """What a device is to hold for a role.

    ``material`` is None if there is nothing to push, and ``problem`` says why. Whatever was issued up to ``revoked``
    (a generation, ms) is taken away. ``rotation`` tells from when a credential is stale.
    """

    role: str
    path: str
    material: Material | None = None
    problem: str = ""
    revoked: int = 0
    rotation: Rotation = field(default_factory=Rotation)

    def after(self, revoked: int) -> Wanted:
        """The same after everything issued up to ``revoked`` was revoked."""
        if revoked <= self.revoked:
            return self
        kept = self.material if self.material is not None and self.material.meta.generation > revoked else None
        return replace(self, material=kept, problem=self.problem or "it was revoked", revoked=revoked)

    def stale_at(self, meta: Meta) -> float:
        """From when that credential is stale, epoch seconds."""
        return min(self.rotation.late(meta.generation / 1000, meta.expires_at), meta.expires_at - STALE_AFTER)


@dataclass(frozen=True)
class Result:
    """What became of one role on one device.

    ``pushed``: replaced and read back. ``fresh``: it was as good already. ``stale``: what the device holds is late to
    be replaced. ``failed``: see ``reason``, of which ``failure`` is the kind. ``generation`` (ms), ``expires_at`` and
    ``until`` (epoch seconds; the latter when its first record ends) are of the credential now on the device; None if
    that is not known. ``wrote``: it was changed by us; ``repaired``: since somebody else had changed it; ``revoked``:
    the device holds the mark of a revocation. ``skew``: seconds that the device's clock is ahead.
    """

    role: str
    device: str
    state: State
    reason: str = ""
    generation: int | None = None
    expires_at: int | None = None
    until: int | None = None
    failure: Failure = ""
    wrote: bool = False
    repaired: bool = False
    revoked: bool = False
    skew: float | None = None


def push_role(device: Device, wanted: Wanted, *, now: float, rotator: str = "", force: bool = False) -> Result:
    """Bring one role onto one device if it is not as good already. Raises DeviceError.

    ``now`` is epoch seconds; ``rotator`` signs a revocation; ``force`` replaces a newer credential by an older one.
    """
    group, verdict = _look(device, wanted, now)
    material = wanted.material
    if _is_revoked(verdict.present, wanted) and not (verdict.action == "push" and material is not None):
        return _revoke(device, group, wanted, verdict, now, rotator)
    useless = verdict.action == "push" and material is None
    if verdict.action == "fresh" or useless or (verdict.action in ("older", "revoked") and not force):
        return _kept(device.name, wanted, verdict, now)
    if material is None:
        raise AssertionError("what is not kept has material to replace it")
    logger.info("%s: role %s: pushing: %s", device.name, wanted.role, verdict.why)
    wrong = write(device, group, wanted.path, material.records(), now)
    if wrong:
        return Result(wanted.role, device.name, "failed", wrong, failure="mismatch")
    done = _known(Result(wanted.role, device.name, "pushed", verdict.why, wrote=True), material.meta, material.until)
    return replace(_timely(done, wanted, material.meta, now), repaired=verdict.drift)


def check_role(device: Device, wanted: Wanted, *, now: float) -> Result:
    """What the device holds, without changing it: ``stale`` if it should be replaced. Raises DeviceError."""
    _, verdict = _look(device, wanted, now)
    if verdict.action == "push" and wanted.material is not None:
        return _known(Result(wanted.role, device.name, "stale", verdict.why), verdict.present, verdict.until)
    return _kept(device.name, wanted, verdict, now)


def revoke_role(device: Device, wanted: Wanted, *, now: float, rotator: str) -> Result:
    """Take away what the device holds for a role, unless it was issued after ``wanted.revoked``. Raises DeviceError."""
    group, verdict = _look(device, replace(wanted, material=None), now)
    if verdict.present is not None and verdict.present.generation > wanted.revoked and verdict.action != "push":
        return _known(Result(wanted.role, device.name, "fresh", verdict.why), verdict.present, verdict.until)
    if verdict.action == "revoked" and verdict.present and verdict.present.generation == wanted.revoked:
        return _kept(device.name, wanted, verdict, now)
    return _revoke(device, group, wanted, verdict, now, rotator)


def failed(role: str, device: str, error: Exception) -> Result:
    """The result for what was raised. The text of a defect is not shown, as it may hold anything."""
    if isinstance(error, BigipSmError):
        return Result(role, device, "failed", str(error), failure=_kind(error))
    reason = f"{device}: unexpected {type(error).__name__}; this is a defect of bigip-sm-rotator"
    return Result(role, device, "failed", reason, failure="defect")


def _kind(error: BigipSmError) -> Failure:
    if isinstance(error, DeviceTimeout):
        return "timeout"
    if isinstance(error, DeviceUnreachable):
        return "unreachable"
    return "authentication" if isinstance(error, AuthenticationFailed) else "refused"


def _look(device: Device, wanted: Wanted, now: float) -> tuple[DataGroup | None, Verdict]:
    try:
        group: DataGroup | None = device.data_group(wanted.path)
    except ObjectNotFound:
        group = None
    return group, judge(group, wanted.material, now) if wanted.material else inspect(group, now)


def _is_revoked(present: Meta | None, wanted: Wanted) -> bool:
    """Whether the device holds something that was revoked here, and not the mark that says so."""
    return present is not None and present.generation <= wanted.revoked and not present.rotator.startswith(REVOKED)


def _revoke(
    device: Device, group: DataGroup | None, wanted: Wanted, verdict: Verdict, now: float, rotator: str
) -> Result:
    """Take a credential away: only the mark of the revocation is left."""
    expires_at = verdict.present.expires_at if verdict.present else int(now)
    mark = revocation(wanted.revoked, now, expires_at, rotator or "rotator")
    logger.warning("%s: role %s: taking away a revoked credential", device.name, wanted.role)
    wrong = write(device, group, wanted.path, [mark.encode()], now)
    if wrong:
        return Result(wanted.role, device.name, "failed", wrong, failure="mismatch")
    reason = wanted.problem or "it was revoked, and there is no later credential yet"
    return Result(wanted.role, device.name, "stale", reason, mark.generation, wrote=True, revoked=True)


def write(device: Device, group: DataGroup | None, path: str, records: Sequence[Record], now: float) -> str:
    """Write the records and read them back. Returns why the device does not hold them; empty if it does."""
    wanted = DataGroup(path, "string", tuple(records))
    if group is not None and group.type != "string":
        return f"{device.name}: data group {path} has type {group.type}, not string; remove it and apply again"
    if group is None:
        try:
            device.create_data_group(wanted)
        except ObjectNotFound:
            return f"{device.name}: partition {PARTITION} does not exist; run `bigip-sm apply` first"
        except RequestRefused as error:
            if error.status != 409:  # another rotator was faster
                raise
            device.replace_records(path, wanted.records)
    else:
        device.replace_records(path, wanted.records)
    found = device.data_group(path)
    # Another rotator may have written after us; what is newer may stay.
    return "" if _newer(found, wanted, now) else _difference(device.name, wanted, found)


def _newer(found: DataGroup, wanted: DataGroup, now: float) -> bool:
    """Whether what was read back is usable, or a revocation, and of a later generation than what was written."""
    ours, theirs = inspect(wanted, now).present, inspect(found, now)
    if ours is None or theirs.present is None or theirs.action == "push":
        return False
    return theirs.present.generation > ours.generation


def _difference(device: str, wanted: DataGroup, found: DataGroup) -> str:
    """How what was read back differs from what was written, by names only; empty if it does not."""
    if found == wanted:
        return ""
    ours = {record.name: record for record in wanted.records}
    theirs = {record.name: record for record in found.records}
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return f"{device}: data group {wanted.path} reads back differently: {', '.join(names) or 'its type'}"


def _kept(device: str, wanted: Wanted, verdict: Verdict, now: float) -> Result:
    """The result where the device keeps what it has."""
    kept = _known(Result(wanted.role, device, "fresh", verdict.why), verdict.present, verdict.until)
    if verdict.action == "revoked":
        return replace(kept, state="stale", reason=wanted.problem or verdict.why, until=None, revoked=True)
    if verdict.action == "push":
        reason = f"{verdict.why}, and there is nothing to push: {wanted.problem}" if wanted.problem else verdict.why
        return replace(kept, state="failed", reason=reason, failure="source", until=None)
    return _timely(kept, wanted, verdict.present, now) if verdict.present else kept


def _known(result: Result, meta: Meta | None, until: int | None) -> Result:
    if meta is None:
        return result
    return replace(result, generation=meta.generation, expires_at=meta.expires_at, until=until)


def _timely(result: Result, wanted: Wanted, meta: Meta, now: float) -> Result:
    """The result, made stale if the credential is late to be replaced."""
    if now < wanted.stale_at(meta):
        return result
    reason = f"the session ends in {meta.expires_at - now:.0f} s and the source has no newer one"
    return replace(result, state="stale", reason=f"{reason}: {wanted.problem}" if wanted.problem else reason)
