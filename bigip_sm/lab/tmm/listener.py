"""The listening socket of a virtual server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.tmm.client import ClientConnection
from bigip_sm.lab.tmm.runtime import Runtime

BACKLOG = 1024


class Listener:
    """Listens on a free port of 127.0.0.1, published in the lab's network as the virtual server's address."""

    def __init__(self, runtime: Runtime, connect: Callable[[Runtime], ClientConnection]) -> None:
        """``connect`` makes the protocol of a new connection."""
        self.runtime = runtime
        virtual = runtime.snapshot.virtual
        self.address = (virtual.address, virtual.port)
        self._connect = connect
        self._retired: list[Runtime] = []
        self._server: asyncio.Server | None = None

    async def start(self, network: Network) -> None:
        """Listen and publish. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._connect(self.runtime), LOOPBACK, 0, backlog=BACKLOG)
        network.publish(*self.address, self._server.sockets[0].getsockname()[1])

    def replace(self, runtime: Runtime) -> None:
        """New connections get another version; those that exist keep theirs."""
        old, self.runtime = self.runtime, runtime
        self._retired = [other for other in (*self._retired, old) if other.connections]
        old.retire()

    async def stop(self, network: Network) -> None:
        """Stop listening and reset all connections, as TMM does when a virtual server is deleted."""
        network.withdraw(*self.address)
        if self._server is not None:
            self._server.close()
        for runtime in (self.runtime, *self._retired):
            for connection in list(runtime.connections):
                connection.reset()
        while any(runtime.connections for runtime in (self.runtime, *self._retired)):
            await asyncio.sleep(0)
        self.runtime.retire()
