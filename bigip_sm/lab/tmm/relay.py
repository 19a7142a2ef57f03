"""A virtual server without an HTTP profile: a TCP connection to a pool member, perhaps with TLS on the server side.

It is what high-speed logging goes through to reach a collector over TLS. No iRule runs on it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bigip_sm.connections import Connections
from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.objects import VirtualServer
from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.tmm.tls import ServerTls

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.pools import PoolState

PIECE = 64 * 1024
"""Bytes that are passed on at a time."""


class Relay:
    """Listens for one virtual server and passes on what arrives, to the pool and back.

    ``pools`` and ``server_tls`` are the box's, as they are when a connection comes.
    """

    def __init__(
        self,
        virtual: VirtualServer,
        network: Network,
        pools: Mapping[str, PoolState],
        server_tls: Mapping[str, ServerTls],
        log: Callable[[str], None],
    ) -> None:
        """Raises LabError for what such a virtual server has that is not emulated."""
        if virtual.rules or virtual.client_ssl is not None:
            raise LabError(f"virtual server {virtual.path}: rules and client-side TLS need an HTTP profile in the lab")
        self.virtual = virtual
        self._network = network
        self._pools = pools
        self._server_tls = server_tls
        self._log = log
        self._server: asyncio.Server | None = None
        self._connections = Connections()

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1 and publish the address; ``port`` is one that other processes share. Raises OSError."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, port, reuse_port=bool(port))
        self._network.publish(self.virtual.address, self.virtual.port, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        self._network.withdraw(self.virtual.address, self.virtual.port)
        if self._server is not None:
            self._server.close()
        await self._connections.end()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with self._connections.serving():
                await self._serve(reader, writer)
        except (OSError, LabError) as error:
            self._log(f"01010028:3: {self.virtual.path}: no connection to a member of {self.virtual.pool}: {error}")
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await self._connect()
        try:
            both = {
                asyncio.ensure_future(_pass(reader, there_writer)),
                asyncio.ensure_future(_pass(there_reader, writer)),
            }
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            there_writer.close()
            with contextlib.suppress(OSError):
                await there_writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        state = self._pools.get(self.virtual.pool or "")
        member = state.choose() if state is not None else None
        if member is None:
            raise LabError("none is available")
        place = self._network.resolve(member.host, member.port)
        if not self.virtual.server_ssl:
            return await asyncio.open_connection(*place)
        tls = self._server_tls.get(self.virtual.server_ssl[0])
        if tls is None:
            raise LabError(f"server-ssl profile {self.virtual.server_ssl[0]} is not usable")
        return await asyncio.open_connection(*place, ssl=tls.context, server_hostname=tls.server_name or "")


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
