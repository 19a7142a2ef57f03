"""The files of a collector: one for each day, and a new one when it is full; readable by its owner alone."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from bigip_sm.audit.chain import START, entries, link, note, text
from bigip_sm.audit.tail import Tail, tail_of
from bigip_sm.errors import AuditError

NAME = "audit-{day}-{number:03}.jsonl"
PATTERN = re.compile(r"audit-([0-9]{8})-([0-9]{3,})\.jsonl")
TORN = ".torn"
"""Ending of the file beside a file of the chain that keeps what a crash left of its last line."""


class Store:
    """Writes records into ``directory``, chained to what is there already. For one thread, one process.

    ``max_bytes`` is the size at which a new file is begun, ``days`` how long records are kept that do not say it. A
    last line that a crash cut off is put aside, and the chain says so; ``repaired`` has a line for each. Raises
    AuditError if what is there does not end in an entry otherwise, or if another collector is at work.
    """

    def __init__(self, directory: Path, *, max_bytes: int = 256 * 1024**2, days: int = 365) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.written = 0
        self.repaired: list[str] = []
        self._directory = directory
        self._max_bytes = max_bytes
        self._days = days
        self._lock = self._locked()
        self._file: IO[str] | None = None
        self._day, self._number = "", 0
        try:
            self._prev = self._resume()
            for words in self.repaired:
                self.note(words, "collector", time.time())
            self.flush()
        except BaseException:
            os.close(self._lock)
            raise

    def write(self, line: bytes, source: str, now: float) -> None:
        """Chain and write one record that came from ``source`` at ``now`` (epoch seconds). Raises OSError."""
        self._append(*link(line, prev=self._prev, time=now, source=source, days=self._days), now)
        self.written += 1

    def note(self, words: str, source: str, now: float) -> None:
        """Say in the chain what of ``source`` could not be kept. Raises OSError."""
        self._append(*note(words, prev=self._prev, time=now, source=source, days=self._days), now)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Write everything to the disk and let another collector take over."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
        os.close(self._lock)

    def _append(self, entry: dict[str, Any], sealed: str, now: float) -> None:
        # A clock that was set back must not put an entry into a file before the last one.
        day = max(self._day, datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%d"))
        self._open(day).write(text(entry))
        self._prev = sealed

    def _open(self, day: str) -> IO[str]:
        if self._file is not None and (day != self._day or self._file.tell() >= self._max_bytes):
            self._file.flush()
            self._file.close()
            self._file = None
        if self._file is None:
            self._number = self._number + 1 if day == self._day else 1
            self._day = day
            while (path := self._directory / NAME.format(day=day, number=self._number)).exists():
                self._number += 1
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii")
        return self._file

    def _resume(self) -> str:
        """The hash of the last entry; files that a crash left empty are passed over."""
        for path in reversed(files_in(self._directory)):
            end = tail_of(path)
            if end.torn:
                self.repaired.append(_put_aside(path, end))
            if end.last is None:
                continue
            day, number = _place(path)
            self._day, self._number = day, number
            for entry in entries([end.last]):
                return str(entry["hash"])
            raise AuditError(f"{path}: its last line is not an entry; move the file away, and say so in your records")
        return START

    def _locked(self) -> int:
        import fcntl

        lock = os.open(self._directory / ".lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AuditError(f"{self._directory}: another collector writes here; one directory is for one") from None
        return lock


def files_in(directory: Path) -> list[Path]:
    """The files of a chain, oldest first."""
    return sorted((path for path in directory.glob("audit-*.jsonl") if PATTERN.fullmatch(path.name)), key=_place)


def _place(path: Path) -> tuple[str, int]:
    found = PATTERN.fullmatch(path.name)
    assert found is not None  # noqa: S101 - only names that fit come here
    return found[1], int(found[2])


def _put_aside(path: Path, end: Tail) -> str:
    """Take half a line off a file, keep it beside the file, and return what there is to say about it."""
    aside = path.with_name(path.name + TORN)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        file.write(end.torn)
        file.flush()
        os.fsync(file.fileno())
    os.truncate(path, end.whole)
    return f"{path.name}: its last line was cut off by a crash; the {len(end.torn)} bytes of it are in {aside.name}"
