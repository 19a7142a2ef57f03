"""A small gateway for the data plane's tests: real TLS clients, an iRule in the lab's TMM, a real TLS backend."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec

from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import (
    ClientSsl,
    HttpProfile,
    Object,
    OneConnect,
    Pool,
    PoolMember,
    Rule,
    ServerSsl,
    SslCertificate,
    SslKey,
    TcpProfile,
    VirtualServer,
)
from bigip_sm.lab.http import Handler, HttpsServer, Request, Response
from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.pki import Authority, Issued, client_context, server_context
from bigip_sm.lab.tmm import DataPlane

ADDRESS = ("10.0.0.10", 443)
BACKEND = ("backend.example.com", 443)
METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")

HTTP = HttpProfile("/T/A/http", False, True, True, METHODS, True, None, 32768, 64)
ONE_CONNECT = OneConnect("/T/A/one_connect", 60, 1000, 100)
TCP = TcpProfile("/T/A/tcp", 60, 60, 500, 1)
CLIENT_SSL = ClientSsl(
    "/T/A/tls", (("/T/A/cert.crt", "/T/A/cert.key"),), None, "request", "/T/A/ca.crt", "1.2", "1.3", False
)
SERVER_SSL = ServerSsl("/T/A/tls_backend", BACKEND[0], BACKEND[0], True, "/T/A/backend_ca.crt", "1.2", "1.3")
POOL = Pool("/T/A/pool", (PoolMember(BACKEND[0], BACKEND[1], True),), ())
VIRTUAL = VirtualServer(
    "/T/A/listener",
    ADDRESS[0],
    ADDRESS[1],
    ("/T/A/rule",),
    "/T/A/pool",
    "/T/A/tls",
    ("/T/A/tls_backend",),
    "/T/A/http",
    "/T/A/tcp",
    "/T/A/tcp",
    "/T/A/one_connect",
)


@dataclass(frozen=True)
class Certificates:
    """Who trusts whom in these tests."""

    authority: Authority
    server: Issued
    backend: Issued
    clients: Authority
    strangers: Authority


@functools.cache
def certificates() -> Certificates:
    """The certificates of all tests, made once."""
    authority = Authority.create("test CA")
    return Certificates(
        authority,
        authority.issue("models.example.com", hosts=["models.example.com"]),
        authority.issue("backend", hosts=[BACKEND[0]]),
        Authority.create("clients CA"),
        Authority.create("strangers CA"),
    )


@dataclass
class Reply:
    """One response as read from the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[-1] if found else None


@dataclass
class Client:
    """A TLS connection to the virtual server, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def session(self) -> ssl.SSLSession | None:
        return self.writer.get_extra_info("ssl_object").session  # type: ignore[no-any-return]

    @property
    def port(self) -> int:
        return int(self.writer.get_extra_info("sockname")[1])

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> Reply:
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.split("\r\n")
        headers = [(line.partition(": ")[0], line.partition(": ")[2]) for line in lines if line]
        return Reply(int(first.split(" ")[1]), headers, b"")

    async def reply(self, method: str = "GET") -> Reply:
        """Read one final response, whatever its framing."""
        reply = await self.head()
        while reply.status < 200:
            reply = await self.head()
        if method == "HEAD" or reply.status in (204, 304):
            return reply
        length = reply.header("content-length")
        if reply.header("transfer-encoding") == "chunked":
            while piece := await self.chunk():
                reply.body += piece
        elif length is not None:
            reply.body = await self.reader.readexactly(int(length))
        else:
            reply.body = await self.reader.read()
        return reply

    async def chunk(self) -> bytes:
        size = int(await self.reader.readline(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def get(
        self, path: str = "/", *, method: str = "GET", headers: Sequence[str] = (), body: bytes = b""
    ) -> Reply:
        lines = [f"{method} {path} HTTP/1.1", "Host: models.example.com", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return await self.reply(method)

    async def closed(self) -> bool:
        """Whether the server has closed or reset the connection (within two seconds) without another byte."""
        try:
            return await asyncio.wait_for(self.reader.read(1), 2) == b""
        except (ConnectionError, ssl.SSLError):
            return True


@dataclass
class Bench:
    """A running data plane with one virtual server and one backend."""

    config: Config
    network: Network
    plane: DataPlane
    seen: list[Request] = field(default_factory=list)

    @property
    def log(self) -> list[str]:
        return list(self.plane.log_lines)

    @contextlib.asynccontextmanager
    async def connect(
        self,
        issued: Issued | None = None,
        *,
        context: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
    ) -> AsyncIterator[Client]:
        host, port = self.network.resolve(*ADDRESS)
        context = context or client_context(certificates().authority.certificate_pem, issued)
        if session is None:
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname="models.example.com"
            )
        else:
            reader, writer = await _resume(host, port, context, session)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def get(self, path: str = "/", **options: Any) -> Reply:
        async with self.connect() as client:
            return await client.get(path, **options)

    @contextlib.asynccontextmanager
    async def raw_backend(
        self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Replace the backend by one that does what ``serve`` says, byte by byte."""
        writers: list[asyncio.StreamWriter] = []
        tasks: list[asyncio.Task[None]] = []

        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
                writer.close()
                await writer.wait_closed()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            tasks.append(asyncio.create_task(guarded(reader, writer)))

        server = await asyncio.start_server(connected, LOOPBACK, 0, ssl=server_context(certificates().backend))
        self.network.publish(*BACKEND, server.sockets[0].getsockname()[1])
        try:
            yield
        finally:
            server.close()
            for task, writer in zip(tasks, writers, strict=True):
                task.cancel()
                writer.transport.abort()
            failures = await asyncio.gather(*tasks, return_exceptions=True)
        for failure in failures:
            if isinstance(failure, Exception):
                raise failure


