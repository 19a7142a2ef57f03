"""Pools: members, their health by https monitors, and the choice among them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bigip_sm.lab.bigip.objects import HttpsMonitor, Pool, PoolMember
from bigip_sm.lab.network import Network
from bigip_sm.lab.tmm.tls import ServerTls

State = Literal["up", "down", "checking", "disabled", "unchecked"]

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that a monitor looks at."""


class PoolState:
    """A pool at run time. Members without a monitor are available; with one, once it has succeeded.

    A member that came up less than ``slow_ramp`` seconds ago gets the part of a full share that has passed of them
    (tmsh reference, ``ltm pool``, slow-ramp-time).
    """

    def __init__(
        self, pool: Pool, before: PoolState | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``before`` is the pool as it was: members that stay under the same monitors keep their state."""
        self.pool = pool
        self.path = pool.path
        self._clock = clock
        self._next = 0
        self._credit: dict[PoolMember, float] = {}
        self._active: list[PoolMember] | None = None
        known = before.states if before is not None and before.pool.monitors == pool.monitors else {}
        initial: State = "checking" if pool.monitors else "unchecked"
        self.states: dict[PoolMember, State] = {
            member: known.get(member, initial) if member.enabled else "disabled" for member in pool.members
        }
        came_up = before._came_up if before is not None else {}
        self._came_up: dict[PoolMember, float] = {
            member: came_up[member] for member in known if member in came_up and member in self.states
        }

    def set(self, member: PoolMember, state: State) -> None:
        """A monitor has found out how a member is."""
        if state == "up" and self.states.get(member) != "up":
            self._came_up[member] = self._clock()
        self.states[member] = state
        self._active = None

    def active(self) -> list[PoolMember]:
        """The members that can be chosen: those available in the highest priority group that has any."""
        if self._active is None:
            available = [member for member, state in self.states.items() if state in ("up", "unchecked")]
            best = max((member.priority_group for member in available), default=0)
            self._active = [member for member in available if member.priority_group == best]
        return self._active

    def choose(self, wanted: PoolMember | None = None) -> PoolMember | None:
        """The next member in turn, or the one that a rule wants; None if none, or not that one, is available."""
        active = self.active()
        if wanted is not None:
            return wanted if self.states.get(wanted) in ("up", "unchecked") else None
        if not active:
            return None
        if self.pool.slow_ramp and len(active) > 1:
            shares = self._shares(active)
            if min(shares) < max(shares):
                return self._in_proportion(active, shares)
        chosen = active[self._next % len(active)]
        self._next += 1
        return chosen

    def _shares(self, members: list[PoolMember]) -> list[float]:
        now, ramp = self._clock(), self.pool.slow_ramp
        ages = [now - self._came_up.get(member, float("-inf")) for member in members]
        return [min(1.0, age / ramp) for age in ages]

    def _in_proportion(self, members: list[PoolMember], shares: list[float]) -> PoolMember:
        """Each gains its share and the richest pays for all: turns that are spread evenly over time."""
        credit = {member: self._credit.get(member, 0.0) + share for member, share in zip(members, shares, strict=True)}
        chosen = max(members, key=credit.__getitem__)
        credit[chosen] -= sum(shares)
        self._credit = credit
        return chosen

    def describe(self) -> dict[str, str]:
        """``host:port`` -> state."""
        return {f"{member.host}:{member.port}": state for member, state in self.states.items()}


@dataclass(frozen=True)
class Probe:
    """A monitor and the TLS that it speaks."""

    monitor: HttpsMonitor
    tls: ServerTls


class Monitoring:
    """The monitors of one pool: each probes every enabled member at once and then at its interval.

    A member is up when all its monitors succeeded last, and down when one of them has not for its ``timeout``; a
    first probe that fails marks it down right away, which is quicker than TMOS but never more lenient. With
    ``time_until_up`` a monitor has succeeded when its probes have for that long, without one that failed.
    """

    def __init__(self, state: PoolState, probes: tuple[Probe, ...], network: Network) -> None:
        self.state = state
        self.probes = probes
        self._network = network
        self._results: dict[PoolMember, dict[str, bool]] = {}
        members = [member for member in state.pool.members if member.enabled]
        watches = [(member, probe, asyncio.Event()) for member in members for probe in probes]
        self._first = [done for _, _, done in watches]
        self._tasks = [asyncio.get_running_loop().create_task(self._watch(*watch)) for watch in watches]

    async def settled(self) -> None:
        """Wait until every member's first probes are answered or have timed out."""
        for done in self._first:
            await done.wait()

    async def stop(self) -> None:
        """End all probes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, member: PoolMember, probe: Probe, done: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        timeout = probe.monitor.timeout
        last_success = float("-inf")
        good_since = float("inf")
        while True:
            try:
                good = await asyncio.wait_for(self._ask(member, probe), timeout)
            except (OSError, asyncio.TimeoutError):
                good = False
            now = loop.time()
            if good:
                last_success, good_since = now, min(good_since, now)
                if now - good_since >= probe.monitor.time_until_up:
                    self._report(member, probe, True)
            else:
                good_since = float("inf")
                if now - last_success >= timeout:
                    self._report(member, probe, False)
            done.set()
            await asyncio.sleep(probe.monitor.interval)

    def _report(self, member: PoolMember, probe: Probe, alive: bool) -> None:
        results = self._results.setdefault(member, {})
        results[probe.monitor.path] = alive
        if not all(results.values()):
            self.state.set(member, "down")
        elif len(results) == len(self.probes):
            self.state.set(member, "up")

    async def _ask(self, member: PoolMember, probe: Probe) -> bool:
        """Send the monitor's request; whether its ``receive`` pattern is found in the answer. Raises OSError."""
        host, port = self._network.resolve(member.host, member.port)
        tls = probe.tls
        reader, writer = await asyncio.open_connection(
            host, port, ssl=tls.context, server_hostname=tls.server_name or ""
        )
        try:
            writer.write(on_the_wire(probe.monitor.send))
            answer = b""
            while len(answer) < MAX_ANSWER:
                piece = await reader.read(MAX_ANSWER)
                answer += piece
                if answer and matches(probe.monitor.receive, answer):
                    return True
                if not piece:
                    return False
            return False
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def on_the_wire(send: str) -> bytes:
    r"""What a monitor sends: the two characters ``\r`` of its string are a carriage return, ``\n`` a line feed."""
    return send.replace("\\r", "\r").replace("\\n", "\n").encode("latin-1", "replace")


def matches(receive: str, answer: bytes) -> bool:
    """Whether the receive string, a regular expression, is found in the answer; empty: any answer will do."""
    pattern = receive.encode("latin-1", "replace")
    try:
        return re.search(pattern, answer) is not None
    except re.error:
        return pattern in answer
