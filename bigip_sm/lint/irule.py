"""Rules over iRule text that need no parser: what a line shows beyond doubt.

The number of a rule is its row in section 9 of the iRules sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bigip_sm.lint.findings import Finding, Rule, register
from bigip_sm.lint.lines import Line, lines
from bigip_sm.lint.text import brace_error

WIDEST = 120
"""Columns of a line (F5's iRules style guide asks for 100)."""

OPTION_END = register(
    "BSM-R003",
    "error",
    "Options end with -- before a value that is not a literal",
    "A value that begins with a hyphen is taken for an option.",
)
TCL84 = register(
    "BSM-R004",
    "error",
    "Nothing that Tcl 8.4 lacks",
    "TMM runs Tcl 8.4.6: it refuses the rule, or with {*} goes on with the wrong words.",
)
DISABLED = register(
    "BSM-R005",
    "error",
    "No command that TMM disables, no proc or when inside a handler, one handler for an event",
    "TMM refuses the whole rule when it is loaded, even inside catch.",
)
PLAIN_TEXT = register(
    "BSM-R006",
    "error",
    "ASCII with LF line ends, balanced braces, comments that stand alone",
    "TMM refuses the rule, or takes a trailing comment for arguments.",
)
GLOBAL = register(
    "BSM-R007",
    "error",
    "No global variables",
    "A global holds the virtual server to one TMM and is shared by all connections.",
)
PRIORITY = register(
    "BSM-R015",
    "warning",
    "Every handler states its priority",
    "Without one the order among the rules of a virtual server is left to chance.",
)
LAYOUT = register(
    "BSM-R022",
    "warning",
    "Lines that can be broken are at most 120 columns, none ends in blanks; the text ends in a newline",
    "AS3 removes blanks at line ends, so the device's text differs from the file's.",
)

# fmt: off
DISABLED_COMMANDS = frozenset({
    "auto_execok", "auto_import", "auto_load", "auto_qualify", "cd", "encoding", "eof", "exec", "exit", "fblocked",
    "fconfigure", "fcopy", "file", "flush", "gets", "glob", "interp", "load", "namespace", "open", "package", "pid",
    "pwd", "rename", "seek", "socket", "source", "tell", "time", "unknown", "update", "vwait",
})
"""Refused when the rule is loaded (31), and encoding, which TMM does not have."""

LATER_COMMANDS = frozenset({
    "apply", "chan", "coroutine", "dict", "lassign", "lmap", "lrepeat", "lreverse", "tailcall", "throw", "try",
    "yield", "zlib",
})
# fmt: on

LATER_SUBCOMMANDS = frozenset(
    {
        ("string", "reverse"),
        ("string", "cat"),
        ("clock", "add"),
        ("clock", "milliseconds"),
        ("clock", "microseconds"),
        ("binary", "encode"),
        ("binary", "decode"),
    }
)

OPTION_TAKERS = (("switch",), ("regexp",), ("regsub",), ("class", "match"), ("class", "search"))

NEVER_OPTIONS = (
    "[IP::",
    "[TCP::",
    "[UDP::",
    "[HTTP::uri",
    "[HTTP::path",
    "[HTTP::status",
    "[clock ",
    "[string length ",
)
"""Calls whose result never begins with a hyphen."""

WRITERS = frozenset({"set", "incr", "append", "lappend", "unset"})


def lint_irule(text: str, path: str) -> list[Finding]:
    """Every finding in the text of an iRule, in order of lines; ``path`` names the rule in them."""
    found = list(lines(text))
    findings = [
        rule.finding(f"{path}:{number}", message) for check in CHECKS for rule, number, message in check(text, found)
    ]
    return sorted(findings, key=lambda finding: (int(finding.where.rpartition(":")[2]), finding.rule, finding.message))


Found = Iterator[tuple[Rule, int, str]]


def _plain_text(text: str, found: Sequence[Line]) -> Found:
    if "\r" in text:
        number = text[: text.index("\r")].count("\n") + 1
        yield PLAIN_TEXT, number, "the line ends in CR; use LF alone"
    for line in found:
        if not line.text.isascii() or "\0" in line.text:
            yield PLAIN_TEXT, line.number, "the line is not ASCII; write it in ASCII"
    if problem := brace_error(text):
        number = int(problem.split("line ", 1)[1].split(" ", 1)[0])
        hint = next((f"; mind the comment in line {line.number}" for line in found if _lopsided(line)), "")
        yield PLAIN_TEXT, number, f"{problem}{hint}"


def _lopsided(line: Line) -> bool:
    return line.is_comment and brace_error(line.text) != ""


def _trailing_comment(text: str, found: Sequence[Line]) -> Found:
    for line in found:
        if line.context == "code" and not line.is_comment and (column := _hash_after_words(line.code)):
            before = line.code[:column].rstrip()
            yield (
                PLAIN_TEXT,
                line.number,
                f"the comment after {before[-20:]!r} is taken for arguments; write ;# or move it",
            )


def _hash_after_words(code: str) -> int:
    """Column of a ``#`` with text after it that stands among arguments, outside of quotes, braces and brackets; else 0.

    A ``#`` at the end of the line may well be meant as an argument, as in ``split $value #``.
    """
    enclosing = 0
    quoted = escaped = False
    for column, character in enumerate(code):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"' and not enclosing:
            quoted = not quoted
        elif quoted:
            continue
        elif character in "{[":
            enclosing += 1
        elif character in "}]":
            enclosing = max(0, enclosing - 1)
        elif character == "#" and not enclosing and code[column - 1].isspace() and code[column + 1 :][:1].isspace():
            return 0 if code[:column].rstrip().endswith(";") else column
    return 0


def _option_end(text: str, found: Sequence[Line]) -> Found:
    for line in found:
        for words in line.calls:
            for name in OPTION_TAKERS:
                if words[: len(name)] == name and _value_may_be_option(words[len(name) :]):
                    yield OPTION_END, line.number, f"write -- before the value that {' '.join(name)} takes"


def _value_may_be_option(arguments: Sequence[str]) -> bool:
    """Whether the first word that is not an option could turn out to be one, with no ``--`` before it."""
    for position, word in enumerate(arguments):
        if word == "--":
            return False
        if not word.startswith("-"):
            value = " ".join(arguments[position:]).lstrip('"')
            for prefix in ("[string tolower ", "[string toupper "):
                value = value.removeprefix(prefix)
            return value.startswith(("$", "[")) and not value.startswith(NEVER_OPTIONS)
    return False


def _tcl84(text: str, found: Sequence[Line]) -> Found:
    for line in found:
        if not line.is_comment and any(f" {sign}" in line.text for sign in ("{*}$", "{*}[")):
            yield TCL84, line.number, "{*} does not expand; use eval on a list of constants, or a loop"
        for words in line.calls:
            first, second = (*(_bare(word) for word in words[:2]), "")[:2]
            if first in LATER_COMMANDS:
                yield TCL84, line.number, f"{first} is newer than Tcl 8.4"
            elif (first, second) in LATER_SUBCOMMANDS:
                yield TCL84, line.number, f"{first} {second} is newer than Tcl 8.4"


def _bare(word: str) -> str:
    """A word without the bracket that ends its command and what follows."""
    return word.partition("]")[0]


def _disabled(text: str, found: Sequence[Line]) -> Found:
    events: dict[str, int] = {}
    for line in found:
        for words in line.calls:
            if _bare(words[0]) in DISABLED_COMMANDS:
                yield DISABLED, line.number, f'command is disabled: "{_bare(words[0])}"'
        command, event = (*line.words[:2], "", "")[:2]
        if command in ("proc", "when") and line.depth:
            yield DISABLED, line.number, f"{command} is allowed at the top level only"
        elif command == "when":
            if event in events:
                yield DISABLED, line.number, f"{event} has a handler in line {events[event]} already; join them"
            events.setdefault(event, line.number)


def _globals(text: str, found: Sequence[Line]) -> Found:
    for line in found:
        if line.is_comment:
            continue
        command, target = (*line.words[:2], "", "")[:2]
        target = target if command in WRITERS else ""
        if "$::" in line.text.replace("\\$::", "").replace("$::static::", ""):
            yield GLOBAL, line.number, "$:: reads a global; use a local or static:: variable"
        elif target.startswith("::") and not target.startswith("::static::"):
            yield GLOBAL, line.number, f"{target} is a global; use a local or static:: variable"
        elif command == "global":
            yield GLOBAL, line.number, "global makes a global visible; pass the value instead"
        elif target and line.event == "RULE_INIT" and not target.removeprefix("::").startswith("static::"):
            yield GLOBAL, line.number, f"{target} is a global when it is set in RULE_INIT; use static::"


def _priority(text: str, found: Sequence[Line]) -> Found:
    for line in found:
        words = line.words
        if words[:1] == ("when",) and not line.depth and len(words) > 1 and "priority" not in words[2:6]:
            yield PRIORITY, line.number, f"write: when {words[1]} priority 500 {{"


def _layout(text: str, found: Sequence[Line]) -> Found:
    for line in found:
        if len(line.text) > WIDEST and _can_be_broken(line):
            yield LAYOUT, line.number, f"the line has {len(line.text)} columns, {WIDEST} are allowed"
        if line.text != line.text.rstrip(" \t"):
            yield LAYOUT, line.number, "the line ends in blanks; remove them"
    if not text.endswith("\n"):
        yield LAYOUT, found[-1].number, "the text does not end in a newline"


def _can_be_broken(line: Line) -> bool:
    """Whether a line can be two without a continuation, which AS3 joins: a comment, several commands, or a script."""
    return line.is_comment or ";" in line.code or "{" in line.code


CHECKS: tuple[Callable[[str, Sequence[Line]], Found], ...] = (
    _plain_text,
    _trailing_comment,
    _option_end,
    _tcl84,
    _disabled,
    _globals,
    _priority,
    _layout,
)
