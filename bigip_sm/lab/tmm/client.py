"""The client side: one TCP connection of a client, its TLS, its requests one after the other, its Tcl coroutine."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm.exchange import Exchange
from bigip_sm.lab.tmm.flow import Flow
from bigip_sm.lab.tmm.parsing import RequestReader
from bigip_sm.lab.tmm.session import Session
from bigip_sm.lab.tmm.timers import IdleTimer
from bigip_sm.lab.tmm.tls import ClientSide, TlsFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from bigip_sm.lab.network import Network
    from bigip_sm.lab.tmm.runtime import Runtime
    from bigip_sm.lab.tmm.tmm import Tmm
    from bigip_sm.lab.tmm.upstream import ServerConnection

LINGER = 2.0
"""Seconds for which the rest of a request is read and thrown away after an early answer: a reset could overtake it..

"""

HANDSHAKE = 10.0
"""Seconds that a client has for the TLS handshake (client-ssl default)."""

MAX_WAITING = 64 * 1024
"""Bytes of a body that wait for the server side before the client is not read any more."""

_RESET = struct.pack("ii", 1, 0)


class ClientConnection(asyncio.BufferedProtocol):
    """One connection of a client.

    ``server`` is the server-side connection bound to it: only without OneConnect. ``handled`` are the events that its
    rules handle; others need not be fired. Whatever goes wrong inside is logged and ends the connection, never the lab.
    """

    def __init__(
        self, runtime: Runtime, tmm: Tmm, network: Network, addresses: Callable[[tuple[str, int]], str]
    ) -> None:
        self.runtime = runtime
        self.tmm = tmm
        self.network = network
        self.idle = runtime.idle[tmm]
        self.server: ServerConnection | None = None
        self.writable = True
        self.closed = False
        self.flow = Flow(self._suspended, self.pump, self.broken)
        self._addresses = addresses
        self._incoming = tmm.incoming
        self._program = runtime.programs[tmm]
        self.handled = self._program.events
        self._reader = RequestReader(runtime.snapshot.http)
        self._tls = ClientSide(runtime.client_tls) if runtime.client_tls is not None else None
        self._exchange: Exchange | None = None
        self._out: list[bytes] = []
        self._closing = False
        self._ended = False
        self._gone = False
        self._reading = True
        self._linger: asyncio.TimerHandle | None = None

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the coroutine, the timers, CLIENT_ACCEPTED."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport
        peer: tuple[str, int] = transport.get_extra_info("peername")[:2]
        try:
            address = self._addresses(peer)
            self.session = Session(address, peer[1], self.runtime.snapshot.virtual)
            self._timers: dict[str, asyncio.TimerHandle] = {}
            self._coroutine = self.tmm.interpreter.open(self._program)
            self.runtime.connections.add(self)
            self._timer = IdleTimer(self.runtime.snapshot.tcp_client.idle_timeout, self._idle)
            self._handshake = IdleTimer(HANDSHAKE if self._tls is not None else 0, self._idle)
            self.flow.run(self._fire, "CLIENT_ACCEPTED")
        except Exception as error:
            self.broken(error)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next read goes."""
        return self._incoming

    def buffer_updated(self, nbytes: int) -> None:
        """Decrypt, parse, serve."""
        if self.closed or self._closing:
            return
        try:
            self._timer.touch()
            self._received(bytes(self._incoming[:nbytes]))
        except TlsFailure as failure:
            self._write_tls()
            self.log(f"01260009:7: Connection error: ssl handshake or record: {failure}")
            self.closed = True
            self._transport.close()
        except Exception as error:
            self.broken(error)

    def eof_received(self) -> bool:
        """The client sends no more: a whole request is still answered, half a one never will be."""
        self._ended = True
        return self._exchange is not None and self._exchange.complete and not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        """End: the server side first, then the coroutine."""
        hurry = self.closed
        self.closed = self._gone = True
        for timer in (self._timer, self._handshake, self._linger, *self._timers.values()):
            if timer is not None:
                timer.cancel()
        if self._tls is not None:
            self._tls.end()
        if hurry:
            self.flow.hasten()
        self.flow.run(self._lost)

    def pause_writing(self) -> None:
        """The client does not read: the server must wait."""
        self.writable = False
        if self._exchange is not None:
            self._exchange.client_writable(False)

    def resume_writing(self) -> None:
        """The client reads again."""
        self.writable = True
        if self._exchange is not None:
            self._exchange.client_writable(True)

    # for the exchange

    async def fire(self, event: str) -> bool:
        """Run an event's handlers; False if the connection is gone or being reset, so that nothing may follow."""
        session = self.session
        if event in self.handled and not (session.silenced or event in session.disabled):
            pause = self.tmm.run(session, self._coroutine, event)
            while pause is not None:
                await self.flow.pause(0 if self._gone else pause)
                pause = self.tmm.resume(session, self._coroutine)
            self._obey(session)
        return not self.closed

    def write(self, data: bytes) -> None:
        """Queue plaintext for the client; ``flush`` sends it."""
        self._out.append(data)

    def flush(self) -> None:
        """Send what is queued."""
        if self._out and not self.closed:
            data = b"".join(self._out)
            self._out.clear()
            self._timer.touch()
            if self._tls is None:
                self._transport.write(data)
            else:
                self._tls.send(data)
                self._write_tls()

    def pump(self) -> None:
        """Serve requests while there are any that can be served, then send what is due."""
        try:
            self.flow.run(self._pump)
        except Exception as error:
            self.broken(error)

    def finish(self, *, close: bool, unread: bool) -> None:
        """The exchange is over.

        ``unread``: a part of its request has not arrived, so the connection lingers a while.
        """
        self._exchange = None
        if (close or self._ended) and not self.closed:
            self._hang_up(unread=unread)

    def _hang_up(self, *, unread: bool) -> None:
        self._closing = True
        self.flush()
        if self._tls is not None:
            self._tls.close()
            self._write_tls()
        if unread:
            self._transport.write_eof()
            self._set_reading(True)
            self._linger = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)
        else:
            self._transport.close()

    def bind(self, server: ServerConnection) -> None:
        """Keep a server-side connection for the next request of this client, and notice when it ends."""
        self.server = server
        server.closed_idle = lambda: self._server_gone(server)

    def _server_gone(self, server: ServerConnection) -> None:
        if self.server is server:
            try:
                self.flow.run(self.release_server)
            except Exception as error:
                self.broken(error)

    async def release_server(self) -> None:
        """Close the bound server-side connection, if any."""
        server, self.server = self.server, None
        if server is not None:
            server.abort()
            await self.fire("SERVER_CLOSED")

    def reset(self, reason: str = "") -> None:
        """Reset the TCP connection, as TMM does after an error and for ``reject``."""
        if reason and not self.closed:
            self.log(reason)
        self.closed = True
        if self._gone:
            self.flow.hasten()
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def broken(self, error: Exception) -> None:
        """An error in the lab itself: say so and end this connection."""
        self.log(f"lab: {type(error).__name__}: {error}")
        self.reset()

    def log(self, line: str) -> None:
        """A line of /var/log/ltm about this connection."""
        self.tmm.world.log(f"{line} ({self.runtime.path})")

    # inner

    def _received(self, data: bytes) -> None:
        ended = False
        if self._tls is not None:
            if not self._tls.established:
                done = self._tls.handshake(data)
                self._write_tls()
                if not done:
                    return
                self.flow.run(self._established, self._tls)
                if self.closed:
                    return
                data = b""
            data, ended = self._tls.receive(data)
        if data:
            self._reader.feed(data)
            if self._reader.refusal is not None:
                self.reset(self._reader.refusal)
                return
            waiting = len(self._reader.requests) + (self._exchange is not None)
            if waiting > 1 and self.runtime.snapshot.http.reject_pipelining:
                self.reset("pipelined request rejected by the HTTP profile")
                return
            self.pump()
        if ended:
            self.flow.run(self._half_closed)

    async def _half_closed(self) -> None:
        """The client has said that it sends no more."""
        self._ended = True
        if self._exchange is not None and not self._exchange.complete:
            exchange, self._exchange = self._exchange, None
            await exchange.abandon()
        if self._exchange is None and not self._closing:
            self.finish(close=True, unread=False)

    async def _established(self, tls: ClientSide) -> None:
        """After the TLS handshake."""
        self._handshake.stop()
        session = self.session
        session.certificates = tls.certificates
        session.verify_result = tls.verify_result
        session.tls = tls
        if session.certificates and not await self.fire("CLIENTSSL_CLIENTCERT"):
            return
        await self.fire("CLIENTSSL_HANDSHAKE")
        self.flush()

    async def _fire(self, event: str) -> None:
        await self.fire(event)

    async def _pump(self) -> None:
        while self._exchange is None and self._reader.requests and not self._closing and not self.closed:
            self._exchange = Exchange(self, self._reader.requests.popleft())
            await self._exchange.begin()
        if self._exchange is not None:
            await self._exchange.body_arrived()
        self.flush()
        self._control_reading()

    async def _lost(self) -> None:
        """After the client's connection: the server side first, then the coroutine."""
        try:
            exchange, self._exchange = self._exchange, None
            if exchange is not None:
                await exchange.abandon()
            await self.release_server()
            await self.fire("CLIENT_CLOSED")
            self.tmm.interpreter.close(self._coroutine)
        except Exception as error:
            self.log(f"lab: {type(error).__name__}: {error}")
        self.runtime.closed(self)

    # what rules ask for

    def _obey(self, session: Session) -> None:
        """After an event: bytes past HTTP, timers, the end of the connection."""
        if session.plaintext:
            self._out += session.plaintext
            session.plaintext = []
        if session.timers or self._timers:
            self._set_timers(session)
        if session.fault or session.rejected:
            self.reset()
        elif session.dropped:
            self.closed = True
        elif session.closing and session.answer is None and not self.closed:
            self._hang_up(unread=False)
            self.closed = True

    def _set_timers(self, session: Session) -> None:
        """Have a timer for every script of ``after`` that waits, and no other."""
        for name in [name for name in self._timers if name not in session.timers]:
            self._timers.pop(name).cancel()
        if not self._gone:
            loop = asyncio.get_running_loop()
            for name, deferred in session.timers.items():
                if name not in self._timers:
                    self._timers[name] = loop.call_later(deferred.delay, self._due, name)

    def _due(self, name: str) -> None:
        try:
            self.flow.run(self._deferred, name)
        except Exception as error:
            self.broken(error)
        self.pump()

    async def _deferred(self, name: str) -> None:
        """Run a script of ``after`` whose time has come."""
        session = self.session
        self._timers.pop(name, None)
        deferred = session.timers.get(name) if not self.closed else None
        if deferred is None:
            return
        if not deferred.periodic:
            del session.timers[name]
        pause = self.tmm.run_deferred(session, self._coroutine, deferred)
        while pause is not None:
            await self.flow.pause(0 if self._gone else pause)
            pause = self.tmm.resume(session, self._coroutine)
        self._obey(session)

    def _suspended(self) -> None:
        """The connection stands still: read no more until it goes on."""
        self._set_reading(False)

    def _idle(self) -> None:
        self.reset("01230140:3: idle timeout")

    def _write_tls(self) -> None:
        if self._tls is not None and not self.closed:
            data = self._tls.outgoing()
            if data:
                self._transport.write(data)

    def _control_reading(self) -> None:
        """Read on unless a body waits for the server side, or pipelined requests wait for their turn."""
        waiting = self._exchange.waiting() if self._exchange is not None else 0
        self._set_reading(waiting < MAX_WAITING and not (self._exchange and self._reader.requests))

    def _set_reading(self, reading: bool) -> None:
        if reading != self._reading and not self.closed:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
