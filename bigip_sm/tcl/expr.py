"""The expression language of iRules: Tcl 8.4's (expr(n)) plus F5's word operators, as a tree with places in the text.

``contains starts_with ends_with equals matches matches_glob matches_regex`` sit at the level of ``== != eq ne``,
``and`` and ``or`` are ``&&`` and ``||``, ``not`` is ``!`` and binds as tightly. What came with Tcl 8.5 (``in ni **``,
``0b101``, new functions) is a syntax error, as on TMM.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bigip_sm.tcl.faults import Fault
from bigip_sm.tcl.parser import Parser, Part, Word

MAX_DEPTH = 50  # of parentheses, arguments, unary operators and ?: in one expression

_EQUALITY = ("==", "!=", "eq", "ne", "equals")
_STRING_TESTS = ("contains", "starts_with", "ends_with", "matches", "matches_glob", "matches_regex")
# From the loosest to the tightest; all of them group from the left.
_LEVELS = (
    ("||", "or"),
    ("&&", "and"),
    ("|",),
    ("^",),
    ("&",),
    (*_EQUALITY, *_STRING_TESTS),
    ("<=", ">=", "<", ">"),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
_LEVEL = {operator: level for level, operators in enumerate(_LEVELS) for operator in operators}
_UNARY = {"-", "+", "~", "!", "not"}
_BOOLEANS = {"true", "false", "yes", "no", "on", "off"}

# Tcl 8.4's functions and their numbers of arguments (expr(n) of 8.4).
FUNCTIONS = {
    **dict.fromkeys(("rand",), 0),
    **dict.fromkeys(("abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "double", "exp", "floor", "int"), 1),
    **dict.fromkeys(("log", "log10", "round", "sin", "sinh", "sqrt", "srand", "tan", "tanh", "wide"), 1),
    **dict.fromkeys(("atan2", "fmod", "hypot", "pow"), 2),
}

_SPACE = re.compile(r"(?:\s|\\\n)*")
_SYMBOL = re.compile(r"\|\||&&|==|!=|<<|>>|<=|>=|[-+~!|^&<>*/%()?:,]")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NEW_NUMBER = re.compile(r"\s*[-+]?0[bBoO][0-7]+\s*$")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

Kind = Literal["number", "word", "variable", "script", "boolean", "call", "unary", "binary", "ternary", "paren"]


@dataclass(frozen=True)
class Node:
    """One operand or operation. ``operator`` (with its place) is an operator, a function's name or a number's text."""

    kind: Kind
    start: int
    end: int
    operator: str = ""
    operator_start: int = 0
    children: tuple[Node, ...] = ()
    parts: tuple[Part, ...] = ()
    word: Word | None = None


def parse_expression(parser: Parser, start: int, end: int) -> Node:
    """The tree of the expression between two offsets. Raises Fault with the reason TMM would give."""
    return _Reader(parser, start, end).whole()


class _Reader:
    """A precedence parser over one expression; ``at`` is the offset of the next token."""

    def __init__(self, parser: Parser, start: int, end: int) -> None:
        self.parser = parser
        self.text = parser.text
        self.start = start
        self.at = start
        self.end = end
        self.depth = 0

    def whole(self) -> Node:
        node = self.ternary()
        if self.peek():
            raise self.syntax_error("extra tokens at end of expression")
        return node

    def syntax_error(self, detail: str) -> Fault:
        text = self.text[self.start : self.end].strip()
        text = text if len(text) <= 80 else text[:77] + "..."
        return Fault(min(self.at, self.end), f'syntax error in expression "{text}": {detail}')

    def peek(self) -> str:
        """The operator or punctuation at the next token, a letter for other tokens, "" at the end."""
        found = _SPACE.match(self.text, self.at, self.end)
        self.at = found.end() if found else self.at
        if self.at >= self.end:
            return ""
        symbol = _SYMBOL.match(self.text, self.at, self.end) or _IDENTIFIER.match(self.text, self.at, self.end)
        return symbol[0] if symbol else self.text[self.at]

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.parser.doubt(self.at, f"an expression nested deeper than {MAX_DEPTH}")
            raise Fault(self.at, f"an expression nested deeper than {MAX_DEPTH}")

    def ternary(self) -> Node:
        self.deeper()
        condition = self.binary(0)
        if self.peek() == "?":
            self.at += 1
            yes = self.ternary()
            if self.peek() != ":":
                raise self.syntax_error('missing colon from ternary conditional, expected ":"')
            self.at += 1
            no = self.ternary()
            condition = Node("ternary", condition.start, no.end, "?", children=(condition, yes, no))
        self.depth -= 1
        return condition

    def binary(self, level: int) -> Node:
        left = self.unary()
        while True:
            operator = self.peek()
            found = _LEVEL.get(operator, -1)
            if found < level:
                return left
            place = self.at
            self.at += len(operator)
            right = self.binary(found + 1)
            left = Node("binary", left.start, right.end, operator, place, (left, right))

    def unary(self) -> Node:
        operator = self.peek()
        if operator not in _UNARY:
            return self.primary(operator)
        self.deeper()
        place = self.at
        self.at += len(operator)
        operand = self.unary()
        self.depth -= 1
        return Node("unary", place, operand.end, operator, place, (operand,))

    def primary(self, ahead: str) -> Node:
        start = self.at
        number = _NUMBER.match(self.text, start, self.end)
        if number:
            return self.number(number[0])
        if ahead == "(":
            self.at += 1
            inner = self.ternary()
            self.close("looking for close parenthesis")
            return Node("paren", start, self.at, children=(inner,))
        if ahead == "$":
            part, self.at = self.parser.variable(start, self.end)
            if part.kind == "variable":
                return Node("variable", start, self.at, parts=(part,))
        elif ahead == "[":
            part, self.at = self.parser.bracket(start, self.end)
            return Node("script", start, self.at, parts=(part,))
        elif ahead in ('"', "{"):
            word = (self.parser.quote if ahead == '"' else self.parser.brace)(start, self.end)
            self.at = word.end
            if _NEW_NUMBER.match(word.literal() or ""):
                self.parser.doubt(start, "a string that Tcl 8.6 takes for a binary or octal number")
            return Node("word", start, self.at, parts=word.parts, word=word)
        elif ahead[:1].isalpha():
            return self.named(ahead)
        self.at = start
        raise self.syntax_error(f"unexpected {ahead!r}" if ahead else "premature end of expression")

    def number(self, text: str) -> Node:
        start = self.at
        self.at += len(text)
        decimal = text.isdigit()
        if decimal and text[0] == "0" and text.strip("01234567"):
            raise Fault(start, f'"{text}" is an invalid octal number')
        if not decimal and text[:2] not in ("0x", "0X"):
            return Node("number", start, self.at, text)
        if integer(text) >= 1 << 63:
            self.parser.doubt(start, f"the integer {text}, which does not fit 64 bits")
        return Node("number", start, self.at, text)

    def named(self, name: str) -> Node:
        start = self.at
        self.at += len(name)
        if name in _BOOLEANS:
            return Node("boolean", start, self.at, name)
        if name in _LEVEL:
            self.at = start
            raise self.syntax_error(f"operator {name} without a left operand")
        if self.peek() != "(":
            self.at = start
            raise self.syntax_error("variable references require preceding $")
        if name not in FUNCTIONS:
            raise Fault(start, f'unknown math function "{name}"')
        self.at += 1
        arguments = self.arguments()
        if len(arguments) != FUNCTIONS[name]:
            amount = "many" if len(arguments) > FUNCTIONS[name] else "few"
            raise Fault(start, f"too {amount} arguments for math function")
        return Node("call", start, self.at, name, start, tuple(arguments))

    def arguments(self) -> list[Node]:
        arguments: list[Node] = []
        if self.peek() != ")":
            arguments.append(self.ternary())
            while self.peek() == ",":
                self.at += 1
                arguments.append(self.ternary())
        self.close("missing close parenthesis at end of function call")
        return arguments

    def close(self, detail: str) -> None:
        if self.peek() != ")":
            raise self.syntax_error(detail)
        self.at += 1


def integer(text: str) -> int:
    """The value of an integer of Tcl 8.4: decimal, hexadecimal with 0x, octal with a leading 0."""
    if text[:2] in ("0x", "0X"):
        return int(text, 16)
    return int(text, 8) if text[0] == "0" else int(text)
