"""Changes to a text that leave the rest of it where it is."""

from __future__ import annotations

from bisect import bisect_left


class Edits:
    """Insertions and replacements by offset into the unchanged text; at one offset in the order of their making."""

    def __init__(self) -> None:
        self._edits: list[tuple[int, int, int, str]] = []

    def __len__(self) -> int:
        return len(self._edits)

    def insert(self, position: int, text: str) -> None:
        """Put ``text`` before the character at ``position``."""
        self._edits.append((position, len(self._edits), position, text))

    def replace(self, start: int, end: int, text: str) -> None:
        """Put ``text`` instead of the characters from ``start`` to ``end``."""
        self._edits.append((start, len(self._edits), end, text))

    def sort(self) -> None:
        """Order the edits by place; needed once, before ``apply``."""
        self._edits.sort()

    def apply(self, text: str, start: int, end: int) -> str:
        """The text between two offsets with the edits that lie within."""
        pieces = []
        here = start
        for position, _, stop, new in self._edits[bisect_left(self._edits, (start,)) :]:
            if stop > end:
                break
            pieces += [text[here:position], new]
            here = stop
        return "".join(pieces) + text[here:end]
