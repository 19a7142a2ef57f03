"""A small HTTP/1.1 server for the lab; the emulated BIG-IP's management and the emulated AWS stand on it.

It keeps what arrived as it arrived (raw target, raw header names, values and order, the name in the TLS
handshake), because signatures are made over exactly that. Parsing is httptools (llhttp); framing follows
RFC 9112.
"""

from __future__ import annotations

import asyncio
import functools
import http
import logging
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import httptools

from bigip_sm.lab.network import LOOPBACK
from bigip_sm.lab.tls import TlsProtocol

LINGER = 2.0
"""Seconds for which the rest of a refused request is read and thrown away, so that its answer is seen."""

_SNI = "bigip_sm_sni"
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Request:
    """One request. ``target`` and ``headers`` are the bytes on the wire; trailers are dropped.

    ``body`` is without transfer coding. ``sni`` is the name in the TLS handshake, None if there was none.
    """

    method: str
    target: bytes = field(repr=False)
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)
    sni: str | None
    peer: tuple[str, int]

    def values(self, name: str) -> list[str]:
        """All values of the header ``name`` (any case) in order, decoded as latin-1."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == wanted]

    def header(self, name: str) -> str | None:
        """The first value of the header ``name`` (any case), decoded as latin-1; None if there is none."""
        values = self.values(name)
        return values[0] if values else None

    @property
    def path(self) -> str:
        """The raw target up to the first question mark, decoded as latin-1."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> str:
        """The raw target after the first question mark, decoded as latin-1; empty if there is none."""
        return self.target.partition(b"?")[2].decode("latin-1")


