"""The running configuration of the emulated BIG-IP.

One commit is one mcpd transaction: all of it or nothing. Who wants to act on changes subscribes; a subscriber is
called in the thread of the lab's event loop, after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from bigip_sm.lab.bigip.objects import Object

T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """One object before and after a commit; ``None`` where it does not exist."""

    before: Object | None
    after: Object | None


class Config:
    """All configuration objects, keyed by class and full path."""

    def __init__(self) -> None:
        self._objects: dict[tuple[type, str], Object] = {}
        self._subscribers: list[Callable[[tuple[Change, ...]], None]] = []

    def subscribe(self, callback: Callable[[tuple[Change, ...]], None]) -> None:
        """Have ``callback`` called with the changes of every commit."""
        self._subscribers.append(callback)

    def get(self, kind: type[T], path: str) -> T | None:
        """The object of that class and full path, or ``None``."""
        found = self._objects.get((kind, path))
        return found if isinstance(found, kind) else None

    def all(self, kind: type[T]) -> Iterator[T]:
        """Every object of a class, in order of path."""
        for (_, _path), found in sorted(self._objects.items(), key=lambda item: item[0][1]):
            if isinstance(found, kind):
                yield found

    def below(self, folder: str) -> Iterator[Object]:
        """Every object whose full path begins with ``folder`` (``/T/``)."""
        return (
            found
            for (_, path), found in sorted(self._objects.items(), key=lambda item: item[0][1])
            if path.startswith(folder)
        )

    def objects(self) -> tuple[Object, ...]:
        """Every object, in no particular order."""
        return tuple(self._objects.values())

    def copy(self) -> Config:
        """The same objects without the subscribers: to try something out."""
        copied = Config()
        copied._objects = dict(self._objects)
        return copied

    def difference(self, wanted: Config) -> tuple[tuple[Object, ...], tuple[Object, ...]]:
        """What to put and what to delete so that this configuration becomes ``wanted``."""
        put = tuple(new for key, new in wanted._objects.items() if self._objects.get(key) != new)
        delete = tuple(old for key, old in self._objects.items() if key not in wanted._objects)
        return put, delete

    def commit(self, *, put: Iterable[Object] = (), delete: Iterable[Object] = ()) -> tuple[Change, ...]:
        """Replace and remove objects in one step, then tell the subscribers. Checks are the caller's."""
        changes = []
        for gone in delete:
            before = self._objects.pop((type(gone), gone.path), None)
            if before is not None:
                changes.append(Change(before, None))
        for new in put:
            before = self._objects.get((type(new), new.path))
            if before != new:
                self._objects[type(new), new.path] = new
                changes.append(Change(before, new))
        if changes:
            for callback in self._subscribers:
                callback(tuple(changes))
        return tuple(changes)
