"""Words and commands: split as TMM splits them, and every character accounted for."""

from __future__ import annotations

import re
import tkinter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.tcl.faults import Fault
from bigip_sm.tcl.parser import Parser, Part, Script, Word

if TYPE_CHECKING:
    from _tkinter import TkappType


@pytest.fixture(scope="module")
def interpreter() -> TkappType:
    """A stock Tcl 8.6."""
    return tkinter.Tcl().tk


def parse(text: str) -> Script:
    return Parser(text).script(0, len(text))


def words(text: str) -> list[list[str]]:
    return [[text[word.start : word.end] for word in command.words] for command in parse(text).commands]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set a b", [["set", "a", "b"]]),
        ("a;b\nc", [["a"], ["b"], ["c"]]),
        ("# no\na # yes", [["a", "#", "yes"]]),
        ("# goes on \\\n still\na", [["a"]]),
        ("a {b\nc} d", [["a", "{b\nc}", "d"]]),
        ('a "b ; c" d', [["a", '"b ; c"', "d"]]),
        ("a [b [c]; d] e", [["a", "[b [c]; d]", "e"]]),
        ("a $b(c d) ${e f} $", [["a", "$b(c d)", "${e f}", "$"]]),
        ("a b\\\n  c", [["a", "b", "c"]]),
        ("a {\\}} b", [["a", "{\\}}", "b"]]),
        ("a\r\nb\r\n", [["a"], ["b"]]),
        ('a b"c d', [["a", 'b"c', "d"]]),
        ("a b{c d", [["a", "b{c", "d"]]),
    ],
)
def test_words_as_in_tcl(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected", "joined"),
    [
        ("list {a}{b}", [["list", "{a}", "{b}"]], "list {a} {b}"),
        ('list {a}"b"c', [["list", "{a}", '"b"', "c"]], 'list {a} "b" c'),
        ("{set}zz 7", [["{set}", "zz", "7"]], "{set} zz 7"),
        ("list a b\n{c}", [["list", "a", "b", "{c}"]], "list a b\\\n{c}"),
        ("list a b\n\n{c}", [["list", "a", "b"], ["{c}"]], "list a b\n\n{c}"),
        ("if {1} {a}\nelse {b}", [["if", "{1}", "{a}", "else", "{b}"]], "if {1} {a}\\\nelse {b}"),
        ("if {1} {a}\n\nelse {b}", [["if", "{1}", "{a}"], ["else", "{b}"]], "if {1} {a}\n\nelse {b}"),
        ("list {a}\nelse {b}", [["list", "{a}"], ["else", "{b}"]], "list {a}\nelse {b}"),
        ("list $v{b}", [["list", "$v{b}"]], "list $v{b}"),
        ("list [a]{b}", [["list", "[a]{b}"]], "list [a]{b}"),
        ("if{1}{a}", [["if{1}{a}"]], "if{1}{a}"),
        ("if {0}{a}else{b}", [["if", "{0}", "{a}", "else{b}"]], "if {0} {a} else{b}"),
    ],
)
def test_words_as_in_tmm(text: str, expected: list[list[str]], joined: str) -> None:
    assert words(text) == expected
    for position, inserted in sorted(parse(text).joints, reverse=True):
        text = text[:position] + inserted + text[position:]
    assert text == joined


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a {b", "missing close-brace"),
        ('a "b', 'missing "'),
        ("a [b", "missing close-bracket"),
        ("a $b(c", "missing )"),
        ("a ${b", "missing close-brace for variable name"),
        ("list {*}$l", "{*} expands nothing"),
        ("[" * 60 + "]" * 60, "nested deeper than 50"),
        ("a $(x)", "an array without a name"),
        ("a \\\r\n b", "CR LF"),
        ("a \\777", "octal"),
    ],
)
def test_what_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(Fault, match=re.escape(reason)):
        parse(text)


def tiles(text: str, word: Word) -> None:
    """The parts of a word, its delimiters and nested scripts cover it without gap or overlap."""
    start, end = word.inner
    covers(text, word.parts, start, end)


