"""Turns an expression of Tcl 8.4 with F5's operators into one that Tcl 8.6 evaluates to the same value.

Word operators become Tcl's own operators, commands that Tcl compiles to byte code, or the functions of ``mathfuncs``.
The results of ``+ - * <<`` are wrapped to 64 bits where they could need more: once for a whole tree of such
operators, because these operators do not care when the upper bits are dropped.
"""

from __future__ import annotations

import re

from bigip_sm.lab.tcl.edits import Edits
from bigip_sm.lab.tcl.faults import not_emulated
from bigip_sm.tcl.expr import Node, integer

_SYMBOLS = {"and": "&&", "or": "||", "not": "!", "equals": "eq"}
_FUNCTIONS = {"contains", "starts_with", "ends_with", "matches", "matches_glob", "matches_regex"}
_GLOBS = {"contains": "{*%s*}", "starts_with": "{%s*}", "ends_with": "{*%s}"}
_NO_GLOB = re.compile(r"[A-Za-z0-9_/.:=;,&%@ <>()!+~'|^-]+")
_COMPARISONS = {"==", "!=", "<", ">", "<=", ">=", "eq", "ne", "equals", "&&", "||", "and", "or"} | _FUNCTIONS

# Bits that a value needs, sign left out; _DOUBLE marks a floating-point number, which never wraps.
_ANY = 64
_RANGE = 63
_DOUBLE = -1
_INTEGER_FUNCTIONS = {"abs", "int", "round", "wide"}
_SHORT_COMMANDS = re.compile(
    r"\[(?:string (?:length|first|last|compare)|llength|clock seconds|HTTP::payload length|TCP::client_port"
    r"|TMM::cmp_unit|active_members|info exists)\b[^\[\];]*\]"
)


def rewrite_expression(text: str, root: Node, edits: Edits) -> None:
    """Record in ``edits`` what has to change in ``text``. Raises Fault for a shift that C leaves undefined."""
    _Rewriter(text, edits).visit(root, wrapped=False)


