"""What the benchmarks of the data plane share: the quickstart gateway as objects, a backend, clients, each a process.

The gateway is applied and rotated once in the lab; then only its configuration is kept, and its pools are led to a
backend here that answers at once. Monitors are left out.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bigip_sm.demo.stage import Stage
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Object, Pool
from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.pki import Issued, client_context, server_context

QUICKSTART = Path(__file__).parent.parent / "declarations" / "quickstart" / "gateway.yaml"
HOSTNAME = "models.example.com"

INVOKE = ("/endpoints/churn-v7/invocations", "")
CHAT = ("/v1/chat/completions", '"messages": [], ')
CONNECTIONS = 8
"""Kept-alive connections that one client process uses at a time."""

PATIENCE = 120
"""Seconds that a client process has for its requests."""

SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Gateway:
    """The quickstart's configuration with credentials, and certificates for clients and backend."""

    objects: tuple[Object, ...] = field(repr=False)
    listener: tuple[str, int]
    ca: str = field(repr=False)
    client: Issued = field(repr=False)
    backend: Issued = field(repr=False)
    server: Issued = field(repr=False)

    @property
    def config(self) -> Config:
        """The configuration, for one data plane."""
        config = Config()
        config.commit(put=self.objects)
        return config

    def network(self, backend: int) -> Network:
        """A network in which every pool member is the backend on that port."""
        network = Network()
        for pool in self.objects:
            for member in pool.members if isinstance(pool, Pool) else ():
                network.publish(member.host, member.port, backend)
        return network


def gateway(file: Path = QUICKSTART) -> Gateway:
    """Apply and rotate a gateway.yaml, the quickstart by default. Raises RuntimeError if that does not work."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stage = Stage(file, folder, None, stack)
        stage.apply()
        code, _ = stage.rotate()
        if code != 0:
            raise RuntimeError("the rotator failed")
        lab = stage.lab
        listener = stage.spec.listeners["public"]
        return Gateway(
            tuple(replace(one, monitors=()) if isinstance(one, Pool) else one for one in lab.config.objects()),
            (str(listener.address), listener.port),
            lab.authorities.servers.certificate_pem,
            lab.authorities.clients.issue("alice", client=True),
            lab.authorities.servers.issue(
                "runtime",
                hosts=[
                    f"runtime.sagemaker.{one.name}.amazonaws.com"
                    for up in stage.spec.upstreams.values()
                    for one in up.regions
                ],
            ),
            lab.authorities.servers.issue(HOSTNAME, hosts=[HOSTNAME]),
        )


def payload(start: str, size: int) -> bytes:
    """A JSON body of that many bytes that begins with ``start``."""
    body = f'{{{start}"padding": "'.encode()
    return body + b"x" * (size - len(body) - 2) + b'"}'


def request(path: str, body: bytes) -> bytes:
    """The bytes of a request as an SDK sends it."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOSTNAME}\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
        f"Connection: keep-alive\r\nUser-Agent: benchmark\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def process(target: Any, *arguments: Any) -> Iterator[tuple[BaseProcess, Connection]]:
    """``target(connection, *arguments)`` in a process of its own, killed at the end; yields it and our end."""
    ours, theirs = SPAWN.Pipe()
    made = SPAWN.Process(target=target, args=(theirs, *arguments), daemon=True)
    made.start()
    theirs.close()
    try:
        yield made, ours
    finally:
        made.kill()
        made.join()


def cpu(pid: int) -> float:
    """CPU seconds that a process has used, user and system (Linux; clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


# the backend


class _Answering(asyncio.Protocol):
    """Answers every request with the same bytes; bodies are skipped by their Content-Length."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := complete(self._data)) is not None:
            self._data = self._data[end:]
            self._transport.write(self._answer)


def complete(data: bytes) -> int | None:
    """Where the first message in ``data`` ends; None if it is not complete."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    at = data.lower().find(b"content-length:", 0, head)
    length = int(data[at + 15 : data.index(b"\r\n", at)]) if at >= 0 else 0
    end = head + 4 + length
    return end if len(data) >= end else None


def pin(pid: int | None, *, core: int = 0) -> None:
    """Keep a process on one core; threads that it starts later stay there too. -1 is the last core.

    Raises RuntimeError if it did not start.
    """
    if pid is None:
        raise RuntimeError("a process did not start")
    os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(os.getpid()))[core]})


def backend(connection: Connection, issued: Issued | None, size: int) -> None:
    """Serve for ever, over TLS if there is a certificate for that; sends its port first."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    answer = head.encode() + payload("", size)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Answering(answer), LOOPBACK, 0, ssl=server_context(issued) if issued is not None else None
        )
        connection.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


# the clients


@dataclass(frozen=True)
class Run:
    """What a client process did: requests, seconds of wall time, and answers by status."""

    requests: int
    seconds: float
    statuses: dict[int, int]


class _Asking(asyncio.Protocol):
    """Sends the same request again and again, each when the answer to the one before is complete."""

    def __init__(self, message: bytes, times: int, statuses: dict[int, int], done: asyncio.Future[None]) -> None:
        self._message = message
        self._left = times
        self._statuses = statuses
        self._done = done
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        transport.write(self._message)  # type: ignore[attr-defined]  # it is a Transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if complete(self._data) is None:
            return
        status = int(self._data[9:12])
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._data = b""
        self._left -= 1
        if self._left > 0:
            self._transport.write(self._message)
        else:
            self._transport.close()
            self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(ConnectionError("the connection ended early"))

    def _finish(self, error: Exception | None) -> None:
        if not self._done.done():
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)


def clients(connection: Connection, tls: tuple[str, Issued | None] | None, port: int, message: bytes) -> None:
    """Wait for numbers of requests; send each over CONNECTIONS connections and report a Run."""
    context = client_context(*tls) if tls is not None else None

    async def send(requests: int) -> Run:
        loop = asyncio.get_running_loop()
        statuses: dict[int, int] = {}
        each = max(1, requests // CONNECTIONS)
        started = time.perf_counter()
        waiting = []
        for _ in range(CONNECTIONS):
            done: asyncio.Future[None] = loop.create_future()
            waiting.append(done)
            await loop.create_connection(
                lambda done=done: _Asking(message, each, statuses, done),
                LOOPBACK,
                port,
                ssl=context,
                server_hostname=HOSTNAME if context is not None else None,
            )
        await asyncio.gather(*waiting)
        return Run(sum(statuses.values()), time.perf_counter() - started, statuses)

    while True:
        connection.send(asyncio.run(send(connection.recv())))


def fire(connection: Connection, requests: int) -> Run:
    """Have the clients send that many requests. Raises RuntimeError if one is not answered 200, or not in time."""
    connection.send(requests)
    if not connection.poll(PATIENCE):
        raise RuntimeError(f"{requests} requests were not answered within {PATIENCE} s")
    done: Run = connection.recv()
    if set(done.statuses) != {200}:
        raise RuntimeError(f"answers: {json.dumps(done.statuses)}")
    return done
