"""The server side: one connection to a pool member, and the connections that OneConnect keeps for the next request.."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from bigip_sm.lab.bigip.objects import OneConnect, PoolMember
from bigip_sm.lab.tmm.messages import ResponseHead
from bigip_sm.lab.tmm.parsing import ResponseReader
from bigip_sm.lab.tmm.timers import IdleTimer
from bigip_sm.lab.tmm.tls import ServerSide, ServerTls, TlsFailure

HANDSHAKE = 10.0
"""Seconds that a server has for the TLS handshake (server-ssl default)."""


class Owner(Protocol):
    """Who uses a server-side connection: the exchange that runs on it."""

    def server_ready(self) -> None:
        """The TLS handshake is done."""

    def server_event(self, event: ResponseHead | bytes | None) -> None:
        """A response's head, a piece of its body, or its end."""

    def server_lost(self, reason: str) -> None:
        """The connection is gone before the response was complete."""

    def server_writable(self, writable: bool) -> None:
        """The connection takes no more data for now, or does again."""

    def pump(self) -> None:
        """All events of one read have been delivered."""

    def broken(self, error: Exception) -> None:
        """An error in the lab itself."""


class ServerConnection(asyncio.BufferedProtocol):
    """One connection to a pool member; ``owner`` is None while it waits for the next request.

    ``closed_idle`` is called when it ends while it waits. ``incoming`` is ``Tmm.incoming``.
    """

    def __init__(self, member: PoolMember, pool: str, idle_timeout: float, incoming: memoryview) -> None:
        self.member = member
        self.pool = pool
        self.owner: Owner | None = None
        self.reader = ResponseReader()
        self.uses = 0
        self.closed_idle: Callable[[], None] | None = None
        self.alive = False
        self.writable = True
        self._idle_timeout = idle_timeout
        self._incoming = incoming
        self._tls: ServerSide | None = None
        self._reading = True
        self._ended = False
        self._handshake: asyncio.TimerHandle | None = None

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; the owner decides what happens next."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport
        self.alive = True
        self.opened = asyncio.get_running_loop().time()
        self._timer = IdleTimer(self._idle_timeout, self.abort)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next read goes."""
        return self._incoming

    def buffer_updated(self, nbytes: int) -> None:
        """Decrypt, parse, hand over."""
        try:
            self._timer.touch()
            self._received(bytes(self._incoming[:nbytes]))
        except TlsFailure as failure:
            self._flush()
            self._fail(f"TLS with {self.member.host}:{self.member.port} failed: {failure}")
        except Exception as error:
            self.abort()
            if self.owner is not None:
                self.owner.broken(error)

    def eof_received(self) -> None:
        """The server has closed its side. Inside TLS only its own close counts as the end of a response."""
        self._ended = self._ended or self._tls is None

    def connection_lost(self, exc: Exception | None) -> None:
        """An orderly end may complete a response; anything else loses it."""
        self.alive = False
        self._timer.stop()
        self._stop_handshake()
        owner = self.owner
        if owner is None:
            if self.closed_idle is not None:
                self.closed_idle()
            return
        try:
            if self._ended and exc is None and not self.reader.idle and self.reader.close():
                self._deliver()
            else:
                self._fail("connection closed by the server")
        except Exception as error:
            owner.broken(error)

    def pause_writing(self) -> None:
        """The server does not read: the client must wait."""
        self.writable = False
        if self.owner is not None:
            self.owner.server_writable(False)

    def resume_writing(self) -> None:
        """The server reads again."""
        self.writable = True
        if self.owner is not None:
            self.owner.server_writable(True)

    # for the owner

    def start_tls(self, tls: ServerTls) -> None:
        """Begin the handshake; ``owner.server_ready`` or ``server_lost`` follows."""
        self._tls = ServerSide(tls)
        self._tls.handshake(b"")
        self._flush()
        self._handshake = asyncio.get_running_loop().call_later(HANDSHAKE, self._unanswered)

    def send(self, data: bytes) -> None:
        """Send plaintext."""
        if not self.alive:
            return
        self._timer.touch()
        if self._tls is None:
            self._transport.write(data)
        else:
            self._tls.send(data)
            self._flush()

    @property
    def local(self) -> tuple[str, int]:
        """This end of the connection."""
        address: tuple[str, int] = self._transport.get_extra_info("sockname")[:2]
        return address

    @property
    def tls(self) -> ServerSide | None:
        """The connection's TLS, if it has any."""
        return self._tls

    def set_reading(self, reading: bool) -> None:
        """Stop or go on reading from the server."""
        if self.alive and reading != self._reading:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def abort(self) -> None:
        """Close at once."""
        if self.alive:
            self.alive = False
            self._transport.abort()

    # inner

    def _received(self, data: bytes) -> None:
        closed = False
        if self._tls is not None:
            if not self._tls.established:
                done = self._tls.handshake(data)
                self._flush()
                if not done:
                    return
                self._stop_handshake()
                if self.owner is not None:
                    self.owner.server_ready()
                    self.owner.pump()
                data = b""
            data, closed = self._tls.receive(data)
        if data:
            self.reader.feed(data)
            self._deliver()
        if closed and self.alive:
            self._ended = True
            self._transport.close()

    def _stop_handshake(self) -> None:
        if self._handshake is not None:
            self._handshake.cancel()
            self._handshake = None

    def _unanswered(self) -> None:
        self._handshake = None
        self._fail(f"TLS with {self.member.host}:{self.member.port} failed: handshake timed out")

    def _deliver(self) -> None:
        """Hand the events over; the owner changes when the end of a response starts the next exchange."""
        reader = self.reader
        last = self.owner
        while reader.events and self.owner is not None:
            last = self.owner
            last.server_event(reader.events.popleft())
        if reader.error is not None:
            self._fail(reader.error)
        if last is not None:
            last.pump()

    def _fail(self, reason: str) -> None:
        self.abort()
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.server_lost(reason)
            owner.pump()

    def _flush(self) -> None:
        if self._tls is not None and self.alive:
            data = self._tls.outgoing()
            if data:
                self._transport.write(data)


class IdleConnections:
    """The connections of one virtual server in one TMM that wait for a request to their member."""

    def __init__(self, profile: OneConnect | None) -> None:
        self._profile = profile
        self._waiting: dict[tuple[str, int], list[ServerConnection]] = defaultdict(list)

    def take(self, member: PoolMember) -> ServerConnection | None:
        """A live connection to that member, the one used last first."""
        waiting = self._waiting.get((member.host, member.port), [])
        while waiting:
            server = waiting.pop()
            if server.alive and not self._worn(server):
                return server
            server.abort()
        return None

    def put(self, server: ServerConnection) -> None:
        """Keep a connection, unless the OneConnect profile says that it has served enough."""
        server.owner = None
        waiting = self._waiting[server.member.host, server.member.port]
        waiting[:] = [other for other in waiting if other.alive]
        if self._profile is None or self._worn(server) or self._count() >= self._profile.max_size > 0:
            server.abort()
        elif server.alive:
            waiting.append(server)

    def close(self) -> None:
        """Close all of them."""
        for waiting in self._waiting.values():
            for server in waiting:
                server.abort()
        self._waiting.clear()

    def _worn(self, server: ServerConnection) -> bool:
        profile = self._profile
        if profile is None:
            return True
        age = asyncio.get_running_loop().time() - server.opened
        return age > profile.max_age > 0 or server.uses >= profile.max_reuse > 0

    def _count(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())
