"""Bytes of a connection into lines, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class TooLong:
    """A line that was left out, and how many bytes of it there were."""

    size: int


class Lines:
    """Splits what is fed; a line of more than ``longest`` bytes is passed over, and told where it ends."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._begun = b""
        self.skipped = 0
        """Bytes so far of a line that is too long and has not ended; 0 if there is none."""

    def feed(self, data: bytes) -> Iterator[bytes | TooLong]:
        """The lines that end in ``data``, without their line ends."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            line, self._begun = self._begun + part, b""
            size, self.skipped = self.skipped + len(line), 0
            yield TooLong(size) if size > self._longest else line
        self._begun += rest
        if self.skipped or len(self._begun) > self._longest:
            self.skipped += len(self._begun)
            self._begun = b""

    def end(self) -> bytes | TooLong:
        """What there is of a line that will not end; empty if there is nothing."""
        left, self._begun = self._begun, b""
        size, self.skipped = self.skipped, 0
        return TooLong(size) if size else left
