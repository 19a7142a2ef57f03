"""When each unit of devices is looked at next: every interval, sooner for something new, later after a failure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from rotator.fleet import GRACE, Unit
from rotator.keeper import back_off
from rotator.push import Failure, Result

_LOCKOUT_FIRST, _LOCKOUT_LAST = 0.5, 10.0
"""Intervals to wait after a refused login, from the first to the last: more would lock the user out."""

_NOT_THE_DEVICES: tuple[Failure, ...] = ("", "source", "clock")


@dataclass
class Turn:
    """One unit's turn. Times are seconds of a clock that never jumps; ``since`` is set while it is looked at.

    ``again``: something new came in meanwhile. ``overdue``: it was reported as hanging. For who holds the engine's
    lock.
    """

    unit: Unit
    next: float = 0.0
    since: float | None = None
    again: bool = False
    failures: int = 0
    overdue: bool = False

    def begins(self, ticks: float) -> bool:
        """Whether it is to be looked at now; it then counts as being looked at."""
        if self.since is not None or ticks < self.next:
            return False
        self.since, self.again, self.overdue = ticks, False, False
        return True

    def hurry(self) -> None:
        """Have it looked at as soon as possible; once more, if that is being done already."""
        self.next, self.again = 0.0, self.since is not None

    def hangs(self, ticks: float, deadline: float) -> bool:
        """Whether it has been looked at for much longer than ``deadline`` allows. True once for each time."""
        if self.since is None or self.overdue or ticks < self.since + deadline + GRACE:
            return False
        self.overdue = True
        return True

    def ends(self, results: Sequence[Result], ticks: float, interval: float) -> None:
        """It was looked at, with these results: when is the next time?"""
        self.since = None
        kinds = {result.failure for result in results if result.state == "failed"} - set(_NOT_THE_DEVICES)
        self.failures = self.failures + 1 if kinds else 0
        if self.again:
            self.next = 0.0
        elif "authentication" in kinds:
            self.next = ticks + back_off(self.failures, _LOCKOUT_FIRST * interval, _LOCKOUT_LAST * interval)
        elif kinds:
            self.next = ticks + back_off(self.failures, last=interval)
        else:
            self.next = ticks + interval * random.uniform(0.9, 1.1)  # noqa: S311 (not cryptography)
