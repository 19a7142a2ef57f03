"""The files of a collector: one for each day, and a new one when it is full; readable by its owner alone."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from bigip_sm.audit.chain import START, entries, link, text
from bigip_sm.errors import AuditError

NAME = "audit-{day}-{number:03}.jsonl"
PATTERN = "audit-????????-???.jsonl"


class Store:
    """Writes records into ``directory``, chained to what is there already. For one thread, one process.

    ``max_bytes`` is the size at which a new file is begun, ``days`` how long records are kept that do not say it.
    Raises AuditError if what is there does not end in an entry, or if another collector is at work.
    """

    def __init__(self, directory: Path, *, max_bytes: int = 256 * 1024**2, days: int = 365) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.written = 0
        self._directory = directory
        self._max_bytes = max_bytes
        self._days = days
        self._lock = self._locked()
        self._file: IO[str] | None = None
        self._day, self._number = "", 0
        self._prev = self._resume()

    def write(self, line: bytes, source: str, now: float) -> None:
        """Chain and write one record that came from ``source`` at ``now`` (epoch seconds). Raises OSError."""
        entry, self._prev = link(line, prev=self._prev, time=now, source=source, days=self._days)
        self._open(datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%d")).write(text(entry))
        self.written += 1

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
        for path in sorted(self._directory.glob(PATTERN), reverse=True):
            tail = last_line(path)
            if tail is None:
                continue
            for entry in entries([tail]):
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


def last_line(path: Path) -> str | None:
    """The last line of a file; None if it is empty."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return None
        file.seek(max(0, size - 256 * 1024))
        return file.read().rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", "replace")
