"""Comments that allow a finding: ``# bigip-sm: allow BSM-R016 because <reason>``.

Such a comment is about the command below it, with all its lines: a handler, if it stands above a handler. At the end
of a line (``;# bigip-sm: allow ...``) it is about that line; ``allow-file`` is about the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.findings import RULES, Rule
from bigip_sm.lint.language import ALLOW, NO_EFFECT

_MARK = re.compile(r"#\s*bigip-sm:\s*(?P<rest>allow.*)", re.DOTALL)
_ALLOW = re.compile(r"(?P<verb>allow|allow-file)\s+(?P<ids>[A-Z0-9,\s-]+?)\s+because\s+(?P<reason>\S.*)", re.DOTALL)
HOW = "write: # bigip-sm: allow BSM-R016 because <reason>"


@dataclass
class Allowance:
    """One comment: the rules it allows in lines ``first`` to ``last``, and those of them that had an effect."""

    position: int
    ids: tuple[str, ...]
    first: int
    last: int
    used: set[str] = field(default_factory=set)

    def covers(self, rule: Rule, line: int) -> bool:
        """Whether a finding is allowed."""
        return rule.id in self.ids and self.first <= line <= self.last


def apply(context: Context, hits: Sequence[Hit]) -> list[Hit]:
    """The findings that are not allowed, and those about the comments themselves."""
    if "bigip-sm:" not in context.text:
        return list(hits)
    left: list[Hit] = []
    allowances = []
    for found in _allowances(context):
        if isinstance(found, Allowance):
            allowances.append(found)
        else:
            left.append(found)
    for hit in hits:
        rule, position, _ = hit
        line = context.place(position)[0]
        covering = [one for one in allowances if one.covers(rule, line)]
        for one in covering:
            one.used.add(rule.id)
        if not covering:
            left.append(hit)
    for one in allowances:
        for identifier in one.ids:
            if identifier not in one.used:
                left.append((NO_EFFECT, one.position, f"nothing here breaks {identifier}; remove the comment"))
    return left


def _allowances(context: Context) -> Iterator[Allowance | Hit]:
    for start, end, following in _comments(context):
        mark = _MARK.match(context.text, start, end)
        if mark is None:
            continue
        found = _ALLOW.match(mark["rest"].strip())
        ids = tuple(re.findall(r"[A-Z0-9-]+", found["ids"])) if found else ()
        unknown = [one for one in ids if one not in RULES or one in (ALLOW.id, NO_EFFECT.id)]
        if found is None or not ids:
            yield ALLOW, start, f"the comment allows nothing, as rules or the reason are missing; {HOW}"
        elif unknown:
            yield ALLOW, start, f"{unknown[0]} is no rule that can be allowed; {HOW}"
        else:
            yield Allowance(start, ids, *_range(context, found["verb"], start, following))


def _range(context: Context, verb: str, start: int, following: tuple[int, int] | None) -> tuple[int, int]:
    line, column = context.place(start)
    if verb == "allow-file":
        return 1, len(context.lines) + 1
    if context.lines[line - 1][: column - 1].strip():
        return line, line
    if following is None:
        return line, line
    return context.place(following[0])[0], context.place(max(following[0], following[1] - 1))[0]


def _comments(context: Context) -> Iterator[tuple[int, int, tuple[int, int] | None]]:
    """Comments with the command that follows each in its script."""
    tree = context.tree
    for body in tree.bodies():
        spans = [(one.start, one.end) for one in body.statements]
        if body is tree.top:
            spans = sorted([(u.start, u.end) for u in tree.units] + [(s.start, s.end) for s in tree.strangers])
        for start, end in body.comments:
            yield start, end, next((span for span in spans if span[0] >= end), None)
    if tree.top is None or (not tree.top.comments and not tree.units):
        for found in re.finditer(r"(?m)^[ \t]*(#.*)$", context.text):
            yield found.start(1), found.end(1), (found.end() + 1, found.end() + 1)
