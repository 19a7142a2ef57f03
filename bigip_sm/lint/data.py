"""Rules about where values come from: BSM-R002, BSM-R013, BSM-R014, BSM-R020."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bigip_sm.lint.catching import HOT
from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.effects import arguments_after_options, dynamic_targets
from bigip_sm.lint.practice import EVAL, HEADERS, LOG, URI
from bigip_sm.lint.tree import Body, Statement, Unit, Variable, walk
from bigip_sm.tcl.expr import Node
from bigip_sm.tcl.forms import names
from bigip_sm.tcl.parser import Part, Word

REQUEST_EVENTS = names(
    """HTTP_REQUEST HTTP_REQUEST_DATA HTTP_REQUEST_SEND HTTP_REQUEST_RELEASE CLIENTSSL_HANDSHAKE LB_SELECTED"""
)
IDENTITY = re.compile(
    r"""x-amz-.*|authorization|proxy-authorization|remote[-_]user|ssl[-_]client.*|x-ssl[-_]client.*|x-ssl-cert.*
    |x-client-(?:cert|cn|dn|subject|verified|identity).*|client-?cert.*|x-(?:remote|forwarded|auth|authenticated)-user.*
    |x-user(?:-?(?:id|name))?|x-auth-.*|x-authenticated-.*|x-identity|x-principal|x-forwarded-client-cert""".replace(
        "\n    ", ""
    ),
    re.I,
)
REFUSALS = frozenset({"reject", "drop", "discard"})
_JSON_STRING = re.compile(r'"\s*:\s*"$')


# Code out of data.


def evaluation(context: Context) -> Iterator[Hit]:
    """BSM-R002."""
    for statement in context.statements:
        unit = statement.body.unit
        if statement.name in ("eval", "uplevel"):
            yield from _evaluated(context, statement, list(statement.arguments))
        elif statement.name == "after" and len(statement.arguments) > 1:
            yield from _evaluated(context, statement, list(statement.arguments[1:]))
        elif statement.name == "subst":
            yield from _subst(context, statement)
        elif statement.name in ("catch", "foreach", "while", "if", "for", "switch", "expr"):
            yield from _unbraced(context, statement)
        if "wire" in context.values.kinds(statement.words[0], unit):
            yield EVAL, statement.start, "the name of the command comes from outside; choose among literal names"
        for word in dynamic_targets(statement):
            if "wire" in context.values.kinds(word, unit):
                yield EVAL, word.start, "the name of the variable comes from outside; use an element of an array"


def _evaluated(context: Context, statement: Statement, words: list[Word]) -> Iterator[Hit]:
    for word in words:
        parts = [part for part in word.parts if word.form != "brace"]
        for part in parts:
            made = context.values.result(part) if part.kind == "script" else None
            if len(parts) == 1 and len(words) == 1 and made is not None and made.name == "list":
                continue
            if "wire" in context.values.part(part, statement.body.unit):
                yield EVAL, part.start, f"{statement.name} runs data from outside as code; build the command with list"


def _subst(context: Context, statement: Statement) -> Iterator[Hit]:
    options = {word.literal() for word in statement.arguments[:-1]}
    word = statement.arguments[-1] if statement.arguments else None
    if word is None or word.literal() is not None:
        return
    if "wire" in context.values.kinds(word, statement.body.unit):
        if not {"-nocommands", "-novariables"} <= options:
            yield EVAL, statement.start, "subst runs commands in data from outside; use string map for placeholders"
    elif "-nocommands" not in options:
        yield EVAL, statement.start, "subst runs the commands in the text; write subst -nocommands"


def _unbraced(context: Context, statement: Statement) -> Iterator[Hit]:
    for word, node in statement.expressions:
        if node is None and word.form != "brace" and "wire" in context.values.kinds(word, statement.body.unit):
            yield EVAL, word.start, "an expression without braces runs commands in data from outside; put it in braces"
    for word in statement.arguments[:1] if statement.name == "catch" else ():
        if word.form != "brace" and "wire" in context.values.kinds(word, statement.body.unit):
            yield EVAL, word.start, "a script without braces runs commands in data from outside; put it in braces"


# Headers and tokens.


def headers(context: Context) -> Iterator[Hit]:
    """BSM-R013."""
    removed = _removed(context)
    checked = _checked(context)
    for statement in context.statements:
        if statement.call == "HTTP::header insert" and removed is not None:
            yield from _not_removed(context, statement, removed)
        yield from _line_ends(context, statement, checked)
        yield from _tokens(context, statement)


def _removed(context: Context) -> set[str] | None:
    """Names of headers that the rule removes or replaces, in lower case; ``None`` if it may be any."""
    found: set[str] = set()
    for statement in context.statements:
        verb = statement.literal(0)
        if statement.name == "HTTP::header" and verb in ("remove", "replace", "sanitize"):
            names = [word.literal() for word in statement.arguments[1:2]]
            if verb == "sanitize" or None in names:
                return None
            found |= {(name or "").lower() for name in names}
    return found


def _not_removed(context: Context, statement: Statement, removed: set[str]) -> Iterator[Hit]:
    if statement.body.unit.event and statement.body.unit.event not in REQUEST_EVENTS:
        return
    words = [word for word in statement.arguments[1:] if word.literal() != "lws"]
    for word in words[::2]:
        name = word.literal()
        if name and IDENTITY.fullmatch(name) and name.lower() not in removed:
            message = f"the client's own {name} goes on beside this one"
            yield (
                HEADERS,
                word.start,
                f"{message}; first: while {{[HTTP::header exists {name}]}} {{HTTP::header remove {name}}}",
            )


def _checked(context: Context) -> dict[int, set[str]]:
    """Variables of each scope that the rule holds against something before or after."""
    found: dict[int, set[str]] = {}
    for statement in context.statements:
        names = found.setdefault(id(context.variables.scopes[statement.body.unit]), set())
        if statement.name in ("regexp", "regsub", "switch", "class", "scan") or statement.call in (
            "string is",
            "string match",
            "string map",
            "string first",
        ):
            names |= {one.name for one in statement.operands if isinstance(one, Variable)}
        for _, root in statement.expressions:
            names |= set(_compared(root))
    return found


def _compared(root: Node | None) -> Iterator[str]:
    stack = [root] if root is not None else []
    while stack:
        node = stack.pop()
        stack += node.children
        if node.kind == "binary" and node.operator not in ("&&", "||", "and", "or"):
            for child in node.children:
                if child.kind == "variable":
                    yield child.parts[0].value


def _line_ends(context: Context, statement: Statement, checked: dict[int, set[str]]) -> Iterator[Hit]:
    unit = statement.body.unit
    names = checked.get(id(context.variables.scopes[unit]), set())
    for word in _header_values(statement):
        for part in word.parts if word.form != "brace" else ():
            if part.kind == "variable" and part.value in names:
                continue
            if "decoded" in context.values.part(part, unit):
                message = "a decoded value may hold line ends, which begin a header of the client's making"
                yield HEADERS, part.start, f"{message}; check it with regexp or string map first"


def _header_values(statement: Statement) -> tuple[Word, ...]:
    words = statement.arguments
    if statement.name == "HTTP::redirect":
        return words
    if statement.call in ("HTTP::header insert", "HTTP::header replace", "HTTP::cookie insert"):
        return words[1:]
    if statement.name == "HTTP::respond":
        rest = list(words[1:])
        while rest and rest[0].literal() in ("content", "-version", "noserver", "ifile", "-ifile"):
            rest = rest[1 if rest[0].literal() == "noserver" else 2 :]
        return tuple(rest)
    return ()


def _tokens(context: Context, statement: Statement) -> Iterator[Hit]:
    unit = statement.body.unit
    if statement.name == "table":
        words = _table_key(statement)
        what = "a credential is the key of a table entry"
    elif statement.name in ("log", "HSL::send"):
        words = statement.arguments
        what = "a credential goes into the log"
    else:
        return
    for word in words:
        for part in word.parts if word.form != "brace" else ():
            if "secret" in context.values.part(part, unit):
                yield HEADERS, part.start, f"{what}; use its hash: [b64encode [sha256 ...]]"


def _table_key(statement: Statement) -> tuple[Word, ...]:
    rest = list(arguments_after_options(statement, 1, valued=("-subtable", "-georedundancy")))
    return tuple(rest[:1])


# Logs.


def logs(context: Context) -> Iterator[Hit]:
    """BSM-R014."""
    for statement in context.statements:
        if statement.name not in ("log", "HSL::send"):
            continue
        unit = statement.body.unit
        for word in statement.arguments[-1:]:
            yield from _private(context, statement, word)
            yield from _json(context, word, unit)
        if statement.name == "log" and unit.event in HOT and _always(statement):
            message = f"this is written for every {unit.event}"
            yield LOG, statement.start, f"{message}; put it behind a static:: debug switch, or send it by HSL"


def _private(context: Context, statement: Statement, word: Word) -> Iterator[Hit]:
    for part in word.parts if word.form != "brace" else ():
        kinds = context.values.part(part, statement.body.unit)
        if "private" in kinds and "secret" not in kinds:
            yield LOG, part.start, "a cookie or a body goes into the log; leave it out, or log its length or its hash"


def _json(context: Context, word: Word, unit: Unit) -> Iterator[Hit]:
    if word.form != "quote":
        return
    before = ""
    for part in word.parts:
        if part.kind in ("text", "escape"):
            before += part.value
            continue
        if _JSON_STRING.search(before) and "wire" in context.values.part(part, unit):
            message = "a quote in this value breaks the JSON text, or adds to it"
            yield LOG, part.start, f"{message}; escape it first"
        before = ""


def _always(statement: Statement) -> bool:
    """Whether nothing decides about the command but that its handler runs."""
    return all(body.kind in ("unit", "eval", "side") for body in statement.body.ancestors())


# Paths.


def uris(context: Context) -> Iterator[Hit]:
    """BSM-R020."""
    for statement in context.statements:
        if statement.name in ("HTTP::path", "HTTP::uri") and statement.arguments:
            yield from _no_slash(statement)
        if statement.name == "if":
            for body in statement.bodies:
                if _refuses(body) and (place := _raw_path(context, body)) is not None:
                    message = "a path can be written in many ways, with %61, //, or /./"
                    yield URI, place, f"{message}; decide on HTTP::path -normalized or HTTP::uri -normalized"


def _no_slash(statement: Statement) -> Iterator[Hit]:
    word = statement.arguments[-1]
    first: Part | None = word.parts[0] if word.parts else None
    if first is None or first.kind != "text" or word.literal() in ("-normalized", "-normalize"):
        return
    if not first.value.startswith(("/", "http://", "https://", "*", "-")):
        yield URI, word.start, f"{statement.name} must begin with a slash"


def _refuses(body: Body) -> bool:
    """Whether the branch refuses: it resets, or answers 401 or 403."""
    for statement in walk_body(body):
        if statement.name in REFUSALS:
            return True
        if statement.name == "HTTP::respond" and statement.literal(0) in ("401", "403"):
            return True
    return False


def walk_body(body: Body) -> Iterator[Statement]:
    """The commands of a body, its condition left out."""
    for statement in body.statements:
        yield statement
        for inner in statement.bodies:
            if inner.kind not in ("then", "case"):
                yield from walk(inner)


def _raw_path(context: Context, body: Body) -> int | None:
    """Where the condition tests the path as the client wrote it."""
    stack = [body.test] if body.test is not None else []
    while stack:
        node = stack.pop()
        stack += node.children
        if node.kind == "binary" and node.operator in ("starts_with", "contains", "equals", "eq", "==", "ends_with"):
            left = node.children[0]
            for part in left.parts:
                if _is_raw(context, part, body.unit):
                    return left.start
    return None


def _is_raw(context: Context, part: Part, unit: Unit) -> bool:
    if part.kind == "variable":
        found = [one for one in context.variables.scopes[unit].writes.get(part.value, ()) if one.how != "unset"]
        sources = [one.source.parts[0] for one in found if one.source and len(one.source.parts) == 1]
        return (
            bool(found)
            and len(sources) == len(found)
            and all(one.kind == "script" and _is_raw(context, one, unit) for one in sources)
        )
    made = context.values.result(part)
    while made is not None and made.call in ("string tolower", "string toupper") and len(made.words) > 2:
        inner = next(iter(made.words[2].parts), None)
        made = context.values.result(inner) if inner is not None and inner.kind == "script" else None
    return made is not None and made.name in ("HTTP::uri", "HTTP::path") and not made.arguments
