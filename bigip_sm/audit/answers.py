"""Answers from records alone: who called what, when, with which permissions, under whose approval; what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """Which records are asked for; None asks for any. Times are epoch seconds, ``until`` is not included."""

    principal: str | None = None
    route: str | None = None
    decision: str | None = None
    since: float | None = None
    until: float | None = None

    def has(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is asked for."""
        time = record.get("time")
        at = time / 1000 if isinstance(time, int | float) else 0.0
        return (
            self.principal in (None, principal(record), record.get("subject"))
            and self.route in (None, record.get("route"))
            and self.decision in (None, record.get("decision"))
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def principal(record: Mapping[str, Any]) -> str:
    """``identity:subject``, or ``-`` for a caller that is not known."""
    if record.get("identity") is None:
        return "-"
    return f"{record['identity']}:{record.get('subject') or ''}"


def chosen(entries: Iterable[Mapping[str, Any]], wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The records in entries of a chain that are asked for."""
    for entry in entries:
        record = entry.get("record")
        if isinstance(record, dict) and wanted.has(record):
            yield record


@dataclass(frozen=True)
class Gap:
    """Requests of a connection whose records are missing."""

    gateway: str
    connection: str
    missing: tuple[int, ...]


def gaps(records: Iterable[Mapping[str, Any]]) -> list[Gap]:
    """Connections with holes in the numbers of their requests; what is missing at the end cannot be seen here."""
    seen: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in records:
        number = record.get("number")
        if isinstance(number, int):
            seen[str(record.get("gateway")), str(record.get("connection_id"))].add(number)
    found = []
    for (gateway, connection), numbers in sorted(seen.items()):
        missing = tuple(sorted(set(range(1, max(numbers) + 1)) - numbers))
        if missing:
            found.append(Gap(gateway, connection, missing))
    return found


@dataclass(frozen=True)
class Note:
    """What a collector says of records that it could not keep; ``time`` in epoch seconds."""

    source: str
    time: float
    words: str


def notes(entries: Iterable[Mapping[str, Any]]) -> Iterator[Note]:
    """The notes among entries of a chain."""
    for entry in entries:
        if isinstance(entry.get("note"), str):
            time = entry.get("time")
            yield Note(str(entry.get("source")), float(time) if isinstance(time, int | float) else 0.0, entry["note"])
