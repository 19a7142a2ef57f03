"""The rotator between start and end: what is due is started at each tick, what comes back is kept.

A tick never waits. Sources and devices are asked in threads; each role and each unit of devices goes by its own times,
so that nothing slow or dead delays anything else.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.spec.model import Spec
from rotator import clocks, keys
from rotator.board import Board
from rotator.fleet import DEADLINE, GRACE, Job, Unit
from rotator.jwks import KeySets
from rotator.keeper import Keeper, generation
from rotator.keys import KeysKeeper, WantedKeys
from rotator.ledger import Ledger
from rotator.pool import Pool
from rotator.push import Result, Wanted
from rotator.sources import Source, source_for
from rotator.store import Store, utc
from rotator.telemetry import Counters
from rotator.turns import Turn

INTERVAL = 60.0
"""Seconds between two looks at a device and at a polled source, +-10 %."""

SOURCES_AT_ONCE = 8

_PATIENCE = 2
"""Intervals by which a rotator that is not the first lets the first be late."""


class Runner(Protocol):
    """Where jobs are run, such as ``Pool``."""

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` soon."""


class Engine:
    """Keeps the credentials of ``spec`` on ``units`` fresh. ``tick`` is to be called every second, by one thread.

    ``clock`` gives epoch seconds, ``ticks`` seconds that never jump. ``rotator`` is this rotator's name in records and
    journal.
    """

    def __init__(
        self,
        spec: Spec,
        units: Sequence[Unit],
        store: Store,
        *,
        rotator: str,
        counters: Counters | None = None,
        clock: Callable[[], float] = clocks.now,
        ticks: Callable[[], float] = time.monotonic,
        runner: Runner | None = None,
        source_runner: Runner | None = None,
        source: Callable[[Spec, str], Source] = source_for,
        key_sets: Callable[[Spec], KeySets] = KeySets,
        interval: float = INTERVAL,
        deadline: float = DEADLINE,
    ) -> None:
        self.ledger = Ledger(spec, store, counters or Counters(), rotator)
        self.last_tick = ticks()
        self.rotator = rotator
        self._clock = clock
        self._ticks = ticks
        self._runner = runner or Pool()
        self._source_runner = source_runner or Pool(SOURCES_AT_ONCE, lease=5.0)
        self._source = source
        self._key_sets = key_sets
        self._interval = interval
        self._deadline = deadline
        self._lock = threading.RLock()
        self._interrupted = threading.Event()
        self._turns: list[Turn] = []
        self._keepers: dict[str, Keeper] = {}
        self.load(spec, units)

    @property
    def board(self) -> Board:
        """What is known of every role on every device."""
        return self.ledger.board

    @property
    def store(self) -> Store:
        """The files of this rotator."""
        return self.ledger.store

    def load(self, spec: Spec, units: Sequence[Unit]) -> None:
        """Go on with another configuration; sessions of unchanged roles are kept, devices are logged into anew.

        Raises BigipSmError if a source cannot be made; then everything stays as it was.
        """
        keepers = {
            role: Keeper(spec, role, self._source(spec, role), rotator=self.rotator, interval=self._interval)
            for role in spec.roles
        }
        with self._lock:
            self.ledger.follow(spec)
            for role, keeper in keepers.items():
                if role in self._keepers:
                    keeper.inherit(self._keepers[role])
            locks = {target.name: target.in_hand for turn in self._turns for target in turn.unit.targets}
            for unit in units:
                for target in unit.targets:
                    target.in_hand = locks.get(target.name, target.in_hand)
            old, self._turns = self._turns, [Turn(unit) for unit in units]
            self.spec, self._keepers = spec, keepers
            self._keys = KeysKeeper(spec, self._key_sets(spec))
            roles = [*keepers, *([keys.ROLE] if self._keys.wanted_by else [])]
            self.board.expect(roles, [target.name for unit in units for target in unit.targets])
        for turn in old:
            self._runner.submit(turn.unit.close)

    def tick(self) -> None:
        """Start what is due, and write down what happened."""
        now, ticks = self._clock(), self._ticks()
        revoked = self.store.revocations()
        self.ledger.say("clock", clocks.own_complaint(clocks.aws_skew())[1])
        for keeper in self._due_keepers(now, ticks, revoked):
            self._source_runner.submit(functools.partial(self._fetch, keeper))
        if self._keys.wants_fetch(ticks):
            self._keys.fetching = True
            self._source_runner.submit(functools.partial(self._fetch_keys, self._keys))
        for turn in self._due_turns(ticks):
            # The time is asked anew: with a source's first answer comes what AWS takes it to be.
            wanted: list[Wanted | WantedKeys] = [
                one.wanted(self._clock(), revoked.get(one.role, 0)) for one in self._keepers.values() if one.tried
            ]
            if self._keys.tried:
                wanted.append(self._keys.wanted())
            self._runner.submit(functools.partial(self._rotate, turn, wanted))
        self.ledger.write_down(now, ticks, self._roles(now, ticks))
        self.last_tick = ticks

    def rotate_now(self) -> None:
        """Have every source asked as soon as possible, and every device looked at when it has answered."""
        with self._lock:
            for keeper in self._keepers.values():
                keeper.demand()
            self._keys.demand()

    def stop(self, grace: float = GRACE) -> None:
        """Start nothing more, wait ``grace`` seconds for the pushes in hand, log out everywhere."""
        self._interrupted.set()
        until = time.monotonic() + grace
        while time.monotonic() < until and any(turn.since is not None for turn in self._turns):
            time.sleep(0.02)
        ended = [threading.Event() for _ in self._turns]
        for turn, event in zip(self._turns, ended, strict=True):
            self._runner.submit(functools.partial(_close, turn.unit, event))
        until = time.monotonic() + grace
        for event in ended:
            event.wait(max(0.0, until - time.monotonic()))
        now, ticks = self._clock(), self._ticks()
        self.ledger.write_down(now, ticks, self._roles(now, ticks), last=True)

    def summary(self) -> str:
        """One line for people."""
        entries = self.board.entries().values()
        good = sum(entry is not None and not entry.trouble(self._clock()) for entry in entries)
        return f"{good} of {len(entries)} credentials are in order"

    def health(self, longest_pause: float = 30.0) -> list[str]:
        """What needs somebody before requests are refused; empty if all is well."""
        pause = self._ticks() - self.last_tick
        stuck = [f"the loop has not run for {pause:.0f} s"] if pause > longest_pause else []
        apart, said = clocks.own_complaint(clocks.aws_skew())
        wrong = [said] if abs(apart) > clocks.ERROR else []
        return stuck + wrong + self.board.troubles(self._clock())

    def _due_keepers(self, now: float, ticks: float, revoked: Mapping[str, int]) -> list[Keeper]:
        due = []
        with self._lock:
            for keeper in self._keepers.values():
                if keeper.wants_fetch(now, ticks, revoked.get(keeper.role, 0)) and not self._deferred(keeper, now):
                    keeper.fetching = True
                    due.append(keeper)
        return due

    def _deferred(self, keeper: Keeper, now: float) -> bool:
        """Whether another rotator has put a newer session onto every device: ours is then not replaced yet.

        A device may lie, so no session counts for longer than ours would; and who came first goes on first.
        """
        ours = keeper.session
        if ours is None or keeper.source.polled or keeper.forced:
            return False
        held = self.board.answered(keeper.role)
        if not held or any(one.state != "fresh" or (one.generation or 0) <= generation(ours) for one in held):
            return False
        until = now + 1
        for one in held:
            issued_at = (one.generation or 0) / 1000
            ends = min(float(one.until or 0), issued_at + (ours.expiration - ours.issued_at))
            until = min(until, keeper.rotation.due(issued_at, ends) + _PATIENCE * self._interval)
        return until > now

    def _fetch(self, keeper: Keeper) -> None:
        """Ask one source. Runs in a thread; must not raise."""
        found = keeper.fetch(self._clock)
        now = self._clock()
        revoked = self.ledger.revoked(keeper.role)
        with self._lock:
            awaited = keeper.forced or not keeper.tried
            changed = keeper.take(found, now, self._ticks(), revoked)
            keeper.fetching = False
            if keeper is not self._keepers.get(keeper.role):
                return
            self.ledger.fetched(keeper.role, f"source of {keeper.role}", keeper.problem)
            if changed and isinstance(found, SessionCredentials):
                self.ledger.session(keeper.role, found, now)
            if changed or awaited:
                self._look_at_all()

    def _fetch_keys(self, keeper: KeysKeeper) -> None:
        """Ask the issuers of tokens. Runs in a thread; must not raise."""
        first = not keeper.tried
        changed = keeper.fetch(self._clock, self._ticks)
        with self._lock:
            keeper.fetching = False
            if keeper is self._keys:
                self.ledger.fetched(keys.ROLE, "key sets", keeper.problem)
                if changed or first:
                    self._look_at_all()

    def _look_at_all(self) -> None:
        for turn in self._turns:
            turn.hurry()

    def _due_turns(self, ticks: float) -> list[Turn]:
        with self._lock:
            if self._interrupted.is_set() or not any(keeper.tried for keeper in self._keepers.values()):
                return []
            for turn in self._turns:
                if turn.hangs(ticks, self._deadline):
                    self._give_up(turn)
            return [turn for turn in self._turns if turn.begins(ticks)]

    def _give_up(self, turn: Turn) -> None:
        """Report a unit that hangs where no deadline reaches. It is not asked again before it comes back."""
        for target in turn.unit.targets:
            for role in (*self._keepers, keys.ROLE):
                reason = f"{target.name}: not done after {self._deadline:g} s"
                self._note(Result(role, target.name, "failed", reason, failure="timeout"))

    def _rotate(self, turn: Turn, wanted: Sequence[Wanted | WantedKeys]) -> None:
        """Look at one unit. Runs in a thread; must not raise."""
        started = time.monotonic()
        results: list[Result] = []
        job = Job(
            wanted,
            started + self._deadline,
            self._clock,
            self.rotator,
            interrupted=self._interrupted,
            revoked=self.ledger.revoked,
        )
        try:
            for result in turn.unit.rotate(job):
                results.append(result)
                self._note(result)
        finally:
            self.ledger.counters.took(time.monotonic() - started)
            with self._lock:
                turn.ends(results, self._ticks(), self._interval)

    def _note(self, result: Result) -> None:
        """Keep one result, and act on a revocation that it tells of."""
        with self._lock:
            keeper = self._keepers.get(result.role)
            expected = self.ledger.note(
                result, self._clock(), keeper.rotation if keeper is not None else WantedKeys.rotation
            )
            if not (expected and result.revoked and keeper is not None and keeper.session is not None):
                return
            if generation(keeper.session) <= (result.generation or 0):
                keeper.demand()  # revoked by another rotator: only a later session will be taken

    def state(self, now: float, ticks: float) -> dict[str, object]:
        """What the state file holds."""
        return self.ledger.state(now, self._roles(now, ticks))

    def _roles(self, now: float, ticks: float) -> dict[str, object]:
        """What to say of each source: when it is asked next, and what was wrong the last time."""
        with self._lock:
            roles: dict[str, object] = {
                one.role: {"next_fetch": utc(one.next_at(now, ticks)), "problem": one.problem}
                for one in self._keepers.values()
            }
            if self._keys.wanted_by:
                roles[keys.ROLE] = {"next_fetch": utc(self._keys.next_at(now, ticks)), "problem": self._keys.problem}
        return roles


def _close(unit: Unit, event: threading.Event) -> None:
    try:
        unit.close()
    finally:
        event.set()
