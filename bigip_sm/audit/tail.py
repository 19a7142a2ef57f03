"""How a file of a chain ends: its last whole line, and what a crash may have left behind it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BLOCK = 256 * 1024


@dataclass(frozen=True)
class Tail:
    """The end of a file: its last line that has a line end, bytes up to there, and the bytes behind it."""

    last: str | None
    whole: int
    torn: bytes


def tail_of(path: Path) -> Tail:
    """Read the end of a file. Raises OSError."""
    with path.open("rb") as file:
        left = size = file.seek(0, os.SEEK_END)
        tail = b""
        while left and tail.count(b"\n") < 2:
            step = min(BLOCK, left)
            left -= step
            file.seek(left)
            tail = file.read(step) + tail
    lines, end, torn = tail.rpartition(b"\n")
    last = lines.rpartition(b"\n")[2].decode("ascii", "replace") if end else None
    return Tail(last, size - len(torn), torn)
