"""Expressions: the same values as Tcl's own without F5's operators, and the documented values with them."""

from __future__ import annotations

import fnmatch
import tkinter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.lab.tcl.arithmetic import rewrite_expression
from bigip_sm.lab.tcl.edits import Edits
from bigip_sm.tcl.expr import parse_expression
from bigip_sm.tcl.faults import Fault
from bigip_sm.tcl.parser import Parser

if TYPE_CHECKING:
    from _tkinter import TkappType

Run = Callable[[str], str]


def rewritten(text: str) -> str:
    """A lone expression, rewritten."""
    edits = Edits()
    rewrite_expression(text, parse_expression(Parser(text), 0, len(text)), edits)
    edits.sort()
    return edits.apply(text, 0, len(text))


def evaluate(tcl: TkappType, text: str) -> str:
    """The value, or the word "error"."""
    try:
        return str(tcl.eval("expr {" + text + "}"))
    except tkinter.TclError:
        return "error"


# Small numbers, so that nothing has to wrap; no / with floating-point operands, which 8.4 refuses for zero.
_integers = st.integers(0, 40).map(str) | st.sampled_from(["0x1f", "017", "true", '"7"', "{9}", "[string length abc]"])
_unary = st.sampled_from(["-", "+", "~", "!", "!!", "- -"])
_operators = st.sampled_from(
    ["*", "/", "%", "+", "-", "<", ">", "<=", ">=", "==", "!=", "eq", "ne", "&", "^", "|", "&&", "||"]
)
_blank = st.sampled_from([" ", "  ", "\n", " \\\n "])


def _combine(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}{}{}{}{}".format, inner, _blank, _operators, _blank, inner),
        st.builds("{}{}".format, _unary, inner),
        inner.map("({})".format),
        inner.map("abs( {} )".format),
        st.builds("{} ? {} : {}".format, inner, inner, inner),
    )


_expressions = st.recursive(_integers, _combine, max_leaves=12)


@settings(max_examples=600, deadline=None)
@given(text=_expressions)
def test_an_expression_without_word_operators_keeps_its_value(interpreter: TkappType, text: str) -> None:
    assert evaluate(interpreter, rewritten(text)) == evaluate(interpreter, text)


_texts = st.text("ab/*", max_size=4)


def _python(operator: str, left: str, right: str) -> bool:
    return {
        "contains": right in left,
        "starts_with": left.startswith(right),
        "ends_with": left.endswith(right),
        "equals": left == right,
        "matches": fnmatch.fnmatchcase(left, right),
        "matches_glob": fnmatch.fnmatchcase(left, right),
    }[operator]


@settings(max_examples=400, deadline=None)
@given(
    left=_texts,
    right=_texts,
    operator=st.sampled_from(["contains", "starts_with", "ends_with", "equals", "matches", "matches_glob"]),
    form=st.sampled_from(
        ['"{0}" {2} "{1}"', "$l {2} $r", '$l {2} "{1}"', "[set l] {2} {{{1}}}", '"$l"{2}"$r"', "($l) {2} [set r]"]
    ),
)
def test_a_string_operator_gives_the_documented_value(
    interpreter: TkappType, left: str, right: str, operator: str, form: str
) -> None:
    interpreter.call("set", "l", left)
    interpreter.call("set", "r", right)
    text = form.format(left, right, operator)
    assert evaluate(interpreter, rewritten(text)) == str(int(_python(operator, left, right)))


# A tree of iRule operators with the value that it must have: (text, value), grouped by precedence alone.
_Valued = tuple[str, int]


def _tests() -> st.SearchStrategy[_Valued]:
    def build(left: str, operator: str, right: str) -> _Valued:
        return f'"{left}" {operator} "{right}"', int(_python(operator, left, right))

    return st.builds(build, _texts, st.sampled_from(["contains", "starts_with", "ends_with", "equals"]), _texts)


def _logic(inner: st.SearchStrategy[_Valued]) -> st.SearchStrategy[_Valued]:
    return st.one_of(
        st.builds(lambda a, b: (f"({a[0]}) and ({b[0]})", a[1] & b[1]), inner, inner),
        st.builds(lambda a, b: (f"({a[0]})or({b[0]})", a[1] | b[1]), inner, inner),
        inner.map(lambda a: (f"not ({a[0]})", 1 - a[1])),
        inner.map(lambda a: (f"not({a[0]}) ? 3 : 4", 4 if a[1] else 3)).map(
            lambda a: (f"({a[0]}) == 3", int(a[1] == 3))
        ),
    )


@settings(max_examples=300, deadline=None)
@given(case=st.recursive(_tests(), _logic, max_leaves=8))
def test_word_operators_combine(interpreter: TkappType, case: _Valued) -> None:
    assert evaluate(interpreter, rewritten(case[0])) == str(case[1])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"ab" contains "b" and "ab" starts_with "b" or "ab" ends_with "b"', "1"),
        ("1 or 0 and 0", "1"),
        ('"a" equals "a" == 1', "1"),
        ('1 == "ab" contains "b"', "0"),
        ('1 < 2 and "abc" matches_regex {^a.c$}', "1"),
        ('"abcd" matches "bc"', "0"),
        ('"0x10" starts_with "0x1"', "1"),
        ('"" starts_with ""', "1"),
        ('"abc" ends_with ""', "1"),
        ('"a" contains ""', "1"),
        ('"abc" starts_with "abcd"', "0"),
        ('"bc" ends_with "abc"', "0"),
        ('{a*} starts_with "a*"', "1"),
        ('"ab" starts_with "a*"', "0"),
        ('"a$b" ends_with {$b}', "1"),
        ('1 ? "a" starts_with "a" : 0', "1"),
    ],
)
def test_precedence_and_corners(interpreter: TkappType, text: str, value: str) -> None:
    interpreter.eval("set b {$b}")
    assert evaluate(interpreter, rewritten(text)) == value


