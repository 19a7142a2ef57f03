"""Responses that a rule collects, answers or sends again: HTTP_RESPONSE_DATA, HTTP::retry, HTTP::close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from gateway_bench import VIRTUAL, bench, scenario

from bigip_sm.lab.http import Handler, Request, Response


def sized(body: bytes, status: int = 200) -> Handler:
    async def handler(_: Request) -> Response:
        return Response(status, [("X-Kept", "1")], body)

    return handler


def streamed(*pieces: bytes, pause: float = 0.005) -> Handler:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(pause)

    async def handler(_: Request) -> Response:
        return Response(200, [], body())

    return handler


REPLACING = """
    when HTTP_RESPONSE { HTTP::collect 1048576 }
    when HTTP_RESPONSE_DATA {
        set seen [HTTP::payload length]
        HTTP::payload replace 0 [HTTP::payload length] [string map {secret ******** x {}} [HTTP::payload]]
        HTTP::header insert X-Seen $seen
        log local0. "data"
    }
    when HTTP_RESPONSE_RELEASE { log local0. "release [HTTP::header X-Seen]" }
"""


@pytest.mark.parametrize(
    "handler", [sized(b"a secret xx"), streamed(b"a sec", b"ret ", b"xx")], ids=["sized", "chunked"]
)
def test_a_whole_body_is_seen_and_replaced(handler: Handler) -> None:
    @scenario
    async def check() -> None:
        async with bench(REPLACING, handler=handler) as b, b.connect() as client:
            for _ in range(2):
                reply = await client.get()
                assert reply.body == b"a ******** "
                assert reply.header("X-Seen") == "11"
            assert [line.rpartition(": ")[2] for line in b.log] == ["data", "release 11"] * 2

    check()


@pytest.mark.parametrize("change", ["", "HTTP::payload replace 0 0 longer", "HTTP::payload replace 0 3 {}"])
def test_a_part_of_a_body_is_changed_and_the_rest_streams(change: str) -> None:
    rule = f"when HTTP_RESPONSE {{ HTTP::collect 4 }}\nwhen HTTP_RESPONSE_DATA {{ {change} }}"
    start = {"": b"abc", "HTTP::payload replace 0 0 longer": b"longerabc"}.get(change, b"")

    @scenario
    async def check() -> None:
        body = b"abc" + b"d" * 300_000
        async with bench(rule, handler=sized(body)) as b, b.connect() as client:
            reply = await client.get()
            assert reply.body == start + body[3:]
            assert reply.header("Content-Length") == str(len(reply.body))
            assert (await client.get()).status == 200

    check()


STREAMING = """
    when HTTP_RESPONSE {
        HTTP::header remove Content-Length
        set n 0
        HTTP::collect 1
    }
    when HTTP_RESPONSE_DATA {
        incr n
        HTTP::payload replace 0 [HTTP::payload length] "<[HTTP::payload]>"
        HTTP::release
        HTTP::collect 1
    }
    when HTTP_RESPONSE_RELEASE { log local0. "released after $n" }
