"""Rules about what TMM's Tcl 8.4 has: BSM-R004, BSM-R005, BSM-R018, BSM-R021, and text that is no Tcl (BSM-R000)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bigip_sm.lint import layout
from bigip_sm.lint.braces import VALUED
from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.effects import writes
from bigip_sm.lint.language import FORMATS, REFUSED, TCL84, UNREADABLE, VERSION_GATE
from bigip_sm.lint.text import brace_error
from bigip_sm.lint.tree import Statement, Unit, parts
from bigip_sm.tcl import commands, stock
from bigip_sm.tcl.events import SIDES
from bigip_sm.tcl.expr import Node
from bigip_sm.tcl.parser import Word

_NEWER_OPERATOR = re.compile(r"[\s)\]\"}](in|ni)[\s(\[$\"{]|(\*\*)")
_BINARY_NUMBER = re.compile(r"(?<![\w.])0[bB][01]+\b")
_FUNCTION = re.compile(r'unknown math function "(\w+)"')
_LOOK_BEHIND = re.compile(r"\(\?<[=!]|\(\?P?<[A-Za-z]")
_LONG_LONG = re.compile(r"%[-+ 0#*.\d$]*ll[dioux]")
_UNSIGNED = re.compile(r"[cCsStTiInNwWmM]u")
_TMOS_21 = re.compile(r"(?:TMOS|BIG-?IP|v(?:ersion)?|>=?)[\s:v>=]*2[1-9](?!\d)", re.I)


def unreadable(context: Context) -> Iterator[Hit]:
    """BSM-R000."""
    if brace_error(context.text):
        return
    for problem in context.tree.problems:
        if not problem.doubt and _newer(context, problem.position, problem.reason) is None:
            yield UNREADABLE, problem.position, problem.reason
    for statement in context.tree.strangers:
        text = context.text[statement.start : statement.end].partition("\n")[0][:40]
        yield UNREADABLE, statement.start, f'"{text}" stands outside of every handler; only when and proc may'


def _newer(context: Context, position: int, reason: str) -> str | None:
    """What an unreadable expression has of a newer Tcl."""
    if found := _FUNCTION.search(reason):
        return f"the function {found[1]}()" if found[1] in commands.MATH_LATER else None
    if not reason.startswith("syntax error in expression"):
        return None
    line = context.text[position - 1 if position else 0 :].partition("\n")[0]
    if found := _NEWER_OPERATOR.match(line) or _NEWER_OPERATOR.match(" " + line):
        return f"the operator {found[1] or found[2]}"
    if context.text.startswith("*", position) and context.text[position - 1] == "*":
        return "the operator **"
    if context.text.startswith("#", position):
        return "a comment in an expression"
    around = context.text[max(0, position - 3) : position + 20]
    return "a binary number" if _BINARY_NUMBER.search(around) else None


def newer_tcl(context: Context) -> Iterator[Hit]:
    """BSM-R004."""
    for problem in context.tree.problems:
        if problem.reason.startswith("{*}"):
            yield TCL84, problem.position, "{*} does not expand; use eval on a list of constants, or a loop"
        elif not problem.doubt and (what := _newer(context, problem.position, problem.reason)):
            yield TCL84, problem.position, f"{what} is newer than Tcl 8.4"
        elif problem.doubt and problem.reason.startswith("\\U"):
            yield TCL84, problem.position, "\\U is newer than Tcl 8.4"
    for statement in context.statements:
        yield from _newer_command(statement)
        yield from _newer_words(statement)
        yield from _index_sums(context, statement)


def _newer_command(statement: Statement) -> Iterator[Hit]:
    name, first = statement.name, statement.literal(0)
    if name in commands.LATER:
        yield TCL84, statement.start, f"{name} is newer than Tcl 8.4"
    elif first in commands.LATER_SUBCOMMANDS.get(name, ()):
        yield TCL84, statement.start, f"{name} {first} is newer than Tcl 8.4"
    elif name in commands.LATER_OPTIONS:
        for option in _options(statement):
            if option in commands.LATER_OPTIONS[name]:
                yield TCL84, statement.start, f"{name} {option} is newer than Tcl 8.4"
    elif name == "catch" and len(statement.arguments) > 2:
        yield (
            TCL84,
            statement.arguments[2].start,
            "catch takes a script and one variable; its options came with Tcl 8.5",
        )
    if statement.call == "string is" and statement.literal(1) in ("list", "wideinteger", "entier", "dict"):
        yield TCL84, statement.start, f"string is {statement.literal(1)} is newer than Tcl 8.4"


def _options(statement: Statement) -> list[str]:
    """Literal options among the arguments: before the first value, or anywhere for ``clock``."""
    found = []
    for word in statement.arguments:
        literal = word.literal()
        if literal == "--":
            break
        if literal is not None and literal.startswith("-"):
            found.append(literal)
        elif statement.name != "clock":
            break
    return found


def _newer_words(statement: Statement) -> Iterator[Hit]:
    if statement.name == "binary" and len(statement.arguments) > 1:
        place = 1 if statement.literal(0) == "format" else 2
        if _UNSIGNED.search(statement.literal(place) or ""):
            message = "the flag u of binary is newer than Tcl 8.4; mask with & instead"
            yield TCL84, statement.arguments[place].start, message
    if statement.name in ("regexp", "regsub"):
        pattern = next(_values(statement), "")
        if _LOOK_BEHIND.search(pattern):
            yield TCL84, statement.start, "TMM's regular expressions have neither lookbehind nor named groups"


def _index_sums(context: Context, statement: Statement) -> Iterator[Hit]:
    first = statement.literal(0) or ""
    subcommand = first if (statement.name, first) in stock.INDEXES else ""
    places = stock.INDEXES.get((statement.name, subcommand))
    if places is None:
        return
    for word in statement.arguments[bool(subcommand) :][places]:
        if word.form == "bare" and _is_sum(word):
            text = context.text[word.start : word.end]
            yield TCL84, word.start, f"the index {text} is a sum, which Tcl 8.4 does not have; use expr"


def _is_sum(word: Word) -> bool:
    """Whether a word has the form ``$i+1``, ``1+2``, ``end+1`` or ``1-$i``; ``end-$i`` is fine."""
    last = word.parts[-1]
    if last.kind == "text":
        lead = len(word.parts) > 1
        return bool(re.fullmatch(r"[+-]\d+" if lead else r"end[+]\d+|\d+[+-]\d+", last.value))
    before = word.parts[-2] if len(word.parts) > 1 else None
    return before is not None and before.kind == "text" and bool(re.fullmatch(r"[+-]|\d+[+-]|end[+]", before.value))


def _values(statement: Statement) -> Iterator[str]:
    valued = VALUED.get(statement.name, ())
    words = list(statement.arguments)
    while words and (words[0].literal() or "").startswith("-"):
        option = words.pop(0).literal()
        if option == "--":
            break
        if option in valued and words:
            words.pop(0)
    yield from (word.literal() or "" for word in words[:1])


def refused(context: Context) -> Iterator[Hit]:
    """BSM-R005."""
    procedures = context.tree.procedures()
    # Where }else{ has become words of its own, its remains are no commands: BSM-R006 says so.
    remains = ("else{", "elseif{", "}") if any(True for _ in layout.broken_else(context)) else ()
    yield from _units(context)
    for statement in context.statements:
        name = statement.name
        if not name or name in remains:
            continue
        if name in commands.DISABLED:
            yield REFUSED, statement.start, f'command is disabled: "{name}"'
        elif name in ("proc", "when"):
            yield REFUSED, statement.start, f"{name} is allowed at the top level only"
        elif name in commands.ABSENT:
            yield REFUSED, statement.start, f"TMM has no command {name}"
        elif name in procedures:
            yield REFUSED, statement.start, f"a procedure is called by: call {name}"
        elif name not in commands.LATER and not commands.is_known(name):
            yield REFUSED, statement.start, f"undefined procedure: {name[:60]}"
        elif name == "call":
            yield from _call(statement, procedures)
        else:
            yield from _in_event(statement)
            yield from _arity(statement)


def _units(context: Context) -> Iterator[Hit]:
    events: dict[str, Unit] = {}
    for unit in context.tree.units:
        if not unit.event:
            continue
        if unit.event in events:
            line, _ = context.place(events[unit.event].start)
            yield REFUSED, unit.start, f"{unit.event} has a handler in line {line} already; join them"
        elif unit.event not in SIDES:
            yield REFUSED, unit.start, f"unknown event ({unit.event})"
        events.setdefault(unit.event, unit)


def _call(statement: Statement, procedures: dict[str, Unit]) -> Iterator[Hit]:
    name = statement.literal(0)
    if name and "::" not in name and "/" not in name and name not in procedures:
        yield (
            REFUSED,
            statement.start,
            f"proc {name} not found: it is not in this rule; name its rule, as in rule::{name}",
        )


def _in_event(statement: Statement) -> Iterator[Hit]:
    event = statement.body.unit.event
    if not event or any(body.kind == "side" for body in statement.body.ancestors()):
        return
    if event in commands.NOT_IN.get(statement.name, ()):
        yield REFUSED, statement.start, f"{statement.name} is not valid in current event context ({event})"
    verb, name = statement.literal(0), statement.literal(1)
    if statement.name == "event" and verb in ("disable", "enable") and name in SIDES:
        yield REFUSED, statement.start, f"write the event first: event {name} {verb}"


def _arity(statement: Statement) -> Iterator[Hit]:
    command = stock.STOCK.get(statement.name)
    if command is None or command.subcommands or command.form is None or statement.name == "if":
        return
    form, count = command.form, len(statement.arguments)
    # Options are arguments too, so only what is surely too few or, without options, too many.
    many = form.maximum is not None and not form.options and count > form.maximum
    if (count < form.minimum or many) and not (statement.name == "catch" and count == 3):
        yield REFUSED, statement.start, f"wrong number of arguments for {statement.name}"


def formats(context: Context) -> Iterator[Hit]:
    """BSM-R018."""
    for statement in context.statements:
        if statement.name in ("format", "scan"):
            word = statement.arguments[statement.name == "scan" :][:1]
            template = word[0].literal() if word else None
            if template is not None and (found := _LONG_LONG.search(template)):
                yield FORMATS, statement.start, f"{found[0]} is an error on TMM; %d and %x have 64 bits already"
    yield from _unmasked(context)


_SIGNED = {"c": 1 << 7, "s": 1 << 15, "S": 1 << 15, "i": 1 << 31, "I": 1 << 31}


def _unmasked(context: Context) -> Iterator[Hit]:
    """Numbers that ``binary scan`` read with their sign, used where the sign gives a wrong result."""
    for unit in context.tree.units:
        signed: dict[str, int] = {}
        for statement in unit.statements:
            if statement.call == "binary scan":
                signed.update(_signed(statement))
        if not signed:
            continue
        masked = {write.name for one in unit.statements for write in writes(one) if one.call != "binary scan"}
        for statement in unit.statements:
            yield from _wrong_sign(statement, {name: bound for name, bound in signed.items() if name not in masked})


def _signed(statement: Statement) -> dict[str, int]:
    template = statement.literal(2)
    fields = re.findall(r"([@a-zA-Z])u?(\*|\d*)", template or "")
    names = [word.literal() for word in statement.arguments[3:]]
    taken = [(kind, count) for kind, count in fields if kind not in "@xX"]
    return {
        name: _SIGNED[kind]
        for (kind, count), name in zip(taken, names, strict=False)
        if name and kind in _SIGNED and count in ("", "1")
    }


def _wrong_sign(statement: Statement, signed: dict[str, int]) -> Iterator[Hit]:
    if statement.name == "format" and re.fullmatch(r"%0?\d*[xX]", statement.literal(0) or ""):
        for part in parts(statement.arguments[1:2]):
            if part.kind == "variable" and part.value in signed:
                yield FORMATS, part.start, _unmasked_message(part.value, signed[part.value])
    for _, root in statement.expressions:
        stack = [root] if root is not None else []
        while stack:
            node = stack.pop()
            stack += node.children
            for name in _sign_matters(node, signed):
                yield FORMATS, node.start, _unmasked_message(name, signed[name])


def _sign_matters(node: Node, signed: dict[str, int]) -> Iterator[str]:
    if node.kind != "binary":
        return
    left, right = node.children
    for one, other in ((left, right), (right, left)):
        name = one.parts[0].value if one.kind == "variable" else ""
        if name not in signed:
            continue
        number = other.kind == "number" and re.fullmatch(r"0[xX][0-9a-fA-F]+|[1-9]\d*", other.operator)
        value = int(other.operator, 0) if number else 0
        out_of_reach = node.operator in ("==", "!=") and value >= signed[name]
        if out_of_reach or (node.operator in ("<<", ">>", "|") and one is left):
            yield name


def _unmasked_message(name: str, bound: int) -> str:
    return f"${name} is negative from {bound:#x} on; mask it: [expr {{${name} & {2 * bound - 1:#x}}}]"


def version_gate(context: Context) -> Iterator[Hit]:
    """BSM-R021."""
    newer = [(unit.start, unit.event) for unit in context.tree.units if unit.event.startswith(("JSON_", "SSE_"))] + [
        (one.start, one.name) for one in context.statements if one.name.startswith(("JSON::", "SSE::"))
    ]
    if not newer:
        return
    first = min((unit.start for unit in context.tree.units), default=0)
    if not _TMOS_21.search(context.text[:first]):
        position, what = min(newer)
        message = f"{what} needs TMOS 21 and its profile"
        yield VERSION_GATE, position, f"{message}; say so in the header, as in: # Requires: TMOS 21, json profile"
