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
    what would be right. ``line`` and ``column`` (from 1) are known in iRules only, else 0.
    """

    rule: str
    level: Level
    where: str
    message: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Rule:
    """A rule: ``title`` says what is wanted, ``why`` what happens otherwise, ``mend`` what to do.

    ``bad`` and ``good`` are an example that breaks the rule, and one that does not; ``notes`` says how far it sees.
    """

    id: str
    level: Level
    title: str
    why: str
    mend: str = ""
    bad: str = ""
    good: str = ""
    notes: str = ""

    def finding(self, where: str, message: str, line: int = 0, column: int = 0) -> Finding:
        """A finding of this rule."""
        return Finding(self.id, self.level, where, message, line, column)


RULES: dict[str, Rule] = {}
"""Every rule by id. The modules that check them register them."""


def register(id: str, level: Level, title: str, why: str, **more: str) -> Rule:
    """Add a rule to the registry and return it; ``more`` are its other texts. Raises ValueError if the id is taken."""
    if id in RULES:
        raise ValueError(f"rule {id} is registered twice")
    RULES[id] = Rule(id, level, title, why, **more)
    return RULES[id]
