"""Hostile clients: requests that could be read in two ways are refused, nothing breaks the lab, nothing hangs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from gateway_bench import ADDRESS, HTTP, METHODS, TCP, VIRTUAL, bench, scenario
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigip_sm.lab.tmm.parsing import MAX_RESPONSE_HEAD, RequestReader, ResponseReader

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
SMUGGLING = {
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "length and transfer coding": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "transfer coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    "transfer coding twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "another transfer coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "transfer coding in 1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "bare line feed": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare line feed in a header": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    "no header name": b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "carriage return in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "bare line feed in chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    "prefixed chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "invented method": b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown method": b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "UTF-8 in the target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 70 + b"\r\n",
    "too large a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 80_000 + b"\r\n\r\n",
    "an endless header": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 80_000,
    "an endless target": b"GET /" + b"y" * 80_000,
    "an endless trailer": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 80_000,
    "a pipelined request": b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_could_be_read_in_two_ways_is_reset_and_logged(data: bytes) -> None:
    @scenario
    async def check() -> None:
        async with bench() as b, b.connect() as client:
            await client.send(data)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(client.reply(), 3)
            assert len(b.log) == 1
            assert not b.log[0].startswith("lab:")

    check()


@scenario
async def test_pipelined_requests_are_served_in_order_where_the_profile_allows_them() -> None:
    async with bench(objects=[replace(HTTP, reject_pipelining=False)]) as b, b.connect() as client:
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5)))
        targets = [(await client.reply()).header("X-Target") for _ in range(5)]
        assert targets == [f"/{number}" for number in range(5)]


@scenario
async def test_an_upgrade_is_an_ordinary_request_and_what_follows_is_the_next() -> None:
    async with bench() as b, b.connect() as client:
        for _ in range(2):
            reply = await client.get("/u", headers=["Connection: upgrade", "Upgrade: websocket"])
            assert reply.header("X-Target") == "/u"


@scenario
async def test_nothing_after_connection_close_is_a_request() -> None:
    async with bench() as b, b.connect() as client:
        await client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.reply()).header("X-Target") == "/1"
        assert await client.closed()
        assert [request.path for request in b.seen] == ["/1"]


@scenario
async def test_a_silent_client_is_reset_after_the_idle_timeout() -> None:
    async with bench(objects=[replace(TCP, idle_timeout=1)]) as b, b.connect() as client:
        await client.get()
        assert await client.closed()
        assert any("idle timeout" in line for line in b.log)


@scenario
async def test_garbage_instead_of_tls_ends_the_connection() -> None:
    async with bench() as b:
        reader, writer = await asyncio.open_connection(*b.network.resolve(*ADDRESS))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 2)
        writer.close()
        assert (await b.get()).status == 200
        assert any("01260009" in line for line in b.log)


@scenario
async def test_many_clients_that_leave_at_any_moment_leave_nothing_behind() -> None:
    async with bench("when HTTP_REQUEST { set x 1 }") as b:
        host, port = b.network.resolve(*ADDRESS)
        for length in range(0, 60, 3):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:length])
            writer.transport.abort()
        request = POST + b"Content-Length: 9\r\n\r\nabcdefghi"
        for length in range(0, len(request), 4):
            async with b.connect() as client:
                client.writer.write(request[:length])
                client.writer.transport.abort()
        assert (await b.get()).status == 200
        await asyncio.sleep(0.05)
        (listener,) = b.plane._listeners.values()
        assert not listener.runtime.connections
        interpreter = b.plane._tmms[0].interpreter
        assert not interpreter.call("info", "commands", "::connections::*")
        assert not [line for line in b.log if line.startswith("lab:")]


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [*SMUGGLING.values(), b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n", b"0\r\n\r\n", b": ", b"chunked"]
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(PIECES)
@settings(max_examples=300, deadline=None)
def test_the_request_reader_raises_nothing_and_never_accepts_bad_framing(pieces: list[bytes]) -> None:
    reader = RequestReader(HTTP)
    for piece in pieces:
        reader.feed(piece)
    for request in reader.requests:
        headers = request.head.headers
        assert request.head.method.decode() in METHODS
        assert len(headers.values("content-length")) + len(headers.values("transfer-encoding")) <= 1
        assert sum(map(len, request.body)) <= (request.length if request.length is not None else 10**9)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40), st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"Content-Length: 3\r\n\r\n", b"\r\n"])
        )
    )
)
@settings(max_examples=300, deadline=None)
def test_the_response_reader_raises_nothing(pieces: list[bytes]) -> None:
    reader = ResponseReader()
    reader.expect(b"GET")
    for piece in pieces:
        reader.feed(piece)
    reader.close()


def test_an_endless_response_head_is_an_error() -> None:
    reader = ResponseReader()
    reader.expect(b"GET")
    reader.feed(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(MAX_RESPONSE_HEAD // 65536 + 1):
        reader.feed(b"y" * 65536)
    assert reader.error is not None


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_however_a_request_is_cut_it_is_read_the_same(data: st.DataObject) -> None:
    whole = (
        b"POST /a?b HTTP/1.1\r\nHost: a\r\nX:  y \r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    )
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
    reader = RequestReader(HTTP)
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        reader.feed(whole[start:end])
    (request,) = reader.requests
    assert reader.refusal is None
    assert request.complete
    assert b"".join(request.body) == b"abcde"
    assert [field[1:] for field in request.head.headers.fields] == [
        (b"Host", b"a"),
        (b"X", b"y"),
        (b"Transfer-Encoding", b"chunked"),
    ]


@given(st.lists(PIECES, min_size=1, max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_requests_over_tls_neither_break_nor_hang_the_lab(requests: list[list[bytes]]) -> None:
    @scenario
    async def check() -> None:
        rule = """
            when HTTP_REQUEST {
                foreach name [HTTP::header names] { set v($name) [HTTP::header value $name] }
                HTTP::collect 50
            }
            when HTTP_REQUEST_DATA { set p [HTTP::payload] }
        """
        async with bench(rule, objects=[replace(HTTP, enforce_rfc=False, reject_pipelining=False)]) as b:
            for pieces in requests:
                with contextlib.suppress(OSError):
                    async with b.connect() as client:
                        for piece in pieces:
                            await client.send(piece)
                        client.writer.transport.abort()
            assert (await b.get()).status == 200
            assert not [line for line in b.log if line.startswith(("lab:", "01220001"))]

    check()


def test_two_thousand_generated_hostile_requests_find_no_defect() -> None:
    """A sample of what ``python benchmarks/hostile.py`` does with 100,000."""
    program = Path(__file__).parents[3] / "benchmarks" / "hostile.py"
    ran = subprocess.run(
        [sys.executable, str(program), "--requests", "2000", "--seed", "2"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert "defects: 0" in ran.stdout
    assert "answered 200" in ran.stdout


@scenario
async def test_an_unencrypted_virtual_server_is_served_too() -> None:
    async with bench(
        "when HTTP_REQUEST { HTTP::respond 200 content plain }", virtual=replace(VIRTUAL, client_ssl=None)
    ) as b:
        reader, writer = await asyncio.open_connection(*b.network.resolve(*ADDRESS))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nplain")
        writer.close()


@scenario
async def test_a_client_that_never_reads_and_then_breaks_tls_cannot_hold_the_lab() -> None:
    async with bench() as b, b.connect() as client:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n")
            for _ in range(1000):
                writer.write(b"z" * 64_000)
                await writer.drain()

        async with b.raw_backend(serve):
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.sleep(0.3)
            os.write(client.writer.get_extra_info("socket").fileno(), b"garbage instead of a TLS record")
            await asyncio.sleep(0.1)
            assert any("01260009" in line for line in b.log)
            await asyncio.wait_for(b.plane.stop(), 3)
        client.writer.transport.abort()