class _Rewriter:
    def __init__(self, text: str, edits: Edits) -> None:
        self.text = text
        self.edits = edits

    def visit(self, node: Node, *, wrapped: bool) -> None:
        """``wrapped``: the value goes straight into an operator whose own result is wrapped."""
        if node.kind == "binary":
            self.binary(node, wrapped=wrapped)
        elif node.kind == "unary":
            self.unary(node, wrapped=wrapped)
        else:
            for child in node.children:
                self.visit(child, wrapped=wrapped and node.kind == "paren")

    def unary(self, node: Node, *, wrapped: bool) -> None:
        place = node.operator_start
        if node.operator == "not":
            self.edits.replace(place, place + len("not"), "!")
        overflows = node.operator == "-" and not wrapped and self.bits(node) > _RANGE
        if overflows:
            self.edits.insert(node.start, "wrap64(")
        ring = node.operator in ("-", "+", "~") and (wrapped or overflows)
        self.visit(node.children[0], wrapped=ring)
        if overflows:
            self.edits.insert(node.end, ")")

    def binary(self, node: Node, *, wrapped: bool) -> None:
        operator = node.operator
        if operator in _FUNCTIONS:
            if not self.as_command(node):
                self.as_function(node, "matches_glob" if operator == "matches" else operator)
        elif operator in ("<<", ">>"):
            self.shift(node, wrapped=wrapped)
        elif operator == "/" and not self.harmless_divisor(node.children[1]):
            self.as_function(node, "divide")
        elif operator in ("+", "-", "*"):
            self.ring(node, wrapped=wrapped)
        else:
            self.swap_symbol(node)
            bitwise = wrapped and operator in ("&", "|", "^")
            for child in node.children:
                self.visit(child, wrapped=bitwise)

    def ring(self, node: Node, *, wrapped: bool) -> None:
        overflows = not wrapped and self.bits(node) > _RANGE
        if overflows:
            self.edits.insert(node.start, "wrap64(")
        for child in node.children:
            self.visit(child, wrapped=wrapped or overflows)
        if overflows:
            self.edits.insert(node.end, ")")

    def shift(self, node: Node, *, wrapped: bool) -> None:
        left, right = node.children
        count = constant(right)
        if count is None:
            self.as_function(node, "shift_left" if node.operator == "<<" else "shift_right")
        elif not 0 <= count < 64:
            raise not_emulated(node.operator_start, f"a shift by {count}, which C leaves undefined")
        elif node.operator == "<<":
            self.ring(node, wrapped=wrapped)
        else:
            self.visit(left, wrapped=False)

    def harmless_divisor(self, node: Node) -> bool:
        return node.kind == "number" and constant(node) not in (None, 0)

    def as_function(self, node: Node, name: str) -> None:
        left, right = node.children
        self.edits.insert(node.start, name + "(")
        self.visit(left, wrapped=False)
        self.edits.replace(node.operator_start, node.operator_start + len(node.operator), ",")
        self.visit(right, wrapped=False)
        self.edits.insert(node.end, ")")

    def as_command(self, node: Node) -> bool:
        """With a literal on the right: a command that Tcl compiles, not a function. False if that is not possible."""
        left, right = node.children
        if left.kind not in ("variable", "script", "word") or right.word is None or not right.word.plain:
            return False
        if "\n" in self.text[left.end : right.end]:
            return False
        literal = right.word.literal() or ""
        quoted = self.text[right.start : right.end]
        if node.operator in _GLOBS:
            if not _NO_GLOB.fullmatch(literal):
                return False
            quoted = _GLOBS[node.operator] % literal
        command = "regexp --" if node.operator == "matches_regex" else "string match"
        self.edits.insert(node.start, f"[{command} {quoted} ")
        self.visit(left, wrapped=False)
        self.edits.replace(left.end, right.end, "]")
        return True

    def swap_symbol(self, node: Node) -> None:
        symbol = _SYMBOLS.get(node.operator)
        if symbol:
            self.edits.replace(node.operator_start, node.operator_start + len(node.operator), symbol)

    def bits(self, node: Node) -> int:
        """How many bits the value of ``node`` may need, _DOUBLE for a floating-point number."""
        if node.kind == "number":
            value = constant(node)
            return _DOUBLE if value is None else value.bit_length()
        if node.kind == "boolean":
            return 1
        if node.kind == "script":
            return 34 if _SHORT_COMMANDS.fullmatch(self.text, node.start, node.end) else _ANY
        if node.kind == "call":
            return _ANY if node.operator in _INTEGER_FUNCTIONS else _DOUBLE
        if node.kind in ("paren", "unary"):
            return 1 if node.operator in ("!", "not") else self.bits(node.children[0])
        if node.kind == "ternary":
            return max(self.bits(child) for child in node.children[1:])
        return self.binary_bits(node) if node.kind == "binary" else _ANY

    def binary_bits(self, node: Node) -> int:
        operator = node.operator
        if operator in _COMPARISONS:
            return 1
        left, right = (self.bits(child) for child in node.children)
        if operator == "<<":
            return left + (constant(node.children[1]) or 0)
        if operator == ">>":
            return left
        if operator in ("%", "&"):
            bounds = [constant(child) for child in node.children[0 if operator == "&" else 1 :]]
            found = [bound.bit_length() for bound in bounds if bound is not None and bound > 0]
            return min(found, default=max(left, right))
        if _DOUBLE in (left, right):
            return _DOUBLE
        if operator in ("+", "-"):
            return max(left, right) + 1
        return left + right if operator == "*" else max(left, right)


def constant(node: Node) -> int | None:
    """The value of a literal integer (its sign and parentheses included), ``None`` for anything else."""
    if node.kind == "paren" or (node.kind == "unary" and node.operator in ("-", "+")):
        value = constant(node.children[0])
        return -value if value is not None and node.operator == "-" else value
    if node.kind != "number" or not re.fullmatch(r"0[xX][0-9A-Fa-f]+|\d+", node.operator):
        return None
    return integer(node.operator)