async def _resume(
    host: str, port: int, context: ssl.SSLContext, session: ssl.SSLSession
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """asyncio cannot be given a session: make the TLS object through a context that sets it."""

    class Resuming(ssl.SSLObject):
        @classmethod
        def _create(cls, *args: object, **keywords: object) -> ssl.SSLObject:
            keywords["session"] = session
            return super()._create(*args, **keywords)  # type: ignore[misc,no-any-return]

    context.sslobject_class = Resuming
    try:
        return await asyncio.open_connection(host, port, ssl=context, server_hostname="models.example.com")
    finally:
        context.sslobject_class = ssl.SSLObject


async def echo(request: Request) -> Response:
    """The backend's default: what arrived, as headers and body."""
    return Response(200, [("X-Method", request.method), ("X-Target", request.target.decode("latin-1"))], request.body)


@contextlib.asynccontextmanager
async def bench(
    rule: str = "",
    *,
    handler: Handler = echo,
    objects: Sequence[Object] = (),
    rules: Sequence[str] = (),
    tmms: int = 1,
    data_group_delay: float = 0.0,
    virtual: VirtualServer = VIRTUAL,
) -> AsyncIterator[Bench]:
    """A gateway with that iRule (or several) in front of a backend; ``objects`` replace or add to the defaults."""
    known = certificates()
    texts = rules or (rule,)
    paths = tuple(f"/T/A/rule{index or ''}" for index in range(len(texts)))
    config, network = Config(), Network()
    config.commit(
        put=[
            *(Rule(path, text) for path, text in zip(paths, texts, strict=True)),
            SslCertificate("/T/A/cert.crt", known.server.certificate_pem),
            SslKey("/T/A/cert.key", known.server.key_pem),
            SslCertificate("/T/A/ca.crt", known.clients.certificate_pem),
            SslCertificate("/T/A/backend_ca.crt", known.authority.certificate_pem),
            *(HTTP, ONE_CONNECT, TCP, CLIENT_SSL, SERVER_SSL, POOL),
            replace(virtual, rules=paths),
        ]
    )
    config.commit(put=objects)
    plane = DataPlane(config, network, tmms=tmms, data_group_delay=data_group_delay)
    made = Bench(config, network, plane)

    async def record(request: Request) -> Response:
        made.seen.append(request)
        return await handler(request)

    server = HttpsServer(record, server_context(known.backend))
    network.publish(*BACKEND, await server.start())
    await plane.start()
    try:
        await plane.settled()
        yield made
    finally:
        await plane.stop()
        await server.stop()


P = ParamSpec("P")


def scenario(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an asynchronous test, with a deadline so that a hang is a failure."""

    @functools.wraps(test)
    def runner(*args: P.args, **keywords: P.kwargs) -> None:
        async def limited() -> None:
            await asyncio.wait_for(test(*args, **keywords), 20)

        asyncio.run(limited())

    return runner
