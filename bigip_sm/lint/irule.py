"""The linter for iRule text: every rule of ``language`` and ``practice`` over one text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bigip_sm.lint import allow, braces, catching, data, dialect, layout, responses, variables
from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.findings import Finding

CHECKS: tuple[Callable[[Context], Iterator[Hit]], ...] = (
    dialect.unreadable,
    braces.braces,
    data.evaluation,
    braces.option_end,
    dialect.newer_tcl,
    dialect.refused,
    layout.plain_text,
    variables.globals_,
    braces.negations,
    variables.unset,
    responses.responses,
    responses.collects,
    catching.catching,
    data.headers,
    data.logs,
    layout.priorities,
    catching.performance,
    catching.comparisons,
    dialect.formats,
    layout.header,
    data.uris,
    dialect.version_gate,
    layout.layout,
)


def lint_irule(text: str, path: str) -> list[Finding]:
    """Every finding in the text of an iRule, in order of lines; their place is ``path:line``. Never raises."""
    context = Context(text.replace("\r\n", "\n"), text)
    hits = [hit for check in CHECKS for hit in check(context)]
    findings = set()
    for rule, position, message in allow.apply(context, hits):
        line, column = context.place(min(position, len(context.text)))
        findings.add(rule.finding(f"{path}:{line}", _printable(message), line, column))
    return sorted(findings, key=lambda found: (found.line, found.column, found.rule, found.message))


def _printable(message: str) -> str:
    """One line of a message that may quote the rule."""
    if message.isprintable():
        return message
    return " ".join("".join(one if one.isprintable() else " " for one in message).split())
