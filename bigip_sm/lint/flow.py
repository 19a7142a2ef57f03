"""What is true at each command on the ways that lead to it: a walk over the branches of a unit.

A loop is taken to run, and the script of ``catch`` to come to its end: what a rule does next relies on it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from bigip_sm.lint.tree import Body, Operand, Statement, Variable

S = TypeVar("S")

ENDS = frozenset({"return", "error", "break", "continue"})


class Walk(Generic[S]):
    """Override what matters. A state belongs to one way; ``copy`` is called where ways part."""

    def copy(self, state: S) -> S:
        """An independent state."""
        raise NotImplementedError

    def join(self, states: list[S]) -> S:
        """What is true whichever way was taken; there is at least one."""
        raise NotImplementedError

    def filtered(self, state: S) -> None:
        """A branch has left the unit: the ways that go on may know more than their state says."""

    def read(self, variable: Variable, body: Body, state: S) -> None:
        """A variable is read."""

    def enter(self, body: Body, state: S) -> None:
        """A branch or a loop begins."""

    def run(self, statement: Statement, state: S) -> None:
        """A command runs; its operands have been evaluated, its scripts have not."""

    def after(self, statement: Statement, state: S) -> None:
        """A command with scripts has run."""

    def body(self, body: Body, state: S) -> S | None:
        """Walk a script; ``None`` if no way comes to its end."""
        for statement in body.statements:
            going = self.statement(statement, state)
            if going is None:
                return None
            state = going
        return state

    def operands(self, operands: list[Operand], body: Body, state: S) -> S:
        """Evaluate variables and commands in brackets. A command in brackets never ends the way."""
        for operand in operands:
            if isinstance(operand, Variable):
                self.read(operand, body, state)
            else:
                state = self.statement(operand, state) or state
        return state

    def statement(self, statement: Statement, state: S) -> S | None:
        """Walk one command."""
        state = self.operands(statement.operands, statement.body, state)
        self.run(statement, state)
        if statement.name in ENDS:
            return None
        if not statement.bodies:
            return state
        going = self.branches(statement, state) if statement.name in ("if", "switch") else self.others(statement, state)
        if going is not None:
            self.after(statement, going)
        return going

    def branches(self, statement: Statement, state: S) -> S | None:
        """``if`` and ``switch``: one of several scripts, or none."""
        ends: list[S] = []
        left = False
        for body in statement.bodies:
            state = self.operands(body.condition, statement.body, state)
            before = self.copy(state)
            self.enter(body, before)
            end = self.body(body, before)
            left = left or end is None
            if end is not None:
                ends.append(end)
        if not any(body.default for body in statement.bodies):
            ends.append(state)
        if not ends:
            return None
        joined = self.join(ends)
        if left:
            self.filtered(joined)
        return joined

    def others(self, statement: Statement, state: S) -> S | None:
        """Loops, ``catch`` and the rest: every script runs."""
        for body in statement.bodies:
            state = self.operands(body.condition, statement.body, state)
            before = self.copy(state)
            self.enter(body, before)
            end = self.body(body, before)
            if body.kind == "later":
                continue
            if end is None and body.kind in ("eval", "side"):
                return None
            state = end if end is not None else state
        return state


def same_way(place: tuple[Body, ...], other: tuple[Body, ...]) -> bool:
    """Whether one way may lead through commands below both branches, and surely does if it comes to the deeper one."""
    short = min(len(place), len(other))
    return place[:short] == other[:short]


def on_every_way(place: tuple[Body, ...], other: tuple[Body, ...]) -> bool:
    """Whether a command below the branches ``place`` is reached however one came to ``other``: those contain these."""
    return other[: len(place)] == place
