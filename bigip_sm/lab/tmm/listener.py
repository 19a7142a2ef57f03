"""The listening socket of a virtual server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.tmm.client import ClientConnection
from bigip_sm.lab.tmm.runtime import Runtime
from bigip_sm.lab.tmm.tmm import Tmm

BACKLOG = 1024


class Listener:
    """Listens on a port of 127.0.0.1, published in the lab's network as the virtual server's address.

    ``shared_port`` is one that other processes listen on too; 0 is a free one of its own.
    """

    def __init__(self, runtime: Runtime, connect: Callable[[Runtime], ClientConnection], shared_port: int = 0) -> None:
        """``connect`` makes the protocol of a new connection."""
        self.runtime = runtime
        virtual = runtime.snapshot.virtual
        self.address = (virtual.address, virtual.port)
        self._connect = connect
        self._shared_port = shared_port
        self._retired: list[Runtime] = []
        self._server: asyncio.Server | None = None

    async def start(self, network: Network) -> None:
        """Listen and publish. Raises OSError."""
        loop = asyncio.get_running_loop()
        port = self._shared_port
        self._server = await loop.create_server(
            lambda: self._connect(self.runtime), LOOPBACK, port, backlog=BACKLOG, reuse_port=bool(port)
        )
        network.publish(*self.address, self._server.sockets[0].getsockname()[1])

    def replace(self, runtime: Runtime) -> None:
        """New connections get another version; those that exist keep theirs."""
        old, self.runtime = self.runtime, runtime
        self._retired = [other for other in (*self._retired, old) if other.connections]
        old.retire()

    @property
    def connections(self) -> int:
        """How many client connections there are, those of earlier versions too."""
        return sum(len(runtime.connections) for runtime in (self.runtime, *self._retired))

    def reset(self, tmm: Tmm) -> None:
        """Reset the connections that one TMM serves."""
        for runtime in (self.runtime, *self._retired):
            for connection in [one for one in runtime.connections if one.tmm is tmm]:
                connection.reset()

    async def stop(self, network: Network) -> None:
        """Stop listening and reset all connections, as TMM does when a virtual server is deleted."""
        network.withdraw(*self.address)
        if self._server is not None:
            self._server.close()
        for runtime in (self.runtime, *self._retired):
            for connection in list(runtime.connections):
                connection.reset()
        while self.connections:
            await asyncio.sleep(0)
        self.runtime.retire()
