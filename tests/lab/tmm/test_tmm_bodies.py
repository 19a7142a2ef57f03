"""Bodies: collected or streamed, both ways, whole or broken off; framing stays consistent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from gateway_bench import Client, bench, echo, scenario

from bigip_sm.lab.http import Request, Response
from bigip_sm.lab.tmm import commands_http

COLLECT = """
    when HTTP_REQUEST {
        if {[HTTP::header exists Transfer-Encoding]} {
            HTTP::collect 1000
        } elseif {[HTTP::header value Content-Length] > 0} {
            HTTP::collect [HTTP::header value Content-Length]
        }
    }
    when HTTP_REQUEST_DATA {
        HTTP::header insert X-Length [HTTP::payload length]
        binary scan [sha256 [HTTP::payload]] H* hash
        HTTP::header insert X-Hash $hash
    }
"""
BYTES = bytes(range(256)) * 4


def header(request: Request, name: str) -> str | None:
    return request.header(name)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@scenario
async def test_a_collected_body_is_exact_and_forwarded_with_its_length() -> None:
    import hashlib

    async with bench(COLLECT) as b:
        reply = await b.get("/", method="POST", body=BYTES)
        assert reply.body == BYTES
        assert header(b.seen[0], "X-Length") == str(len(BYTES))
        assert header(b.seen[0], "X-Hash") == hashlib.sha256(BYTES).hexdigest()
        assert b.seen[0].values("Content-Length") == [str(len(BYTES))]


@scenario
async def test_a_collected_chunked_body_goes_on_chunked() -> None:
    async with bench(COLLECT) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"cde"))
        assert (await client.reply()).body == b"abcde"
        assert b.seen[0].values("Transfer-Encoding") == ["chunked"]
        assert b.seen[0].values("Content-Length") == []


@scenario
async def test_without_its_transfer_coding_a_collected_chunked_body_gets_a_length() -> None:
    rule = COLLECT.replace(
        "HTTP::header insert X-Length", "HTTP::header remove Transfer-Encoding; HTTP::header insert X-Length"
    )
    async with bench(rule) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"cde"))
        assert (await client.reply()).body == b"abcde"
        assert b.seen[0].values("Transfer-Encoding") == []
        assert b.seen[0].values("Content-Length") == ["5"]


@scenario
async def test_an_empty_chunked_body_fires_the_data_event() -> None:
    async with bench(COLLECT) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked())
        assert (await client.reply()).status == 200
        assert header(b.seen[0], "X-Length") == "0"


@scenario
async def test_collect_without_a_body_fires_nothing() -> None:
    async with bench("when HTTP_REQUEST { HTTP::collect 5 }\nwhen HTTP_REQUEST_DATA { reject }") as b:
        assert (await b.get()).status == 200


@pytest.mark.parametrize("wrong", ["1", "99999"])
def test_what_a_rule_says_about_the_length_cannot_make_it_wrong(wrong: str) -> None:
    @scenario
    async def check() -> None:
        async with bench(f"when HTTP_REQUEST {{ HTTP::header replace Content-Length {wrong} }}") as b:
            assert (await b.get("/", method="POST", body=b"hello")).body == b"hello"
            assert b.seen[0].values("Content-Length") == ["5"]

    check()


@scenario
async def test_a_replaced_payload_is_what_is_sent() -> None:
    rule = """
        when HTTP_REQUEST { HTTP::collect [HTTP::header value Content-Length] }
        when HTTP_REQUEST_DATA { HTTP::payload replace 1 3 "\\u00ff\\u00fe" }
    """
    async with bench(rule) as b:
        assert (await b.get("/", method="POST", body=b"abcdef")).body == b"a\xff\xfeef"
        assert b.seen[0].values("Content-Length") == ["5"]


@scenario
async def test_a_partly_collected_body_is_forwarded_whole_after_a_replacement() -> None:
    rule = """
        when HTTP_REQUEST { HTTP::collect 4 }
        when HTTP_REQUEST_DATA { HTTP::payload replace 0 4 "" }
    """
    async with bench(rule) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nabcd")
        await asyncio.sleep(0.05)
        await client.send(b"efgh")
        assert (await client.reply()).body == b"efgh"
        assert b.seen[0].values("Content-Length") == ["4"]


@scenario
async def test_an_early_answer_arrives_before_the_body_is_read_and_closes() -> None:
    async with bench("when HTTP_REQUEST { HTTP::respond 413 content big }") as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 1000)
        reply = await client.reply()
        assert (reply.status, reply.body, reply.header("Connection")) == (413, b"big", "Close")
        await client.send(b"y" * 100_000)  # the connection lingers: no reset overtakes the answer
        assert await client.closed()
        assert not b.seen


@scenario
async def test_a_chunked_body_beyond_the_limit_is_answered_at_once() -> None:
    rule = """
        when HTTP_REQUEST { HTTP::collect 11 }
        when HTTP_REQUEST_DATA { if {[HTTP::payload length] > 10} { HTTP::respond 413 } }
    """
    async with bench(rule) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n0123456789")
        await client.send(b"0")
        assert (await client.reply()).status == 413
        assert not b.seen


@scenario
async def test_a_body_that_is_not_collected_streams_to_the_backend() -> None:
    async with bench() as b:
        arrived = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Transfer-Encoding: chunked" in head
            assert await reader.readuntil(b"first\r\n") == b"5\r\nfirst\r\n"
            arrived.set()
            assert await reader.readuntil(b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await reader.read(1)

        async with b.raw_backend(serve), b.connect() as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            await arrived.wait()
            await client.send(b"6\r\nsecond\r\n0\r\n\r\n")
            assert (await client.reply()).body == b"ok"


@scenario
async def test_a_response_streams_chunk_by_chunk() -> None:
    proceed = asyncio.Event()

    async def model(_: Request) -> Response:
        async def tokens() -> AsyncIterator[bytes]:
            yield b"data: first\n\n"
            await proceed.wait()
            yield b"data: last\n\n"

        return Response(200, [("Content-Type", "text/event-stream")], tokens())

    async with bench(handler=model) as b, b.connect() as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.head()).header("transfer-encoding") == "chunked"
        assert await client.chunk() == b"data: first\n\n"
        proceed.set()
        assert await client.chunk() == b"data: last\n\n"
        assert await client.chunk() == b""
        assert (await client.get()).status == 200


@scenario
async def test_large_bodies_pass_both_ways() -> None:
    body = BYTES * 2048
    async with bench() as b, b.connect() as client:
        sending = asyncio.create_task(client.get("/", method="POST", body=body))
        assert (await sending).body == body


@scenario
async def test_a_client_that_does_not_read_stops_the_server_side() -> None:
    async with bench() as b:
        sent = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n")
            for _ in range(1000):
                writer.write(b"z" * 64_000)
                await writer.drain()
                sent += 64_000

        async with b.raw_backend(serve), b.connect() as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            before = -1
            while sent != before:  # until nothing moves any more
                before = sent
                await asyncio.sleep(0.3)
            assert 0 < sent < 30_000_000
            assert len((await client.reply()).body) == 64_000_000


@scenario
async def test_a_server_that_does_not_read_stops_the_client() -> None:
    async with bench() as b:
        proceed = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await proceed.wait()  # meanwhile the reader stops its transport by itself
            await reader.readexactly(40_000_000)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
            await reader.read(1)

        async with b.raw_backend(serve), b.connect() as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\n")
            sent = 0

            async def upload() -> None:
                nonlocal sent
                while sent < 40_000_000:
                    await client.send(b"z" * 80_000)
                    sent += 80_000

            uploading = asyncio.create_task(upload())
            before = -1
            while sent != before:  # until nothing moves any more
                before = sent
                await asyncio.sleep(0.3)
            assert 0 < sent < 30_000_000
            proceed.set()
            await uploading
            assert (await client.reply()).body == b"ok"


@scenario
async def test_head_204_and_304_have_no_body_and_keep_the_connection() -> None:
    async def answer(request: Request) -> Response:
        status = {"/204": 204, "/304": 304}.get(request.path, 200)
        return Response(status, [("ETag", "x")], b"" if status != 200 else b"12345")

    async with bench(handler=answer) as b, b.connect() as client:
        head = await client.get("/", method="HEAD")
        assert (head.status, head.header("content-length")) == (200, "5")
        assert (await client.get("/204")).status == 204
        assert (await client.get("/304")).status == 304
        assert (await client.get("/")).body == b"12345"
        assert len({request.peer for request in b.seen}) == 1


@scenario
async def test_304_with_a_length_has_no_body_all_the_same() -> None:
    async with bench() as b:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in (b"304 Not Modified\r\nContent-Length: 7\r\n\r\n", b"200 OK\r\nContent-Length: 2\r\n\r\nok"):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 " + answer)
            await reader.read(1)

        async with b.raw_backend(serve), b.connect() as client:
            assert (await client.get()).header("content-length") == "7"
            assert (await client.get()).body == b"ok"


@scenario
async def test_a_response_without_a_length_ends_with_the_connection() -> None:
    async with bench() as b:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")

        async with b.raw_backend(serve), b.connect() as client:
            reply = await client.get()
            assert (reply.body, reply.header("connection")) == (b"until the end", "close")


@scenario
async def test_http_1_0_clients_get_no_chunks() -> None:
    async def model(_: Request) -> Response:
        async def tokens() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return Response(200, [], tokens())

    async with bench(handler=model) as b, b.connect() as client:
        await client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        reply = await client.reply()
        assert (reply.body, reply.header("transfer-encoding"), reply.header("connection")) == (b"onetwo", None, "close")


@scenario
async def test_http_1_0_keep_alive() -> None:
    async with bench() as b, b.connect() as client:
        for _ in range(2):
            await client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.reply()).header("connection") == "Keep-Alive"


@scenario
async def test_connection_close_closes_the_client_side_only() -> None:
    async with bench() as b:
        async with b.connect() as client:
            assert (await client.get(headers=["Connection: close"])).header("connection") == "close"
            assert await client.closed()
        await b.get()
        assert b.seen[0].peer == b.seen[1].peer
        assert b.seen[0].values("Connection") == []


@scenario
async def test_interim_responses_pass_and_fire_no_event() -> None:
    rule = 'when HTTP_RESPONSE { log local0. "status [HTTP::status]" }'
    async with bench(rule) as b:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert b"Expect: 100-continue" in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(2)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)
            await reader.read(1)

        async with b.raw_backend(serve), b.connect() as client:
            await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert (await client.head()).status == 100
            await client.send(b"ok")
            assert (await client.reply()).body == b"ok"
        assert [line.rpartition(": ")[2] for line in b.log] == ["status 200"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    ],
)
def test_a_broken_response_never_looks_complete(answer: bytes) -> None:
    @scenario
    async def check() -> None:
        async with bench() as b:

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)

            async with b.raw_backend(serve), b.connect() as client:
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await client.get()
            assert any(line.startswith("01010028:3:") for line in b.log)

    check()


@scenario
async def test_a_client_that_leaves_in_the_middle_takes_its_server_side_with_it() -> None:
    async with bench() as b:
        gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            try:
                while await reader.read(1000):
                    pass
            finally:
                gone.set()

        async with b.raw_backend(serve):
            async with b.connect() as client:
                await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
                await asyncio.sleep(0.05)
                client.writer.transport.abort()
            await asyncio.wait_for(gone.wait(), 2)
        assert not any(line.startswith("lab:") for line in b.log)


@scenario
async def test_answers_to_head_have_no_body_and_204_no_length() -> None:
    rule = "when HTTP_REQUEST { HTTP::respond [string range [HTTP::path] 1 end] content text }"
    async with bench(rule) as b, b.connect() as client:
        head = await client.get("/200", method="HEAD")
        assert head.header("content-length") == "4"
        assert (await client.get("/204")).header("content-length") is None
        assert (await client.get("/200")).body == b"text"


@scenario
async def test_a_half_closed_client_still_gets_its_answer() -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.1)
        return await echo(request)

    async with bench(handler=slow) as b, b.connect() as client:
        raw: Client = client
        await raw.send(b"GET /half HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await raw.reply()).header("X-Target") == "/half"


@scenario
async def test_a_server_that_answers_early_ends_the_connection_after_its_answer() -> None:
    async with bench() as b:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
            await reader.read()

        async with b.raw_backend(serve), b.connect() as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome")
            reply = await client.reply()
            assert (reply.status, reply.body, reply.header("connection")) == (413, b"big", "close")
            assert await client.closed()


def test_a_rule_cannot_read_more_than_a_variable_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands_http.MAX_VARIABLE == 32 * 1024**2
    monkeypatch.setattr(commands_http, "MAX_VARIABLE", 10)

    @scenario
    async def check() -> None:
        rule = """
            when HTTP_REQUEST { HTTP::collect 20 }
            when HTTP_REQUEST_DATA {
                set failed "[catch {HTTP::payload}] [catch {HTTP::payload 10}] [catch {HTTP::payload 1 11}]"
                HTTP::respond 200 content $failed
            }
        """
        async with bench(rule) as b:
            assert (await b.get("/", method="POST", body=b"0123456789")).body == b"0 0 0"
            assert (await b.get("/", method="POST", body=b"0123456789ab")).body == b"1 0 1"

    check()
