"""The session table: what ``table`` reads and writes, shared by the TMMs of one data plane.

Semantics: clouddocs.f5.com, iRules API "table", and DevCentral's article series on the command. Where neither says
more, the least surprising reading is taken; each such place is marked "not documented".
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from bigip_sm.lab.tmm.session import CommandError

DEFAULT_TIMEOUT = 180.0
"""Seconds that an entry lives untouched when nothing else is said."""

KEEP = 0.0
"""As a timeout or lifetime: that of the entry that is overwritten."""

_WRAP = 1 << 64
_SWEEP = 4096  # writes between two searches for expired entries


@dataclass
class Entry:
    """A value; ``timeout`` and ``lifetime`` in seconds, infinite for "indefinite"; ``touched`` and ``made`` epoch."""

    value: str
    timeout: float
    lifetime: float
    touched: float
    made: float

    def expired(self, now: float) -> bool:
        """Whether the entry is gone."""
        return now >= self.touched + self.timeout or now >= self.made + self.lifetime


def owner(name: str, tmms: int) -> int:
    """The number of the TMM that holds a subtable, or a key outside of one."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % tmms


class Tables:
    """All entries by subtable (``None`` for keys outside of one) and key; ``clock`` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tables: dict[str | None, dict[str, Entry]] = {}
        self._writes = 0

    def lookup(self, table: str | None, key: str, *, touch: bool = True) -> str | None:
        """The value of an entry, None if there is none."""
        entry = self._find(table, key)
        if entry is None:
            return None
        if touch:
            entry.touched = self._clock()
        return entry.value

    def set(
        self,
        table: str | None,
        key: str,
        value: str,
        timeout: float = DEFAULT_TIMEOUT,
        lifetime: float = math.inf,
        *,
        touch: bool = True,
    ) -> None:
        """Write an entry, with new times unless they are KEEP."""
        now = self._clock()
        entry = self._find(table, key)
        if entry is None:
            made = Entry(value, timeout or DEFAULT_TIMEOUT, lifetime or math.inf, now, now)
            self._tables.setdefault(table, {})[key] = made
            self._sweep(now)
            return
        entry.value = value
        if timeout != KEEP:
            entry.timeout = timeout
        if lifetime != KEEP:
            entry.lifetime, entry.made = lifetime, now
        if touch:
            entry.touched = now

    def increment(self, table: str | None, key: str, by: int, *, touch: bool = True) -> str:
        """Add to a number, 0 if there is no entry; 64 bits without sign. Raises CommandError."""
        entry = self._find(table, key)
        old = entry.value if entry is not None else "0"
        try:
            value = str((int(old) + by) % _WRAP)
        except ValueError:
            raise CommandError(f'expected integer but got "{old}"') from None
        self.set(table, key, value, *((KEEP, KEEP) if entry is not None else ()), touch=touch)
        return value

    def append(self, table: str | None, key: str, text: str, *, touch: bool = True) -> str:
        """Add text to an entry, which is made if there is none."""
        entry = self._find(table, key)
        value = (entry.value if entry is not None else "") + text
        self.set(table, key, value, *((KEEP, KEEP) if entry is not None else ()), touch=touch)
        return value

    def delete(self, table: str | None, key: str) -> None:
        """Remove an entry, if there is one."""
        self._tables.get(table, {}).pop(key, None)

    def delete_all(self, table: str) -> None:
        """Remove a subtable."""
        self._tables.pop(table, None)

    def clear(self) -> None:
        """Remove everything, as a restart of TMM does."""
        self._tables.clear()

    def keys(self, table: str, *, touch: bool = True) -> list[str]:
        """The keys of a subtable."""
        now = self._clock()
        entries = self._tables.get(table, {})
        for key in [key for key, entry in entries.items() if entry.expired(now)]:
            del entries[key]
        if touch:
            for entry in entries.values():
                entry.touched = now
        return list(entries)

    def times(self, table: str | None, key: str) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """(timeout, what is left of it), (lifetime, what is left of it) in seconds, or None without an entry."""
        entry = self._find(table, key)
        if entry is None:
            return None
        now = self._clock()
        left = entry.touched + entry.timeout - now, entry.made + entry.lifetime - now
        return (entry.timeout, left[0]), (entry.lifetime, left[1])

    def set_timeout(self, table: str | None, key: str, seconds: float) -> None:
        """Change the timeout of an entry, if there is one; it runs from now."""
        entry = self._find(table, key)
        if entry is not None:
            entry.timeout, entry.touched = seconds, self._clock()

    def set_lifetime(self, table: str | None, key: str, seconds: float) -> None:
        """Change the lifetime of an entry, if there is one; it runs from now (not documented)."""
        entry = self._find(table, key)
        if entry is not None:
            entry.lifetime, entry.made = seconds, self._clock()

    def _find(self, table: str | None, key: str) -> Entry | None:
        entries = self._tables.get(table)
        entry = entries.get(key) if entries is not None else None
        if entries is not None and entry is not None and entry.expired(self._clock()):
            del entries[key]
            return None
        return entry

    def _sweep(self, now: float) -> None:
        self._writes += 1
        if self._writes % _SWEEP:
            return
        for table, entries in list(self._tables.items()):
            for key in [key for key, entry in entries.items() if entry.expired(now)]:
                del entries[key]
            if not entries:
                del self._tables[table]