def test_and_and_or_do_not_evaluate_what_they_need_not(run: Run) -> None:
    assert run("set n 0\nif {0 and [incr n]} {}\nif {1 or [incr n]} {}\nset n") == "0"


def test_not_binds_tighter_than_a_string_operator(fails: Run) -> None:
    assert 'can\'t use non-numeric string as operand of "!"' in fails('set u abc\nif {not $u starts_with "a"} {}')


@settings(max_examples=300, deadline=None)
@given(
    a=st.integers(-(2**63), 2**63 - 1),
    b=st.integers(-(2**63), 2**63 - 1),
    c=st.integers(-(2**63), 2**63 - 1),
    form=st.sampled_from(
        [
            "{a} + {b}",
            "{a} * {b} - {c}",
            "({a} - {b}) * {c}",
            "-{a} * 3",
            "({a} * {b} & 255) + {c}",
            "({a} << 5) + {b}",
            "({a} + {b}) >> 3",
            "{a} * {b} ^ {c}",
            "~{a} - {b}",
            "({a} + {b}) / 3",
            "({a} + {b}) % 1000",
            "{a} + {b} < {c}",
        ]
    ),
)
def test_integers_wrap_at_64_bits(interpreter: TkappType, a: int, b: int, c: int, form: str) -> None:
    for name, value in zip("abc", (a, b, c), strict=True):
        interpreter.call("set", name, value)
    found = evaluate(interpreter, rewritten(form.format(a="$a", b="$b", c="$c")))
    assert int(found) == _wrapping(form, a, b, c)


def _wrap(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def _wrapping(form: str, a: int, b: int, c: int) -> int:
    """The same in Python, each operator with its own wrap."""
    return {
        "{a} + {b}": lambda: _wrap(a + b),
        "{a} * {b} - {c}": lambda: _wrap(_wrap(a * b) - c),
        "({a} - {b}) * {c}": lambda: _wrap(_wrap(a - b) * c),
        "-{a} * 3": lambda: _wrap(_wrap(-a) * 3),
        "({a} * {b} & 255) + {c}": lambda: _wrap((_wrap(a * b) & 255) + c),
        "({a} << 5) + {b}": lambda: _wrap(_wrap(a << 5) + b),
        "({a} + {b}) >> 3": lambda: _wrap(a + b) >> 3,
        "{a} * {b} ^ {c}": lambda: _wrap(_wrap(a * b) ^ c),
        "~{a} - {b}": lambda: _wrap(~a - b),
        "({a} + {b}) / 3": lambda: _wrap(a + b) // 3,
        "({a} + {b}) % 1000": lambda: _wrap(a + b) % 1000,
        "{a} + {b} < {c}": lambda: int(_wrap(a + b) < c),
    }[form]()


@pytest.mark.parametrize(
    "text", ["1.5 + 2", "rand() * 4.0", "$x && 1", "[string length $x] + 1", "[llength $x] - 1 < 40"]
)
def test_what_cannot_leave_64_bits_is_not_touched(text: str) -> None:
    assert rewritten(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 in {1 2}", "extra tokens"),
        ("1 ni {1 2}", "extra tokens"),
        ("2 ** 3", "syntax error"),
        ("0b101 + 1", "extra tokens"),
        ("0o17", "extra tokens"),
        ("08 + 1", "invalid octal number"),
        ("max(1, 2)", 'unknown math function "max"'),
        ("min(1, 2)", 'unknown math function "min"'),
        ("bool(1)", 'unknown math function "bool"'),
        ("entier(1)", 'unknown math function "entier"'),
        ("isqrt(1)", 'unknown math function "isqrt"'),
        ("contains(1, 2)", "operator contains without a left operand"),
        ("wrap64(1)", 'unknown math function "wrap64"'),
        ("1 # comment", "syntax error"),
        ("foo", "variable references require preceding $"),
        ("abs(1, 2)", "too many arguments for math function"),
        ("pow(1)", "too few arguments for math function"),
        ("(1 + 2", "looking for close parenthesis"),
        ("1 +", "premature end of expression"),
        ("", "premature end of expression"),
        ("1 ? 2", "missing colon"),
        ("1 << 64", "not emulated by the lab: a shift by 64"),
        ("9223372036854775808", "does not fit 64 bits"),
        ('"abc', 'missing "'),
        ("[foo", "missing close-bracket"),
        ("((" * 60 + "1" + "))" * 60, "nested deeper"),
    ],
)
def test_what_8_4_does_not_have_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Fault, match=reason.replace("(", r"\(").replace("$", r"\$")):
        rewritten(text)


def refused_at(text: str) -> int:
    """Where a text is refused; its end if it is not."""
    try:
        rewritten(text)
    except Fault as fault:
        return fault.position
    return len(text)


@settings(max_examples=300, deadline=None)
@given(text=st.text('ab01 .$"{}[]()!<>=&|*/%+-?:,\\\n', max_size=30))
def test_any_text_is_rewritten_or_refused(text: str) -> None:
    assert 0 <= refused_at(text) <= len(text)
