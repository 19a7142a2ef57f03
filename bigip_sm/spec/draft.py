"""A gateway.yaml that may still have errors, as the checks between its places read it.

They read what is written and not the typed spec, so that a mistake in one part does not hide those in another. What has
the wrong kind is as good as absent here: its own problem is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.forms import Suggester
from bigip_sm.spec.positions import Document, Path, quoted


class Draft:
    """The values of a document by their paths."""

    def __init__(self, document: Document, suggester: Suggester) -> None:
        self.suggester = suggester
        self._document = document

    def names(self, *path: str | int) -> list[str]:
        """Return the keys of the mapping at ``path``, in the order of the file; none if it is no mapping."""
        node = self._document.find(path)
        return [str(key) for key in node.children] if node and isinstance(node.value, dict) else []

    def items(self, *path: str | int) -> range:
        """Return the indexes of the list at ``path``; none if it is no list."""
        node = self._document.find(path)
        return range(len(node.children) if node and isinstance(node.value, list) else 0)

    def text(self, *path: str | int) -> str | None:
        """Return the text at ``path``, None if there is none or YAML versions read it differently."""
        node = self._document.find(path)
        return node.value if node and isinstance(node.value, str) and path not in self._document.broken else None

    def texts(self, *path: str | int) -> list[tuple[Path, str]]:
        """Return the texts in the list at ``path``, each with its own path."""
        found = [((*path, index), self.text(*path, index)) for index in self.items(*path)]
        return [(where, text) for where, text in found if text is not None]

    def entries(self, route: str) -> list[str]:
        """Return whom a route's ``allow`` lists, as far as it is text."""
        return [text for _, text in self.texts("routes", route, "allow")]

    def has(self, *path: str | int) -> bool:
        """Return whether anything is written at ``path``."""
        return self._document.find(path) is not None

    def written(self, *path: str | int) -> object:
        """Return what is written at ``path``, None if nothing is."""
        node = self._document.find(path)
        return None if node is None else node.value

    def number(self, *path: str | int, default: int) -> int | None:
        """Return the whole number at ``path``, ``default`` if nothing is written, None if something else is."""
        node = self._document.find(path)
        if node is None:
            return default
        return node.value if type(node.value) is int else None

    def boolean(self, *path: str | int, default: bool) -> bool | None:
        """Return the boolean at ``path``, ``default`` if nothing is written, None if something else is."""
        node = self._document.find(path)
        if node is None:
            return default
        return node.value if isinstance(node.value, bool) else None

    def line(self, *path: str | int) -> int:
        """Return the line of ``path``."""
        return self._document.line(path)

    def problem(self, path: Path, message: str, fix: str) -> Problem:
        """Make a problem at ``path``."""
        return self._document.problem(path, message, fix)

    def repeated(self, entries: Iterable[tuple[Path, str]]) -> Iterator[Problem]:
        """Yield a problem for each text that is in its list already."""
        seen: set[str] = set()
        for path, text in entries:
            if text in seen:
                yield self.problem(path, f"{quoted(text)} is in this list already", "remove one of the two")
            seen.add(text)
