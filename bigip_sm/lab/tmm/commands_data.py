"""Data groups: ``class`` and its older relatives.

clouddocs.f5.com, iRules API "class", "matchclass", "findclass". How many arguments a call has was checked when the
rule was loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm.groups import Group
from bigip_sm.lab.tmm.session import Command, CommandError, Result, wire
from bigip_sm.lab.tmm.words import number

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

_FORMS = ("-value", "-name", "-element", "-index")
_BAD_OPTION = 'bad option "%s": must be -all, -index, -element, -list, -name, or -value'


def commands(tmm: Tmm) -> dict[str, Command]:
    """``class``, ``matchclass`` and ``findclass`` for one TMM."""
    operations: dict[str, Callable[..., Result]] = {
        "match": lambda *words: _match(tmm, words),
        "lookup": lambda *words: _lookup(tmm.group(words[-1]), words[-2]),
        "search": lambda *words: _search(tmm, words),
        "exists": lambda name: int(_exists(tmm, name)),
        "size": lambda name: len(tmm.group(name).records),
        "type": lambda name: tmm.group(name).kind,
        "names": lambda *words: tuple(wire(name) for name in _chosen(tmm, words)[1]),
        "get": lambda *words: _get(*_chosen(tmm, words)),
        "element": lambda *words: _element(tmm, words),
    }
    return {
        "class": lambda subcommand, *words: operations[subcommand](*words),
        "matchclass": lambda item, operator, name: _matchclass(tmm.group(name), item, operator),
        "findclass": lambda item, name, separator="": _findclass(tmm.group(name), item, separator),
    }


def _exists(tmm: Tmm, name: str) -> bool:
    groups = tmm.groups.by_path
    return name in groups or tmm.resolve(name, groups) in groups


def _match(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``class match ?options? -- item operator class``: 1 or 0, or with an option what matched."""
    item, operator, name = words[-3:]
    form, every, ended = _options(words[:-3])
    if not ended and item.startswith("-"):
        raise CommandError(_BAD_OPTION % item)
    group = tmm.group(name)
    if operator == "equals" and group.kind == "string" and form in ("", "-value") and not every:
        # What most lookups are, without the detour; the result is the same.
        value = group.records.get(item)
        return wire(value or "") if form else 0 if value is None else 1
    return _result(group, group.matches(item, operator), form, every)


def _search(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``class search ?options? -- class operator item``: like match, with the record on the left of the operator."""
    *leading, name, operator, item = words
    form, every, _ = _options(tuple(leading))
    group = tmm.group(name)
    return _result(group, group.searches(item, operator), form, every)


@lru_cache(maxsize=256)
def _options(words: tuple[str, ...]) -> tuple[str, bool, bool]:
    """(what to return, whether all of it, whether ``--`` was there)."""
    form, every, ended = "", False, False
    for word in words:
        if word == "--":
            ended = True
        elif word == "-all":
            every = True
        elif word in _FORMS:
            form = word
        else:
            raise CommandError(_BAD_OPTION % word)
    return form, every, ended


def _result(group: Group, found: Iterator[str], form: str, every: bool) -> Result:
    if not form:
        return int(next(found, None) is not None)
    if every:
        return tuple(part for name in found for part in _parts(group, name, form))
    first = next(found, None)
    if first is None:
        return b""
    parts = _parts(group, first, form)
    return parts[0] if len(parts) == 1 else parts


def _parts(group: Group, name: str, form: str) -> tuple[bytes, ...]:
    match form:
        case "-value":
            return (wire(group.records[name]),)
        case "-name":
            return (wire(name),)
        case "-index":
            return (b"%d" % group.names().index(name),)
        case _:
            return wire(name), wire(group.records[name])


def _lookup(group: Group, item: str) -> Result:
    return wire(next((group.records[key] for key in group.matches(item, "equals")), ""))


def _chosen(tmm: Tmm, words: tuple[str, ...]) -> tuple[Group, list[str]]:
    """``?-nocase? class ?pattern?``: the data group, and its names that match."""
    nocase = words[0] == "-nocase"
    name, *pattern = words[1:] if nocase else words
    group = tmm.group(name)
    if not pattern:
        return group, group.names()
    matches = [*("string", "match"), *(["-nocase"] if nocase else []), pattern[0]]
    return group, [found for found in group.names() if tmm.interpreter.call(*matches, found)]


def _get(group: Group, names: list[str]) -> Result:
    """Names and values, a list of lists of two."""
    return tuple((wire(name), wire(group.records[name])) for name in names)


def _element(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``class element ?-name|-value? ?--? index class``: the record of that number, from 0; empty beyond the last."""
    *leading, place, name = words
    form, _, _ = _options(tuple(leading))
    group = tmm.group(name)
    names = group.names()
    if number(place) >= len(names):
        return b""
    parts = _parts(group, names[number(place)], form or "-element")
    return parts[0] if len(parts) == 1 else parts


def _matchclass(group: Group, item: str, operator: str) -> Result:
    """The number, from 1, of the first record that matches; 0 if none does."""
    found = next(group.matches(item, operator), None)
    return 0 if found is None else group.names().index(found) + 1


def _findclass(group: Group, item: str, separator: str) -> Result:
    """The record whose name is ``item``; with a separator only its value."""
    found = next(group.matches(item, "equals"), None)
    if found is None:
        return b""
    value = wire(group.records[found])
    return value if separator else wire(found) + (b" " + value if value else b"")
