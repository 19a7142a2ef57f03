"""Tcl's words and commands with their exact places in the text, split as TMM's parser splits them.

The rules are those of Tcl(n) with two laxer ones that were measured on TMOS 21.1 (bitwisecook/tcl-lsp, "BIG-IP iRule
parser measurements"): after a closing brace or quote a new word begins without white space, and a line that begins
with ``{`` (or, within ``if``, with ``else``/``elseif``) continues the command above it. Both come out as ``joints``:
what has to be inserted, and where, to make stock Tcl split the text in the same way.

Offsets count characters from the beginning of the whole text; ``end`` is exclusive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bigip_sm.tcl.faults import Doubt, Fault

MAX_DEPTH = 50  # of command substitutions; real rules stay below 10
_BLANKS = " \t\v\f\r"
_NAME = re.compile(r"(?:[A-Za-z0-9_]|::+)*")
_PLAIN = re.compile(r"[^\\$\[\]\"\s;)]+")
_ELSE = re.compile(r"else(?:if)?(?=[\s{])")
_BACKSLASH_NEWLINE = re.compile(r"\\\n[ \t]*")
_BRACED_ESCAPE = re.compile(r"\\(?:\n[ \t]*|.)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True)
class Part:
    """A stretch of a word: plain text, a backslash sequence, ``$name`` / ``$name(index)``, or ``[script]``.

    ``value`` is the text, the character of a backslash sequence, or the name of a variable.
    """

    kind: Literal["text", "escape", "variable", "script"]
    start: int
    end: int
    value: str = ""
    index: tuple[Part, ...] | None = None
    script: Script | None = None


@dataclass(frozen=True)
class Word:
    """One word of a command, delimiters included in ``start`` and ``end``; a braced word has one part."""

    form: Literal["bare", "brace", "quote"]
    start: int
    end: int
    parts: tuple[Part, ...]

    @property
    def inner(self) -> tuple[int, int]:
        """Where the word is without its braces or quotes."""
        return (self.start, self.end) if self.form == "bare" else (self.start + 1, self.end - 1)

    @property
    def plain(self) -> bool:
        """Whether the word is its own text: nothing in it is substituted."""
        return all(part.kind == "text" for part in self.parts)

    def literal(self) -> str | None:
        """The word's value if it is the same at every execution, else ``None``."""
        if self.form == "brace":
            return unbrace(self.parts[0].value)
        if len(self.parts) == 1:
            return self.parts[0].value if self.parts[0].kind in ("text", "escape") else None
        if all(part.kind in ("text", "escape") for part in self.parts):
            return "".join(part.value for part in self.parts)
        return None


@dataclass(frozen=True)
class Command:
    """One command; never without a word."""

    start: int
    end: int
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Script:
    """Commands, and the insertions (offset, text) that stock Tcl needs to split them in the same way.

    ``comments`` are the offsets of the comments between the commands, from their ``#`` to the end of their line.
    """

    start: int
    end: int
    commands: tuple[Command, ...]
    joints: tuple[tuple[int, str], ...]
    comments: tuple[tuple[int, int], ...] = ()


def unbrace(content: str) -> str:
    """The value of a braced word: its text, with backslash-newline and the blanks after it as one blank."""
    if "\\\n" not in content:
        return content
    return _BRACED_ESCAPE.sub(lambda found: " " if found[0][1] == "\n" else found[0], content)


def _refuse(doubt: Doubt) -> None:
    raise doubt


