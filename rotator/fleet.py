"""The devices of an inventory: kept open between rotations, written side by side, each with a deadline of its own.

One device has one thread at a time, and so one request in flight. A *unit* is what is written on its own: a device, or
a device group that syncs by itself and is therefore written through one of its members.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bigip_sm.bigip.device import Device
from bigip_sm.bigip.inventory import DeviceEntry, Inventory, SyncGroup
from bigip_sm.errors import AuthenticationFailed, DeviceTimeout, DeviceUnreachable
from rotator.keys import WantedKeys, check_keys, push_keys
from rotator.pool import Pool
from rotator.push import Result, Wanted, check_role, failed, push_role
from rotator.targets import Target, clock_skew, target_of

DEADLINE = 120.0
"""Seconds that one unit may take for all its roles."""

GRACE = 10.0
"""Seconds after its deadline in which a unit may log out, before it is given up."""

SYNC_WAIT = 5.0
"""Seconds that a device group has to bring what one member was given to the others."""

SYNC_PAUSE = 0.5


@dataclass
class Unit:
    """What is written on its own: one device, or an auto-sync device group through whichever member answers."""

    name: str
    targets: list[Target]

    def rotate(self, job: Job) -> Iterator[Result]:
        """Bring every role onto every device of the unit. Never raises."""
        if len(self.targets) == 1:
            yield from _push_device(self.targets[0], job)
            return
        results: list[Result] = []
        for target in list(self.targets):
            results = list(_push_device(target, job))
            if any(result.state != "failed" for result in results):
                # Next time it is asked first: of two members, never write one and then the other in turns.
                self.targets.remove(target)
                self.targets.insert(0, target)
                break
            yield from results
        else:
            return
        yield from results
        wrote = any(result.wrote for result in results)
        answered = {result.device for result in results}
        for target in self.targets[1:]:
            if target.name not in answered:
                yield from _check_synced(target, replace(job, wait=SYNC_WAIT if wrote else 0.0), self.targets[0].name)

    def close(self) -> None:
        """Log out of every device, when what is in hand there is done."""
        for target in self.targets:
            with target.in_hand:
                target.close()


def bring(device: Device, wanted: Wanted | WantedKeys, *, now: float, rotator: str, force: bool) -> Result:
    """Bring a role's credentials, or the key sets, onto a device. Raises DeviceError."""
    if isinstance(wanted, WantedKeys):
        return push_keys(device, wanted, now=now)
    return push_role(device, wanted, now=now, rotator=rotator, force=force)


def check(device: Device, wanted: Wanted | WantedKeys, *, now: float, **_: Any) -> Result:
    """What a device holds of them, without changing it. Raises DeviceError."""
    if isinstance(wanted, WantedKeys):
        return check_keys(device, wanted, now=now)
    return check_role(device, wanted, now=now)


@dataclass(frozen=True)
class Job:
    """One rotation of a unit: ``wanted`` for every role, until ``ends`` (``time.monotonic()``).

    ``revoked`` tells up to which generation a role is revoked now, ``interrupted`` that nothing more is to be begun.
    """

    wanted: Sequence[Wanted | WantedKeys]
    ends: float
    clock: Callable[[], float] = time.time
    rotator: str = ""
    force: bool = False
    interrupted: threading.Event = field(default_factory=threading.Event)
    revoked: Callable[[str], int] = lambda role: 0
    wait: float = 0.0
    push: Callable[..., Result] = bring


def units_of(inventory: Inventory, connect: Callable[[DeviceEntry], Target] = target_of) -> list[Unit]:
    """The units of an inventory, in its order. A group that is synced by hand is written device by device."""
    grouped: dict[str, SyncGroup] = {
        member: group for group in inventory.sync_groups if group.sync == "auto" for member in group.members
    }
    units: dict[str, Unit] = {}
    for entry in inventory.devices:
        group = grouped.get(entry.name)
        name = group.name if group else entry.name
        units.setdefault(name, Unit(name, [])).targets.append(connect(entry))
    return list(units.values())


