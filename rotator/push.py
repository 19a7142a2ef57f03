"""Bringing material onto devices: each role by one PATCH, read back and compared; many devices side by side.

Every device has a thread, a session and a deadline of its own, and one request in flight. Whatever happens on one of
them ends up in its own results and nowhere else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bigip_sm.bigip.device import DataGroup, Device
from bigip_sm.errors import (
    AuthenticationFailed,
    BigipSmError,
    DeviceTimeout,
    DeviceUnreachable,
    ObjectNotFound,
)
from bigip_sm.spec.names import PARTITION
from rotator.generations import Verdict, judge
from rotator.material import Material

logger = logging.getLogger(__name__)

DEADLINE = 120.0
"""Seconds that one device may take for all its roles."""

GRACE = 10.0
"""Seconds after its deadline in which a device's thread may log out, before it is given up."""

STALE_AFTER = 300
"""A credential with less than this left, in seconds, is stale: whoever issues it is late."""

State = Literal["pushed", "fresh", "stale", "failed"]


@dataclass(frozen=True)
class Result:
    """What became of one role on one device.

    ``pushed``: replaced and read back. ``fresh``: it was as good already. ``stale``: the source is behind the device,
    or what the device now has ends soon. ``failed``: see ``reason``. ``generation`` (ms) and ``expires_at`` (epoch
    seconds) are of the credential now on the device; None if that is not known.
    """

    role: str
    device: str
    state: State
    reason: str = ""
    generation: int | None = None
    expires_at: int | None = None


@dataclass(frozen=True)
class Target:
    """A device by name, and how to open it: ``connect`` is given the deadline, a time of ``time.monotonic()``."""

    name: str
    connect: Callable[[float], Device]


def push_role(device: Device, material: Material, *, now: float, force: bool = False) -> Result:
    """Bring one role's material onto one device if it is not as good already. Raises DeviceError.

    ``now`` is epoch seconds; ``force`` replaces a newer credential by an older one.
    """
    try:
        group: DataGroup | None = device.data_group(material.path)
    except ObjectNotFound:
        group = None
    verdict = judge(group, material, now)
    if verdict.action == "fresh" or (verdict.action == "older" and not force):
        return _kept(device.name, material, verdict, now)
    logger.info("%s: role %s: pushing: %s", device.name, material.role, verdict.why)
    wrong = _write(device, group, material)
    if wrong:
        return Result(material.role, device.name, "failed", wrong)
    expires_at = material.meta.expires_at
    late = expires_at - now < STALE_AFTER
    reason = f"pushed, but the session ends in {expires_at - now:.0f} s" if late else verdict.why
    return Result(
        material.role, device.name, "stale" if late else "pushed", reason, material.meta.generation, expires_at
    )


def push_all(
    targets: Sequence[Target],
    materials: Sequence[Material],
    *,
    clock: Callable[[], float] = time.time,
    force: bool = False,
    deadline: float = DEADLINE,
) -> list[Result]:
    """Bring every role's material onto every device, side by side.

    Returns a result for each. Interrupted, it lets the pushes in hand finish and the sessions log out, then raises
    KeyboardInterrupt; it raises nothing else.
    """
    results: dict[tuple[str, str], Result] = {}
    lock = threading.Lock()
    interrupted = threading.Event()
    ends = time.monotonic() + deadline

    def keep(result: Result) -> None:
        with lock:
            results.setdefault((result.device, result.role), result)

    def work(target: Target, done: threading.Event) -> None:
        try:
            for result in _push_device(target, materials, ends, clock=clock, force=force, interrupted=interrupted):
                keep(result)
        finally:
            done.set()

    ended = []
    for target in targets:
        ended.append(threading.Event())
        # Daemons: one that hangs where no time-out reaches (in a name server's answer, say) must not keep us here.
        threading.Thread(target=work, args=(target, ended[-1]), name=target.name, daemon=True).start()
    try:
        _wait(ended, ends + GRACE)
    except KeyboardInterrupt:
        interrupted.set()
        _wait(ended, time.monotonic() + GRACE)
        raise
    for target in targets:
        for material in materials:
            keep(Result(material.role, target.name, "failed", f"{target.name}: not done after {deadline:g} s"))
    with lock:
        return [results[target.name, material.role] for material in materials for target in targets]


def _wait(events: Sequence[threading.Event], until: float) -> None:
    """Wait for all of ``events``. Not ``Thread.join``: before Python 3.13, Ctrl-C in it marks the thread as ended."""
    for event in events:
        event.wait(max(0.0, until - time.monotonic()))


def _push_device(
    target: Target,
    materials: Sequence[Material],
    ends: float,
    *,
    clock: Callable[[], float],
    force: bool,
    interrupted: threading.Event,
) -> Iterator[Result]:
    """Every role on one device, in one session. Never raises."""
    left = list(materials)
    device: Device | None = None
    try:
        device = target.connect(ends)
        while left and not interrupted.is_set():
            try:
                yield push_role(device, left[0], now=clock(), force=force)
            except (AuthenticationFailed, DeviceUnreachable, DeviceTimeout):
                # The other roles would fare no better, and repeated failed logins lock a user out.
                raise
            except BigipSmError as error:
                yield Result(left[0].role, target.name, "failed", str(error))
            del left[0]
    except BigipSmError as error:
        yield from (Result(one.role, target.name, "failed", str(error)) for one in left)
    except Exception as error:
        # A defect. Its text is not shown: it may hold anything.
        reason = f"{target.name}: unexpected {type(error).__name__}; this is a defect of bigip-sm-rotator"
        yield from (Result(one.role, target.name, "failed", reason) for one in left)
    finally:
        if device is not None:
            device.close()


def _write(device: Device, group: DataGroup | None, material: Material) -> str:
    """Write the records and read them back. Returns why the device does not hold them; empty if it does."""
    wanted = DataGroup(material.path, "string", material.records())
    if group is not None and group.type != "string":
        return f"{device.name}: data group {material.path} has type {group.type}, not string; remove it and apply again"
    if group is None:
        try:
            device.create_data_group(wanted)
        except ObjectNotFound:
            return f"{device.name}: partition {PARTITION} does not exist; run `bigip-sm apply` first"
    else:
        device.replace_records(material.path, wanted.records)
    return _difference(device.name, wanted, device.data_group(material.path))


def _difference(device: str, wanted: DataGroup, found: DataGroup) -> str:
    """How what was read back differs from what was written, by names only; empty if it does not."""
    if found == wanted:
        return ""
    ours = {record.name: record for record in wanted.records}
    theirs = {record.name: record for record in found.records}
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return f"{device}: data group {wanted.path} reads back differently: {', '.join(names) or 'its type'}"


def _kept(device: str, material: Material, verdict: Verdict, now: float) -> Result:
    """The result where the device keeps what it has."""
    generation = verdict.present.generation if verdict.present else None
    expires_at = verdict.present.expires_at if verdict.present else None
    if verdict.action == "older":
        return Result(material.role, device, "stale", verdict.why, generation, expires_at)
    if expires_at is not None and expires_at - now < STALE_AFTER:
        reason = f"the session ends in {expires_at - now:.0f} s and the source has no newer one"
        return Result(material.role, device, "stale", reason, generation, expires_at)
    return Result(material.role, device, "fresh", verdict.why, generation, expires_at)
