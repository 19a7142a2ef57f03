"""A line-wise view of iRule text: enough to tell code from data, comments and patterns, without parsing Tcl.

Tcl counts braces in strings and comments too, so the innermost brace around a place is known exactly. What stands
before that brace says what it holds: a script (``code``), an ``expression``, the patterns of a ``switch``, or ``data``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Context = Literal["code", "expression", "switch", "data"]

ARGUMENTS: dict[str, dict[int, Context]] = {
    "if": {1: "expression"},
    "elseif": {1: "expression"},
    "while": {1: "expression"},
    "for": {2: "expression"},
    "foreach": {1: "data", 2: "data"},
    "proc": {2: "data"},
    "else": {},
    "when": {},
    "catch": {},
    "after": {},
}
"""Commands with scripts among their arguments, and those of their arguments, from 1, that are none."""


@dataclass(frozen=True)
class Line:
    """One line of a rule.

    ``text`` is without its line end; ``context`` is what the innermost brace around its start holds, and ``depth`` how
    many braces there are; ``event`` is the event of the handler it is in, or ``""``; ``calls`` the words, split at
    blanks, of each command that begins in the line.
    """

    number: int
    text: str
    context: Context
    depth: int
    event: str
    calls: tuple[tuple[str, ...], ...]

    @property
    def code(self) -> str:
        """The line without the blanks around it."""
        return self.text.strip()

    @property
    def is_comment(self) -> bool:
        """Whether Tcl reads the whole line as a comment."""
        return self.context == "code" and self.code.startswith("#")

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the line, if it begins with a command; empty otherwise."""
        words = tuple(self.code.split())
        return words if self.context == "code" and words and words[0][0] not in "#{}" else ()


def lines(text: str) -> Iterator[Line]:
    """Every line of ``text`` in order."""
    contexts: list[Context] = ["code"]
    event = ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        context, depth = contexts[-1], len(contexts) - 1
        if depth == 0:
            event = _event(line)
        commands = _walk(line, contexts)
        calls = tuple(words for words in (tuple(command.split()) for command in commands) if words)
        yield Line(number, line, context, depth, event if depth else "", calls)


def _event(line: str) -> str:
    words = line.split()
    return words[1] if len(words) > 1 and words[0] == "when" else ""


def _walk(line: str, contexts: list[Context]) -> list[str]:
    """Follow the braces of one line; return the rest of the line from every command that begins in it."""
    comment = contexts[-1] == "code" and line.lstrip().startswith("#")
    commands = [line] if contexts[-1] == "code" else []
    starts = [0] * len(contexts)
    escaped = False
    for position, character in enumerate(line):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "{":
            contexts.append(_opened(line[starts[-1] : position], contexts[-1]))
            starts.append(position + 1)
            commands += [line[position + 1 :]] if contexts[-1] == "code" else []
        elif character == "}" and len(contexts) > 1:
            contexts.pop()
            starts.pop()
        elif character == "[" and contexts[-1] in ("code", "expression"):
            commands.append(line[position + 1 :])
    return [] if comment else commands


def _opened(before: str, around: Context) -> Context:
    """What a brace holds, by the text before it and by what that is in."""
    if around == "switch":
        return "code"
    bracketed = before.rpartition("[")[2]
    command = bracketed if "[" in before and "]" not in bracketed else before
    words = _words(command.lstrip("} \t"))
    if not words or around == "data":
        return "data"
    first = words[0]
    if first == "expr":
        return "expression"
    if first in ARGUMENTS:
        return ARGUMENTS[first].get(len(words), "code")
    return "switch" if first == "switch" else "data"


def _words(text: str) -> list[str]:
    """``text`` split at blanks that no brace, bracket or quote encloses."""
    words: list[str] = []
    word = ""
    enclosing = 0
    quoted = False
    for character in text + " ":
        if character.isspace() and enclosing <= 0 and not quoted:
            words += [word] if word else []
            word = ""
            continue
        word += character
        quoted ^= character == '"'
        enclosing += (character in "{[") - (character in "}]")
    return words
