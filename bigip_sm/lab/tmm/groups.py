"""Data groups as one TMM sees them, and how a commit reaches each TMM: record by record, not all TMMs at once.

A record is replaced as a whole, a group is not: whether TMM shows a whole group at once is not documented, so the lab
never does.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache

from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.tmm.session import CommandError

TICK = 0.001
"""Seconds between two steps of a data group's propagation; several records change in one step if there are many."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TESTS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda item, name: item == name,
    "contains": lambda item, name: name in item,
    "starts_with": lambda item, name: item.startswith(name),
    "ends_with": lambda item, name: item.endswith(name),
}

OPERATORS = frozenset(_TESTS)


class Group:
    """One data group in one TMM. Names and values are latin-1 text: one character is one byte."""

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        self.kind = kind
        self.records: dict[str, str] = {}
        self._sorted: list[str] | None = None
        self._networks: dict[int, dict[Network, str]] | None = None

    def put(self, name: str, value: str) -> None:
        """Add or replace one record."""
        if name not in self.records:
            self._sorted = self._networks = None
        self.records[name] = value

    def remove(self, name: str) -> None:
        """Remove one record, if it is there."""
        if self.records.pop(name, None) is not None:
            self._sorted = self._networks = None

    def names(self) -> list[str]:
        """The names in the order in which they are searched: sorted, integers by value."""
        if self._sorted is None:
            key = _number if self.kind == "integer" else None
            self._sorted = sorted(self.records, key=key) if key else sorted(self.records)
        return self._sorted

    def matches(self, item: str, operator: str) -> Iterator[str]:
        """Names of the records for which ``item operator name`` holds; the best first.

        Groups of type ip match by network, the longest prefix first. Raises CommandError for an unknown operator or
        an item that is no address.
        """
        test = _TESTS.get(operator)
        if test is None:
            raise CommandError(f'bad operator "{operator}": must be contains, ends_with, equals or starts_with')
        if self.kind == "ip":
            if operator != "equals":
                raise CommandError(f'operator "{operator}" is not valid for a data group of type ip')
            return self._containing(item)
        if operator == "equals":
            found = _number_text(item) if self.kind == "integer" else item
            return iter((found,) if found in self.records else ())
        return (name for name in self.names() if test(item, name))

    def searches(self, item: str, operator: str) -> Iterator[str]:
        """Names of the records for which ``name operator item`` holds, in their order. Raises CommandError."""
        test = _TESTS.get(operator)
        if test is None:
            raise CommandError(f'bad operator "{operator}": must be contains, ends_with, equals or starts_with')
        if self.kind == "ip" or operator == "equals":
            return self.matches(item, operator)
        return (name for name in self.names() if test(name, item))

    def _containing(self, item: str) -> Iterator[str]:
        if self._networks is None:
            self._networks = {}
            for name in self.records:
                network = parse_network(name)
                self._networks.setdefault(network.prefixlen, {})[network] = name
            self._networks = dict(sorted(self._networks.items(), reverse=True))
        try:
            wanted = parse_network(item)
        except ValueError:
            raise CommandError(f'"{item}" is not an IP address') from None
        for length, networks in self._networks.items():
            if length <= wanted.prefixlen:
                found = networks.get(wanted.supernet(new_prefix=length))
                if found is not None:
                    yield found


@lru_cache(maxsize=4096)
def parse_network(text: str) -> Network:
    """An address or CIDR of a data group; a route domain (``%0``) is dropped. Raises ValueError."""
    address, slash, length = text.partition("/")
    return ipaddress.ip_network(address.partition("%")[0] + slash + length, strict=False)


def _number(name: str) -> int:
    return int(name) if name.lstrip("-").isdigit() else 0


def _number_text(item: str) -> str:
    try:
        return str(int(item.strip()))
    except ValueError:
        raise CommandError(f'expected integer but got "{item}"') from None


class Groups:
    """The data groups of one TMM, by full path."""

    def __init__(self) -> None:
        self.by_path: dict[str, Group] = {}
        self._steps: deque[Callable[[], object]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._batch = 1

    def apply(self, before: DataGroup | None, after: DataGroup | None, *, backwards: bool, over: float) -> None:
        """Bring one group from ``before`` to ``after`` within about ``over`` seconds; at once if that is 0.

        A new group exists at once, empty; a deleted one goes after its records. ``backwards`` is the order of the
        records.
        """
        if after is not None and (before is None or before.type != after.type):
            self.finish()
            self.by_path[after.path] = Group(after.path, after.type)
            before = None
        old = dict(before.records) if before is not None else {}
        new = dict(after.records) if after is not None else {}
        path = after.path if after is not None else before.path if before is not None else ""
        steps: list[Callable[[], object]] = [self._removal(path, name) for name in old if name not in new]
        steps += [self._replacement(path, name, value) for name, value in new.items() if old.get(name) != value]
        if backwards:
            steps.reverse()
        if after is None:
            steps.append(lambda: self.by_path.pop(path, None))
        self._steps.extend(steps)
        if over <= 0:
            self.finish()
        else:
            self._batch = max(1, round(len(self._steps) * TICK / over))
            self._wait(over / max(1, len(self._steps)))

    @property
    def settled(self) -> bool:
        """Whether nothing is on its way."""
        return not self._steps

    def finish(self) -> None:
        """Deliver everything that is on its way now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._steps:
            self._steps.popleft()()

    def _wait(self, pause: float) -> None:
        if self._timer is None and self._steps:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(pause, TICK), self._step, pause)

    def _step(self, pause: float) -> None:
        self._timer = None
        for _ in range(min(self._batch, len(self._steps))):
            self._steps.popleft()()
        self._wait(pause)

    def _removal(self, path: str, name: str) -> Callable[[], object]:
        return lambda: self.by_path[path].remove(_bytes_text(name))

    def _replacement(self, path: str, name: str, value: str) -> Callable[[], object]:
        return lambda: self.by_path[path].put(_bytes_text(name), _bytes_text(value))


def _bytes_text(text: str) -> str:
    """Configuration text as TMM holds it: UTF-8 bytes, one character each."""
    return text if text.isascii() else text.encode().decode("latin-1")
