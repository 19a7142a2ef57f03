"""Clients and servers as they are: slow, leaving, half-closed, asking first; and rules that do not end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import gateway_bench
import pytest
from gateway_bench import ADDRESS, CLIENT_SSL, TCP, VIRTUAL, Bench, bench, certificates, echo, scenario

from bigip_sm.lab.bigip.objects import SslCertificate, SslKey, TcpProfile
from bigip_sm.lab.http import Request, Response
from bigip_sm.lab.pki import client_context
from bigip_sm.lab.tmm.dataplane import DataPlane
from bigip_sm.lab.tmm.session import Command
from bigip_sm.lab.tmm.tmm import Tmm

PLAIN = replace(VIRTUAL, client_ssl=None)
SOON: TcpProfile = replace(TCP, idle_timeout=0.15)
ANSWER = "when HTTP_REQUEST { HTTP::respond 401 content no }"


@contextlib.asynccontextmanager
async def plain(b: Bench) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection without TLS."""
    reader, writer = await asyncio.open_connection(*b.network.resolve(*ADDRESS))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends within two seconds, without another byte."""
    try:
        return await asyncio.wait_for(reader.read(1), 2) == b""
    except ConnectionError:
        return True


@scenario
async def test_a_connection_serves_one_request_after_the_other() -> None:
    rule = "when CLIENT_ACCEPTED { set n 0 }\nwhen HTTP_RESPONSE { HTTP::header insert X-N [incr n] }"
    async with bench(rule) as b, b.connect() as client:
        assert [(await client.get(f"/{number}")).header("X-N") for number in range(1, 6)] == ["1", "2", "3", "4", "5"]
        assert {request.peer for request in b.seen} == {b.seen[0].peer}


@scenario
async def test_expect_100_continue_reaches_the_server_and_its_continue_comes_back() -> None:
    async with bench() as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.head()).status == 100
        await client.send(b"hello")
        reply = await client.reply()
        assert (reply.status, reply.body) == (200, b"hello")


@scenario
async def test_a_client_that_waits_for_100_continue_gets_an_early_answer_and_the_end() -> None:
    async with bench(ANSWER) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        reply = await client.reply()
        assert (reply.status, reply.header("Connection")) == (401, "Close")
        assert await client.closed()
        assert not b.seen


@scenario
async def test_after_an_early_answer_the_rest_of_the_body_is_no_request() -> None:
    async with bench(ANSWER) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert (await client.reply()).status == 401
        await client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 10)
        assert await client.closed()


@pytest.mark.parametrize("tls", [True, False])
def test_a_client_that_leaves_in_the_middle_of_a_response_takes_its_server_side_with_it(tls: bool) -> None:
    @scenario
    async def check() -> None:
        gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1000)
            try:
                while not reader.at_eof():
                    writer.write(b"x" * 1000)
                    await writer.drain()
                    await asyncio.sleep(0.005)
            finally:
                gone.set()

        rule = 'when CLIENT_CLOSED { log local0. "client closed" }\nwhen SERVER_CLOSED { log local0. "server closed" }'
        async with bench(rule, virtual=VIRTUAL if tls else PLAIN) as b, b.raw_backend(serve):
            if tls:
                async with b.connect() as client:
                    await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    await client.head()
                    client.writer.transport.abort()
            else:
                async with plain(b) as (reader, writer):
                    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    await reader.readuntil(b"\r\n\r\n")
            await asyncio.wait_for(gone.wait(), 2)
            assert [line.rpartition(" ")[0].rpartition(" ")[2] for line in b.log] == ["server", "client"]
            assert not b.plane.connections

    check()


@pytest.mark.parametrize(
    "part", [b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"]
)
def test_a_client_that_falls_silent_in_a_request_is_reset_after_the_idle_timeout(part: bytes) -> None:
    @scenario
    async def check() -> None:
        async with bench("when HTTP_REQUEST { HTTP::collect 9 }", objects=[SOON]) as b, b.connect() as client:
            await client.send(part)
            started = time.monotonic()
            assert await client.closed()
            assert time.monotonic() - started < 1
            assert b.log[-1].startswith("01230140:3: idle timeout")

    check()


@scenario
async def test_a_client_that_drips_is_served_as_on_tmm_where_every_packet_counts() -> None:
    async with bench(objects=[SOON]) as b, b.connect() as client:
        for byte in b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n":
            await client.send(bytes([byte]))
            await asyncio.sleep(0.01)
        assert (await client.reply()).header("X-Target") == "/slow"


@scenario
async def test_a_client_that_never_finishes_its_handshake_is_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigip_sm.lab.tmm.client.HANDSHAKE", 0.1)
    async with bench() as b, plain(b) as (reader, writer):
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        assert await ended(reader)


@scenario
async def test_a_client_that_half_closes_still_gets_its_whole_answer() -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.05)
        return await echo(request)

    async with bench(handler=slow, virtual=PLAIN) as b, plain(b) as (reader, writer):
        writer.write(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 2)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\nabc")


@scenario
async def test_half_a_request_before_a_half_close_is_never_sent() -> None:
    async with bench(virtual=PLAIN) as b, plain(b) as (reader, writer):
        writer.write(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        writer.write_eof()
        assert await ended(reader)
        assert not b.seen


@scenario
async def test_close_notify_after_a_request_does_not_cost_the_answer() -> None:
    async with bench(virtual=VIRTUAL) as b, plain(b) as (reader, writer):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context(certificates().authority.certificate_pem)
        tls = context.wrap_bio(incoming, outgoing, server_hostname="models.example.com")
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            writer.write(outgoing.read())
            incoming.write(await reader.read(65536))
        tls.write(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(ssl.SSLError):
            tls.unwrap()
        writer.write(outgoing.read())
        received = b""
        while b"/last" not in received:
            data = await asyncio.wait_for(reader.read(65536), 2)
            assert data, "the connection ended without an answer"
            incoming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                received += tls.read(65536)


@scenario
async def test_server_closed_fires_when_an_idle_bound_connection_ends() -> None:
    served: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        served.append(writer)
        await reader.read()

    rule = 'when SERVER_CLOSED { log local0. "server closed" }'
    async with (
        bench(rule, virtual=replace(VIRTUAL, one_connect=None)) as b,
        b.raw_backend(serve),
        b.connect() as client,
    ):
        assert (await client.get()).status == 200
        assert not b.log
        served[0].close()
        for _ in range(200):
            if b.log:
                break
            await asyncio.sleep(0.005)
        assert [line.rpartition(": ")[2] for line in b.log] == ["server closed"]
        assert (await client.get()).status == 200
        assert len(served) == 2


@scenario
async def test_a_client_gets_the_certificate_for_the_name_that_it_asks_for() -> None:
    issued = {
        "first": certificates().authority.issue("first", hosts=["models.example.com", "first.example.com"]),
        "second": certificates().authority.issue("second", hosts=["second.example.com"]),
        "wild": certificates().authority.issue("wild", hosts=["*.wild.example.com"]),
    }
    files = [SslCertificate(f"/T/A/{name}.crt", pair.certificate_pem) for name, pair in issued.items()]
    keys = [SslKey(f"/T/A/{name}.key", pair.key_pem) for name, pair in issued.items()]
    pairs = tuple((f"/T/A/{name}.crt", f"/T/A/{name}.key") for name in issued)
    show = "when HTTP_REQUEST { HTTP::respond 200 content [SSL::verify_result] }"
    partner = certificates().clients.issue("partner", client=True)
    async with bench(show, objects=[*files, *keys, replace(CLIENT_SSL, certificates=pairs)]) as b:
        host, port = b.network.resolve(*ADDRESS)
        context = client_context(certificates().authority.certificate_pem, partner)
        context.check_hostname = False
        for asked, expected in {
            "first.example.com": "first",
            "SECOND.example.com": "second",
            "a.wild.example.com": "wild",
            "a.b.wild.example.com": "first",
            "elsewhere.example.com": "first",
        }.items():
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=asked)
            subject = writer.get_extra_info("peercert")["subject"]
            assert dict(entry[0] for entry in subject)["commonName"] == expected, asked
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.0 200")
            assert await reader.readexactly(1) == b"0"
            writer.close()


# rules that do not end


@contextlib.asynccontextmanager
async def impatient(rule: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A gateway whose watchdog gives a rule 0.2 seconds."""
    monkeypatch.setattr(gateway_bench, "DataPlane", functools.partial(DataPlane, rule_limit=0.2))
    async with bench(rule, tmms=2) as b:
        yield b