"""


@scenario
async def test_a_stream_is_rewritten_piece_by_piece() -> None:
    async with bench(STREAMING, handler=streamed(b"one", b"two", b"three", pause=0.02)) as b, b.connect() as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await client.head()
        assert head.header("Transfer-Encoding") == "chunked"
        assert [await client.chunk() for _ in range(4)] == [b"<one>", b"<two>", b"<three>", b""]
        assert b.log[0].endswith("released after 1")
        assert (await client.get()).body == b"<one><two><three>"


@scenario
async def test_a_stream_of_known_length_goes_on_in_chunks_when_content_length_was_removed() -> None:
    async with bench(STREAMING, handler=sized(b"x" * 100_000)) as b, b.connect() as client:
        reply = await client.get()
        assert reply.header("Content-Length") is None
        assert reply.body.replace(b"<", b"").replace(b">", b"") == b"x" * 100_000
        await client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        old = await client.reply()
        assert old.header("Transfer-Encoding") is None
        assert old.header("Connection") == "close"
        assert old.body.startswith(b"<x")


@pytest.mark.parametrize(("change", "word"), [("more", "longer"), ("", "shorter")])
def test_a_stream_that_does_not_keep_to_its_content_length_is_reset(change: str, word: str) -> None:
    rule = f"""
        when HTTP_RESPONSE {{ HTTP::collect 1 }}
        when HTTP_RESPONSE_DATA {{
            HTTP::payload replace 0 [HTTP::payload length] "{change and "[HTTP::payload] and " + change}"
            HTTP::release
            HTTP::collect 1
        }}
    """

    @scenario
    async def check() -> None:
        async with bench(rule, handler=sized(b"z" * 70_000)) as b:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await b.get()
            assert any(f"a rule made the body {word} than its Content-Length" in line for line in b.log)

    check()


@pytest.mark.parametrize(
    ("method", "handler"),
    [("HEAD", sized(b"body")), ("GET", sized(b"")), ("GET", sized(b"", 304)), ("GET", streamed())],
    ids=["HEAD", "empty", "304", "empty-chunked"],
)
def test_without_a_body_nothing_is_collected(method: str, handler: Handler) -> None:
    @scenario
    async def check() -> None:
        async with bench(REPLACING, handler=handler) as b, b.connect() as client:
            for _ in range(2):
                assert (await client.get(method=method)).status in (200, 304)
            assert not any("data" in line for line in b.log)

    check()


@scenario
async def test_a_rule_may_answer_instead_of_a_response() -> None:
    rule = """
        when HTTP_RESPONSE { if {[HTTP::status] == 500} { HTTP::collect 4 } }
        when HTTP_RESPONSE_DATA { HTTP::respond 503 content "sorry: [HTTP::payload 0 2]" }
    """
    async with bench(rule, handler=sized(b"stack trace", 500)) as b, b.connect() as client:
        for _ in range(2):
            reply = await client.get()
            assert (reply.status, reply.body) == (503, b"sorry: st")


@pytest.mark.parametrize(
    ("event", "script", "message"),
    [
        (
            "HTTP_RESPONSE_DATA",
            "HTTP::collect 9",
            "HTTP::collect in HTTP_RESPONSE_DATA is emulated only after HTTP::release",
        ),
        ("HTTP_RESPONSE", "set n 0; HTTP::collect $n", "HTTP::collect without a positive length is not emulated"),
        ("HTTP_RESPONSE", "set n x; HTTP::payload $n", 'expected non-negative integer but got "x"'),
    ],
)
def test_what_collecting_refuses(event: str, script: str, message: str) -> None:
    collecting = "when HTTP_RESPONSE { HTTP::collect 1 }" if event != "HTTP_RESPONSE" else ""
    rule = f"{collecting}\nwhen {event} {{ catch {{ {script} }} why; log local0. $why }}"

    @scenario
    async def check() -> None:
        async with bench(rule) as b:
            await b.get(method="POST", body=b"hello")
            assert b.log[-1].endswith(message)

    check()


@scenario
async def test_a_rejected_response_resets_the_client() -> None:
    async with bench("when HTTP_RESPONSE { reject }") as b:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await b.get()
        assert len(b.seen) == 1


@scenario
async def test_close_ends_the_connection_after_the_response() -> None:
    rule = """
        when HTTP_REQUEST { if {[HTTP::path] eq "/now"} { HTTP::close; HTTP::respond 200 content bye } }
        when HTTP_RESPONSE { if {[HTTP::header X-Target] eq "/last"} { HTTP::close } }
    """
    async with bench(rule) as b:
        for path in ("/now", "/last"):
            async with b.connect() as client:
                assert (await client.get("/first")).header("Connection") is None
                assert (await client.get(path)).header("Connection") in ("close", "Close")
                assert await client.closed()


# HTTP::retry

RETRY = """
    when CLIENT_ACCEPTED { set tries 0 }
    when HTTP_REQUEST {
        incr tries
        set again [HTTP::request]
        log local0. "[HTTP::uri] $tries"
    }
    when HTTP_RESPONSE {
        if {[HTTP::status] == 500 && $tries < 4} {
            HTTP::retry [string map {"/broken" "/whole"} $again]
        }
        HTTP::header insert X-Tries $tries
    }