class Parser:
    """Reads one text; every method takes and returns offsets into it. Raises Fault for what TMM could not read.

    ``on_doubt`` is told of what TMM reads otherwise than a stock Tcl. Unless it raises (which it does by default),
    reading goes on as on TMM, or as near to it as is known.
    """

    def __init__(self, text: str, on_doubt: Callable[[Doubt], None] = _refuse) -> None:
        self.text = text
        self._on_doubt = on_doubt
        self._depth = 0

    def doubt(self, position: int, what: str) -> None:
        """Tell of something that is read differently; for the readers of expressions too."""
        self._on_doubt(Doubt(position, what))

    def script(self, start: int, end: int) -> Script:
        """The commands between two offsets, the inside of a body for instance."""
        self._depth = 0
        return self._script(start, end, bracket=False)[0]

    def _deeper(self, start: int) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.doubt(start, f"command substitutions nested deeper than {MAX_DEPTH}")
            raise Fault(start, f"command substitutions nested deeper than {MAX_DEPTH}")

    def variable(self, start: int, end: int) -> tuple[Part, int]:
        """The ``$...`` at ``start``, and where it ends; a lone ``$`` is text."""
        text = self.text
        if text.startswith("${", start):
            close = text.find("}", start, end)
            if close < 0:
                raise Fault(start, "missing close-brace for variable name")
            return Part("variable", start, close + 1, text[start + 2 : close]), close + 1
        found = _NAME.match(text, start + 1, end)
        name = found[0] if found else ""
        at = start + 1 + len(name)
        if at < end and text[at] == "(":
            if not name:
                self.doubt(start, "an array without a name")
            self._deeper(start)
            index, at = self._parts(at + 1, end, ")")
            self._depth -= 1
            if at >= end:
                raise Fault(start, "missing )")
            return Part("variable", start, at + 1, name, index), at + 1
        if not name:
            return Part("text", start, start + 1, "$"), start + 1
        return Part("variable", start, at, name), at

    def bracket(self, start: int, end: int) -> tuple[Part, int]:
        """The ``[...]`` at ``start``, and where it ends."""
        self._deeper(start)
        script, at = self._script(start + 1, end, bracket=True)
        self._depth -= 1
        if at >= end:
            raise Fault(start, "missing close-bracket")
        return Part("script", start, at + 1, script=script), at + 1

    def quote(self, start: int, end: int) -> Word:
        """The word in double quotes at ``start``."""
        parts, at = self._parts(start + 1, end, '"')
        if at >= end:
            raise Fault(start, 'missing "')
        return Word("quote", start, at + 1, parts)

    def brace(self, start: int, end: int) -> Word:
        """The word in braces at ``start``."""
        depth = 0
        for found in re.compile(r"\\.|[{}]", re.DOTALL).finditer(self.text, start, end):
            if found[0] == "{":
                depth += 1
            elif found[0] == "}":
                depth -= 1
                if not depth:
                    at = found.end()
                    inner = Part("text", start + 1, at - 1, self.text[start + 1 : at - 1])
                    return Word("brace", start, at, (inner,))
        raise Fault(start, "missing close-brace")

    def elements(self, start: int, end: int) -> list[Word]:
        """The elements of the Tcl list between two offsets (the inside of ``switch``'s last argument)."""
        found = []
        at = self._skip(start, end, " \t\v\f\r\n")
        while at < end:
            word = self._element(at, end)
            found.append(word)
            at = self._skip(word.end, end, " \t\v\f\r\n")
            if at == word.end < end:
                kind = "braces" if word.form == "brace" else "quotes"
                raise Fault(at, f"list element in {kind} followed by characters instead of space")
        return found

    def _element(self, at: int, end: int) -> Word:
        if self.text[at] == "{":
            return self.brace(at, end)
        quoted = self.text[at] == '"'
        pattern = r'"(?:[^"\\]|\\.)*"' if quoted else r"(?:[^\s\\]|\\.)+"
        found = re.compile(pattern, re.DOTALL).match(self.text, at, end)
        if found is None:
            raise Fault(at, "unmatched open quote in list" if quoted else "bad list")
        inner = (found.start() + 1, found.end() - 1) if quoted else found.span()
        parts: list[Part] = []
        here = inner[0]
        while here < inner[1]:
            if self.text[here] == "\\":
                part = self._escape(here, inner[1])
            else:
                stop = self.text.find("\\", here, inner[1])
                stop = inner[1] if stop < 0 else stop
                part = Part("text", here, stop, self.text[here:stop])
            parts.append(part)
            here = part.end
        return Word("quote" if quoted else "bare", found.start(), found.end(), tuple(parts))

    def _script(self, start: int, end: int, *, bracket: bool) -> tuple[Script, int]:
        commands: list[Command] = []
        joints: list[tuple[int, str]] = []
        comments: list[tuple[int, int]] = []
        at = start
        while True:
            at = self._skip(at, end, " \t\v\f\r\n;")
            if at >= end or (bracket and self.text[at] == "]"):
                return Script(start, at, tuple(commands), tuple(joints), tuple(comments)), at
            if self.text[at] == "#":
                comments.append((at, self._comment(at, end)))
                at = comments[-1][1]
            else:
                command = self._command(at, end, bracket, joints)
                commands.append(command)
                at = command.end

    def _comment(self, at: int, end: int) -> int:
        found = re.compile(r"(?:[^\\\n]|\\.)*", re.DOTALL).match(self.text, at, end)
        return found.end() if found and found.end() > at else end

    def _command(self, start: int, end: int, bracket: bool, joints: list[tuple[int, str]]) -> Command:
        words: list[Word] = []
        at = start
        while True:
            word = self._word(at, end, bracket)
            words.append(word)
            at = self._skip(word.end, end, _BLANKS)
            if at < end and self.text[at] == "\n":
                following = self._continuation(at, end, words[0])
                if following is not None:
                    joints.append((at, "\\"))
                    at = following
                    continue
            if at >= end or self.text[at] in "\n;" or (bracket and self.text[at] == "]"):
                return Command(start, word.end, tuple(words))
            if at == word.end:
                if self.text[word.start : at] == "{*}":
                    self.doubt(word.start, "{*} expands nothing on TMM, it is the word * and a list")
                joints.append((at, " "))

    def _continuation(self, newline: int, end: int, first: Word) -> int | None:
        at = self._skip(newline + 1, end, _BLANKS)
        if at >= end:
            return None
        if self.text[at] == "{":
            return at
        return at if first.literal() == "if" and _ELSE.match(self.text, at, end) else None

    def _word(self, at: int, end: int, bracket: bool) -> Word:
        if self.text[at] == "{":
            return self.brace(at, end)
        if self.text[at] == '"':
            return self.quote(at, end)
        parts, stop = self._parts(at, end, " \t\v\f\r\n;" + ("]" if bracket else ""))
        return Word("bare", at, stop, parts)

    def _parts(self, start: int, end: int, stops: str) -> tuple[tuple[Part, ...], int]:
        """Reads up to one of ``stops``; the offset returned is that of the stop, or ``end``."""
        text = self.text
        parts: list[Part] = []
        at = start
        while at < end and text[at] not in stops:
            if text[at] == "\\":
                if " " in stops and text.startswith("\\\n", at):
                    break
                part = self._escape(at, end)
            elif text[at] == "$":
                part, _ = self.variable(at, end)
            elif text[at] == "[":
                part, _ = self.bracket(at, end)
            else:
                found = _PLAIN.match(text, at, end)
                stop = found.end() if found else at + 1
                part = Part("text", at, stop, text[at:stop])
            if part.kind == "text" and parts and parts[-1].kind == "text":
                part = Part("text", parts[-1].start, part.end, text[parts.pop().start : part.end])
            parts.append(part)
            at = part.end
        return tuple(parts), at

    def _escape(self, at: int, end: int) -> Part:
        """A backslash sequence; those that Tcl 8.4 and 8.6 read differently, or that are no byte, are refused."""
        following = self.text[at + 1 : min(at + 5, end)]
        if not following:
            return Part("text", at, at + 1, "\\")
        head = following[0]
        if head == "\n":
            found = _BACKSLASH_NEWLINE.match(self.text, at, end)
            return Part("escape", at, found.end() if found else at + 2, " ")
        if head == "\r" and following[1:2] == "\n":
            self.doubt(at, "a backslash before a line end of CR LF")
        if head in _ESCAPES:
            return Part("escape", at, at + 2, _ESCAPES[head])
        if head in "xuU" and re.match(r"[xuU][0-9A-Fa-f]", following):
            return self._hexadecimal(at, end)
        octal = re.match(r"[0-7]{1,3}", following)
        if octal:
            if int(octal[0], 8) > 0xFF:
                self.doubt(at, "an octal sequence above \\377")
            return Part("escape", at, at + 1 + octal.end(), chr(int(octal[0], 8) & 0xFF))
        return Part("escape", at, at + 2, head)

    def _hexadecimal(self, at: int, end: int) -> Part:
        found = re.compile(r"[0-9A-Fa-f]+").match(self.text, at + 2, end)
        digits = found[0] if found else "0"
        kind = self.text[at + 1]
        if kind == "U":
            self.doubt(at, "\\U, which Tcl 8.4 does not have")
            return Part("escape", at, at + 2, "U")
        if kind == "x":
            if len(digits) > 2:
                self.doubt(at, "\\x with more than two hexadecimal digits")
            return Part("escape", at, at + 2 + len(digits), chr(int(digits[-2:], 16)))
        digits = digits[:4]
        if int(digits, 16) > 0xFF:
            self.doubt(at, "\\u above \\u00ff: strings on TMM are bytes")
        return Part("escape", at, at + 2 + len(digits), chr(int(digits, 16) & 0xFF))

    def _skip(self, at: int, end: int, blanks: str) -> int:
        """The first offset that holds neither one of ``blanks`` nor a backslash-newline."""
        text = self.text
        while at < end:
            if text[at] in blanks:
                at += 1
            elif text.startswith("\\\n", at):
                at += 2
            else:
                return at
        return end


def walk_parts(parts: tuple[Part, ...]) -> Iterator[Part]:
    """All parts, those in the indexes of arrays included."""
    for part in parts:
        yield part
        if part.index is not None:
            yield from walk_parts(part.index)
