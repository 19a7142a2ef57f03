"""Rules about variables: globals and static:: names (BSM-R007), and variables without a value (BSM-R009)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.effects import Scope, Write, target, writes
from bigip_sm.lint.flow import Walk, on_every_way
from bigip_sm.lint.practice import GLOBAL, UNSET
from bigip_sm.lint.tree import Body, Statement, Unit, Variable, parts
from bigip_sm.tcl.forms import names

WRITERS = frozenset({"set", "incr", "append", "lappend", "unset", "array", "lset"})

GENERIC = names(
    """conf config count counter data debug dbg enable enabled flag host hosts id key length limit list log
    logging loglevel max mode name path pool prefix rate secret size state status table test threshold timeout
    title trace ttl url value version window"""
)
"""Words that any rule might choose as a name."""

ONCE = frozenset({"RULE_INIT", "FLOW_INIT", "CLIENT_ACCEPTED", "CLIENT_CLOSED"})
RESPONSE = ("HTTP_RESPONSE", "HTTP_RESPONSE_DATA", "HTTP_RESPONSE_RELEASE", "LB_FAILED", "HTTP_REQUEST_SEND")
ANSWERS = frozenset({"HTTP::respond", "HTTP::redirect", "reject", "drop", "discard", "call", "event", "TCP::close"})


def globals_(context: Context) -> Iterator[Hit]:
    """BSM-R007."""
    for statement in context.tree.statements():
        yield from _reads(statement)
        yield from _global_writes(statement)
        yield from _static_writes(statement)


def _reads(statement: Statement) -> Iterator[Hit]:
    for part in parts(statement.words):
        if part.kind == "variable" and part.value.startswith("::") and not part.value.startswith("::static::"):
            yield GLOBAL, part.start, f"${part.value} is a global variable; use a local or a static:: variable"
    for operand in _conditions(statement):
        if operand.name.startswith("::") and not operand.name.startswith("::static::"):
            yield GLOBAL, operand.start, f"${operand.name} is a global variable; use a local or a static:: variable"
    if statement.name == "global":
        yield GLOBAL, statement.start, "global makes a global variable visible; pass its value instead"


def _conditions(statement: Statement) -> Iterator[Variable]:
    for body in statement.bodies:
        yield from (operand for operand in body.condition if isinstance(operand, Variable))
    if statement.name == "expr":
        yield from (operand for operand in statement.operands if isinstance(operand, Variable))


def _global_writes(statement: Statement) -> Iterator[Hit]:
    if statement.name not in WRITERS:
        return
    for word in statement.arguments[statement.name == "array" :][: None if statement.name == "unset" else 1]:
        name = word.parts[0].value if word.parts and word.parts[0].kind == "text" else ""
        if name.startswith("::") and not name.startswith("::static::"):
            yield GLOBAL, word.start, f"{name} is a global variable; use a local or a static:: variable"
            return
    if statement.body.unit.event == "RULE_INIT":
        for write in writes(statement):
            if "::" not in write.name and write.how in ("set", "append", "lappend", "incr", "lset"):
                message = f"{write.name} is a global variable when it is set in RULE_INIT; name it static::..."
                yield GLOBAL, write.position, message


def _static_writes(statement: Statement) -> Iterator[Hit]:
    unit = statement.body.unit
    for write in writes(statement):
        if not write.name.startswith("static::"):
            continue
        name = write.name.removeprefix("static::")
        if unit.event and unit.event != "RULE_INIT":
            message = f"static::{name} changes on this TMM only; set static:: variables in RULE_INIT, or use table"
            yield GLOBAL, write.position, message
        elif name.lower() in GENERIC:
            message = f"static::{name} is one name for the whole device; begin it with a name of your own"
            yield GLOBAL, write.position, message


@dataclass
class _Known:
    """Variables that surely, and that possibly, have a value."""

    surely: set[str] = field(default_factory=set)
    possibly: set[str] = field(default_factory=set)


class _Assignments(Walk[_Known]):
    """Finds reads of variables that cannot have a value, or have none if a branch was not taken."""

    def __init__(self, unit: Unit, scope: Scope, elsewhere: set[str], own: dict[str, list[Write]]) -> None:
        self.scope = scope
        self.unit = unit
        self.elsewhere = elsewhere
        self.own = own
        self.found: list[tuple[int, str, str]] = []
        self.reported: set[str] = set()

    def copy(self, state: _Known) -> _Known:
        return _Known(set(state.surely), set(state.possibly))

    def join(self, states: list[_Known]) -> _Known:
        surely = set.intersection(*(state.surely for state in states))
        return _Known(surely, set().union(*(state.possibly for state in states)))

    def filtered(self, state: _Known) -> None:
        state.surely |= state.possibly

    def read(self, variable: Variable, body: Body, state: _Known) -> None:
        if not variable.name.startswith("::"):
            self.use(variable.name, variable.start, body, state)

    def run(self, statement: Statement, state: _Known) -> None:
        name = target(statement.words[1]) if len(statement.words) > 1 else None
        if name and not (statement.literal(0) or "").startswith("::"):
            if statement.name == "set" and len(statement.words) == 2:
                self.use(name, statement.start, statement.body, state)
            elif statement.name in ("incr", "lset"):
                self.use(name, statement.start, statement.body, state, f"{statement.name} of")
        found = list(writes(statement))
        if statement.name == "call":
            names = {word.literal() or "" for word in statement.arguments[1:]}
            state.surely |= names
            state.possibly |= names
        if not any(body.kind != "later" for body in statement.bodies) or statement.name == "foreach":
            self.assign(found, state)

    def after(self, statement: Statement, state: _Known) -> None:
        self.assign(list(writes(statement)), state)

    def assign(self, found: list[Write], state: _Known) -> None:
        for write in found:
            if write.how == "unset":
                # Unset on one way, and perhaps set again on others: not followed.
                continue
            state.surely.add(write.name)
            state.possibly.add(write.name)

    def use(self, name: str, position: int, body: Body, state: _Known, verb: str = "") -> None:
        if "::" in name or name in state.surely or name in self.elsewhere or name in self.scope.guarded:
            return
        if name in self.reported or _inside(body, "catch") or _inside(body, "later"):
            return
        what = f"{verb} {name}".strip() if verb else f"${name}"
        before = name in state.possibly
        own = self.own.get(name, [])
        # A handler that runs again, and a loop, may find what they have set further down the last time.
        again = bool(own) and ((self.unit.event not in ONCE and bool(self.unit.event)) or _inside(body, "loop"))
        place = body.branches()
        if (before or again) and not all(on_every_way(place, one.statement.body.branches()) for one in own):
            return
        self.reported.add(name)
        reason = "nothing sets it before" if name in self.scope.writes else "nothing in this rule sets it"
        fix = "only some ways to here set it; set it before they part" if before else f"{reason}; set it first"
        self.found.append((position, name, f"{what}: {fix}"))


def _inside(body: Body, kind: str) -> bool:
    return any(one.kind == kind for one in body.ancestors())


def unset(context: Context) -> Iterator[Hit]:
    """BSM-R009."""
    for unit in context.tree.units:
        scope = context.variables.scopes[unit]
        if scope.dynamic:
            continue
        own: dict[str, list[Write]] = {}
        elsewhere = set(unit.parameters)
        for name, found in scope.writes.items():
            sets = [write for write in found if write.how != "unset"]
            own[name] = [write for write in sets if write.statement.body.unit is unit]
            others = {write.statement.body.unit.event for write in sets} - {unit.event}
            if any(_may_precede(event, unit.event) for event in others):
                elsewhere.add(name)
        walk = _Assignments(unit, scope, elsewhere, own)
        walk.body(unit.body, _Known())
        yield from ((UNSET, position, message) for position, _, message in walk.found)
    yield from _stale(context)


def _may_precede(event: str, other: str) -> bool:
    """Whether a handler of ``event`` may have run, on the same connection, before one of ``other``."""
    if event == "CLIENT_CLOSED":
        return False
    return other != "CLIENT_ACCEPTED" or event in ("FLOW_INIT", "CLIENTSSL_CLIENTHELLO")


def _stale(context: Context) -> Iterator[Hit]:
    """Variables that only some requests set, read where the response is handled: the next request inherits them."""
    requests = {unit.event: unit for unit in context.tree.handlers()}
    request = requests.get("HTTP_REQUEST")
    if request is None:
        return
    scope = context.variables.scopes[request]
    if scope.dynamic:
        return
    surely, asked = _at_end(request), _asked(request)
    readers = {event: _readers(requests[event]) for event in RESPONSE if event in requests}
    for name, found in sorted(scope.writes.items()):
        events = {write.statement.body.unit.event for write in found}
        if events - {"HTTP_REQUEST", "HTTP_REQUEST_DATA"} or "HTTP_REQUEST" not in events or "::" in name:
            continue
        if name in surely or name in asked or any(write.how != "set" for write in found):
            continue
        for event in RESPONSE:
            if name in readers.get(event, {}):
                message = f"${name} is set by some requests only, so that others on the connection find an old value"
                yield UNSET, readers[event][name], f"{message}; set it at the beginning of HTTP_REQUEST"
                break


class _AtEnd(_Assignments):
    """What every way to the end of a handler has set; ways that answer the client do not count."""

    def __init__(self, unit: Unit, scope: Scope) -> None:
        super().__init__(unit, scope, set(), {})
        self.ends: list[set[str]] = []

    def run(self, statement: Statement, state: _Known) -> None:
        super().run(statement, state)
        if statement.name in ANSWERS:
            state.surely.add("")
        if statement.name in ("return", "error") and not _inside(statement.body, "inline"):
            self.ends.append(set(state.surely))

    def use(self, name: str, position: int, body: Body, state: _Known, verb: str = "") -> None:
        pass

    def filtered(self, state: _Known) -> None:
        pass


def _at_end(unit: Unit) -> set[str]:
    walk = _AtEnd(unit, Scope([unit]))
    last = walk.body(unit.body, _Known())
    ends = [*walk.ends, *([last.surely] if last else [])]
    counted = [end for end in ends if "" not in end]
    return set.intersection(*counted) if counted else {name for end in ends for name in end}


def _asked(unit: Unit) -> set[str]:
    """The variables of which a handler asks whether they exist."""
    return {one.literal(1) or "" for one in unit.statements if one.call == "info exists"}


def _readers(unit: Unit) -> dict[str, int]:
    """Variables that a handler reads under no condition but one on that variable itself, and where."""
    found: dict[str, int] = {}
    for statement in unit.statements:
        operands = [*statement.operands, *(one for body in statement.bodies for one in body.condition)]
        read = [(one.name, one.start) for one in operands if isinstance(one, Variable)]
        if statement.call == "info exists":
            read.append((statement.literal(1) or "", statement.start))
        branches = statement.body.branches() if read else ()
        for name, position in read:
            if name not in found and all(_only_on(body, name) for body in branches):
                found[name] = position
    return found


def _only_on(body: Body, name: str) -> bool:
    for operand in body.condition:
        if isinstance(operand, Variable) and operand.name != name:
            return False
        if isinstance(operand, Statement) and not (operand.call == "info exists" and operand.literal(1) == name):
            return False
    return bool(body.condition) and body.owner is not None and body is body.owner.bodies[0]
