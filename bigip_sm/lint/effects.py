"""Which variables a command sets, and from what; and what is known of the values that variables may hold.

Handlers of a rule share their variables (they belong to the connection); a procedure has its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from bigip_sm.lint.tree import Statement, Tree, Unit
from bigip_sm.tcl.parser import Part, Word


@dataclass(frozen=True)
class Write:
    """A variable that gets a value. ``source`` is the word that the value comes from, if one word says it."""

    name: str
    position: int
    statement: Statement
    source: Word | None = None
    how: str = "set"


def arguments_after_options(statement: Statement, first: int = 0, valued: Sequence[str] = ()) -> tuple[Word, ...]:
    """The arguments from ``first`` on, without the options before them; ``valued`` are options that take a value."""
    words = list(statement.arguments[first:])
    while words and (words[0].literal() or "").startswith("-"):
        option = words.pop(0).literal()
        if option == "--":
            break
        if option in valued and words:
            words.pop(0)
    return tuple(words)


def target(word: Word) -> str | None:
    """The name of the variable that a word names, an index left out; ``None`` if it is not literal."""
    name = word.literal()
    if name is None and word.parts and word.parts[0].kind == "text" and "(" in word.parts[0].value:
        name = word.parts[0].value
    return name.partition("(")[0].removeprefix("::") if name is not None else None


def writes(statement: Statement) -> Iterator[Write]:
    """The variables with literal names that a command sets or unsets."""
    for word, source, how in _targets(statement):
        name = target(word)
        if name:
            yield Write(name, word.start, statement, source, how)


def dynamic_targets(statement: Statement) -> Iterator[Word]:
    """Names of variables to set that are not literal; an index of an array may be anything."""
    return (word for word, _, _ in _targets(statement) if target(word) is None)


def _targets(statement: Statement) -> Iterator[tuple[Word, Word | None, str]]:
    words = statement.arguments
    name = statement.name
    if name == "set" and len(words) == 2:
        yield words[0], words[1], "set"
    elif name in ("append", "lappend") and words:
        for source in words[1:] or (None,):
            yield words[0], source, name
    elif name in ("incr", "lset") and words:
        yield words[0], None, name
    elif name == "unset":
        for word in arguments_after_options(statement):
            yield word, None, "unset"
    elif name == "catch":
        yield from ((word, None, "catch") for word in words[1:2])
    elif name == "foreach":
        yield from _foreach(words)
    elif name in ("regexp", "regsub", "scan", "binary", "array", "upvar", "global", "variable", "sharedvar"):
        yield from _by_command(statement)


def _foreach(words: Sequence[Word]) -> Iterator[tuple[Word, Word | None, str]]:
    for names, values in zip(words[:-1:2], words[1:-1:2], strict=False):
        for name in (names.literal() or "").split():
            text = Part("text", names.start, names.start + len(name), name)
            yield Word("bare", names.start, names.end, (text,)), values, "element"


def _by_command(statement: Statement) -> Iterator[tuple[Word, Word | None, str]]:
    name, words = statement.name, statement.arguments
    if name == "regexp":
        rest = arguments_after_options(statement, valued=("-start",))
        yield from ((word, rest[1], "part") for word in rest[2:])
    elif name == "regsub":
        rest = arguments_after_options(statement, valued=("-start",))
        if len(rest) == 4:
            yield rest[3], rest[1], "part"
    elif name == "scan":
        yield from ((word, words[0], "scan") for word in words[2:])
    elif statement.call == "binary scan":
        yield from ((word, words[1], "binary") for word in words[3:])
    elif statement.call == "array set" and len(words) == 3:
        yield words[1], words[2], "set"
    elif name == "upvar":
        level = (statement.literal(0) or "").lstrip("#").isdigit()
        yield from ((word, None, "link") for word in words[1 + level :: 2])
    elif name in ("global", "variable", "sharedvar"):
        yield from ((word, None, "link") for word in words)


@dataclass
class Scope:
    """The variables of the handlers, or of one procedure."""

    units: list[Unit]
    writes: dict[str, list[Write]] = field(default_factory=lambda: defaultdict(list))
    guarded: set[str] = field(default_factory=set)
    dynamic: bool = False


@dataclass
class Variables:
    """Every scope of a rule, and where its procedures are called from."""

    tree: Tree

    @cached_property
    def calls(self) -> dict[str, list[Statement]]:
        """Calls by name of the procedure."""
        found: dict[str, list[Statement]] = defaultdict(list)
        for statement in self.tree.statements():
            if statement.name == "call" and (name := statement.literal(0)):
                found[name].append(statement)
        return found

    @cached_property
    def scopes(self) -> dict[Unit, Scope]:
        """The scope of each unit; all handlers have the same."""
        shared = Scope(self.tree.handlers())
        return {unit: _fill(shared if unit.event else Scope([unit]), unit) for unit in self.tree.units}


def _fill(scope: Scope, unit: Unit) -> Scope:
    for statement in unit.statements:
        for write in writes(statement):
            scope.writes[write.name].append(write)
        if statement.call == "info exists" or statement.name == "array":
            scope.guarded.add((statement.literal(1) or "").partition("(")[0])
        scope.dynamic = scope.dynamic or any(True for _ in dynamic_targets(statement))
        if statement.name in ("uplevel", "eval", "trace", "subst"):
            scope.dynamic = scope.dynamic or any(word.literal() is None for word in statement.arguments)
    scope.dynamic = scope.dynamic or not unit.readable
    return scope
