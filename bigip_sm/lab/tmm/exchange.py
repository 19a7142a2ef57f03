"""One HTTP request on its way through TMM: events in TMM's order, the choice of a member, the request, the response.

HTTP_REQUEST -> [HTTP_REQUEST_DATA] -> LB_SELECTED -> SERVER_CONNECTED -> SERVERSSL_HANDSHAKE -> HTTP_REQUEST_SEND ->
HTTP_REQUEST_RELEASE -> HTTP_RESPONSE -> HTTP_RESPONSE_RELEASE (measured: bitwisecook/tcl-lsp,
BIGIP_EVENT_FLOW_RESULTS). Bodies stream through, unless the rule collects the request's.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Literal

from bigip_sm.errors import LabError
from bigip_sm.lab.tmm import framing
from bigip_sm.lab.tmm.messages import LAST_CHUNK, ResponseHead, chunk
from bigip_sm.lab.tmm.parsing import IncomingRequest
from bigip_sm.lab.tmm.upstream import ServerConnection

if TYPE_CHECKING:
    from bigip_sm.lab.bigip.objects import PoolMember
    from bigip_sm.lab.tmm.client import ClientConnection

Phase = Literal["new", "collect", "connect", "send", "sent", "done"]


class Exchange:
    """One request and its response. Owner of the server-side connection while it needs one."""

    def __init__(self, client: ClientConnection, request: IncomingRequest) -> None:
        self._client = client
        self._session = client.session
        self._request = request
        self._phase: Phase = "new"
        self._server: ServerConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._collected = 0
        self._request_chunked = False
        self._response: framing.ResponseFraming | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole request has arrived."""
        return self._request.complete

    def begin(self) -> None:
        """The head of the request is there."""
        self._session.begin(self._request.head)
        if self._client.fire("HTTP_REQUEST") and not self._answered():
            if self._session.collect is not None and self._request.has_body:
                self._phase = "collect"
            else:
                self._balance()

    def body_arrived(self) -> None:
        """A part of the body, or its end, may have arrived."""
        if self._phase == "collect":
            self._collect()
        elif self._phase == "send":
            self._send_body()
        elif self._phase == "done":
            self._request.body.clear()

    def waiting(self) -> int:
        """Bytes of the body that cannot go on yet."""
        return sum(len(piece) for piece in self._request.body)

    def client_writable(self, writable: bool) -> None:
        """The client reads slowly, or fast enough again: so must the server be read."""
        if self._server is not None:
            self._server.set_reading(writable)

    def abandon(self) -> None:
        """The client has gone."""
        self._phase = "done"
        if self._connecting is not None:
            self._connecting.cancel()
        self._drop_server()

    # collecting, choosing, connecting

    def _collect(self) -> None:
        session, request = self._session, self._request
        while request.body:
            session.payload += request.body.popleft()
        if session.collect is None or (len(session.payload) < session.collect and not request.complete):
            return
        self._collected = len(session.payload)
        session.collect = None
        if self._client.fire("HTTP_REQUEST_DATA") and not self._answered():
            if session.payload:
                request.body.appendleft(bytes(session.payload))
            self._collected -= len(session.payload)
            self._balance()

    def _balance(self) -> None:
        """Choose a pool member and a connection to it."""
        self._phase = "connect"
        client, session = self._client, self._session
        pool = session.pool = session.pool or client.runtime.snapshot.virtual.pool
        bound = client.server
        if bound is not None and bound.alive and bound.owner is None and bound.pool == pool:
            self._attach(bound)
            return
        client.release_server()
        state = client.tmm.world.pools.get(pool) if pool is not None else None
        member = state.choose() if state is not None else None
        if member is None:
            self._failed(f"no available member in pool {pool}")
            return
        session.member = member
        session.server_ssl = None
        if not client.fire("LB_SELECTED") or self._answered():
            return
        server = client.idle.take(member)
        if server is not None:
            self._attach(server)
        else:
            connect = self._connect(member, pool or "")
            self._connecting = asyncio.get_running_loop().create_task(connect)

    async def _connect(self, member: PoolMember, pool: str) -> None:
        """Open a TCP connection; then SERVER_CONNECTED and TLS, or LB_FAILED."""
        client = self._client
        idle = client.runtime.snapshot.tcp_server.idle_timeout
        try:
            host, port = client.network.resolve(member.host, member.port)
            create = functools.partial(ServerConnection, member, pool, idle)
            opening = asyncio.get_running_loop().create_connection(create, host, port)
            _, server = await asyncio.wait_for(opening, client.runtime.connect_timeout)
        except (OSError, asyncio.TimeoutError) as error:
            self._connecting = None
            self._failed(f"connection to {member.host}:{member.port} failed: {error or 'timed out'}")
            client.pump()
            return
        self._connecting = None
        try:
            self._connected(server)
        except Exception as error:
            server.abort()
            client.broken(error)
        client.pump()

    def _connected(self, server: ServerConnection) -> None:
        client = self._client
        self._server = server
        server.owner = self
        if not client.fire("SERVER_CONNECTED"):
            self._drop_server()
            return
        path = self._session.server_ssl or client.runtime.snapshot.default_server_ssl
        if path is None:
            self._attach(server)
            return
        tls = client.runtime.server_tls.get(path)
        if tls is None:
            raise LabError(f"server-ssl profile {path} is not usable")
        server.start_tls(tls)

    def _failed(self, reason: str) -> None:
        """No member, or no connection to it."""
        client = self._client
        if client.fire("LB_FAILED") and not self._answered():
            self._phase = "done"
            client.reset(f"01010028:3: {reason}")

    # sending the request

    def _attach(self, server: ServerConnection) -> None:
        """The server side is ready: send the request."""
        client, request, head = self._client, self._request, self._request.head
        self._server = server
        server.owner = self
        server.uses += 1
        self._phase = "send"
        if client.runtime.snapshot.http.insert_x_forwarded_for:
            head.headers.add(b"X-Forwarded-For", self._session.client_address.encode())
        if not (client.fire("HTTP_REQUEST_SEND") and client.fire("HTTP_REQUEST_RELEASE")):
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

    # answers of the rule

    def _answered(self) -> bool:
        """Send the answer that a rule gave, if it did; then nothing else follows for this request."""
        answer, client, request = self._session.answer, self._client, self._request
        if answer is None:
            return False
        self._phase = "done"
        self._drop_server()
        agent = client.runtime.snapshot.http.server_agent_name
        data, close = framing.render_answer(answer, request, agent)
        client.write(data)
        request.body.clear()
        client.finish(close=close, unread=not request.complete)
        return True

    # Owner of a server-side connection

    def server_ready(self) -> None:
        """The TLS handshake with the server is done."""
        if self._server is not None and self._client.fire("SERVERSSL_HANDSHAKE"):
            self._attach(self._server)

    def server_event(self, event: ResponseHead | bytes | None) -> None:
        """A response's head, a piece of its body, or its end."""
        if self._client.closed:
            self._drop_server()
        elif isinstance(event, ResponseHead):
            self._response_head(event)
        elif self._response is None:
            return
        elif event is None:
            self._response_end(self._response)
        else:
            self._client.write(chunk(event) if self._response.chunked else event)

    def server_lost(self, reason: str) -> None:
        """The server side is gone too early: whatever the client got so far must not look complete."""
        self._server = None
        self._phase = "done"
        self._client.fire("SERVER_CLOSED")
        self._client.reset(f"01010028:3: {reason}")

    def server_writable(self, writable: bool) -> None:
        """The server reads slowly, or fast enough again."""
        self._client.pump()

    def pump(self) -> None:
        """All events of one read have been delivered."""
        self._client.pump()

    def broken(self, error: Exception) -> None:
        """An error in the lab itself."""
        self._client.broken(error)

    # response

    def _response_head(self, head: ResponseHead) -> None:
        client, request = self._client, self._request
        if head.status < 200:
            if request.head.version == b"1.1":
                client.write(head.encode())
            return
        self._session.response = head
        framed = framing.ResponseFraming.of(head, request)
        if not client.fire("HTTP_RESPONSE") or self._answered():
            return
        if not client.fire("HTTP_RESPONSE_RELEASE") or self._answered():
            return
        self._response = framed
        framed.apply(head)
        client.write(head.encode())

    def _response_end(self, response: framing.ResponseFraming) -> None:
        client, server = self._client, self._server
        if response.chunked:
            client.write(LAST_CHUNK)
        sent = self._phase == "sent"
        self._phase = "done"
        self._server = None
        if server is not None:
            server.owner = None
            server.set_reading(True)
            if not sent or not server.reader.keep_alive:
                server.abort()
                client.fire("SERVER_CLOSED")
            elif client.runtime.snapshot.one_connect is not None:
                client.idle.put(server)
            else:
                client.server = server
        client.finish(close=response.close or not sent, unread=not self._request.complete)

    def _drop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.owner = None
            server.abort()
            self._client.fire("SERVER_CLOSED")