@dataclass(slots=True)
class Response:
    """One answer. An iterator as ``body`` is sent chunked, each piece as it comes.

    The server adds Date and framing; a ``Date`` or ``Connection: close`` given here is respected.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = field(default=b"", repr=False)


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class _Turn:
    """One answer that is owed: to a request, or a refusal of what could not be read as one."""

    item: Request | Response
    method: str = ""
    keep_alive: bool = False
    chunks: bool = True  # the client understands chunked answers


@dataclass(frozen=True)
class _Shared:
    """What the connections of one server share."""

    handler: Handler
    date: Callable[[], float]
    max_head: int
    max_body: int
    transports: set[asyncio.Transport] = field(default_factory=set)  # every open connection
    tasks: set[asyncio.Task[None]] = field(default_factory=set)  # every answer in the making


class HttpsServer:
    """Serves ``handler`` on 127.0.0.1.

    ``tls`` None serves plain HTTP, for measurements of the HTTP layer. ``date`` gives epoch seconds for the
    Date header. ``max_head`` bounds request line and headers (431), ``max_body`` the body (413), in bytes.
    A handler that raises is answered 500 and logged as one line, or with ConnectionAbortedError not at all: the
    connection is closed; if the client goes away it is cancelled.
    """

    def __init__(
        self,
        handler: Handler,
        tls: ssl.SSLContext | None,
        *,
        date: Callable[[], float] = time.time,
        max_head: int = 64 * 1024,
        max_body: int = 32 * 1024**2,
    ) -> None:
        self._shared = _Shared(handler, date, max_head, max_body)
        self._tls = tls
        self._server: asyncio.Server | None = None
        if tls is not None:
            _record_sni(tls)

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1:``port`` (0: any free one); returns the port. Raises OSError if taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, LOOPBACK, port, backlog=1024)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening, cancel the handlers at work, drop every connection; returns when all are gone."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        await asyncio.sleep(0)  # connections that were accepted a moment ago come to be
        for transport in list(self._shared.transports):
            transport.abort()
        while self._shared.transports or self._shared.tasks:
            await asyncio.sleep(0)
        await server.wait_closed()

    def drop(self) -> None:
        """End every connection that is open now."""
        for transport in list(self._shared.transports):
            transport.abort()

    def freeze(self) -> None:
        """Read no more from the connections that are open now."""
        for transport in list(self._shared.transports):
            transport.pause_reading()

    def _accept(self) -> asyncio.Protocol:
        connection = _Connection(self._shared)
        return connection if self._tls is None else TlsProtocol(self._tls, connection, self._shared.transports)


def _record_sni(context: ssl.SSLContext) -> None:
    """Store the name that the client asked for on the TLS object; a callback already set still decides."""
    decide = context.sni_callback

    def callback(tls: ssl.SSLObject, name: str, context: ssl.SSLContext) -> Any:
        setattr(tls, _SNI, name)
        return None if decide is None else decide(tls, name, context)

    context.sni_callback = callback


@functools.lru_cache(maxsize=4)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


class _Connection(asyncio.Protocol):
    """One connection: parses requests, answers them one after the other in the order in which they came."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[_Turn] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False  # writing: the client does not read
        self._held = False  # reading: pipelined requests wait
        self._deaf = False  # what arrives is thrown away: a refusal was queued, or the protocol was upgraded
        self._continue_due = False
        self._quiet = 0  # bytes since the parser last had something to say
        self._progress = False
        self._open = True
        self._linger: asyncio.TimerHandle | None = None
        self.on_message_begin()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type for the checker
        self._transport = transport
        self._peer: tuple[str, int] = transport.get_extra_info("peername")[:2]
        self._sni: str | None = getattr(transport.get_extra_info("ssl_object"), _SNI, None)
        self._shared.transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.transports.discard(self._transport)
        self._open = False
        self._deaf = True
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
        if self._linger is not None:
            self._linger.cancel()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._progress = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # the request itself is answered; no other protocol is spoken
        except httptools.HttpParserError:
            self._refuse(400)
        self._quiet = 0 if self._progress else self._quiet + len(data)
        if self._quiet > self._shared.max_head:
            self._refuse(431)

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._head_size = 0
        self._head_complete = False

    def on_url(self, part: bytes) -> None:
        self._target += part
        self._grow_head(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow_head(len(name) + len(value) + 4)
        if not self._head_complete:
            self._headers.append((name, value.rstrip(b" \t")))  # the blanks around it are not part of it

    def on_headers_complete(self) -> None:
        self._progress = True
        self._head_complete = True
        for name, value in self._headers:
            match name.lower():
                case b"content-length" if int(value) > self._shared.max_body:
                    self._refuse(413)
                case b"expect" if value.lower() == b"100-continue" and not self._deaf:
                    self._continue_due = self._parser.get_http_version() != "1.0"
        if self._continue_due and self._task is None:
            self._send_continue()

    def on_body(self, part: bytes) -> None:
        self._progress = True
        self._size += len(part)
        if self._size > self._shared.max_body:
            self._refuse(413)
        elif not self._deaf:
            self._body.append(part)

    def on_message_complete(self) -> None:
        self._progress = True
        if self._deaf:
            return
        method = self._parser.get_method().decode("latin-1")
        body = b"".join(self._body)
        request = Request(method, self._target, self._headers, body, self._sni, self._peer)
        self._continue_due = False
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self._enqueue(_Turn(request, method, keep_alive, self._parser.get_http_version() != "1.0"))

    # answering

    def _grow_head(self, size: int) -> None:
        self._progress = True
        self._head_size += size
        if self._head_size > self._shared.max_head:
            self._refuse(431)

    def _refuse(self, status: int) -> None:
        """Answer ``status`` after what is still owed, and listen no more. Later refusals change nothing."""
        if not self._deaf:
            self._deaf = True
            self._body.clear()
            self._enqueue(_Turn(Response(status)))

    def _enqueue(self, turn: _Turn) -> None:
        self._waiting.append(turn)
        if self._task is None:
            self._next()
        elif not self._held:
            self._held = True
            self._transport.pause_reading()

    def _next(self) -> None:
        """Start on the next request that waits, if any."""
        self._task = None
        if self._waiting:
            self._task = asyncio.get_running_loop().create_task(self._serve(self._waiting.popleft()))
            self._shared.tasks.add(self._task)
            self._task.add_done_callback(self._shared.tasks.discard)
        elif self._continue_due:
            self._send_continue()
        if not self._waiting:
            self._resume_reading()

    def _resume_reading(self) -> None:
        if self._held:
            self._held = False
            self._transport.resume_reading()

    def _send_continue(self) -> None:
        self._continue_due = False
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _serve(self, turn: _Turn) -> None:
        """Answer one request; then the next one is served, or the connection lingers or closes."""
        self._started = False
        item = turn.item
        try:
            response = item if isinstance(item, Response) else await self._shared.handler(item)
            await self._send(response, turn)
        except ConnectionAbortedError:
            self._transport.abort()
            return
        except Exception as error:
            if not self._open:
                return
            trace = _logger.isEnabledFor(logging.DEBUG)
            _logger.error("handler failed: %s: %s", type(error).__name__, error, exc_info=trace)
            if self._started:
                self._transport.abort()  # half an answer must not look whole
                return
            turn.keep_alive = False
            await self._send(Response(500), turn)
        if self._open and turn.keep_alive:
            self._next()
        elif self._open:
            self._close()

    def _close(self) -> None:
        """Close; after a refusal with a delay of LINGER, because a reset could overtake the answer."""
        if not self._deaf:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume_reading()
        self._linger = asyncio.get_running_loop().call_later(LINGER, self._transport.close)

    async def _send(self, response: Response, turn: _Turn) -> None:
        """Write the answer, waiting while the client does not read. ValueError: a header with CR or LF."""
        body = response.body
        bodiless = turn.method == "HEAD" or response.status in (204, 304)
        if isinstance(body, bytes):
            framing = "" if response.status in (204, 304) else f"content-length: {len(body)}\r\n"
            head = self._head(response, turn, framing)
            self._started = True
            self._transport.write(head if bodiless else head + body)
            await self._drain()
            return
        try:
            turn.keep_alive = turn.keep_alive and turn.chunks
            head = self._head(response, turn, "transfer-encoding: chunked\r\n" if turn.chunks else "")
            self._started = True
            self._transport.write(head)
            if not bodiless:
                await self._stream(body, turn.chunks)
        finally:
            if isinstance(body, AsyncGenerator):
                await body.aclose()

    async def _stream(self, body: AsyncIterator[bytes], chunked: bool) -> None:
        async for piece in body:
            if not piece:
                continue
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await self._drain()
        if chunked:
            self._transport.write(b"0\r\n\r\n")
            await self._drain()

    async def _drain(self) -> None:
        if self._paused:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable

    def _head(self, response: Response, turn: _Turn, framing: str) -> bytes:
        """Status line and headers, with Date, framing and connection headers, up to the empty line."""
        lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}\r\n"]
        dated = False
        for name, value in response.headers:
            if "\n" in value or "\r" in value:
                raise ValueError(f"the value of header {name} holds a line break")
            key = name.lower()
            if key == "connection":
                turn.keep_alive = turn.keep_alive and value.lower() != "close"
                continue
            dated = dated or key == "date"
            lines.append(f"{name}: {value}\r\n")
        if not dated:
            lines.append(f"date: {_date(int(self._shared.date()))}\r\n")
        if not turn.keep_alive:
            lines.append("connection: close\r\n")
        lines.append(framing)
        lines.append("\r\n")
        return "".join(lines).encode("latin-1")
