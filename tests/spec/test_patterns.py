"""Own patterns: what is taken compiles in Tcl, matches what Python's engine matches, and takes linear time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.lab.tmm.interpreter import create_tcl
from bigip_sm.spec.patterns import linear_pattern

TAKEN = [
    "PRJ-[0-9]{6}",
    r"(?:INT|EXT)-[A-Z]{2,4}-\d+",
    r"\mproject (?:falcon|eagle)\M",
    "(ab|c)d{2,}",
    r"a\.b\(c\)",
    "(?:[0-9]{3}-){2}[0-9]{4}",
    "x.y",
    "[^a-z ]+!",
    "a?b",
]
REFUSED = [
    ("(a+)+", "repeats already"),
    ("(?:a|b*)*c", "repeats already"),
    ("a**", "repeats already"),
    ("a+?", "repeats already"),
    (r"(a)\1", "not taken"),
    ("(?=a)b", "lookahead"),
    ("(?i)ab", "lookahead"),
    ("a*", "nothing at all"),
    (r"\m\M", "nothing at all"),
    ("a|", "nothing stands"),
    ("()", "nothing stands"),
    ("(ab", "never closed"),
    ("ab)", "closes nothing"),
    ("*ab", "repeats nothing"),
    ("a{300}", "no bound"),
    ("a{3,2}", "no bound"),
    ("(?:[a-z]{200}){9}", "multiply"),
    ("[z-a]b", "ranges"),
    ("a{", "not taken"),
    ('a"b', "not taken"),
    ("a$b", "not taken"),
    ("a\\", "not taken"),
    ("[exit]}", "not taken"),
    (r"\x41", "not taken"),
    ("[[:alpha:]]", "not taken"),
    ("é", "not taken"),
    ("(" * 9 + "a" + ")" * 9, "flatter"),
]


@pytest.mark.parametrize("pattern", TAKEN)
def test_patterns_that_are_taken_compile_in_tcl(pattern: str) -> None:
    assert linear_pattern(pattern) == pattern
    create_tcl().call("regexp", "--", pattern, "text")


@pytest.mark.parametrize(("pattern", "why"), REFUSED)
def test_what_could_be_slow_or_mean_two_things_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as raised:
        linear_pattern(pattern)
    assert "; " in str(raised.value)


pieces = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\d", r"\w", "(?:ab|c)", "(a|bc)", r"\-", " "])
repeats = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "{2,}"])
made = st.lists(st.tuples(pieces, repeats).map("".join), min_size=1, max_size=5).map("".join)


@settings(max_examples=400, deadline=None)
@given(pattern=st.one_of(made, st.text("ab()[]{}|*+?\\^$-.1,", max_size=10)), text=st.text("abc1- ", max_size=12))
def test_tcl_finds_what_python_finds(pattern: str, text: str) -> None:
    try:
        linear_pattern(pattern)
    except ValueError:
        return
    found = create_tcl().call("regexp", "--", pattern, text)
    assert bool(int(found)) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize("pattern", [*TAKEN, "[a-z]{1,200}@", "a[ab]*c"])
def test_a_long_text_is_searched_in_linear_time(pattern: str) -> None:
    tcl = create_tcl()

    def spent(size: int) -> float:
        text = ("ab1-PRJ- " * size)[:size]
        best = 9.0
        for _ in range(3):
            before = time.process_time()
            tcl.call("regexp", "--", pattern, text)
            best = min(best, time.process_time() - before)
        return best

    assert spent(800_000) < 30 * spent(80_000) + 0.05
