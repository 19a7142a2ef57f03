"""Timeouts as TMM has them: how a time to connect becomes a schedule of SYNs."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_BASE = 5000
"""Milliseconds that AS3 takes as synRtoBase."""

SHORTEST_BASE = 300
"""Milliseconds before a SYN is sent again, at least: as long as an answer from another continent takes."""

USUAL_REPEATS = 2
"""How often a SYN is sent again, so that two lost packets do not cost a connection."""


class Syns(NamedTuple):
    """``synRtoBase``, milliseconds, and ``synMaxRetrans`` of a TCP_Profile; each wait is twice the one before it."""

    base: int
    repeats: int

    @property
    def given_up(self) -> int:
        """Milliseconds until a connection is given up."""
        return self.base * ((1 << self.repeats + 1) - 1)


DEFAULT = Syns(500, USUAL_REPEATS)
"""SYNs at 0, 0.5 and 1.5 s, given up after 3.5 s. AS3's default, 3 s and 3 repeats, would be 45 s."""


def syns(seconds: int | None) -> Syns:
    """The schedule that gives up after ``seconds`` (1 to 60), at most 15 ms earlier; None: ``DEFAULT``.

    Raises ValueError if there is none.
    """
    if seconds is None:
        return DEFAULT
    for repeats in (USUAL_REPEATS, 1, USUAL_REPEATS + 1):
        base = seconds * 1000 // (2 ** (repeats + 1) - 1)
        if SHORTEST_BASE <= base <= LONGEST_BASE:
            return Syns(base, repeats)
    raise ValueError(f"no schedule of SYNs gives up after {seconds} s")
