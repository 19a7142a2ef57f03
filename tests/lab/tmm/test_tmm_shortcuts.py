"""Shortcuts: whatever they are asked, they give what the command gives; and they are what runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.objects import DataGroup, Pool, PoolMember
from bigip_sm.lab.tmm.commands import commands
from bigip_sm.lab.tmm.messages import RequestHead, ResponseHead
from bigip_sm.lab.tmm.pools import PoolState
from bigip_sm.lab.tmm.session import Answer, Command, Result, Session, wire
from bigip_sm.lab.tmm.shortcuts import shortcuts
from bigip_sm.lab.tmm.tmm import Tmm, World

NAMES = ("Host", "hOST", "X", "Absent", "x")
GROUP, NUMBERS, POOL = "/Common/words", "/Common/numbers", "/Common/members"
WORLD = World({POOL: PoolState(Pool(POOL, (PoolMember("10.0.0.1", 80, False),), ()))}, {}, lambda: 0.0, print)
TMM = Tmm(0, WORLD)
for group in (
    DataGroup(GROUP, "string", (("x", "1"), ("-x", "2"), ("\u00e9", "\u00e9"), ("empty", ""))),
    DataGroup(NUMBERS, "integer", (("1", "one"),)),
):
    TMM.groups.apply(None, group, backwards=False, over=0)

COMMANDS, SHORTCUTS = commands(TMM), shortcuts(TMM)

WORDS: dict[str, tuple[str, ...]] = {
    "HTTP::header": (
        *("value", "values", "exists", "count", "remove", "names", "replace", "insert", "nonsense", *NAMES),
        *("a b", "line\nend", "\xff", ""),
    ),
    "HTTP::method": ("x",),
    "HTTP::path": ("/x", "x"),
    "HTTP::query": ("a=b",),
    "HTTP::uri": ("/x", "/x y", "x", "-normalized", "/\xff"),
    "HTTP::host": ("b",),
    "HTTP::status": ("200",),
    "HTTP::payload": ("length", "replace", "0", "2", "x"),
    "class": (
        *("match", "lookup", "-value", "-name", "-all", "--", "x", "-x", "\xc3\xa9", "1", "01", "empty"),
        *("equals", "contains", "starts_with", "nonsense", GROUP, NUMBERS, "words", "absent"),
    ),
    "pool": (POOL, "members", "absent", "member", "10.0.0.1", "80"),
    "active_members": (POOL, "members", "absent", "-list"),
    "CRYPTO::hash": ("-alg", "sha256", "md5", "nonsense", "--", "x", "\xff", "\u20ac"),
}


def session(event: str, *, responded: bool) -> Session:
    made = Session("127.0.0.1", 1)
    made.request = RequestHead(b"POST", b"/p/q?a=b&c", b"1.1")
    made.response = ResponseHead(200, b"OK", b"1.1")
    for headers in (made.request.headers, made.response.headers):
        for name, value in ((b"Host", b"a"), (b"x", b"1"), (b"X", b"\xff")):
            headers.add(name, value)
    made.payload = bytearray(b"payload\x00\xff")
    made.enter(event)
    if responded:
        made.respond(Answer(200, b"", (), b"1.0", True))
    return made


def outcome(command: Command, words: list[str], event: str, responded: bool) -> tuple[object, object]:
    """Result or error, and what became of the session."""
    TMM.session = used = session(event, responded=responded)
    result: object
    try:
        result = plain(command(*words))
    except (LabError, TypeError, KeyError, IndexError, ValueError) as error:
        result = type(error)
    return result, replace(used, current=None)  # compared by value: heads, payload, answer


def plain(result: Result) -> Result:
    """Text and bytes are the same to Tcl."""
    return wire(result) if isinstance(result, str) else result


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_shortcut_gives_what_the_command_gives(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(WORDS)))
    words = data.draw(st.lists(st.sampled_from(WORDS[name]), max_size=6))
    event = data.draw(st.sampled_from(("HTTP_REQUEST", "HTTP_RESPONSE", "HTTP_REQUEST_DATA")))
    responded = data.draw(st.booleans())
    command = COMMANDS[name]
    short = SHORTCUTS[name](command)
    plainly, shortly = (fields(outcome(one, words, event, responded)) for one in (command, short))
    assert shortly == plainly


def fields(found: tuple[object, object]) -> tuple[object, ...]:
    result, used = found
    assert isinstance(used, Session)
    assert used.request is not None
    assert used.response is not None
    return (
        result,
        used.request.encode(),
        used.response.encode(),
        bytes(used.payload),
        used.answer,
        used.pool,
        used.wanted,
    )


def test_every_shortcut_is_tried() -> None:
    assert set(WORDS) == set(SHORTCUTS)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HTTP::header", ("value", "HOST")),
        ("HTTP::header", ("exists", "absent")),
        ("HTTP::header", ("count", "x")),
        ("HTTP::header", ("remove", "x")),
        ("HTTP::method", ()),
        ("HTTP::path", ()),
        ("HTTP::query", ()),
        ("HTTP::uri", ("/x?y",)),
        ("HTTP::host", ()),
        ("HTTP::status", ()),
        ("HTTP::payload", ()),
        ("HTTP::payload", ("length",)),
        ("class", ("match", "-value", "--", "x", "equals", GROUP)),
        ("class", ("match", "--", "absent", "equals", GROUP)),
        ("pool", (POOL,)),
        ("active_members", (POOL,)),
        ("CRYPTO::hash", ("-alg", "sha256", "x")),
    ],
)
def test_common_calls_do_not_reach_the_command(name: str, words: tuple[str, ...]) -> None:
    def reached(*_: str) -> Result:
        raise AssertionError("the command itself was called")

    event = "HTTP_RESPONSE" if name == "HTTP::status" else "HTTP_REQUEST"
    TMM.session = session(event, responded=False)
    SHORTCUTS[name](reached)(*words)


INSERTS = st.lists(
    st.tuples(st.sampled_from((*NAMES, "no name")), st.sampled_from(("1", "", "\xff", "a\r", "\0", "\n")))
)


@given(st.lists(INSERTS, max_size=4))
@settings(max_examples=200, deadline=None)
def test_inserts_are_the_same_once_their_names_are_known(calls: list[list[tuple[str, str]]]) -> None:
    plainly, shortly = [], []
    short = SHORTCUTS["HTTP::header"](COMMANDS["HTTP::header"])
    for inserted in calls:
        words = ["insert", *(word for pair in inserted for word in pair)]
        plainly.append(fields(outcome(COMMANDS["HTTP::header"], words, "HTTP_REQUEST", False)))
        shortly.append(fields(outcome(short, words, "HTTP_REQUEST", False)))
    assert shortly == plainly


def test_what_was_written_once_does_not_reach_the_command_again() -> None:
    reached: list[tuple[str, ...]] = []

    def command(*words: str) -> Result:
        reached.append(words)
        return b""

    TMM.session = session("HTTP_REQUEST", responded=False)
    short = SHORTCUTS["HTTP::header"](command)
    for words in [("insert", "A", "1", "B", "2"), ("replace", "C", "3")]:
        short(*words)
        short(*words)
    assert reached == [("insert", "A", "1", "B", "2"), ("replace", "C", "3")]
    request = TMM.session.request
    assert request is not None
    assert request.headers.fields[-3:] == [("a", b"A", b"1"), ("b", b"B", b"2"), ("c", b"C", b"3")]
