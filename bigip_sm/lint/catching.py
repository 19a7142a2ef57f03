"""Rules about errors (BSM-R012) and speed (BSM-R016), and comparisons that mislead (BSM-R017)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from bigip_sm.lint.braces import VALUED
from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.effects import arguments_after_options, writes
from bigip_sm.lint.flow import Walk, same_way
from bigip_sm.lint.practice import CATCH, COMPARE, PERFORMANCE
from bigip_sm.lint.tree import Statement, Unit, Variable
from bigip_sm.tcl.expr import Node
from bigip_sm.tcl.forms import names
from bigip_sm.tcl.parser import Word

HOT = names(
    """CLIENT_ACCEPTED CLIENT_DATA SERVER_DATA HTTP_REQUEST HTTP_REQUEST_DATA HTTP_REQUEST_SEND
    HTTP_REQUEST_RELEASE HTTP_RESPONSE HTTP_RESPONSE_DATA HTTP_RESPONSE_RELEASE LB_SELECTED DNS_REQUEST
    DNS_RESPONSE"""
)
CRYPTO = frozenset({"CRYPTO::sign", "CRYPTO::verify", "CRYPTO::encrypt", "CRYPTO::decrypt", "AES::decrypt"})
READS = frozenset({"HTTP::uri", "HTTP::path", "HTTP::host", "HTTP::query", "HTTP::method", "HTTP::username"})
MOST_READS = 4
MOST_FOLLOWED = 5
TRIVIAL_CATCH = frozenset({"unset", "close", "HTTP::release", "ACCESS::restrict_irule_events", "ASM::disable"})
_SPECIAL = re.compile(r"[\\.*+?|()\[\]{}^$]")
_ZEROS = re.compile(r"^%[HIMSdmj]$")
ARITHMETIC = names("+ - * / % < > <= >= << >> & | ^")


# Errors.


def catching(context: Context) -> Iterator[Hit]:
    """BSM-R012."""
    safe = _safe_procedures(context)
    read = _read(context)
    for statement in context.statements:
        if statement.name == "catch":
            yield from _ignored(statement, read)
        elif not _caught(statement, safe) and (what := _may_fail(context, statement)):
            yield CATCH, statement.start, f"{what}, which resets the connection; put it in catch and refuse on an error"


def _safe_procedures(context: Context) -> frozenset[str]:
    """Procedures of which every call is caught."""
    names = {name for name in context.tree.procedures() if context.variables.calls.get(name)}
    for _ in range(len(names) + 1):
        safe = frozenset(names)
        names = {name for name in names if all(_caught(call, safe) for call in context.variables.calls[name])}
        if names == safe:
            break
    return frozenset(names)


def _caught(statement: Statement, safe: frozenset[str]) -> bool:
    inside = any(body.kind == "catch" for body in statement.body.ancestors())
    return inside or statement.body.unit.procedure in safe


def _may_fail(context: Context, statement: Statement) -> str:
    """What may be an error of Tcl that no one can exclude by reading the rule; "" if nothing is."""
    name = statement.name
    unit = statement.body.unit
    if name == "pool" and statement.arguments and _varies(context, statement.arguments[0], unit):
        return "the pool may not exist"
    if name == "class" and statement.literal(0) in ("match", "lookup", "search", "size"):
        words = arguments_after_options(statement, 1)
        group = words[:1] if statement.literal(0) == "search" else words[-1:]
        if group and _varies(context, group[0], unit):
            return "the data group may not exist"
    if name in CRYPTO:
        return f"{name} fails on a key or text that is not as it should be"
    if name == "b64decode" and statement.arguments and context.values.kinds(statement.arguments[0], unit):
        return "b64decode fails on what is not base64"
    if name.startswith("JSON::"):
        return f"{name} fails on what is not as expected"
    if name == "HSL::open" and any(_varies(context, word, unit) for word in statement.arguments):
        return "the pool or publisher may not exist"
    if name == "table" and statement.literal(0) in ("set", "add", "replace", "timeout", "lifetime"):
        rest = arguments_after_options(statement, 1, VALUED["table"])
        times = rest[2 if statement.literal(0) in ("set", "add", "replace") else 1 :]
        if any("wire" in context.values.kinds(word, unit) for word in times):
            return "a timeout from outside may not be a number"
    return ""


def _varies(context: Context, word: Word, unit: Unit, seen: frozenset[str] = frozenset()) -> bool:
    """Whether the name is made while the rule runs: neither literal, nor a variable that only gets literals."""
    if word.form == "brace" or word.literal() is not None:
        return False
    part = word.parts[0]
    if len(word.parts) != 1 or part.kind != "variable" or part.value in seen:
        return True
    if len(seen) > MOST_FOLLOWED:
        return False
    name = part.value.removeprefix("::")
    scopes = {id(scope): scope for scope in context.variables.scopes.values()}.values()
    own = scopes if name.startswith("static::") else [context.variables.scopes[unit]]
    found = [write for scope in own for write in scope.writes.get(name, ()) if write.how != "unset"]
    if not found:
        return not name.startswith("static::")
    return any(
        write.how != "set" or write.source is None or _varies(context, write.source, unit, seen | {part.value})
        for write in found
    )


def _ignored(statement: Statement, read: set[tuple[Unit, str]]) -> Iterator[Hit]:
    """A catch whose outcome nobody looks at, or whose branch for errors is empty."""
    body = statement.bodies[0] if statement.bodies else None
    if body is None:
        return
    if statement.body.kind != "inline":
        used = (statement.body.unit, statement.literal(1) or "") in read
        trivial = all(one.name in TRIVIAL_CATCH for one in body.statements)
        if not used and not trivial:
            yield CATCH, statement.start, "the error is dropped unseen; test the result of catch and act on it"
        return
    owner = statement.body.owner
    if owner is not None and owner.name == "if" and _condition_is(owner, statement) and not owner.bodies[0].statements:
        yield CATCH, statement.start, "nothing is done on an error; refuse, or say in the branch why not"


def _read(context: Context) -> set[tuple[Unit, str]]:
    """The variables that each unit reads."""
    found: set[tuple[Unit, str]] = set()
    for statement in context.statements:
        unit = statement.body.unit
        operands = [*statement.operands, *(one for body in statement.bodies for one in body.condition)]
        found |= {(unit, one.name) for one in operands if isinstance(one, Variable)}
    return found


def _condition_is(owner: Statement, statement: Statement) -> bool:
    """Whether the first condition of ``if`` is the command in brackets alone, perhaps compared with a number."""
    body = owner.bodies[0] if owner.bodies else None
    root = body.test if body is not None else None
    while root is not None and (root.kind == "paren" or root.operator in ("==", "!=", ">")):
        root = root.children[0]
    return root is not None and root.kind == "script" and body is not None and statement in body.condition


# Speed.


def performance(context: Context) -> Iterator[Hit]:
    """BSM-R016."""
    for statement in context.statements:
        if statement.name == "regexp":
            yield from _simple_regexp(statement)
        for _, root in statement.expressions:
            yield from _simple_matches(root)
        if statement.body.unit.event in HOT:
            yield from _slow_in_hot(statement)
    for unit in context.tree.handlers():
        yield from _clocks(unit)
        yield from _repeated(context, unit)


def _simple_regexp(statement: Statement) -> Iterator[Hit]:
    words = arguments_after_options(statement, valued=("-start",))
    options = len(statement.arguments) - len(words)
    plain = all(word.literal() == "--" for word in statement.arguments[:options])
    if len(words) == 2 and plain and words[0].literal() is not None and (better := _simpler(words[0].literal() or "")):
        yield PERFORMANCE, statement.start, f"a regular expression is not needed; {better} is faster"


def _simple_matches(root: Node | None) -> Iterator[Hit]:
    stack = [root] if root is not None else []
    while stack:
        node = stack.pop()
        stack += node.children
        if node.operator == "matches_regex" and node.kind == "binary":
            word = node.children[1].word
            literal = word.literal() if word is not None else None
            if literal and (better := _simpler(literal)):
                yield PERFORMANCE, node.start, f"a regular expression is not needed; {better} is faster"


def _simpler(pattern: str) -> str:
    begins, ends = pattern.startswith("^"), pattern.endswith("$")
    inner = pattern[begins : len(pattern) - ends].replace("\\/", "/").replace("\\.", "")
    if not inner or _SPECIAL.search(inner):
        return ""
    return "eq" if begins and ends else "starts_with" if begins else "ends_with" if ends else "contains"


def _slow_in_hot(statement: Statement) -> Iterator[Hit]:
    name, event = statement.name, statement.body.unit.event
    if statement.call == "table keys":
        yield PERFORMANCE, statement.start, f"table keys walks the whole table on its TMM; not in {event}"
    elif name in ("connect", "recv") and statement.arguments:
        yield PERFORMANCE, statement.start, f"{name} suspends the rule until a side band answers; not in {event}"
    elif name == "after" and statement.literal(0) not in ("cancel", "info"):
        yield PERFORMANCE, statement.start, f"after holds the connection or keeps a timer for each {event}"


def _clocks(unit: Unit) -> Iterator[Hit]:
    found: list[Statement] = []
    for statement in unit.statements:
        if statement.call == "clock seconds":
            place = statement.body.branches()
            if any(same_way(place, one.body.branches()) for one in found):
                message = "the time is read twice, and may differ; set a variable once"
                yield PERFORMANCE, statement.start, message
                return
            found.append(statement)


class _Counting(Walk[dict[str, int]]):
    """The most often that one way reads the same thing."""

    def __init__(self) -> None:
        self.over: dict[str, int] = {}

    def copy(self, state: dict[str, int]) -> dict[str, int]:
        return dict(state)

    def join(self, states: list[dict[str, int]]) -> dict[str, int]:
        most: dict[str, int] = defaultdict(int)
        for state in states:
            for key, count in state.items():
                most[key] = max(most[key], count)
        return dict(most)

    def run(self, statement: Statement, state: dict[str, int]) -> None:
        key = statement.name if statement.name in READS and not statement.arguments else ""
        if key:
            state[key] = state.get(key, 0) + 1
            if state[key] == MOST_READS:
                self.over.setdefault(key, statement.start)


def _repeated(context: Context, unit: Unit) -> Iterator[Hit]:
    counting = _Counting()
    counting.body(unit.body, {})
    setters = {one.name for one in unit.statements if one.name in READS and one.arguments}
    for name, position in sorted(counting.over.items()):
        if name not in setters and not (setters & {"HTTP::uri", "HTTP::path"} and name != "HTTP::method"):
            yield PERFORMANCE, position, f"{name} is read {MOST_READS} times or more on one way; set a variable once"


# Comparisons.


def comparisons(context: Context) -> Iterator[Hit]:
    """BSM-R017."""
    zeros = _with_zeros(context)
    for statement in context.statements:
        for _, root in statement.expressions:
            stack = [root] if root is not None else []
            while stack:
                node = stack.pop()
                stack += node.children
                if node.kind == "binary":
                    yield from _compare(context, statement, node, zeros)


def _compare(context: Context, statement: Statement, node: Node, zeros: set[tuple[int, str]]) -> Iterator[Hit]:
    if node.operator in ("==", "!="):
        for child in node.children:
            literal = child.word.literal() if child.word is not None else None
            if literal is not None and not _is_number(literal):
                better = "eq" if node.operator == "==" else "ne"
                message = f"{node.operator} compares numbers where it can; write {better} for strings"
                yield COMPARE, node.operator_start, message
                return
    if node.operator not in ARITHMETIC and node.operator not in ("==", "!="):
        return
    scope = id(context.variables.scopes[statement.body.unit])
    for child in node.children:
        part = child.parts[0] if child.kind in ("variable", "script") and child.parts else None
        if part is None:
            continue
        made = context.values.result(part) if part.kind == "script" else None
        if (part.kind == "variable" and (scope, part.value) in zeros) or (made is not None and _makes_zeros(made)):
            message = "08 and 09 are no numbers, they read as octal"
            yield COMPARE, child.start, f"{message}; take the value through scan ... %d first"
        elif node.operator in ("+", "-", "*", "/", "%") and made is not None and _is_header(context, made):
            message = "the header may be no number, which is an error"
            yield COMPARE, child.start, f"{message}; test it with string is integer -strict first"


def _is_header(context: Context, statement: Statement) -> bool:
    return statement.name == "HTTP::header" and bool(context.values.statement(statement))


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[-+]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?)\s*", text))


def _makes_zeros(statement: Statement) -> bool:
    words = [word.literal() or "" for word in statement.words]
    return statement.call == "clock format" and any(_ZEROS.match(word) for word in words)


def _with_zeros(context: Context) -> set[tuple[int, str]]:
    """(scope, variable) of variables that only hold numbers with leading zeros."""
    found: set[tuple[int, str]] = set()
    others: set[tuple[int, str]] = set()
    for statement in context.statements:
        scope = id(context.variables.scopes[statement.body.unit])
        for write in writes(statement):
            part = write.source.parts[0] if write.source is not None and len(write.source.parts) == 1 else None
            made = context.values.result(part) if part is not None and part.kind == "script" else None
            is_made = write.how == "set" and made is not None and _makes_zeros(made)
            (found if is_made else others).add((scope, write.name))
    return found - others
