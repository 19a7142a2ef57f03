"""The counters of statistics profiles: what ``STATS::`` reads and writes. One set for all TMMs."""

from __future__ import annotations

from collections import defaultdict


class Statistics:
    """Counters by the path of their profile and their name; unset ones are 0."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, str], int] = defaultdict(int)

    def get(self, profile: str, name: str) -> int:
        """The value of a counter."""
        return self._counters.get((profile, name), 0)

    def set(self, profile: str, name: str, value: int) -> None:
        """Set a counter."""
        self._counters[profile, name] = value
