"""Scanning of text that AS3 or Tcl will read, shared by the rules of declarations and iRules."""

from __future__ import annotations

EXPANSION_CODES = frozenset("IFTAYMNOPQC")
"""Letters between back-quotes that AS3 expands (AS3 sheet, section 3.4; AS3's expandUtil)."""


def brace_error(text: str) -> str:
    """What is wrong with the braces of ``text``, or ``""``.

    Tcl counts the braces of a braced word, and a rule is one, wherever they stand: in comments and strings too. Only a
    backslash takes a brace out of the count (Tcl(n), rule 6).
    """
    opened: list[int] = []
    line = 1
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
            line += text[position : position + 1] == "\n"
        elif character == "\n":
            line += 1
        elif character == "{":
            opened.append(line)
        elif character == "}":
            if not opened:
                return f"line {line} closes a brace that none opens"
            opened.pop()
        position += 1
    return f"the brace opened in line {opened[-1]} is never closed" if opened else ""


def expansion_error(text: str) -> str:
    """What AS3 would refuse in the back-quoted parts of ``text``, or ``""``."""
    position = text.find("`")
    while position >= 0:
        end = text.find("`", position + 1)
        if end < 0:
            return "a back-quote has no partner"
        code = text[position + 1 : end]
        if code == "~":
            return ""
        if code and code not in EXPANSION_CODES and code[0] not in "*=+!":
            return f"AS3 knows no expansion `{code[:20]}`"
        position = text.find("`", end + 1)
    return ""


def glued_line(text: str) -> int:
    """The number of the first line that AS3 would glue to the next one, or 0.

    AS3 replaces a backslash, the newline and the blanks after it by nothing, so the words on both sides become one
    unless a blank stands before the backslash.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if line.endswith("\\") and not line[:-1].endswith((" ", "\t")):
            return number
    return 0