ENDLESS = {
    "loop": "while 1 {}",
    "loop with commands": "while 1 { HTTP::uri }",
    "loop that catches": "while 1 { catch { HTTP::uri } }",
    "recursion that catches": "call again",
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_rule_that_does_not_end_costs_its_tmm_all_connections_and_no_other(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = f"""
        proc again {{}} {{ while 1 {{ catch {{ call again }} }} }}
        when HTTP_REQUEST {{
            if {{[HTTP::path] eq "/endless"}} {{ {body} }}
            HTTP::respond 200 content [TMM::cmp_unit]
        }}
        when CLIENT_CLOSED {{ set over 1 }}
    """

    @scenario
    async def check() -> None:
        async with impatient(rule, monkeypatch) as b:
            async with b.connect() as first, b.connect() as second, b.connect() as third:
                assert [(await one.get()).body for one in (first, second, third)] == [b"0", b"1", b"0"]
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await first.get("/endless")
                assert await third.closed()
                assert (await second.get()).body == b"1"
            lines = [line for line in b.log if line.startswith("lab: rule /T/A/rule <HTTP_REQUEST> ran for more than")]
            assert len(lines) == 1
            assert len(b.log) == 1
            assert sorted([(await b.get()).body for _ in range(2)]) == [b"0", b"1"]
            assert b.plane.failure == ""

    check()


@scenario
async def test_rule_init_that_does_not_end_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = "when RULE_INIT { while 1 {} }\nwhen HTTP_REQUEST { HTTP::respond 200 }"
    async with impatient(rule, monkeypatch) as b:
        assert len([line for line in b.log if "<RULE_INIT>" in line]) == 2
        assert (await b.get()).status == 200


@scenario
async def test_what_cannot_be_ended_is_said_and_does_not_hang_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()

    def hold(name: str, command: Command) -> Command:
        return (lambda *_: str(held.wait(5))) if name == "HTTP::uri" else command

    async with impatient("when HTTP_REQUEST { HTTP::uri }", monkeypatch) as b:
        for tmm in b.plane._tmms:
            tmm.interpreter.wrap(hold)
        said: list[str] = []

        def stuck(tmm: Tmm) -> None:
            said.append(tmm.event)
            held.set()

        b.plane.stuck = stuck
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await b.get()
        assert said == ["HTTP_REQUEST"]
        b.plane._lost(b.plane._tmms[0])
        assert "cannot be ended" in b.plane.failure
