"""Rules that need all iRules of a virtual server: what one of them does to those that run after it (BSM-R010)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bigip_sm.lint import pem
from bigip_sm.lint.context import Context
from bigip_sm.lint.declaration import Item, items
from bigip_sm.lint.findings import Finding
from bigip_sm.lint.practice import RESPOND
from bigip_sm.lint.responses import ANSWERS, STILL_LEGAL
from bigip_sm.lint.tree import Statement, Unit


def lint_services(declaration: Mapping[str, Any]) -> list[Finding]:
    """Rules of a declaration of class ADC that touch a request which an earlier rule of the service may have answered.

    Only the rules that the declaration itself holds are seen. ``where`` is the JSON pointer of the rule and a line.
    """
    found = list(items(declaration))
    rules = {item.path: item for item in found if item.kind == "iRule"}
    contexts: dict[str, Context] = {}
    findings: set[Finding] = set()
    for item in found:
        if item.kind.startswith("Service_"):
            handlers = [_handler(path, rules, contexts) for path in _attached(item, rules)]
            ordered = sorted((one for one in handlers if one is not None), key=lambda one: one[1].level)
            findings.update(_touched(ordered, contexts))
    return sorted(findings)


def _attached(service: Item, rules: Mapping[str, Item]) -> Iterator[str]:
    """Paths of the rules of a service, in the order of its list; names are looked up as AS3 does."""
    listed = service.properties.get("iRules")
    _, tenant, application, _ = service.path.split("/", 3)
    for one in listed if isinstance(listed, list) else ():
        name = one.get("use") if isinstance(one, Mapping) else one
        if isinstance(name, str):
            near = (f"/{tenant}/{application}/{name}", f"/{tenant}/{name}", name)
            yield from [path for path in near if path in rules][:1]


def _handler(path: str, rules: Mapping[str, Item], contexts: dict[str, Context]) -> tuple[str, Unit] | None:
    """The HTTP_REQUEST handler of a rule."""
    if path not in contexts:
        text = (pem.plain_text(rules[path].properties.get("iRule")) or "").replace("\r\n", "\n")
        contexts[path] = Context(text, text)
    return next(((path, unit) for unit in contexts[path].tree.handlers() if unit.event == "HTTP_REQUEST"), None)


def _touched(ordered: Sequence[tuple[str, Unit]], contexts: Mapping[str, Context]) -> Iterator[Finding]:
    answering = ""
    for path, unit in ordered:
        place = _unguarded(unit)
        if answering and place is not None:
            line, column = contexts[path].place(place.start)
            message = f"{answering} may have answered already, so that {place.name} is an error"
            fix = "begin the handler with: if { [HTTP::has_responded] } { return }"
            yield RESPOND.finding(f"{path}:{line}", f"{message}; {fix}", 0, column)
        if not answering and _answers(unit):
            answering = path


def _answers(unit: Unit) -> bool:
    """Whether the handler answers, and lets later handlers run all the same."""
    names = {statement.name for statement in unit.statements}
    return bool(ANSWERS & names) and "event" not in names


def _unguarded(unit: Unit) -> Statement | None:
    """The first command on HTTP of a handler that does not ask whether the request was answered, and is always run."""
    if any(statement.name == "HTTP::has_responded" for statement in unit.statements):
        return None
    for statement in unit.statements:
        if statement.name == "return":
            return None
        if statement.name.startswith("HTTP::") and statement.name not in STILL_LEGAL and not statement.body.branches():
            return None if any(body.kind == "catch" for body in statement.body.ancestors()) else statement
    return None
