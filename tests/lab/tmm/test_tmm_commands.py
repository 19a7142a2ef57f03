"""iRule commands: exactly those of the catalogue; headers, URIs and payloads byte for byte."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from pathlib import Path

import pytest
from gateway_bench import HTTP, bench, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

import bigip_sm.lab.tmm
from bigip_sm.lab.tcl.algorithms import CLASS_OPERATORS
from bigip_sm.lab.tcl.catalogue import CATALOGUE
from bigip_sm.lab.tcl.events import EMULATED_EVENTS
from bigip_sm.lab.tmm.commands import commands
from bigip_sm.lab.tmm.commands_cookie import COOKIE_SUBCOMMANDS
from bigip_sm.lab.tmm.commands_http import HEADER_SUBCOMMANDS
from bigip_sm.lab.tmm.commands_table import TABLE_SUBCOMMANDS
from bigip_sm.lab.tmm.groups import OPERATORS
from bigip_sm.lab.tmm.messages import Headers, RequestHead
from bigip_sm.lab.tmm.scripts import PROCEDURES
from bigip_sm.lab.tmm.session import CommandError, Session, wire
from bigip_sm.lab.tmm.tmm import NO_SESSION, Tmm, World


def make_tmm() -> Tmm:
    return Tmm(0, World({}, {}, lambda: 0.0, print))


def test_the_data_plane_implements_exactly_the_catalogue() -> None:
    tmm = make_tmm()
    implemented = {*commands(tmm), *PROCEDURES}
    assert implemented == set(CATALOGUE)
    assert set(CATALOGUE["HTTP::header"].subcommands) == HEADER_SUBCOMMANDS
    assert set(CATALOGUE["HTTP::cookie"].subcommands) == COOKIE_SUBCOMMANDS
    assert set(CATALOGUE["table"].subcommands) == TABLE_SUBCOMMANDS
    assert all(tmm.interpreter.call("info", "commands", name) for name in implemented)
    assert not OPERATORS.symmetric_difference(CLASS_OPERATORS)
    tmm.close()


def test_the_data_plane_fires_every_event_that_rules_may_handle() -> None:
    folder = Path(bigip_sm.lab.tmm.__file__).parent
    source = "".join((folder / f"{name}.py").read_text() for name in ("client", "exchange", "interpreter"))
    assert {event for event in EMULATED_EVENTS if f'"{event}"' not in source} == set()


@pytest.mark.parametrize(
    ("target", "normal"),
    [
        ("/", True),
        ("/v1/models/a-b_c.d~e/", True),
        ("/.well-known/x?y=1&z=a/b", True),
        ("/a/../b", False),
        ("/a/..", False),
        ("/./a", False),
        ("/a//b", False),
        ("/a%62", False),
        ("/a\\b", False),
        ("/a;b", False),
        ("/a?b=%63", False),
        ("/a?b=c+d", False),
    ],
)
def test_a_normal_target_is_given_back_and_no_other(target: str, normal: bool) -> None:
    @scenario
    async def check() -> None:
        rule = """
            when HTTP_REQUEST {
                if {[catch {
                    set seen "[HTTP::uri -normalized] [HTTP::path -normalized] [HTTP::query -normalized]"
                } why]} {
                    HTTP::respond 400 content $why
                    return
                }
                HTTP::respond 200 content $seen
            }
        """
        async with bench(rule) as b:
            reply = await b.get(target)
            path, _, query = target.partition("?")
            if normal:
                assert (reply.status, reply.body.decode()) == (200, f"{target} {path} {query}")
            else:
                assert reply.status == 400
                assert reply.body.startswith(b"not emulated by the lab: what -normalized makes of ")

    check()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("HTTP::method", "PUT"),
        ("HTTP::uri", "/a/b?c=%20d?e"),
        ("HTTP::path", "/a/b"),
        ("HTTP::query", "c=%20d?e"),
        ("HTTP::version", "1.1"),
        ("HTTP::host", "models.example.com"),
        ("HTTP::header x-twice", "two"),
        ("HTTP::header value X-TWICE", "two"),
        ("HTTP::header values x-twice", "one two"),
        ("HTTP::header values x-one", "a b"),
        ("llength [HTTP::header values x-one]", "2"),
        ("HTTP::header count X-Twice", "2"),
        ("HTTP::header count", "5"),
        ("HTTP::header names", "Host X-Twice x-twice X-Blank X-One"),
        ("HTTP::header exists x-blank", "1"),
        ("HTTP::header value x-blank", ""),
        ("HTTP::header exists x-none", "0"),
        ("HTTP::header value x-none", ""),
        ("TMM::cmp_unit", "0"),
        ("HTTP::has_responded", "0"),
        ("HTTP::payload length", "0"),
        ("active_members /T/A/pool", "1"),
        ("llength [HTTP::header values x-twice]", "2"),
        ("HTTP::header remove x-twice; HTTP::header values x-twice", "one"),
        ("HTTP::header replace x-twice new; HTTP::header values x-twice", "one new"),
        ("HTTP::header replace X-New new; HTTP::header names", "Host X-Twice x-twice X-Blank X-One X-New"),
        ("HTTP::header insert A 1 a 2; HTTP::header values a", "1 2"),
        ("HTTP::path /p; HTTP::uri", "/p?c=%20d?e"),
        ("HTTP::uri /only; HTTP::query", ""),
    ],
)
def test_reading_and_changing_the_request(script: str, expected: str) -> None:
    @scenario
    async def check() -> None:
        *first, last = script.split("; ")
        rule = f"when HTTP_REQUEST {{ {'; '.join(first)}\nHTTP::respond 200 content [{last}] }}"
        async with bench(rule) as b:
            reply = await b.get(
                "/a/b?c=%20d?e", method="PUT", headers=["X-Twice: one", "x-twice: two", "X-Blank:", "X-One: a b"]
            )
            assert reply.body.decode() == expected

    check()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("HTTP::path -normalized /x", "wrong # args: HTTP::path ?-normalized | path?"),
        ("HTTP::uri x", "the URI of a request must start with /"),
        ("HTTP::uri {/a b}", "the URI of a request holds a blank or a control character"),
        ('HTTP::path "/a\\nb"', "the URI of a request holds a blank or a control character"),
        ('HTTP::header insert X "a\\r\\nY: b"', "the value of an HTTP header holds a line break or NUL"),
        ('HTTP::header replace X "a\\nb"', "the value of an HTTP header holds a line break or NUL"),
        ("HTTP::header insert {a b} c", "the name of an HTTP header holds a character that is not allowed there"),
        ("set s 999; HTTP::respond $s", 'bad status "999" in HTTP::respond'),
        ("HTTP::collect 0", "HTTP::collect without a positive length is not emulated"),
        ("set i x; SSL::cert $i", 'bad index "x" in SSL::cert'),
    ],
)
def test_run_time_errors(script: str, message: str) -> None:
    @scenario
    async def check() -> None:
        async with bench(f"when HTTP_REQUEST {{ catch {{ {script} }} why; HTTP::respond 200 content $why }}") as b:
            reply = await b.get()
            assert reply.body.decode() == message

    check()


@scenario
async def test_hashes_and_signatures_are_bytes() -> None:
    rule = """
        when HTTP_REQUEST {
            binary scan [CRYPTO::hash -alg sha256 "\\u00ff\\0x"] H* a
            binary scan [sha256 abc] H* b
            binary scan [CRYPTO::sign -alg hmac-sha256 -keyhex 00ff [HTTP::path]] H* c
            binary scan [CRYPTO::sign -alg hmac-sha256 -key [binary format H* 00ff] [HTTP::path]] H* d
            HTTP::respond 200 content "$a $b $c $d"
        }
    """
    async with bench(rule) as b:
        signature = hmac.new(b"\0\xff", b"/x", "sha256").hexdigest()
        expected = [
            hashlib.sha256(b"\xff\0x").hexdigest(),
            hashlib.sha256(b"abc").hexdigest(),
            signature,
            signature,
        ]
        assert (await b.get("/x")).body.decode().split() == expected


@scenario
async def test_calls_are_counted_only_when_asked_for() -> None:
    rule = "when HTTP_REQUEST { set x [sha256 a][sha256 b]; HTTP::respond 200 }"
    async with bench(rule) as b:
        await b.get()
        assert b.plane.counters == {}
        b.plane.count_commands(True)
        await b.get()
        assert b.plane.counters == {"sha256": 2, "HTTP::respond": 1}
        b.plane.count_commands(False)
        await b.get()
        assert b.plane.counters == {}


@scenario
async def test_respond_builds_the_answer_it_was_told() -> None:
    rule = 'when HTTP_REQUEST { HTTP::respond 429 content "a\\0\\u00e9" X-A 1 X-A 2 Content-Length 99 }'
    async with bench(rule, objects=[replace(HTTP, server_agent_name="BigIP")]) as b, b.connect() as client:
        reply = await client.get()
        assert (reply.status, reply.body) == (429, b"a\0\xe9")
        assert reply.headers == [
            ("X-A", "1"),
            ("X-A", "2"),
            ("Content-Length", "3"),
            ("Server", "BigIP"),
            ("Connection", "Keep-Alive"),
        ]
        assert (await client.get()).status == 429


@scenario
async def test_respond_with_connection_close_closes() -> None:
    rule = "when HTTP_REQUEST { HTTP::respond 401 noserver Connection close }"
    async with bench(rule, objects=[replace(HTTP, server_agent_name="BigIP")]) as b, b.connect() as client:
        reply = await client.get()
        assert (reply.header("Connection"), reply.header("Server")) == ("Close", None)
        assert await client.closed()


@scenario
async def test_x_forwarded_for_is_what_the_profile_says() -> None:
    async with bench(objects=[replace(HTTP, insert_x_forwarded_for=True)]) as b:
        await b.get()
        assert b.seen[0].values("X-Forwarded-For") == ["127.0.0.1"]


NAMES = st.sampled_from([b"A", b"a", b"B", b"X-Long", b"x-long"])
VALUES = st.binary(max_size=8)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=10), NAMES, VALUES)
def test_headers_keep_order_case_and_bytes(fields: list[tuple[bytes, bytes]], name: bytes, value: bytes) -> None:
    headers = Headers()
    for field in fields:
        headers.add(*field)
    key = name.decode().lower()
    same = [index for index, field in enumerate(fields) if field[0].lower() == name.lower()]
    headers.replace_last(name, value)
    expected = list(fields)
    if same:
        expected[same[-1]] = (fields[same[-1]][0], value)
    else:
        expected.append((name, value))
    assert [field[1:] for field in headers.fields] == expected
    headers.set_only(name, value)
    assert headers.values(key) == [value]
    others = [field for field in fields if field[0].lower() != name.lower()]
    assert [field[1:] for field in headers.fields if field[0] != key] == others
    headers.remove_last(key)
    assert headers.last(key) is None


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_bytes_go_through_tcl_unchanged(data: bytes) -> None:
    tmm = TMM
    tmm.interpreter.call("set", "probe", data)
    assert wire(str(tmm.interpreter.call("string", "range", data.decode("latin-1"), 0, "end"))) == data
    session = Session("127.0.0.1", 1)
    session.request = RequestHead(b"GET", b"/", b"1.1")
    session.request.headers.add(b"X", data.replace(b"\r", b"").replace(b"\n", b""))
    session.event = "HTTP_REQUEST"
    tmm.session = session
    got = tmm.interpreter.call("HTTP::header", "value", "X")
    tmm.session = NO_SESSION
    assert (got if isinstance(got, bytes) else wire(got)) == session.request.headers.last("x")


TMM = make_tmm()


def test_characters_above_255_keep_their_low_byte() -> None:
    assert wire("a\u0301€") == b"a\x01\xac"


def test_commands_need_a_connection() -> None:
    tmm = make_tmm()
    with pytest.raises(CommandError, match="RULE_INIT"):
        _ = tmm.session.request
    with pytest.raises(CommandError, match="RULE_INIT"):
        tmm.session.rejected = True
    tmm.close()
