"""Chaining records by hash, so that a change, a gap or a cut at the front shows.

A file has one JSON object a line. Each is ``{"prev", "time", "source", "keep_until", "record" or "raw" or "note",
"hash"}``: ``note`` is what the collector itself says of records that it could not keep, which no sender can write;
``hash`` is the SHA-256 of the line without it (keys sorted, no blanks), ``prev`` the hash of the line before, across
files too. The first line of the first file has ``prev`` of 64 zeros. A cut at the end shows only against a hash that
was noted elsewhere, which is why `audit verify` prints the last one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

START = "0" * 64
"""``prev`` of the first line of all."""

DAY = 86_400


@dataclass(frozen=True)
class Broken:
    """The first line at which a chain does not hold; ``line`` counts from 1 in ``file``."""

    file: str
    line: int
    why: str


@dataclass(frozen=True)
class Verdict:
    """What verifying files came to. ``last`` is the hash of the last good line."""

    lines: int
    last: str
    broken: Broken | None


def link(line: bytes, *, prev: str, time: float, source: str, days: int) -> tuple[dict[str, Any], str]:
    """The entry for a record as it arrived, and its hash; ``time`` in epoch seconds, ``days`` to keep it by default.

    What is not a JSON object is kept as text under ``raw``: a collector does not throw away what it does not know.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        return _sealed({"raw": line.decode("utf-8", "replace")}, prev, time, source, days)
    wanted = record.get("retention_days")
    days = wanted if isinstance(wanted, int) and 0 < wanted <= 36_500 else days
    return _sealed({"record": record}, prev, time, source, days)


def note(words: str, *, prev: str, time: float, source: str, days: int) -> tuple[dict[str, Any], str]:
    """The entry for a loss that the collector knows of, and its hash; arguments as for ``link``."""
    return _sealed({"note": words}, prev, time, source, days)


def _sealed(content: dict[str, Any], prev: str, time: float, source: str, days: int) -> tuple[dict[str, Any], str]:
    entry = {**content, "prev": prev, "time": round(time, 3), "source": source, "keep_until": int(time) + days * DAY}
    sealed = digest(entry)
    return {**entry, "hash": sealed}, sealed


def text(entry: dict[str, Any]) -> str:
    """An entry as its line, with the line end."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":")) + "\n"


def digest(entry: dict[str, Any]) -> str:
    """The hash of an entry, whatever it says of it itself."""
    bare = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def verify(files: Iterable[tuple[str, Iterable[str]]], *, start: str | None = None) -> Verdict:
    """Follow the chain through files (name, lines) in their order.

    ``start`` is the hash that the first line must follow; None takes what it says, for files whose predecessors are
    archived elsewhere.
    """
    prev, count = start, 0
    for name, lines in files:
        for number, line in enumerate(lines, 1):
            problem, entry = _read(line)
            if problem is None and prev is not None and entry.get("prev") != prev:
                problem = "it does not follow the line before it: a line is missing, or was changed"
            if problem is not None:
                return Verdict(count, prev or START, Broken(name, number, problem))
            prev, count = str(entry["hash"]), count + 1
    return Verdict(count, prev or START, None)


def entries(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The entries of lines that are entries; the others are passed over."""
    for line in lines:
        problem, entry = _read(line)
        if problem is None:
            yield entry


def _read(line: str) -> tuple[str | None, dict[str, Any]]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return "it is not JSON", {}
    if not isinstance(entry, dict) or not isinstance(entry.get("hash"), str) or not isinstance(entry.get("prev"), str):
        return "it is not an entry of a chain", {}
    if digest(entry) != entry["hash"]:
        return "its hash is not that of its content: it was changed", {}
    return None, entry
