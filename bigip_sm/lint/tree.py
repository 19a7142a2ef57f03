"""An iRule as a tree: handlers and procedures, the commands in them, and the scripts and expressions in those.

The tree knows which words of a command are scripts and which are expressions; what it cannot read becomes a
``Problem``, and the rest goes on. Places are offsets into the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from bigip_sm.tcl.expr import Node
from bigip_sm.tcl.parser import Part, Word

BodyKind = Literal["unit", "inline", "then", "case", "loop", "catch", "eval", "later", "side"]

CONDITIONAL = ("then", "case")


@dataclass(frozen=True)
class Problem:
    """A place that cannot be read, or only in doubt (``doubt``), and why."""

    position: int
    reason: str
    doubt: bool = False


@dataclass(frozen=True)
class Variable:
    """``$name`` or ``$name(index)``; ``name`` is without the index."""

    name: str
    start: int


@dataclass(eq=False)
class Statement:
    """One command. ``operands`` are the variables it reads and the commands in brackets, in the order of evaluation.

    ``name`` is "" unless it is literal; ``call`` is the name with the first argument if that is literal (``string
    length``). ``bodies`` are its scripts; ``expressions`` its expressions with their trees (``None`` for one that is
    not braced, or cannot be read).
    """

    name: str
    words: tuple[Word, ...]
    start: int
    end: int
    body: Body
    operands: list[Operand] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    expressions: list[tuple[Word, Node | None]] = field(default_factory=list)
    arguments: tuple[Word, ...] = field(init=False)
    call: str = field(init=False)

    def __post_init__(self) -> None:
        """Take apart what every rule asks for."""
        self.arguments = self.words[1:]
        first = self.literal(0)
        self.call = f"{self.name} {first}" if first is not None else self.name

    def literal(self, index: int) -> str | None:
        """The value of an argument (from 0) if it is literal, else ``None``; ``None`` too if it is not there."""
        return self.arguments[index].literal() if index < len(self.arguments) else None

    @property
    def nested(self) -> Iterator[Statement]:
        """Commands in brackets among the operands."""
        return (operand for operand in self.operands if isinstance(operand, Statement))


Operand = Variable | Statement


@dataclass(eq=False)
class Body:
    """A script: a handler, a branch, the inside of brackets. ``condition`` is what is evaluated to get there."""

    kind: BodyKind
    start: int
    end: int
    unit: Unit
    owner: Statement | None = None
    statements: list[Statement] = field(default_factory=list)
    comments: tuple[tuple[int, int], ...] = ()
    joints: tuple[tuple[int, str], ...] = ()
    condition: list[Operand] = field(default_factory=list)
    test: Node | None = None
    default: bool = False

    def ancestors(self) -> Iterator[Body]:
        """This body and those around it, from the inside."""
        body: Body | None = self
        while body is not None:
            yield body
            body = body.owner.body if body.owner else None

    def branches(self) -> tuple[Body, ...]:
        """The conditional bodies around a place in this body, from the outside."""
        return tuple(reversed([body for body in self.ancestors() if body.kind in CONDITIONAL]))


@dataclass(eq=False)
class Unit:
    """A handler (``event`` is set) or a procedure (``procedure`` is). ``readable`` is false if part of it is not.

    ``priority`` says whether a handler states its priority, ``level`` is what it is (500 without).
    """

    start: int
    end: int
    event: str = ""
    procedure: str = ""
    parameters: tuple[str, ...] = ()
    priority: bool = False
    level: int = 500
    readable: bool = True
    body: Body = field(init=False)

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """Every command, those in conditions and brackets before the command they stand in."""
        return tuple(walk(self.body))


@dataclass(eq=False)
class Tree:
    """A whole rule. ``strangers`` are commands at the top level that are neither handlers nor procedures.

    ``comments`` and ``patterns`` are the places of comments that Tcl does not take for comments: at the end of a
    command, and between the patterns of a switch.
    """

    text: str
    units: list[Unit] = field(default_factory=list)
    strangers: list[Statement] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    comments: list[int] = field(default_factory=list)
    patterns: list[int] = field(default_factory=list)
    top: Body | None = None

    def handlers(self) -> list[Unit]:
        """The units that are handlers."""
        return [unit for unit in self.units if unit.event]

    def procedures(self) -> dict[str, Unit]:
        """The units that are procedures, by name."""
        return {unit.procedure: unit for unit in self.units if unit.procedure}

    def statements(self) -> Iterator[Statement]:
        """Every command of every unit."""
        for unit in self.units:
            yield from unit.statements

    def bodies(self) -> Iterator[Body]:
        """Every script, the top level first."""
        if self.top is not None:
            yield self.top
        for unit in self.units:
            yield from _bodies(unit.body)


def walk(body: Body) -> Iterator[Statement]:
    """Every command in a body, nested ones included."""
    for operand in body.condition:
        if isinstance(operand, Statement):
            yield from _walk(operand)
    for statement in body.statements:
        yield from _walk(statement)


def _walk(statement: Statement) -> Iterator[Statement]:
    for operand in statement.nested:
        yield from _walk(operand)
    yield statement
    for body in statement.bodies:
        yield from walk(body)


def _bodies(body: Body) -> Iterator[Body]:
    yield body
    seen = {body}
    for statement in walk(body):
        for inner in (*statement.bodies, statement.body):
            if inner not in seen:
                seen.add(inner)
                yield inner


def parts(words: tuple[Word, ...]) -> Iterator[Part]:
    """The parts of the words that are substituted."""
    for word in words:
        if word.form != "brace":
            yield from word.parts
