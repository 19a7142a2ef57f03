"""Rules about words: braces around scripts and expressions (BSM-R001), ``--`` (BSM-R003), ``not`` (BSM-R008)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.language import BRACES, NOT, OPTION_END
from bigip_sm.lint.tree import Statement
from bigip_sm.tcl.commands import LATER_OPTIONS
from bigip_sm.tcl.expr import Node
from bigip_sm.tcl.forms import names
from bigip_sm.tcl.parser import Word

COMPARISONS = names(
    """== != eq ne equals < > <= >= contains starts_with ends_with matches matches_glob matches_regex"""
)

VALUED = {
    "regexp": ("-start",),
    "regsub": ("-start",),
    "table": ("-subtable", "-georedundancy"),
}
"""Options that take a value."""

OPTIONS = {
    "switch": "-exact -glob -regexp",
    "regexp": "-all -about -expanded -indices -inline -line -lineanchor -linestop -nocase -start",
    "regsub": "-all -expanded -line -lineanchor -linestop -nocase -start",
    "class match": "-all -element -name -value -index",
    "class search": "-all -element -name -value -index",
    "class nextelement": "-name -value",
    "class element": "-name -value",
    "table": "-notouch -subtable -mustexist -excl -count -remaining -georedundancy",
    "unset": "-nocomplain",
}
"""Commands that take options before a value, by the words that name the command."""

TABLE_VERBS = names("set add replace lookup incr append delete timeout lifetime keys")


def braces(context: Context) -> Iterator[Hit]:
    """BSM-R001."""
    for statement in context.statements:
        for word, _ in statement.expressions:
            if word.form != "brace" and _substituted(word):
                what = "the expression" if statement.name == "expr" else f"the condition of {statement.name}"
                yield BRACES, word.start, f"{what} is substituted twice; put it in braces"
        for word in _scripts(statement):
            if word.form != "brace" and _substituted(word):
                yield BRACES, word.start, f"the script of {statement.name} is substituted twice; put it in braces"


def _substituted(word: Word) -> bool:
    return any(part.kind in ("variable", "script") for part in word.parts)


def _scripts(statement: Statement) -> Iterator[Word]:
    """The words of a command that are scripts."""
    words = statement.arguments
    if statement.name in ("catch", "clientside", "serverside"):
        yield from words[:1]
    elif statement.name in ("foreach", "while"):
        yield from words[-1:]
    elif statement.name == "for" and len(words) == 4:
        yield from (words[0], words[2], words[3])
    elif statement.name == "if":
        yield from _branches(words)
    elif statement.name == "switch":
        yield from _arms(words)
    elif statement.name == "after" and len(words) > 1 and statement.literal(0) not in ("cancel", "info"):
        yield words[-1]


def _branches(words: Sequence[Word]) -> Iterator[Word]:
    rest = list(words)
    while rest:
        rest.pop(0)
        if rest and rest[0].literal() == "then":
            rest.pop(0)
        yield from rest[:1]
        keyword = rest[1].literal() if len(rest) > 1 else None
        if keyword != "elseif":
            yield from rest[2 if keyword == "else" else 1 :][:1]
            return
        rest = rest[2:]


def _arms(words: Sequence[Word]) -> Iterator[Word]:
    rest = list(words)
    while rest and (rest[0].literal() or "").startswith("-"):
        if rest.pop(0).literal() == "--":
            break
    arms = rest[1:]
    yield from arms if len(arms) == 1 else arms[1::2]


def option_end(context: Context) -> Iterator[Hit]:
    """BSM-R003."""
    for statement in context.statements:
        name = statement.name if statement.name in OPTIONS else statement.call
        skip = 1 + (" " in name)
        if statement.name == "table":
            if statement.literal(0) not in TABLE_VERBS:
                continue
            name, skip = f"table {statement.literal(0)}", 2
        elif name not in OPTIONS:
            continue
        value = _first_value(statement, skip, VALUED.get(statement.name, ()))
        if value is None:
            continue
        unit = statement.body.unit
        if name == "unset" and value.literal() is not None and not (value.literal() or "").startswith("-"):
            continue
        if context.values.may_begin_with_hyphen(value, unit):
            yield OPTION_END, value.start, f"write -- before the value that {name} takes: it may begin with a hyphen"


def _first_value(statement: Statement, skip: int, valued: Sequence[str]) -> Word | None:
    """The first word that is not an option, if no ``--`` stands before it and options are looked for there."""
    words = list(statement.words[skip:])
    known = OPTIONS.get(statement.name) or OPTIONS.get(statement.call) or ""
    while words:
        literal = words[0].literal()
        if literal == "--":
            return None
        if literal is None or literal not in (*known.split(), *LATER_OPTIONS.get(statement.name, ())):
            return words[0]
        words = words[2:] if literal in valued else words[1:]
    return None


def negations(context: Context) -> Iterator[Hit]:
    """BSM-R008."""
    for statement in context.statements:
        for _, node in statement.expressions:
            if node is not None:
                yield from _negations(context, node)
        for body in statement.bodies:
            if body.test is not None and not any(node is body.test for _, node in statement.expressions):
                yield from _negations(context, body.test)


def _negations(context: Context, root: Node) -> Iterator[Hit]:
    stack = [root]
    while stack:
        node = stack.pop()
        stack += node.children
        if node.kind == "binary" and node.operator in COMPARISONS:
            left = node.children[0]
            if left.kind == "unary" and left.operator in ("!", "not"):
                operand = context.text[left.children[0].start : left.children[0].end]
                message = f"{left.operator} applies to {_short(operand)} alone, not to the comparison"
                yield NOT, left.start, f"{message}; write {left.operator} (...) around all of it"
        elif node.kind == "unary" and node.operator in ("!", "not") and node.children[0].kind == "word":
            yield NOT, node.start, f"{node.operator} takes a number or a truth value, not a string"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:37] + "..."
