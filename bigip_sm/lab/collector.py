"""The collector of audit records that the lab stands in for: TLS, one record a line, everything kept."""

from __future__ import annotations

import asyncio
import contextlib

from bigip_sm.connections import Connections
from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.pki import Authority, server_context
from bigip_sm.spec.audit import Audit

MAX_RECORD = 64 * 1024
"""Longest record, bytes."""


class Collector:
    """All collectors of a gateway in one. ``lines`` holds every record that arrived, without its line end."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._published: list[tuple[str, int]] = []
        self._network: Network | None = None
        self._connections = Connections()

    async def start(self, audit: Audit, network: Network, authority: Authority) -> None:
        """Serve at the addresses that the gateway sends to, under the name that it verifies."""
        name = audit.tls.server_name
        tls = server_context(authority.issue(name, hosts=[name]))
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, ssl=tls, limit=MAX_RECORD)
        port = self._server.sockets[0].getsockname()[1]
        self._network = network
        for one in audit.collectors:
            host, _, at = one.rpartition(":")
            network.publish(host, int(at), port)
            self._published.append((host, int(at)))

    async def stop(self) -> None:
        """Stop serving and end every connection; what arrived stays."""
        for host, port in self._published:
            if self._network is not None:
                self._network.withdraw(host, port)
        self._published.clear()
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._connections.end()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._connections.serving(), contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
            while line := await reader.readline():
                self.lines.append(line.rstrip(b"\n"))
        writer.transport.abort()
