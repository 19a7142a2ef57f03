"""Rules about the course of a request: answering it (BSM-R010) and collecting its body (BSM-R011)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.effects import writes
from bigip_sm.lint.flow import Walk, same_way
from bigip_sm.lint.practice import COLLECT, RESPOND
from bigip_sm.lint.tree import Operand, Statement, Unit, Variable, parts
from bigip_sm.tcl.parser import Part, Word

ANSWERS = frozenset({"HTTP::respond", "HTTP::redirect"})
ENDINGS = frozenset({"reject", "drop", "discard", "TCP::close", "HTTP::close"})
STILL_LEGAL = frozenset({"HTTP::has_responded", "HTTP::close", "HTTP::disable", "HTTP::enable", "HTTP::release"})
POINTLESS = ANSWERS | {"HTTP::collect"}

DATA_EVENTS = {
    "HTTP::collect": {
        "HTTP_REQUEST": "HTTP_REQUEST_DATA",
        "HTTP_REQUEST_DATA": "HTTP_REQUEST_DATA",
        "LB_SELECTED": "HTTP_REQUEST_DATA",
        "HTTP_RESPONSE": "HTTP_RESPONSE_DATA",
        "HTTP_RESPONSE_DATA": "HTTP_RESPONSE_DATA",
    },
    "TCP::collect": {"CLIENT_ACCEPTED": "CLIENT_DATA", "SERVER_CONNECTED": "SERVER_DATA"},
    "SSL::collect": {"CLIENTSSL_HANDSHAKE": "CLIENTSSL_DATA", "SERVERSSL_HANDSHAKE": "SERVERSSL_DATA"},
}
"""Command that collects -> event it is used in -> event in which what was collected is there."""

MOST_KEPT = 30
"""Commands that are remembered on a way, so that the work does not grow with the square of the text."""

LARGEST = 33_554_432
"""Bytes that a variable of a rule holds (F5, K6578)."""

_LENGTH = re.compile(r"content-length", re.I)


@dataclass
class _Way:
    """What was done on a way: commands that answered it, that ended it, and that collect."""

    answers: list[Statement] = field(default_factory=list)
    surely: set[Statement] = field(default_factory=set)
    ended: list[Statement] = field(default_factory=list)
    collects: list[Statement] = field(default_factory=list)


class _Course(Walk[_Way]):
    """Follows answers and collects through one unit."""

    def __init__(self, answering: frozenset[str]) -> None:
        self.answering = answering
        self.hits: list[Hit] = []
        self.ends: list[bool] = []

    def copy(self, state: _Way) -> _Way:
        return _Way(list(state.answers), set(state.surely), list(state.ended), list(state.collects))

    def join(self, states: list[_Way]) -> _Way:
        def either(lists: list[list[Statement]]) -> list[Statement]:
            return list(dict.fromkeys(one for found in lists for one in found))[-MOST_KEPT:]

        return _Way(
            either([state.answers for state in states]),
            set.union(*(state.surely for state in states)) if all(state.surely for state in states) else set(),
            either([state.ended for state in states]),
            either([state.collects for state in states]),
        )

    def filtered(self, state: _Way) -> None:
        if not state.surely:
            state.answers, state.ended, state.collects = [], [], []

    def run(self, statement: Statement, state: _Way) -> None:
        name = statement.name
        answer = name in ANSWERS or (name == "call" and statement.literal(0) in self.answering)
        if name.startswith("HTTP::") and name not in STILL_LEGAL:
            self.check(statement, state)
        if answer:
            state.answers.append(statement)
            state.surely.add(statement)
        elif name in ("reject", "drop", "discard"):
            state.ended.append(statement)
        elif name == "HTTP::collect":
            self.collect(statement, state)
        elif name == "HTTP::release":
            state.collects = []
        elif name in ("return", "error"):
            self.ends.append(bool(state.surely))

    def check(self, statement: Statement, state: _Way) -> None:
        answered = _before(state.answers, statement)
        if answered is not None and statement not in state.answers:
            what = f"call {answered.literal(0)}" if answered.name == "call" else answered.name
            message = f"{statement.name} is an error here, because {what} has answered already; return after it"
            self.hits.append((RESPOND, statement.start, message))
            return
        ended = _before(state.ended, statement)
        if ended is not None and statement.name in POINTLESS:
            message = f"{statement.name} comes too late, because {ended.name} has ended the connection; return after it"
            self.hits.append((RESPOND, statement.start, message))

    def collect(self, statement: Statement, state: _Way) -> None:
        if _before(state.collects, statement) is not None:
            message = "a collect is under way already on the way to here; collect once"
            self.hits.append((COLLECT, statement.start, message))
        state.collects.append(statement)


def _before(found: list[Statement], statement: Statement) -> Statement | None:
    """One of ``found`` that was surely run before ``statement``, or after which ``statement`` surely is."""
    place = statement.body.branches()
    for one in found:
        if one is not statement and same_way(place, one.body.branches()):
            return one
    return None


def _answering(context: Context) -> frozenset[str]:
    """Procedures that answer whichever way they take."""
    found: frozenset[str] = frozenset()
    for _ in range(3):
        before = found
        for name, unit in context.tree.procedures().items():
            course = _Course(found)
            last = course.body(unit.body, _Way())
            ends = [*course.ends, *([bool(last.surely)] if last else [])]
            if ends and all(ends):
                found |= {name}
        if found == before:
            break
    return found


def responses(context: Context) -> Iterator[Hit]:
    """BSM-R010."""
    for hits in _courses(context):
        yield from (hit for hit in hits if hit[0] is RESPOND)
    for unit in context.tree.handlers():
        if unit.event.startswith("HTTP_REQUEST"):
            for statement in unit.statements:
                if statement.call == "event disable" and statement.literal(1) == "all":
                    yield from _event_disable(statement)


def _event_disable(statement: Statement) -> Iterator[Hit]:
    siblings = [one.name for body in statement.body.ancestors() for one in body.statements]
    closing = any(
        one.name in ANSWERS and any((word.literal() or "").lower() == "close" for word in one.words)
        for body in statement.body.ancestors()
        for one in body.statements
    )
    if not closing and not ENDINGS & set(siblings):
        message = "event disable all silences all later requests of the connection too"
        yield RESPOND, statement.start, f"{message}; return, and let later rules test HTTP::has_responded"


def _courses(context: Context) -> Iterator[list[Hit]]:
    answering = _answering(context)
    for unit in context.tree.units:
        course = _Course(answering)
        course.body(unit.body, _Way())
        yield course.hits


def collects(context: Context) -> Iterator[Hit]:
    """BSM-R011."""
    for hits in _courses(context):
        yield from (hit for hit in hits if hit[0] is COLLECT)
    events = {unit.event for unit in context.tree.handlers()}
    releases = any(statement.name == "HTTP::release" for statement in context.statements)
    compared = _compared(context)
    for statement in context.statements:
        if statement.name not in DATA_EVENTS:
            continue
        wanted = DATA_EVENTS[statement.name].get(statement.body.unit.event)
        if wanted and wanted not in events:
            yield COLLECT, statement.start, f"nothing takes what is collected here; add: when {wanted}"
        if statement.name == "HTTP::collect":
            yield from _bound(context, statement, compared, releases)
            yield from _again(statement)


def _again(statement: Statement) -> Iterator[Hit]:
    unit = statement.body.unit
    others = {one.name for one in unit.statements if one is not statement}
    if unit.event in ("HTTP_REQUEST_DATA", "HTTP_RESPONSE_DATA") and "HTTP::release" not in others:
        yield COLLECT, statement.start, "what was collected is not released before more is collected"


def _bound(context: Context, statement: Statement, compared: set[str], releases: bool) -> Iterator[Hit]:
    unit = statement.body.unit
    if not statement.arguments:
        if not releases:
            message = "without a length the message waits until HTTP::release, which is nowhere"
            yield COLLECT, statement.start, f"{message}; give a number of bytes"
        elif unit.event.startswith("HTTP_REQUEST"):
            yield COLLECT, statement.start, "nothing bounds what is collected; give a number of bytes"
        return
    word = statement.arguments[0]
    literal = word.literal()
    if literal is not None:
        if literal.isdigit() and int(literal) > LARGEST:
            yield COLLECT, statement.start, f"a variable holds {LARGEST} bytes at most; collect less"
        return
    if not unit.event.startswith("HTTP_REQUEST") or not _is_length(context, word, unit):
        return
    if not compared:
        message = "the client says how much is collected"
        yield COLLECT, statement.start, f"{message}; compare Content-Length with a limit, and refuse with 413 beyond it"
    if not _absence_is_handled(context):
        message = "a chunked request has no Content-Length"
        yield COLLECT, statement.start, f"{message}; test that it exists, and collect a fixed number without it"


def _is_length(context: Context, word: Word, unit: Unit, seen: frozenset[str] = frozenset()) -> bool:
    """Whether the value is the client's Content-Length and nothing else."""
    part = word.parts[0] if len(word.parts) == 1 else None
    if part is None:
        return False
    if part.kind == "script":
        statement = context.values.result(part)
        return statement is not None and _reads_length(statement)
    found = [write for write in context.variables.scopes[unit].writes.get(part.value, ()) if write.how != "unset"]
    if part.kind != "variable" or part.value in seen or len(seen) > 5 or not found:
        return False
    seen |= {part.value}
    return all(
        write.how == "set" and write.source is not None and _is_length(context, write.source, unit, seen)
        for write in found
    )


