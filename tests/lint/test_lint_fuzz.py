"""The linter never fails, whatever it is given, and its work grows with the text."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lint_cases import CASES, PUBLISHED, read

from bigip_sm.lint import RULES, Finding, lint_irule
from bigip_sm.lint.files import Unreadable, decode, lint_file

TEXTS = [read(path) for path in sorted([*PUBLISHED.glob("*.tcl"), *CASES.glob("BSM-R*/*.tcl")])]
WORDS = """{ } [ ] " \\ $ ; # ( ) ${ [expr if else elseif{ switch {*} -- when proc catch foreach $x( == ! not in ** 0b1
    0x 99999999999999999999 :: static:: return HTTP::respond [HTTP::uri] set incr \\u00e9 \\x4142"""
PIECES = st.sampled_from([*WORDS.split(), "\n", "\r\n", "\0", "\u00e9"])


def check(found: list[Finding], text: str) -> None:
    lines = text.count("\n") + 1
    for finding in found:
        assert finding.rule in RULES
        assert finding.level == RULES[finding.rule].level
        assert 1 <= finding.line <= lines
        assert finding.column >= 1
        assert finding.message
        assert "\n" not in finding.message


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mutations_of_rules(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.sampled_from([0, 0, 1, 1, 2, 10, 100])))
        text = text[:start] + data.draw(PIECES | st.just("")) + text[end:]
    check(lint_irule(text, "rule"), text)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES | st.text(max_size=3), max_size=40), st.booleans())
def test_pieces_of_tcl(pieces: list[str], inside: bool) -> None:
    text = " ".join(pieces)
    text = f"when HTTP_REQUEST {{\n{text}\n}}\n" if inside else text
    check(lint_irule(text, "rule"), text)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"when HTTP_REQUEST {\n", b'{"class": "ADC", ', b"ltm rule a {"]))
def test_any_bytes(content: bytes, before: bytes) -> None:
    with contextlib.suppress(Unreadable):
        lint_file(decode(before + content), "file")


@pytest.mark.parametrize(
    "piece", ["{", "[", '"', "(", "if {", "expr {(", "switch a {", "[a ", "$a(", "catch {", "!", "\\"]
)
def test_deep_nesting(piece: str) -> None:
    for text in (piece * 3000, f"when HTTP_REQUEST {{\nif {{ {piece * 3000} }} {{ }}\n}}\n"):
        check(lint_irule(text, "rule"), text)
    closed = "if {1} {" * 200 + "}" * 200
    check(lint_irule(f"when HTTP_REQUEST {{\n{closed}\n}}\n", "rule"), closed + "\n\n\n")


def seconds(text: str) -> float:
    """Processor time that the linter takes for a text; the clock on the wall depends on what else is running."""
    started = time.process_time()
    assert lint_irule(text, "rule")
    return time.process_time() - started


def test_three_thousand_lines_take_less_than_two_seconds() -> None:
    bodies = "".join(read(path) for path in sorted(PUBLISHED.glob("*.tcl")))
    assert seconds(bodies * (3000 // bodies.count("\n") + 1)) < 2


@pytest.mark.parametrize(
    "lines",
    [
        ['if {{ [HTTP::path] eq "/{0}" }} {{', "    set v{0} [string tolower $v]", "    append k $v{0}", "}}"],
        ["catch {{", "    pool $p{0}", "}} e{0}"],
        ["if {{ $x eq {0} }} {{", "    HTTP::respond 200", "}}"],
        ["set v{0} [HTTP::uri]", "set w{0} $v{0}", "switch $w{0} {{", "}}"],
        ["# bigip-sm: allow BSM-R017 because x", 'if {{ $x == "a" }} {{', "}}"],
        ["pool p{0} # comment"],
    ],
)
def test_three_thousand_lines_of_one_handler_do_too(lines: list[str]) -> None:
    count = 3000 // len(lines)
    body = "".join(f"    {line.format(number)}\n" for number in range(count) for line in lines)
    assert seconds(f"when HTTP_REQUEST priority 500 {{\n    set x 1; set v 1\n{body}}}\n") < 2
