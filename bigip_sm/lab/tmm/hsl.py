"""High-speed logging: messages of ``HSL::send`` to a member of a pool, over TCP or UDP, without waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

from bigip_sm.lab.network import Network

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.pools import PoolState

Protocol = Literal["TCP", "UDP"]

MAX_PENDING = 1000
"""Messages kept for a pool that cannot be reached; more are lost, as on TMM."""


class Hsl:
    """Sends to pools of the lab's network; one connection for each pool and protocol."""

    def __init__(self, network: Network | None = None, pools: Mapping[str, PoolState] | None = None) -> None:
        self._network = network or Network()
        self._pools = pools if pools is not None else {}
        self._senders: dict[tuple[Protocol, str], _Sender] = {}

    def send(self, protocol: Protocol, pool: str, data: bytes) -> bool:
        """Queue a message; False if it is lost at once."""
        sender = self._senders.get((protocol, pool))
        if sender is None:
            sender = self._senders[protocol, pool] = _Sender(protocol, pool, self._network, self._pools)
        return sender.send(data)

    def close(self) -> None:
        """Close all connections; what waits is lost."""
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()


class _Sender(asyncio.DatagramProtocol):
    """One destination. It connects when there is something to send, and again after the connection was lost."""

    def __init__(self, protocol: Protocol, pool: str, network: Network, pools: Mapping[str, PoolState]) -> None:
        self._protocol = protocol
        self._pool = pool
        self._network = network
        self._pools = pools
        self._pending: deque[bytes] = deque()
        self._transport: asyncio.BaseTransport | None = None
        self._connecting: asyncio.Task[None] | None = None

    def send(self, data: bytes) -> bool:
        if len(self._pending) >= MAX_PENDING:
            return False
        self._pending.append(data)
        if self._transport is not None:
            self._flush()
        elif self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        return True

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.close()

    async def _connect(self) -> None:
        with contextlib.suppress(OSError):
            state = self._pools.get(self._pool)
            member = state.choose() if state is not None else None
            if member is not None:
                address = self._network.resolve(member.host, member.port)
                loop = asyncio.get_running_loop()
                if self._protocol == "UDP":
                    await loop.create_datagram_endpoint(lambda: self, remote_addr=address)
                else:
                    await loop.create_connection(lambda: _Stream(self), *address)
        self._connecting = None
        if self._transport is None:
            self._pending.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def error_received(self, exc: Exception) -> None:
        """A datagram was refused: nobody is told."""

    def _flush(self) -> None:
        # Not by isinstance: before Python 3.12 asyncio's datagram transports are no DatagramTransport.
        while self._pending:
            data = self._pending.popleft()
            if self._protocol == "UDP":
                cast("asyncio.DatagramTransport", self._transport).sendto(data)
            else:
                cast("asyncio.WriteTransport", self._transport).write(data)


class _Stream(asyncio.Protocol):
    """TCP towards the destination; what it answers is ignored."""

    def __init__(self, sender: _Sender) -> None:
        self._sender = sender

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sender.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sender.connection_lost(exc)