def _reads_length(operand: Operand) -> bool:
    if isinstance(operand, Variable) or operand.name != "HTTP::header":
        return False
    return bool(_LENGTH.fullmatch(operand.arguments[-1].literal() or "")) if operand.arguments else False


def _compared(context: Context) -> set[str]:
    """Orders by which the rule compares a length with something but 0: ``<``, ``>`` and the like."""
    lengths = {
        write.name
        for statement in context.statements
        for write in writes(statement)
        if write.source is not None and any(_part_reads_length(context, part) for part in parts((write.source,)))
    }
    found = set()
    for statement in context.statements:
        for _, root in statement.expressions:
            stack = [root] if root is not None else []
            while stack:
                node = stack.pop()
                stack += node.children
                zero = any(child.kind == "number" and child.operator == "0" for child in node.children)
                if node.kind == "binary" and node.operator in ("<", ">", "<=", ">=") and not zero:
                    names = [part for child in node.children for part in child.parts]
                    if any(part.value in lengths or _part_reads_length(context, part) for part in names):
                        found.add(node.operator)
    return found


def _part_reads_length(context: Context, part: Part) -> bool:
    statement = context.values.result(part) if part.kind == "script" else None
    return statement is not None and statement.literal(0) != "exists" and _reads_length(statement)


def _absence_is_handled(context: Context) -> bool:
    """Whether the rule looks at whether there is a Content-Length, or at Transfer-Encoding."""
    for statement in context.statements:
        name = (statement.arguments[-1].literal() or "").lower() if statement.arguments else ""
        if statement.name == "HTTP::header" and name == "transfer-encoding":
            return True
        if statement.call in ("HTTP::header exists", "HTTP::header count") and name == "content-length":
            return True
        if statement.name in ("catch", "regexp", "scan") or statement.call in ("string is", "string length"):
            return True
        for _, root in statement.expressions:
            if root is not None and re.search(r'(?:ne|eq|!=|==)\s*(?:""|\{\})', context.text[root.start : root.end]):
                return True
    return False
