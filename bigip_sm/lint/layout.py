"""Rules about the text: plain ASCII (BSM-R006), priorities (BSM-R015), the header (BSM-R019), layout (BSM-R022)."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.lint.context import Context, Hit
from bigip_sm.lint.language import HEADER, LAYOUT, PLAIN_TEXT, PRIORITY
from bigip_sm.lint.text import brace_error

WIDEST = 120
"""Columns of a line (F5's iRules style guide asks for 100)."""

INDENT = 4


def plain_text(context: Context) -> Iterator[Hit]:
    """BSM-R006."""
    comments = _comment_lines(context)
    for number, line in enumerate(context.lines, 1):
        if "\0" in line or (not line.isascii() and number not in comments):
            yield PLAIN_TEXT, context.offset(number) + _first_odd(line), "the line is not ASCII; write it in ASCII"
    for number, line in enumerate(context.original.split("\n"), 1):
        if line.endswith("\\\r"):
            yield PLAIN_TEXT, context.offset(number) + len(line) - 2, "the backslash stands before CR LF; use LF alone"
    if problem := brace_error(context.text):
        number = int(problem.split("line ", 1)[1].split(" ", 1)[0])
        lopsided = [one for one in sorted(comments) if brace_error(context.lines[one - 1])]
        hint = f"; mind the comment in line {lopsided[0]}" if lopsided else ""
        yield PLAIN_TEXT, context.offset(number), f"{problem}{hint}"
    for position in context.tree.comments:
        before = context.text[:position].rpartition("\n")[2].strip()[-20:]
        yield PLAIN_TEXT, position, f"the comment after {before!r} is taken for arguments; write ;# or move it"
    for position in context.tree.patterns:
        yield PLAIN_TEXT, position, "a comment between the patterns of switch is a pattern; put it into a script"
    for position in broken_else(context):
        yield PLAIN_TEXT, position, "no blank stands between else and its brace, so that they are one word"


def _first_odd(line: str) -> int:
    return next(at for at, character in enumerate(line) if character == "\0" or not character.isascii())


def _comment_lines(context: Context) -> set[int]:
    """Lines that are comments as a whole; by their looks where the text cannot be read."""
    if any(not problem.doubt for problem in context.tree.problems):
        return {number for number, line in enumerate(context.lines, 1) if line.lstrip().startswith("#")}
    found = set()
    for body in context.tree.bodies():
        for start, end in body.comments:
            first, last = context.place(start)[0], context.place(max(start, end - 1))[0]
            found |= set(range(first, last + 1))
    return {number for number in found if context.lines[number - 1].lstrip().startswith("#")}


def broken_else(context: Context) -> Iterator[int]:
    """Where ``}else{`` makes TMM read ``else{`` as one word."""
    return (position for position in _glued(context) if context.text.startswith(("else{", "elseif{"), position))


def _glued(context: Context) -> Iterator[int]:
    """Where a brace or quote ends and something begins without a blank."""
    for body in context.tree.bodies():
        yield from (position for position, inserted in body.joints if inserted == " ")


def priorities(context: Context) -> Iterator[Hit]:
    """BSM-R015."""
    for unit in context.tree.handlers():
        if not unit.priority:
            yield PRIORITY, unit.start, f"write: when {unit.event} priority 500 {{"


def header(context: Context) -> Iterator[Hit]:
    """BSM-R019."""
    first = min((unit.start for unit in context.tree.units), default=0)
    comments = [line for line in context.text[:first].split("\n") if line.lstrip().startswith("#")]
    if context.tree.units and not any(len(line.strip("# \t")) > 2 for line in comments):
        wanted = "purpose, TMOS versions, profiles, data groups, CMP, events"
        yield HEADER, first, f"no comment says at the top what the rule is for and needs: {wanted}"


def layout(context: Context) -> Iterator[Hit]:
    """BSM-R022."""
    for number, line in enumerate(context.lines, 1):
        if len(line) > WIDEST and _can_be_broken(line.strip()):
            message = f"the line has {len(line)} columns, {WIDEST} are allowed"
            yield LAYOUT, context.offset(number) + WIDEST, message
    if not context.text.endswith("\n"):
        yield LAYOUT, context.offset(len(context.lines)), "the text does not end in a newline"
    blanks = [
        context.offset(number) + len(line.rstrip(" \t"))
        for number, line in enumerate(context.lines, 1)
        if line != line.rstrip(" \t")
    ]
    yield from _once(blanks, "the line ends in blanks; remove them")
    comments = _comment_lines(context)
    odd = [number for number in sorted(comments) if not context.lines[number - 1].isascii()]
    yield from _once([context.offset(number) for number in odd], "a comment is not ASCII; write it in ASCII")
    crlf = [number for number, line in enumerate(context.original.split("\n"), 1) if line.endswith("\r")]
    yield from _once([context.offset(number) for number in crlf], "the line ends in CR LF; use LF alone")
    yield from _indents(context)
    yield from _braces(context)


def _can_be_broken(code: str) -> bool:
    """Whether a line can be two without a continuation, which AS3 joins: a comment, several commands, or a script."""
    return code.startswith("#") or ";" in code or "{" in code


def _once(positions: list[int], message: str) -> Iterator[Hit]:
    """One finding for all places, at the first."""
    if positions:
        more = f" (and {len(positions) - 1} more)" if len(positions) > 1 else ""
        yield LAYOUT, min(positions), message + more


def _indents(context: Context) -> Iterator[Hit]:
    tabs, uneven = [], []
    for statement in context.statements:
        line, column = context.place(statement.start)
        before = context.lines[line - 1][: column - 1]
        if statement.body.kind == "inline" or before.strip(" \t"):
            continue
        if "\t" in before:
            tabs.append(context.offset(line))
        elif len(before) % INDENT:
            uneven.append(context.offset(line))
    yield from _once(tabs, "the line is indented with tabs; use four spaces a level")
    yield from _once(uneven, "the line is not indented by a multiple of four spaces")


def _braces(context: Context) -> Iterator[Hit]:
    joints = [(position, text) for body in context.tree.bodies() for position, text in body.joints]
    lines = [position for position, inserted in joints if inserted != " "]
    alone = [at for at in lines if context.text[at : at + 400].lstrip().startswith("{")]
    other = [at for at in lines if at not in alone]
    yield from _once(alone, "the opening brace belongs at the end of the line above")
    yield from _once(other, "else belongs on the line of the closing brace: } else {")
    broken = set(broken_else(context))
    text = context.text
    glued = sorted(at for at in _glued(context) if at not in broken and not text.startswith("{*}", at - 3))
    yield from _once(glued, "a blank belongs between a closing brace or quote and the next word")