def rotate_all(
    units: Sequence[Unit],
    wanted: Sequence[Wanted | WantedKeys],
    *,
    deadline: float = DEADLINE,
    pool: Pool | None = None,
    **how: Any,
) -> list[Result]:
    """Bring every role onto every device once and log out again; a result for each, devices in their order.

    ``deadline`` is seconds for each unit; ``how`` is for ``Job``. What KeyboardInterrupt comes in between with is
    finished: the role at hand on each device, and the logout.
    """
    interrupted = threading.Event()
    results: dict[tuple[str, str], Result] = {}
    lock = threading.Lock()

    def work(unit: Unit, done: threading.Event) -> None:
        job = Job(wanted, time.monotonic() + deadline, interrupted=interrupted, **how)
        try:
            for result in unit.rotate(job):
                with lock:
                    results.setdefault((result.device, result.role), result)
        finally:
            unit.close()
            done.set()

    pool = pool or Pool()
    ended = [threading.Event() for _ in units]
    for unit, done in zip(units, ended, strict=True):
        pool.submit(lambda unit=unit, done=done: work(unit, done))  # type: ignore[misc]  # of a default's type
    try:
        _wait(ended, time.monotonic() + deadline + GRACE)
    except KeyboardInterrupt:
        interrupted.set()
        _wait(ended, time.monotonic() + GRACE)
        raise
    names = [target.name for unit in units for target in unit.targets]
    with lock:
        for name in names:
            for one in wanted:
                late = Result(one.role, name, "failed", f"{name}: not done after {deadline:g} s", failure="timeout")
                results.setdefault((name, one.role), late)
        return [results[name, one.role] for one in wanted for name in names]


def _wait(events: Iterable[threading.Event], until: float) -> None:
    """Wait for all of ``events``. Not ``Thread.join``: before Python 3.13, Ctrl-C in it marks the thread as ended."""
    for event in events:
        event.wait(max(0.0, until - time.monotonic()))


def _push_device(target: Target, job: Job) -> Iterator[Result]:
    """Every role on one device, in one session. Never raises."""
    left = list(job.wanted)
    if not target.in_hand.acquire(timeout=max(0.0, job.ends - time.monotonic())):
        late = DeviceTimeout(target.name, "another rotation is still in hand there")
        yield from (failed(one.role, target.name, late) for one in left)
        return
    try:
        device = target.open(job.ends)
        while left and not job.interrupted.is_set():
            try:
                result = _push(device, left[0], job)
            except (AuthenticationFailed, DeviceUnreachable, DeviceTimeout):
                # The other roles would fare no better, and repeated failed logins lock a user out.
                raise
            except Exception as error:
                result = failed(left[0].role, target.name, error)
            yield replace(result, skew=clock_skew(device))
            del left[0]
    except Exception as error:
        if isinstance(error, AuthenticationFailed):
            target.close()  # the next login reads the password anew
        yield from (failed(one.role, target.name, error) for one in left)
    finally:
        target.in_hand.release()


def _push(device: Device, wanted: Wanted | WantedKeys, job: Job) -> Result:
    """One role; once more if it was revoked meanwhile. Raises DeviceError."""
    while True:
        if isinstance(wanted, WantedKeys):
            return job.push(device, wanted, now=job.clock(), rotator=job.rotator, force=job.force)
        wanted = wanted.after(job.revoked(wanted.role))
        result = job.push(device, wanted, now=job.clock(), rotator=job.rotator, force=job.force)
        if job.revoked(wanted.role) <= wanted.revoked:
            return result


def _check_synced(target: Target, job: Job, writer: str) -> Iterator[Result]:
    """What a member holds that only config sync writes. It has ``job.wait`` seconds to arrive."""

    def wait(device: Device, wanted: Wanted | WantedKeys, **_: Any) -> Result:
        until = time.monotonic() + job.wait
        while True:
            result = check(device, wanted, now=job.clock())
            if result.state != "stale" or time.monotonic() >= until:
                break
            time.sleep(SYNC_PAUSE)
        if result.state == "stale":
            return replace(result, reason=f"config sync has not brought what {writer} was given: {result.reason}")
        return result

    yield from _push_device(target, replace(job, push=wait))
