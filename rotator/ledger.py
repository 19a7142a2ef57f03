"""What came of everything: kept on the board, counted, journalled, saved, and logged when it changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import Rotation
from rotator import clocks
from rotator.board import Board, Entry, History, as_json
from rotator.keeper import generation
from rotator.push import Result
from rotator.store import Store, utc
from rotator.telemetry import Counters

logger = logging.getLogger(__name__)

SAVE_EVERY = 5.0
"""Seconds between two writes of the state file, at the soonest."""


class Ledger:
    """The books of one rotator, ``rotator`` by name. For any number of threads; ``write_down`` for one."""

    def __init__(self, spec: Spec, store: Store, counters: Counters, rotator: str) -> None:
        self.board = Board()
        self.counters = counters
        self.store = store
        self._spec = spec
        self._rotator = rotator
        self._history = History()
        self._lock = threading.RLock()
        self._said: dict[str, str] = {}
        self._saved_at = 0.0
        self._dirty = False

    def follow(self, spec: Spec) -> None:
        """Go on with another configuration, in the files of its gateway."""
        if self.store.gateway != spec.gateway:
            self.store = Store(self.store.folder, spec.gateway)
        self._spec = spec

    def revoked(self, role: str) -> int:
        """Up to which generation a role is revoked now, by what is on disk."""
        return self.store.revocations().get(role, 0)

    def fetched(self, role: str, about: str, problem: str) -> None:
        """A source of ``role`` was asked; ``problem`` is why that was of no use, empty if it was."""
        self.counters.fetched(role, failed=bool(problem))
        self.say(about, problem)

    def session(self, role: str, session: SessionCredentials, now: float) -> None:
        """A source gave another session than before."""
        logger.info("role %s: new session, ends at %s", role, utc(session.expiration))
        self._journal(
            "session",
            now,
            role=role,
            arn=self._spec.roles[role].arn,
            access_key_id=session.access_key_id,
            generation=generation(session),
            expires_at=utc(session.expiration),
        )

    def note(self, found: Result, now: float, rotation: Rotation) -> bool:
        """A device was looked at. Returns whether anybody still expects that result."""
        self.say(f"clock of {found.device}", clocks.complaint(found.device, found.skew, clocks.aws_skew())[1])
        result = clocks.judged(found)
        with self._lock:
            before, after = self.board.note(result, now, rotation)
            if after is None:
                return False
            repaired = result.repaired and _same(before, result)
            self.counters.pushed(result, repaired=repaired)
            self._history.note(before, after, repaired=repaired)
            self._dirty = True
            self.say(f"{result.role} on {result.device}", result.reason if result.state in ("failed", "stale") else "")
        return True

    def write_down(self, now: float, ticks: float, roles: Mapping[str, Any], *, last: bool = False) -> None:
        """Journal what came in since the last call; save the state now and then, and if it is the ``last`` one."""
        with self._lock:
            events = self._history.drain()
            save = last or (self._dirty and ticks - self._saved_at >= SAVE_EVERY)
            if save:
                self._dirty, self._saved_at = False, ticks
        for event, details in events:
            self._journal(event, now, **details)
        if save:
            self.store.save_state(self.state(now, roles))

    def state(self, now: float, roles: Mapping[str, Any]) -> dict[str, object]:
        """What the state file holds; ``roles`` is what to say of each role's source."""
        entries = [as_json(entry, now) for entry in self.board.entries().values() if entry is not None]
        return {"rotator": self._rotator, "saved_at": utc(now), "roles": roles, "credentials": entries}

    def say(self, about: str, problem: str) -> None:
        """Log a problem when it begins, when it changes its kind and when it is over; numbers alone are no change."""
        shape = "".join(char for char in problem if not char.isdigit())
        with self._lock:
            was = self._said.get(about, "")
            if shape == was:
                return
            self._said[about] = shape
        if problem:
            logger.warning("%s", problem)
        else:
            logger.info("%s: in order again", about)

    def _journal(self, event: str, now: float, **details: Any) -> None:
        self.store.journal(event, now, gateway=self._spec.gateway, rotator=self._rotator, **details)


def _same(before: Entry | None, result: Result) -> bool:
    """Whether the device held that very credential before, as far as we knew.

    The first push to a device is no repair, and what another rotator did is none either.
    """
    known = before.result.generation if before is not None else None
    return known is not None and known == result.generation
