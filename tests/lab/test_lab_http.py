"""The lab's HTTP server, spoken to over real sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.lab.http import Handler, HttpsServer, Request, Response

NOW = 1_790_000_000
DATE = b"date: Mon, 21 Sep 2026 14:13:20 GMT\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


async def hello(request: Request) -> Response:
    return Response(200, [("X-Body", str(len(request.body)))], b"hello")


def serve(handler: Handler, talk: Talk, **limits: int) -> Any:
    """Run ``talk`` on one plain connection to a server; nothing may be left over or go wrong in the loop."""

    async def run() -> Any:
        troubles: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
        server = HttpsServer(handler, None, date=lambda: NOW, **limits)
        reader, writer = await asyncio.open_connection("127.0.0.1", await server.start())
        try:
            return await asyncio.wait_for(talk(reader, writer), 10)
        finally:
            writer.close()
            await server.stop()
            await asyncio.sleep(0)
            assert not troubles
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of one answer with a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
    return head, await reader.readexactly(int(lengths[0].split()[1]) if lengths else 0)


def exchange(data: bytes, handler: Handler = hello, **limits: int) -> bytes:
    """Everything that comes back for ``data`` until the server closes, as it must."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(data)
        return await reader.read()

    result = serve(handler, talk, **limits)
    assert isinstance(result, bytes)
    return result


def seen(data: bytes) -> Request:
    """The request that a handler sees for ``data``."""
    requests: list[Request] = []

    async def keep(request: Request) -> Response:
        requests.append(request)
        return Response(200, [("Connection", "close")])

    assert exchange(data, keep).startswith(b"HTTP/1.1 200 OK\r\n")
    (request,) = requests
    return request


def test_a_request_stays_as_it_was_on_the_wire() -> None:
    request = seen(b"GET /a%2Fb//c?x=1?y&z=%zz HTTP/1.1\r\nHOST: h\r\nX-b: 2 \r\nx-B:\t\xe9  e\r\nA:\r\n\r\n")
    assert request.target == b"/a%2Fb//c?x=1?y&z=%zz"
    assert (request.method, request.path, request.query) == ("GET", "/a%2Fb//c", "x=1?y&z=%zz")
    assert [name for name, _ in request.headers] == [b"HOST", b"X-b", b"x-B", b"A"]
    assert request.values("X-B") == ["2", "\u00e9  e"]
    assert (request.header("x-b"), request.header("a"), request.header("none")) == ("2", "", None)
    assert request.sni is None
    assert request.peer[0] == "127.0.0.1"


def test_chunked_bodies_are_joined_and_trailers_dropped() -> None:
    chunks = b"4;ext=1\r\nWiki\r\n5\r\npedia\r\n0\r\nX-Trailer: t\r\n\r\n"
    request = seen(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert request.body == b"Wikipedia"
    assert request.header("x-trailer") is None


def test_answers_come_in_the_order_of_pipelined_requests() -> None:
    async def slow_first(request: Request) -> Response:
        if request.path == "/0":
            await asyncio.sleep(0.05)
        return Response(200, [], request.target)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[bytes]:
        writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % index for index in range(5)))
        bodies = [(await answer(reader))[1] for _ in range(5)]
        writer.write(b"GET /after HTTP/1.1\r\nHost: h\r\n\r\n")
        return [*bodies, (await answer(reader))[1]]

    assert serve(slow_first, talk) == [b"/0", b"/1", b"/2", b"/3", b"/4", b"/after"]


def test_expect_continue_is_answered_before_the_body_comes() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert b"X-Body: 3\r\n" in (await answer(reader))[0]

    serve(hello, talk)


def test_continue_waits_for_the_answer_before_it() -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.05)
        return Response(200, [], request.body)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert (await answer(reader))[0].startswith(b"HTTP/1.1 200 ")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await answer(reader))[1] == b"abc"

    serve(slow, talk)


def test_no_continue_for_a_body_that_is_refused() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    assert exchange(head, max_body=8).startswith(b"HTTP/1.1 413 ")


def test_date_is_the_clock_s_unless_the_handler_has_one() -> None:
    async def dated(request: Request) -> Response:
        return Response(200, [("Date", "then"), ("Connection", "close")])

    close = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    assert DATE in exchange(close)
    answer = exchange(close, dated)
    assert b"Date: then\r\n" in answer
    assert DATE not in answer


@pytest.mark.parametrize(("status", "length"), [(200, b"content-length: 5"), (204, None), (304, None)])
def test_head_and_bodiless_statuses(status: int, length: bytes | None) -> None:
    async def handler(request: Request) -> Response:
        return Response(status, [], b"hello")

    method = b"HEAD" if status == 200 else b"GET"
    answer = exchange(method + b" / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", handler)
    assert answer.endswith(b"\r\n\r\n")
    assert (b"content-length" in answer) is (length is not None)
    assert length is None or length in answer


GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
LIMITS = {
    "long target": (b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\n\r\n", 431),
    "target without end": (b"GET /" + b"a" * 200_000, 431),
    "long header": (GET + b"X: " + b"a" * 2000 + b"\r\n\r\n", 431),
    "header without end": (GET + b"X: " + b"a" * 200_000, 431),
    "many headers": (GET + b"X: 1\r\n" * 500, 431),
    "trailer without end": (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 200_000, 431),
    "declared body": (GET + b"Content-Length: 2000\r\n\r\n", 413),
    "absurd length": (GET + b"Content-Length: 9999999999999999\r\n\r\n", 413),
    "chunked body": (GET + b"Transfer-Encoding: chunked\r\n\r\n" + b"a\r\n0123456789\r\n" * 150, 413),
    "length too big to be true": (GET + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    "length in words": (GET + b"Content-Length: ten\r\n\r\n", 400),
    "two lengths": (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "length and chunked": (GET + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "bad chunk": (GET + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "NUL in a header": (GET + b"X: a\x00b\r\n\r\n", 400),
    "blank in a name": (GET + b"X Y: 1\r\n\r\n", 400),
    "version": (b"GET / HTTP/9.9\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_too_big_or_malformed_is_refused_and_the_connection_closed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigip_sm.lab.http.LINGER", 0.02)
    data, status = LIMITS[name]
    answer = exchange(data, max_head=1024, max_body=1024)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close\r\n" in answer


def test_the_refusal_is_seen_by_a_client_that_goes_on_sending() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET + b"Content-Length: 8000000\r\n\r\n")
        for _ in range(80):
            writer.write(bytes(100_000))
            await writer.drain()
        assert (await answer(reader))[0].startswith(b"HTTP/1.1 413 ")

    serve(hello, talk, max_body=1024)


def test_a_refusal_comes_after_the_answers_that_are_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigip_sm.lab.http.LINGER", 0.02)

    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.02)
        return Response(200)

    answer = exchange(GET + b"\r\n" + GET + b"\r\n" + b"noise\r\n\r\n" + GET + b"\r\n", slow)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]


def test_an_upgrade_is_ignored_and_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigip_sm.lab.http.LINGER", 0.02)
    answer = exchange(GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"hello")


pieces = st.sampled_from(
    [
        *(b"GET ", b"POST ", b"/", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: h\r\n", b"\r\n", b"\r\n\r\n"),
        *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"abc"),
        *(b"Expect: 100-continue\r\n", b"Upgrade: x\r\nConnection: upgrade\r\n", b"Connection: close\r\n"),
    ]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(pieces | st.binary(max_size=20), max_size=12))
def test_hostile_bytes_never_harm_the_server(noise: list[bytes]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        for piece in noise:
            writer.write(piece)
            await asyncio.sleep(0)
        other_reader, other = await asyncio.open_connection("127.0.0.1", port)
        other.write(GET + b"\r\n")
        assert (await answer(other_reader))[1] == b"hello"
        other.close()

    serve(hello, talk)


def test_a_stream_reaches_the_client_while_it_is_produced() -> None:
    go_on = asyncio.Event()

    async def produce() -> AsyncIterator[bytes]:
        yield b"first"
        yield b""
        await go_on.wait()
        yield b"second"

    async def handler(request: Request) -> Response:
        return Response(200, [], produce())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET + b"\r\n")
        assert b"transfer-encoding: chunked\r\n" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(10) == b"5\r\nfirst\r\n"
        assert not go_on.is_set()
        go_on.set()
        assert await reader.readuntil(b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"

    serve(handler, talk)


def test_a_stream_to_http_1_0_ends_with_the_connection() -> None:
    async def produce() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async def handler(request: Request) -> Response:
        return Response(200, [], produce())

    answer = exchange(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", handler)
    assert answer.endswith(b"\r\n\r\nab")
    assert b"chunked" not in answer


async def settled(count: Callable[[], int]) -> int:
    """The count once it has stood still for a tenth of a second."""
    while True:
        before = count()
        await asyncio.sleep(0.1)
        if count() == before > 0:
            return before


def test_production_stops_while_the_client_does_not_read() -> None:
    produced = 0

    async def produce() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 1
            yield bytes(100_000)
            await asyncio.sleep(0)

    async def handler(request: Request) -> Response:
        return Response(200, [], produce())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        held = await settled(lambda: produced)
        assert held < 200
        await reader.readexactly(30_000_000)
        assert produced > held

    serve(handler, talk)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_client_that_leaves_cancels_the_handler(streaming: bool) -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("yes")

    async def produce() -> AsyncIterator[bytes]:
        yield b"x"
        await wait()

    async def handler(request: Request) -> Response:
        if not streaming:
            await wait()
        return Response(200, [], produce())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET + b"\r\n")
        if streaming:
            await reader.readuntil(b"x\r\n")
        else:
            await asyncio.sleep(0.02)
        writer.transport.abort()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if ended:
                return

    serve(handler, talk)
    assert ended == ["yes"]


async def raise_error(request: Request) -> Response:
    raise ValueError("a mistake")


async def forge_header(request: Request) -> Response:
    return Response(200, [("X-Echo", "a\r\nSet-Cookie: x")])


async def unsendable_header(request: Request) -> Response:
    return Response(200, [("X-Echo", "\u20ac")])


@pytest.mark.parametrize("handler", [raise_error, forge_header, unsendable_header])
def test_a_handler_that_fails_is_answered_500_and_logged_as_one_line(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        answer = exchange(GET + b"\r\n", handler)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"Set-Cookie" not in answer
    (record,) = caplog.records
    assert not record.exc_info
    assert "\n" not in record.getMessage()


def test_a_stream_that_fails_does_not_look_whole(caplog: pytest.LogCaptureFixture) -> None:
    async def produce() -> AsyncIterator[bytes]:
        yield b"x"
        raise ValueError("a mistake")

    async def handler(request: Request) -> Response:
        return Response(200, [], produce())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(GET + b"\r\n")
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""

    assert not serve(handler, talk).endswith(b"0\r\n\r\n")
    assert len(caplog.records) == 1


def test_a_server_that_never_started_can_be_stopped() -> None:
    asyncio.run(HttpsServer(hello, None).stop())
