"""The lab's TLS layer under its HTTP server, spoken to over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lab_http import GET, answer, hello, settled

from bigip_sm.lab.http import Handler, HttpsServer, Request, Response
from bigip_sm.lab.pki import Authority, client_context, server_context

AUTHORITY = Authority.create("Test CA")


def tls_server(decide: Any = None) -> tuple[HttpsServer, list[Request]]:
    requests: list[Request] = []

    async def keep(request: Request) -> Response:
        requests.append(request)
        return Response(200, [], b"ok")

    context = server_context(AUTHORITY.issue("a.example", hosts=["a.example", "127.0.0.1"]))
    context.sni_callback = decide
    return HttpsServer(keep, context), requests


@pytest.mark.parametrize(("name", "sni"), [("a.example", "a.example"), ("127.0.0.1", None)])
def test_the_name_in_the_handshake_is_kept(name: str, sni: str | None) -> None:
    async def run() -> None:
        server, requests = tls_server()
        port = await server.start()
        trusted = client_context(AUTHORITY.certificate_pem)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname=name)
        writer.write(GET + b"\r\n" + GET + b"\r\n")
        await answer(reader)
        await answer(reader)
        assert [request.sni for request in requests] == [sni, sni]
        writer.close()
        await server.stop()

    asyncio.run(run())


def test_a_callback_of_the_context_still_decides() -> None:
    async def run() -> None:
        server, requests = tls_server(lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        port = await server.start()
        trusted = client_context(AUTHORITY.certificate_pem)
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname="a.example")
        assert requests == []
        await server.stop()

    asyncio.run(run())


def test_stop_leaves_nothing_behind() -> None:
    """Neither a handler at work, nor a handshake that never ends, nor an idle connection, nor the port."""

    async def run() -> None:
        server, _ = tls_server()
        port = await server.start()
        trusted = client_context(AUTHORITY.certificate_pem)
        idle = await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname="a.example")
        silent = await asyncio.open_connection("127.0.0.1", port)
        noisy = await asyncio.open_connection("127.0.0.1", port)
        noisy[1].write(b"this is no TLS")
        await asyncio.sleep(0.05)
        await asyncio.wait_for(server.stop(), 2)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await idle[0].read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        for _, writer in (idle, silent, noisy):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    asyncio.run(run())


def over_tls(talk: Callable[[int, ssl.SSLContext], Awaitable[None]], handler: Handler) -> None:
    async def run() -> None:
        troubles: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
        server = HttpsServer(handler, server_context(AUTHORITY.issue("a.example", hosts=["a.example"])))
        try:
            port = await server.start()
            await asyncio.wait_for(talk(port, client_context(AUTHORITY.certificate_pem)), 10)
        finally:
            await server.stop()
            assert not troubles

    asyncio.run(run())


def test_tls_carries_large_bodies_both_ways_to_a_slow_reader() -> None:
    async def mirror(request: Request) -> Response:
        return Response(200, [], request.body)

    async def talk(port: int, trusted: ssl.SSLContext) -> None:
        address = ("127.0.0.1", port)
        reader, writer = await asyncio.open_connection(*address, ssl=trusted, server_hostname="a.example")
        data = bytes(range(256)) * 16_000
        for _ in range(2):
            writer.write(GET + b"Content-Length: %d\r\n\r\n" % len(data) + data)
            await asyncio.sleep(0.05)
            assert (await answer(reader))[1] == data
        writer.close()

    over_tls(talk, mirror)


def test_production_stops_while_the_client_does_not_read_over_tls() -> None:
    produced = 0

    async def produce() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 1
            yield bytes(100_000)
            await asyncio.sleep(0)

    async def handler(request: Request) -> Response:
        return Response(200, [], produce())

    async def talk(port: int, trusted: ssl.SSLContext) -> None:
        address = ("127.0.0.1", port)
        reader, writer = await asyncio.open_connection(*address, ssl=trusted, server_hostname="a.example")
        writer.write(GET + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        held = await settled(lambda: produced)
        assert held < 200
        await reader.readexactly(held * 100_000)
        assert produced > held
        writer.transport.abort()

    over_tls(talk, handler)


def test_a_good_bye_of_tls_ends_the_connection() -> None:
    async def talk(port: int, trusted: ssl.SSLContext) -> None:
        close = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        address = ("127.0.0.1", port)
        reader, writer = await asyncio.open_connection(*address, ssl=trusted, server_hostname="a.example")
        writer.write(close)
        assert (await reader.read()).endswith(b"hello")
        writer.close()

    over_tls(talk, hello)


@settings(deadline=None, max_examples=20)
@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_noise_instead_of_tls_never_harms_the_server(noise: bytes, record: bool) -> None:
    async def talk(port: int, trusted: ssl.SSLContext) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01\x00\x80" + noise if record else noise)
        await asyncio.sleep(0.001)
        writer.transport.abort()

    over_tls(talk, hello)


def test_a_handshake_that_takes_too_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigip_sm.lab.tls.HANDSHAKE", 0.02)

    async def talk(port: int, trusted: ssl.SSLContext) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()

    over_tls(talk, hello)
