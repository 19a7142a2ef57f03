"""One HTTP request on its way through TMM: events in TMM's order, the choice of a member, the request, the response.

HTTP_REQUEST -> [HTTP_REQUEST_DATA] -> LB_SELECTED -> SA_PICKED -> SERVER_CONNECTED -> SERVERSSL_CLIENTHELLO_SEND ->
SERVERSSL_HANDSHAKE -> HTTP_REQUEST_SEND -> HTTP_REQUEST_RELEASE -> HTTP_RESPONSE -> [HTTP_RESPONSE_DATA] ->
HTTP_RESPONSE_RELEASE (measured: bitwisecook/tcl-lsp, BIGIP_EVENT_FLOW_RESULTS). Bodies stream through, unless a rule
collects them. Whatever fires an event is a coroutine of the connection's ``Flow``.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Literal

from bigip_sm.errors import LabError
from bigip_sm.lab.tmm import framing
from bigip_sm.lab.tmm.messages import LAST_CHUNK, ResponseHead, chunk
from bigip_sm.lab.tmm.outgoing import OutgoingResponse
from bigip_sm.lab.tmm.parsing import IncomingRequest
from bigip_sm.lab.tmm.upstream import ServerConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from bigip_sm.lab.bigip.objects import PoolMember
    from bigip_sm.lab.tmm.client import ClientConnection
    from bigip_sm.lab.tmm.flow import Work

Phase = Literal["new", "collect", "connect", "send", "sent", "done"]


class Exchange:
    """One request and its response. Owner of the server-side connection while it needs one.

    ``_arriving`` is the request as the client sends it, ``_request`` what goes to the server: another one after
    ``HTTP::retry``.
    """

    def __init__(self, client: ClientConnection, request: IncomingRequest) -> None:
        self._client = client
        self._session = client.session
        self._arriving = self._request = request
        self._phase: Phase = "new"
        self._server: ServerConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._collected = 0
        self._request_chunked = False
        self._response: OutgoingResponse | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole request has arrived."""
        return self._arriving.complete

    async def begin(self) -> None:
        """The head of the request is there, or ``HTTP::retry`` has made another one."""
        session, request = self._session, self._request
        self._phase = "new"
        self._response = None
        session.begin(request.head, keep_alive=request.keep_alive)
        if await self._passes("HTTP_REQUEST"):
            if session.collect is not None and request.has_body:
                self._phase = "collect"
            else:
                session.collect = None
                await self._balance()

    async def body_arrived(self) -> None:
        """A part of the body, or its end, may have arrived."""
        if self._phase == "collect":
            await self._collect()
        elif self._phase == "send":
            self._send_body()
        elif self._phase == "done":
            self._arriving.body.clear()

    def waiting(self) -> int:
        """Bytes of the body that cannot go on yet."""
        return sum(len(piece) for piece in self._request.body)

    def client_writable(self, writable: bool) -> None:
        """The client reads slowly, or fast enough again: so must the server be read."""
        if self._server is not None:
            self._server.set_reading(writable)

    async def abandon(self) -> None:
        """The client has gone."""
        self._phase = "done"
        if self._connecting is not None:
            self._connecting.cancel()
        await self._drop_server()

    # collecting, choosing, connecting

    async def _collect(self) -> None:
        session, request = self._session, self._request
        while request.body:
            session.payload += request.body.popleft()
        if session.collect is None or (len(session.payload) < session.collect and not request.complete):
            return
        self._collected = len(session.payload)
        session.collect = None
        if await self._passes("HTTP_REQUEST_DATA"):
            payload = bytes((session.released or b"") + session.payload)
            if payload:
                request.body.appendleft(payload)
            self._collected -= len(payload)
            await self._balance()

    async def _balance(self) -> None:
        """Choose a pool member and a connection to it."""
        self._phase = "connect"
        client, session = self._client, self._session
        session.reselect = False
        if session.pool is None:
            session.pool = client.runtime.snapshot.virtual.pool
        pool = session.pool
        bound = None if session.detach or session.server_clear else client.server
        session.detach = False
        if bound is not None and bound.alive and bound.owner is None and bound.pool == pool and self._wanted(bound):
            await self._attach(bound)
            return
        await client.release_server()
        state = client.tmm.world.pools.get(pool) if pool else None
        member = state.choose(session.wanted) if state is not None else session.wanted if pool == "" else None
        if member is None:
            await self._failed(f"no available member in pool {pool}")
            return
        session.member = member
        session.server_ssl = None
        if not await self._passes("LB_SELECTED"):
            return
        if session.reselect:
            self._later(self._balance)
            return
        if "SA_PICKED" in client.handled and not await client.fire("SA_PICKED"):
            return
        server = None if session.server_clear else client.idle.take(member)
        if server is not None:
            await self._attach(server)
        else:
            connect = self._connect(member, pool or "")
            self._connecting = asyncio.get_running_loop().create_task(connect)

    def _wanted(self, server: ServerConnection) -> bool:
        wanted = self._session.wanted
        return wanted is None or (wanted.host, wanted.port) == (server.member.host, server.member.port)

    def _later(self, step: Callable[[], Work]) -> None:
        """Go on with ``step`` when others had their turn: a rule may choose or retry for ever."""

        def go() -> None:
            if not client.closed and self._phase != "done":
                try:
                    client.flow.run(step)
                except Exception as error:
                    client.broken(error)
                client.pump()

        client = self._client
        self._phase = "connect"
        asyncio.get_running_loop().call_soon(go)

    async def _connect(self, member: PoolMember, pool: str) -> None:
        """Open a TCP connection; then SERVER_CONNECTED and TLS, or LB_FAILED."""
        client = self._client
        idle = client.runtime.snapshot.tcp_server.idle_timeout
        server: ServerConnection | None = None
        reason = ""
        try:
            host, port = client.network.resolve(member.host, member.port)
            create = functools.partial(ServerConnection, member, pool, idle, client.tmm.incoming)
            opening = asyncio.get_running_loop().create_connection(create, host, port)
            _, server = await asyncio.wait_for(opening, client.runtime.connect_timeout)
        except (OSError, asyncio.TimeoutError) as error:
            reason = f"connection to {member.host}:{member.port} failed: {error or 'timed out'}"
        self._connecting = None
        try:
            if server is None:
                client.flow.run(self._failed, reason)
            else:
                client.flow.run(self._connected, server)
        except Exception as error:
            if server is not None:
                server.abort()
            client.broken(error)
        client.pump()

    async def _connected(self, server: ServerConnection) -> None:
        client, session = self._client, self._session
        if self._phase != "connect" or client.closed:
            server.abort()
            return
        self._server = server
        server.owner = self
        session.server_local = server.local
        if not await client.fire("SERVER_CONNECTED"):
            await self._drop_server()
            return
        path = None if session.server_clear else session.server_ssl or client.runtime.snapshot.default_server_ssl
        if path is None:
            await self._attach(server)
            return
        tls = client.runtime.server_tls.get(path)
        if tls is None:
            raise LabError(f"server-ssl profile {path} is not usable")
        if await client.fire("SERVERSSL_CLIENTHELLO_SEND"):
            server.start_tls(tls)

    async def _failed(self, reason: str) -> None:
        """No member, or no connection to it."""
        if await self._passes("LB_FAILED"):
            if self._session.reselect:
                self._later(self._balance)
                return
            self._phase = "done"
            self._client.reset(f"01010028:3: {reason}")

    # sending the request

    async def _attach(self, server: ServerConnection) -> None:
        """The server side is ready: send the request."""
        client, request, head = self._client, self._request, self._request.head
        self._server = server
        self._session.server_local = server.local
        server.owner = self
        server.uses += 1
        self._phase = "send"
        if client.runtime.snapshot.http.insert_x_forwarded_for:
            head.headers.add(b"X-Forwarded-For", self._session.client_address.encode())
        for event in ("HTTP_REQUEST_SEND", "HTTP_REQUEST_RELEASE"):
            if event in client.handled and not await client.fire(event):
                return
        self._request_chunked = framing.frame_request(request, self._collected)
        if client.runtime.snapshot.one_connect is not None:
            framing.keep_alive_upstream(head)
        server.set_reading(client.writable)
        server.reader.expect(head.method)
        first = [head.encode()]
        self._send_body(first)

    def _send_body(self, first: list[bytes] | None = None) -> None:
        """Send what has arrived of the body, after the head if that is still to be sent."""
        server, request = self._server, self._request
        if server is None or not (first or server.writable):
            return
        pieces = first or []
        while request.body:
            piece = request.body.popleft()
            pieces.append(chunk(piece) if self._request_chunked else piece)
        if request.complete:
            self._phase = "sent"
            if self._request_chunked:
                pieces.append(LAST_CHUNK)
        if pieces:
            server.send(b"".join(pieces))

    # what a rule wants instead

    async def _passes(self, event: str) -> bool:
        """Run an event's handlers; False if nothing may follow: the connection ends, or a rule wants something else."""
        session = self._session
        if not await self._client.fire(event):
            return False
        return (session.answer is None and session.retry is None) or not await self._acted()

    async def _acted(self) -> bool:
        """Send the answer that a rule gave, or begin anew, if it said so; then nothing else follows in this turn."""
        session, client, request = self._session, self._client, self._arriving
        if session.retry is not None:
            await self._retry(session.retry)
            return True
        if session.answer is None:
            return False
        self._phase = "done"
        await self._drop_server()
        agent = client.runtime.snapshot.http.server_agent_name
        closing = session.closing or session.close_after
        data, close = framing.render_answer(session.answer, request, agent, close=closing)
        client.write(data)
        request.body.clear()
        client.finish(close=close, unread=not request.complete)
        return True

    async def _retry(self, text: bytes) -> None:
        """``HTTP::retry``: the server's answer is dropped, HTTP_REQUEST comes again with another request."""
        client = self._client
        request = framing.read_request(text, client.runtime.snapshot.http)
        if request is None or not self._arriving.complete:
            client.reset("HTTP::retry needs a whole request, and the client's must have arrived")
            return
        request.keep_alive = self._arriving.keep_alive
        await self._drop_server()
        self._request = request
        self._collected = 0
        self._later(self.begin)

    # Owner of a server-side connection

    def server_ready(self) -> None:
        """The TLS handshake with the server is done."""
        self._client.flow.run(self._ready, self._server)

    def server_event(self, event: ResponseHead | bytes | None) -> None:
        """A response's head, a piece of its body, or its end."""
        response = self._response
        if response is not None and response.streaming and isinstance(event, bytes) and not self._client.flow.busy:
            response.send(event)
        else:
            self._client.flow.run(self._server_event, self._server, event)

    def server_lost(self, reason: str) -> None:
        """The server side is gone too early: whatever the client got so far must not look complete."""
        self._client.flow.run(self._lost, self._server, reason)

    def server_writable(self, writable: bool) -> None:
        """The server reads slowly, or fast enough again."""
        self._client.pump()

    def pump(self) -> None:
        """All events of one read have been delivered."""
        self._client.pump()

    def broken(self, error: Exception) -> None:
        """An error in the lab itself."""
        self._client.broken(error)

    async def _ready(self, server: ServerConnection | None) -> None:
        if server is not None and self._server is server:
            self._session.server_tls = server.tls
            self._session.server_certificates = server.tls.certificates if server.tls is not None else ()
            if await self._client.fire("SERVERSSL_HANDSHAKE"):
                await self._attach(server)

    async def _lost(self, server: ServerConnection | None, reason: str) -> None:
        if self._server is not server or self._phase == "done":
            return
        self._server = None
        self._phase = "done"
        await self._client.fire("SERVER_CLOSED")
        self._client.reset(f"01010028:3: {reason}")

    async def _server_event(self, server: ServerConnection | None, event: ResponseHead | bytes | None) -> None:
        if self._server is not server:
            return
        if self._client.closed:
            await self._drop_server()
        elif isinstance(event, ResponseHead):
            await self._response_head(event)
        elif self._response is None:
            return
        elif event is None:
            await self._response_end(self._response)
        elif self._response.streaming:
            self._response.send(event)
        else:
            self._session.payload += event
            await self._collect_response(self._response)

    # response

    async def _response_head(self, head: ResponseHead) -> None:
        client, session = self._client, self._session
        session.response = head
        if head.status < 200:
            if await client.fire("HTTP_RESPONSE_CONTINUE") and self._arriving.head.version == b"1.1":
                client.write(head.encode())
            return
        session.reset_payload()
        framed = framing.ResponseFraming.of(head, self._arriving)
        if not await self._passes("HTTP_RESPONSE"):
            return
        self._response = OutgoingResponse(head, framed, client.write)
        if session.collect is None or framed.bodiless or framed.length == b"0":
            session.collect = None
            await self._release(self._response)

    async def _release(self, response: OutgoingResponse, body: bytes = b"", *, whole: bool = False) -> bool:
        """Let the head go, unless it has, and then ``body``; False if nothing may follow."""
        session = self._session
        if not response.head_sent:
            if response.collected is not None:
                response.settle_length(len(body) - response.collected, whole=whole)
            if not await self._passes("HTTP_RESPONSE_RELEASE"):
                return False
            hsts = self._client.runtime.snapshot.http.hsts
            if hsts is not None and session.response is not None:
                session.response.headers.set_only(b"Strict-Transport-Security", hsts.encode())
            response.send_head(close=session.close_after)
        response.send(body)
        if response.overrun:
            self._phase = "done"
            await self._drop_server()
            self._client.reset("lab: a rule made the body longer than its Content-Length, which was sent already")
            return False
        return True

    async def _collect_response(self, response: OutgoingResponse, *, ended: bool = False) -> bool:
        """Fire HTTP_RESPONSE_DATA as often as what was collected is enough; False if nothing may follow."""
        session = self._session
        while session.collect is not None and session.payload:
            if len(session.payload) < session.collect and not ended:
                return True
            response.collected = len(session.payload)
            session.collect = None
            if not await self._passes("HTTP_RESPONSE_DATA"):
                return False
            out = bytes(session.released or b"")
            session.released = None
            if not session.collecting:
                out += bytes(session.payload)
                session.payload = bytearray()
            response.streaming = not session.collecting
            if not await self._release(response, out, whole=ended and response.streaming):
                return False
        return True

    async def _response_end(self, response: OutgoingResponse) -> None:
        client, server = self._client, self._server
        if not response.streaming:
            if not await self._collect_response(response, ended=True):
                return
            if not response.head_sent and not await self._release(response, whole=True):
                return
        if not response.finish():
            self._phase = "done"
            await self._drop_server()
            client.reset("lab: a rule made the body shorter than its Content-Length, which was sent already")
            return
        sent = self._phase == "sent"
        self._phase = "done"
        self._server = None
        if server is not None:
            server.owner = None
            server.set_reading(True)
            if not sent or not server.reader.keep_alive or self._session.server_clear:
                server.abort()
                await client.fire("SERVER_CLOSED")
            elif client.runtime.snapshot.one_connect is not None:
                client.idle.put(server)
            else:
                client.bind(server)
        client.finish(close=response.close or not sent, unread=not self._arriving.complete)

    async def _drop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.owner = None
            server.abort()
            await self._client.fire("SERVER_CLOSED")