def covers(text: str, parts: tuple[Part, ...], start: int, end: int) -> None:
    at = start
    for part in parts:
        assert part.start == at
        at = part.end
        if part.kind == "text":
            assert part.value == text[part.start : part.end]
        if part.index is not None:
            covers(text, part.index, part.start + len(part.value) + 2, part.end - 1)
        if part.script is not None:
            whole(text, part.script, part.start + 1, part.end - 1)
    assert at == end


def whole(text: str, script: Script, start: int, end: int) -> None:
    """Between the words of a script there is nothing but blanks, separators and comments."""
    assert (script.start, script.end) == (start, end)
    at = start
    gap = re.compile(r"(?:[\s;]|\\\n|#(?:[^\\\n]|\\.|\\\Z)*)*", re.DOTALL)
    for command in script.commands:
        assert command.words
        assert gap.fullmatch(text, at, command.start)
        at = command.start
        for word in command.words:
            assert re.fullmatch(r"(?:[\s]|\\\n)*", text[at : word.start])
            tiles(text, word)
            at = word.end
        assert at == command.end
    assert gap.fullmatch(text, at, end)


_source = st.lists(
    st.sampled_from(
        [*'ab1 \n;{}[]"$\\#()', "set x ", "{a b}", '"c"', "$v", "${w}", "[c d]", "\\\n ", "if {1} ", "else "]
    ),
    max_size=25,
).map("".join)


@settings(max_examples=1000, deadline=None)
@given(text=_source)
def test_every_character_is_in_a_word_or_between_words(text: str) -> None:
    try:
        script = parse(text)
    except Fault:
        return
    whole(text, script, 0, len(text))


@settings(max_examples=500, deadline=None)
@given(text=_source)
def test_stock_tcl_splits_the_joined_text_in_the_same_way(interpreter: TkappType, text: str) -> None:
    """What is handed to Tcl 8.6 is complete for it and has as many commands as were found."""
    try:
        script = parse(text)
    except Fault:
        return
    for position, inserted in sorted(script.joints, reverse=True):
        text = text[:position] + inserted + text[position:]
    again = parse(text)
    assert not again.joints
    assert [len(command.words) for command in again.commands] == [len(command.words) for command in script.commands]
    assert interpreter.call("info", "complete", text + "\nlast")


def test_values_of_words() -> None:
    command = parse('a {b \\\n  c} "d\\te" f\\x41 $g "h$i" [j]').commands[0]
    assert [word.literal() for word in command.words] == ["a", "b  c", "d\te", "fA", None, None, None]


def test_elements_of_a_list() -> None:
    text = 'a {b c} "d e" f\\ g'
    found = Parser(text).elements(0, len(text))
    assert [word.literal() for word in found] == ["a", "b c", "d e", "f g"]
    with pytest.raises(Fault, match="list element in braces followed by characters"):
        Parser("{a}b").elements(0, 4)


@pytest.mark.parametrize(
    ("text", "reason", "value"),
    [
        ("a {*}$b", "{*} expands nothing", None),
        ("a \\x414", "more than two hexadecimal digits", "\x14"),
        ("a \\u0141", "strings on TMM are bytes", "A"),
        ("a \\U0041", "\\U", "U0041"),
        ("a \\777", "above \\377", "\xff"),
        ("a $(b)", "an array without a name", None),
    ],
)
def test_doubts_are_told_and_reading_goes_on(text: str, reason: str, value: str | None) -> None:
    doubts: list[Fault] = []
    (command,) = Parser(text, doubts.append).script(0, len(text)).commands
    assert [reason in doubt.reason for doubt in doubts] == [True]
    assert value is None or command.words[1].literal() == value
    with pytest.raises(Fault, match=re.escape(reason)):
        parse(text)


def test_comments_have_places() -> None:
    text = "# one\na ;# two\n{# three}\nb # four"
    assert [text[start:end] for start, end in parse(text).comments] == ["# one", "# two"]


@pytest.mark.parametrize("piece", ["[", "$a("])
def test_nesting_has_an_end(piece: str) -> None:
    with pytest.raises(Fault, match="nested deeper"):
        parse(f"a {piece * 2000}")
