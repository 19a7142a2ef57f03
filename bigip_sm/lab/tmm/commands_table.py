"""``table`` and ``after``: the session table, and time.

clouddocs.f5.com, iRules API "table" and "after". The Tcl procedures of these names (``scripts.py``) suspend the rule
where TMM does, and call what is here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm import tables
from bigip_sm.lab.tmm.session import Command, CommandError, Deferred, Result, wire
from bigip_sm.lab.tmm.tables import Tables
from bigip_sm.lab.tmm.words import integer, latin, options

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

_OPTIONS = {"-notouch": 0, "-subtable": 1, "-mustexist": 0, "-excl": 0, "-remaining": 0, "-count": 0, "-all": 0}
_INDEFINITE = ("indefinite", "indef")
MAX_DELAY = 24 * 3600 * 1000
"""Milliseconds; ``after`` takes no more."""


def internals(tmm: Tmm) -> dict[str, Command]:
    """What the procedures ``table`` and ``after`` call."""
    numbers = itertools.count(1)
    return {
        "::tmm::away": lambda *words: int(_away(tmm, words)),
        "::tmm::table": lambda *words: _table(tmm.world.tables, words),
        "::tmm::delay": lambda text: f"{_milliseconds(text) / 1000:.3f}",
        "::tmm::after": lambda *words: _after(tmm, words, numbers),
        "::tmm::due": lambda: tmm.deferred.rule,
        "::tmm::script": lambda: tmm.deferred.script,
    }


def _away(tmm: Tmm, words: tuple[str, ...]) -> bool:
    """Whether another TMM holds what a ``table`` command is about."""
    count = tmm.world.tmms
    if count == 1:
        return False
    given, rest = options(words[1:], _OPTIONS, f"table {words[0]}")
    name = given.get("-subtable") or (rest[0] if rest else "")
    return tables.owner(name, count) != tmm.index


def _table(store: Tables, words: tuple[str, ...]) -> Result:
    given, rest = options(words[1:], _OPTIONS, f"table {words[0]}")
    operation = _OPERATIONS[words[0]]
    subtable = given.get("-subtable")
    return operation(_Call(store, given, None if subtable is None else latin(subtable)), *map(latin, rest))


class _Call:
    """One ``table`` command: where, with which options."""

    def __init__(self, store: Tables, given: dict[str, str], subtable: str | None) -> None:
        self.store = store
        self.given = given
        self.subtable = subtable
        self.touch = "-notouch" not in given


def _set(call: _Call, key: str, value: str, timeout: str | None = None, lifetime: str | None = None) -> Result:
    """The value afterwards; ``-excl`` is ``add``, ``-mustexist`` is ``replace``."""
    known = call.store.lookup(call.subtable, key, touch=False)
    if "-excl" in call.given and known is not None:
        return wire(known)
    if "-mustexist" in call.given and known is None:
        return b""
    idle = tables.DEFAULT_TIMEOUT if timeout is None else _seconds(timeout)
    life = math.inf if lifetime is None else _seconds(lifetime)
    call.store.set(call.subtable, key, value, idle, life, touch=call.touch)
    return wire(value)


def _implying(option: str) -> Callable[..., Result]:
    def operation(call: _Call, *words: str) -> Result:
        call.given[option] = ""
        return _set(call, *words)

    return operation


def _lookup(call: _Call, key: str) -> Result:
    return wire(call.store.lookup(call.subtable, key, touch=call.touch) or "")


def _incr(call: _Call, key: str, by: str = "1") -> Result:
    if "-mustexist" in call.given and call.store.lookup(call.subtable, key, touch=False) is None:
        return b""
    return call.store.increment(call.subtable, key, integer(by), touch=call.touch)


def _append(call: _Call, key: str, text: str) -> Result:
    if "-mustexist" in call.given and call.store.lookup(call.subtable, key, touch=False) is None:
        return b""
    return wire(call.store.append(call.subtable, key, text, touch=call.touch))


def _delete(call: _Call, key: str | None = None) -> Result:
    if key is not None:
        call.store.delete(call.subtable, key)
    elif "-all" in call.given and call.subtable is not None:
        call.store.delete_all(call.subtable)
    else:
        raise CommandError("wrong # args: table delete ?-subtable name? key | -all -subtable name")
    return b""


def _keys(call: _Call) -> Result:
    if call.subtable is None:
        raise CommandError("wrong # args: table keys -subtable name ?-count|-notouch?")
    found = call.store.keys(call.subtable, touch=call.touch and "-count" not in call.given)
    return len(found) if "-count" in call.given else tuple(wire(key) for key in found)


def _times(place: int) -> Callable[..., Result]:
    """``table timeout`` (0) and ``table lifetime`` (1): read or set; -1 without an entry."""

    def operation(call: _Call, key: str, value: str | None = None) -> Result:
        if value is not None:
            change = (call.store.set_timeout, call.store.set_lifetime)[place]
            change(call.subtable, key, _seconds(value))
        times = call.store.times(call.subtable, key)
        if times is None:
            return -1
        seconds = times[place][1 if "-remaining" in call.given else 0]
        return _INDEFINITE[0] if math.isinf(seconds) else math.ceil(seconds)

    return operation


_OPERATIONS: dict[str, Callable[..., Result]] = {
    "set": _set,
    "add": _implying("-excl"),
    "replace": _implying("-mustexist"),
    "lookup": _lookup,
    "incr": _incr,
    "append": _append,
    "delete": _delete,
    "timeout": _times(0),
    "lifetime": _times(1),
    "keys": _keys,
}


TABLE_SUBCOMMANDS = frozenset(_OPERATIONS)


def _seconds(text: str) -> float:
    if text in _INDEFINITE:
        return math.inf
    value = integer(text)
    if value < 0:
        raise CommandError(f'bad time "{text}": must be indefinite or a number of seconds')
    return float(value)


def _milliseconds(text: str) -> int:
    value = integer(text)
    if not 0 <= value <= MAX_DELAY:
        raise CommandError(f'bad delay "{text}": the lab takes 0 to {MAX_DELAY} milliseconds')
    return value


def _after(tmm: Tmm, words: tuple[str, ...], numbers: itertools.count[int]) -> Result:
    """``after ms ?-periodic? script``, ``after cancel id ?id ...?``, ``after info ?id?``."""
    timers = tmm.session.timers
    match words:
        case ("cancel", *names):
            for name in names:
                timers.pop(name, None)
            return b""
        case ("info",):
            return tuple(name.encode() for name in timers)
        case ("info", name):
            if name not in timers:
                raise CommandError(f'event "{name}" doesn\'t exist')
            return wire(timers[name].script)
        case (delay, script):
            periodic = False
        case (delay, "-periodic", script):
            periodic = True
        case _:
            raise CommandError("wrong # args: after ms ?-periodic? ?script?")
    milliseconds = _milliseconds(delay)
    if periodic and not milliseconds:
        raise CommandError("after 0 -periodic would never end")
    name = f"after#{next(numbers)}"
    rule = str(tmm.interpreter.call("set", "::tmm::rule"))
    timers[name] = Deferred(script, milliseconds / 1000, periodic, tmm.event, rule)
    return name
