"""Runs the try: the lab's data plane, backends, and a client, all in this process and on 127.0.0.1."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.network import Network
from bigip_sm.lab.pki import Authority, client_context, server_context
from bigip_sm.lab.tmm.client import ClientConnection
from bigip_sm.lab.tmm.dataplane import DataPlane
from bigip_sm.lab.tmm.messages import ResponseHead
from bigip_sm.lab.tmm.parsing import ResponseReader
from bigip_sm.lab.tmm.tmm import Tmm, World
from bigip_sm.lab.tryout.inputs import Wanted
from bigip_sm.lab.tryout.objects import ADDRESS, Scene, build
from bigip_sm.lab.tryout.record import (
    Answered,
    Asked,
    CommandRun,
    Event,
    Failed,
    LogLine,
    Record,
    Sent,
)

PATIENCE = 15.0
"""Seconds that the client waits for a response."""

MAX_STEPS = 10_000
"""Steps after which commands are not recorded any more."""

RULE_LIMIT = 5.0
"""Seconds that one event may take."""


def tryout(wanted: Wanted) -> Record:
    """Load the rule, send the requests, say what happened. Raises RuleError in TMOS's words, LabError."""
    return asyncio.run(_tryout(wanted))


async def _tryout(wanted: Wanted) -> Record:
    servers, clients = Authority.create("bigip-sm lab"), Authority.create("bigip-sm lab clients")
    scene = build(wanted, servers, clients)
    record = Record(scene.rule.path, list(scene.created))
    handled = frozenset(handler.event for handler in scene.rule.handlers)
    config, network = Config(), Network()
    config.commit(put=scene.objects)
    async with AsyncExitStack() as stack:
        for destination, pool in scene.members.items():
            await _backend(stack, wanted, scene, servers, network, destination, pool, record)
        plane = _RecordingPlane(config, network, record, handled)
        if wanted.client_address is not None:
            plane.client_addresses = functools.partial(_address, wanted.client_address)
        stack.push_async_callback(plane.stop)
        if "RULE_INIT" in handled:
            record.steps.append(Event("RULE_INIT", True))
        await plane.start()
        await plane.settled()
        tls = client_context(
            servers.certificate_pem,
            clients.issue(wanted.certificate, client=True) if wanted.certificate is not None else None,
        )
        host, port = network.resolve(*ADDRESS)
        reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=wanted.host)
        stack.callback(writer.transport.abort)
        await _until(lambda: Event("CLIENTSSL_HANDSHAKE", "CLIENTSSL_HANDSHAKE" in handled) in record.steps)
        await _converse(reader, writer, wanted, record)
        writer.close()
        await _until(lambda: not plane.connections)
    return record


def _address(address: str, _: tuple[str, int]) -> str:
    return address


async def _backend(
    stack: AsyncExitStack,
    wanted: Wanted,
    scene: Scene,
    servers: Authority,
    network: Network,
    destination: tuple[str, int],
    pool: str,
    record: Record,
) -> None:
    """Serve one pool member."""
    member = f"{destination[0]}:{destination[1]}"

    async def answer(request: Request) -> Response:
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers)
        target = request.target.decode("latin-1")
        record.steps.append(Sent(pool, member, request.method, target, headers, request.body))
        body = request.body if wanted.answer_body is None else wanted.answer_body
        return Response(wanted.answer_status, list(wanted.answer_headers), body)

    tls = server_context(servers.issue(destination[0], hosts=[destination[0]])) if scene.tls_upstream else None
    server = HttpsServer(answer, tls)
    stack.push_async_callback(server.stop)
    network.publish(*destination, await server.start())


class _RecordingConnection(ClientConnection):
    """A client connection whose events are recorded."""

    record: Record
    handled: frozenset[str]

    async def fire(self, event: str) -> bool:
        self.record.steps.append(Event(event, event in self.handled))
        return await super().fire(event)


class _RecordingPlane(DataPlane):
    """One TMM that records what it does."""

    def __init__(self, config: Config, network: Network, record: Record, handled: frozenset[str]) -> None:
        super().__init__(config, network, tmms=1, log=self._logged, data_group_delay=0.0, rule_limit=RULE_LIMIT)
        self._record = record
        self.connection_type = type(
            "Connection",
            (_RecordingConnection,),
            {"record": record, "handled": handled},
        )

    def make_tmm(self, number: int, world: World) -> Tmm:
        """A TMM of which every iRule command is recorded."""
        tmm = super().make_tmm(number, world)
        tmm.interpreter.observe(self._ran)
        return tmm

    def _ran(self, words: Sequence[str], result: str, failed: bool) -> bool:
        self._record.steps.append(CommandRun(tuple(words), result, failed))
        if len(self._record.steps) < MAX_STEPS:
            return True
        self._record.steps.append(LogLine(f"lab: from here on commands are not shown, there are {MAX_STEPS} already"))
        return False

    def _logged(self, line: str) -> None:
        self._record.steps.append(LogLine(line))


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wanted: Wanted, record: Record) -> None:
    """Send the requests one after the other; ends with the connection."""
    for method, target in wanted.requests:
        record.steps.append(Asked(method, target))
        try:
            writer.write(_request(method, target, wanted))
            await writer.drain()
            answer, more = await asyncio.wait_for(_answer(reader, method), PATIENCE)
        except asyncio.TimeoutError:
            record.steps.append(Failed(f"no response within {PATIENCE:.0f} s"))
            return
        except ConnectionError:
            record.steps.append(Failed("the connection was reset"))
            return
        record.steps.append(answer)
        if not more:
            return


def _request(method: str, target: str, wanted: Wanted) -> bytes:
    headers = list(wanted.headers)
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        headers.insert(0, ("Host", wanted.host))
    if wanted.body and not names & {"content-length", "transfer-encoding"}:
        headers.append(("Content-Length", str(len(wanted.body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + wanted.body


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[Answered | Failed, bool]:
    """Read a response; with it: whether the connection goes on."""
    parser = ResponseReader()
    parser.expect(method.encode("latin-1"))
    head: ResponseHead | None = None
    body = b""
    while True:
        data = await reader.read(65536)
        if data:
            parser.feed(data)
        elif head is None:
            return Failed("the connection was closed"), False
        elif not parser.close():
            return Failed("the connection was closed in the middle of the response"), False
        while parser.events:
            event = parser.events.popleft()
            if isinstance(event, ResponseHead):
                head = event if event.status >= 200 else head
            elif event is not None:
                body += event
            elif head is not None:
                fields = tuple(
                    (name.decode("latin-1"), value.decode("latin-1")) for _, name, value in head.headers.fields
                )
                reason = head.reason.decode("latin-1")
                return Answered(head.status, reason, fields, body), parser.keep_alive and bool(data)
        if parser.error is not None:
            return Failed(f"the response is no HTTP: {parser.error}"), False


async def _until(condition: Callable[[], bool]) -> None:
    """Wait until it holds, but not for ever: a rule may keep it from coming."""
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.005)
