"""What the rules over iRule text are given: the text, its tree, and what is derived from it once."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from bigip_sm.lint.build import build
from bigip_sm.lint.effects import Variables
from bigip_sm.lint.findings import Rule
from bigip_sm.lint.tree import Statement, Tree
from bigip_sm.lint.values import Values

Hit = tuple[Rule, int, str]
"""A rule, the offset of the place that breaks it, and what is wrong there."""


@dataclass(frozen=True)
class Context:
    """One rule. ``text`` has LF line ends; ``original`` is what was given."""

    text: str
    original: str

    @cached_property
    def tree(self) -> Tree:
        """The rule as a tree."""
        return build(self.text)

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """Every command of every unit."""
        return tuple(self.tree.statements())

    @cached_property
    def variables(self) -> Variables:
        """Who sets which variable."""
        return Variables(self.tree)

    @cached_property
    def values(self) -> Values:
        """What is known of the values of words and variables."""
        return Values(self.variables)

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.split("\n")

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line) + 1)
        return starts[:-1]

    def place(self, position: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        line = bisect_right(self._starts, position)
        return line, position - self._starts[line - 1] + 1

    def offset(self, line: int) -> int:
        """Where a line (from 1) begins."""
        return self._starts[line - 1]