"""


async def breaking(request: Request) -> Response:
    """500 for everything but /whole."""
    whole = request.target.startswith(b"/whole")
    return Response(200 if whole else 500, [("X-Host", request.header("host") or "")], b"body of " + request.target)


@pytest.mark.parametrize("one_connect", ["/T/A/one_connect", None])
def test_a_request_is_tried_again(one_connect: str | None) -> None:
    @scenario
    async def check() -> None:
        virtual = replace(VIRTUAL, one_connect=one_connect)
        async with bench(RETRY, handler=breaking, virtual=virtual) as b, b.connect() as client:
            for turn in (1, 2):
                reply = await client.get("/broken/x?y", headers=["X-Mine: kept"])
                assert (reply.status, reply.body) == (200, b"body of /whole/x?y")
                assert reply.header("X-Tries") == str(turn * 2)
            assert [request.header("X-Mine") for request in b.seen] == ["kept"] * 4
            assert [line.rpartition(": ")[2] for line in b.log] == [
                "/broken/x?y 1",
                "/whole/x?y 2",
                "/broken/x?y 3",
                "/whole/x?y 4",
            ]

    check()


@scenario
async def test_a_retry_may_carry_a_body_and_another_method() -> None:
    rule = r"""
        when HTTP_REQUEST { if {[HTTP::method] eq "GET"} { set done 0 } }
        when HTTP_RESPONSE {
            if {!$done} {
                set done 1
                HTTP::retry -reset "POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
            }
        }
    """
    async with bench(rule) as b, b.connect() as client:
        for _ in range(2):
            reply = await client.get("/first")
            assert reply.body == b"hello"
            assert (reply.header("X-Method"), reply.header("X-Target")) == ("POST", "/second")


@scenario
async def test_a_retry_after_a_collected_response_and_after_a_failure() -> None:
    rule = r"""
        when HTTP_REQUEST { set path [HTTP::path]; if {$path eq "/nowhere"} { pool dead } }
        when LB_FAILED { pool /T/A/pool; HTTP::retry "GET /found HTTP/1.1\r\nHost: a\r\n\r\n" }
        when HTTP_RESPONSE { if {$path eq "/again"} { HTTP::collect 100 } }
        when HTTP_RESPONSE_DATA { HTTP::retry "GET /third HTTP/1.1\r\nHost: a\r\n\r\n" }
    """
    from bigip_sm.lab.bigip.objects import Pool, PoolMember

    dead = Pool("/T/A/dead", (PoolMember("dead.example.com", 443, True),), ())
    async with bench(rule, objects=[dead]) as b, b.connect() as client:
        assert (await client.get("/nowhere")).header("X-Target") == "/found"
        assert (await client.get("/again", method="POST", body=b"x")).header("X-Target") == "/third"


@pytest.mark.parametrize("text", ["nonsense", "GET / HTTP/1.1", "POST / HTTP/1.1\\r\\nContent-Length: 3\\r\\n\\r\\n"])
def test_a_retry_of_half_a_request_resets(text: str) -> None:
    @scenario
    async def check() -> None:
        async with bench(f'when HTTP_RESPONSE {{ HTTP::retry "{text}" }}') as b:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await b.get()
            assert "HTTP::retry needs a whole request" in b.log[0]

    check()


@scenario
async def test_endless_retries_do_not_stop_other_connections() -> None:
    rule = r"""
        when HTTP_REQUEST { set path [HTTP::path] }
        when HTTP_RESPONSE { if {$path eq "/loop"} { HTTP::retry "GET /loop HTTP/1.1\r\nHost: a\r\n\r\n" } }
    """
    async with bench(rule) as b, b.connect() as looping:
        await looping.send(b"GET /loop HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        assert (await b.get("/ok")).status == 200
        assert len(b.seen) > 3
        looping.writer.transport.abort()
