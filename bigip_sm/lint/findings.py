"""Findings, and the registry of the rules that make them.

Level ``error``: it is refused, dropped or rewritten, or it gives away a secret. Level ``warning``: it works, but not as
one would want. Ids never change their meaning and are never used again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Finding:
    """One place that breaks a rule.

    ``where`` is a JSON pointer into the declaration, or ``path:line`` of an iRule; ``message`` says what is wrong and
    what would be right.
    """

    rule: str
    level: Level
    where: str
    message: str


@dataclass(frozen=True)
class Rule:
    """A rule: ``title`` says what is wanted, ``why`` what happens otherwise."""

    id: str
    level: Level
    title: str
    why: str

    def finding(self, where: str, message: str) -> Finding:
        """A finding of this rule."""
        return Finding(self.id, self.level, where, message)


RULES: dict[str, Rule] = {}
"""Every rule by id. The modules that check them register them."""


def register(id: str, level: Level, title: str, why: str) -> Rule:
    """Add a rule to the registry and return it. Raises ValueError if the id is taken."""
    if id in RULES:
        raise ValueError(f"rule {id} is registered twice")
    RULES[id] = Rule(id, level, title, why)
    return RULES[id]
