"""Regions of the emulated AWS that fail: from the network up to the service's own answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal

from bigip_sm.lab.aws.runtime import Runtime, throttled, unavailable
from bigip_sm.lab.http import HttpsServer
from bigip_sm.lab.network import LOOPBACK, Network

Kind = Literal["refused", "black-hole", "tls-hang", "unavailable", "throttling"]
"""``refused``: connections are refused and those that are open end. ``black-hole``: nothing is answered any more, not
even a SYN, and what is sent on open connections is not read. ``tls-hang``: connections are taken, no handshake is
answered. ``unavailable`` and ``throttling``: every request that AWS would take is answered 503, or 400 and
ThrottlingException."""

_ANSWERS = {"unavailable": unavailable, "throttling": throttled}


@dataclass(frozen=True)
class _Place:
    server: HttpsServer
    destinations: Sequence[str]
    port: int


class Outages:
    """Begins and ends the outages of regions; one region has one at a time. Call it in the lab's event loop."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._places: dict[str, list[_Place]] = {}
        self._running: dict[str, AsyncExitStack] = {}
        self._network: Network | None = None

    def add(self, network: Network, region: str, server: HttpsServer, destinations: Sequence[str], port: int) -> None:
        """Say what is in a region: a server, the names that lead to it, and its port on this machine."""
        self._network = network
        self._places.setdefault(region, []).append(_Place(server, destinations, port))

    async def begin(self, region: str, kind: Kind) -> None:
        """Let a region fail. Raises ValueError if it is not served or fails already."""
        network = self._network
        if network is None or region not in self._places or region in self._running:
            raise ValueError(f"region {region} is not served, or fails already")
        stack = self._running[region] = AsyncExitStack()
        if kind in _ANSWERS:
            self._runtime.regional[region] = _ANSWERS[kind]()
            stack.callback(self._runtime.regional.pop, region)
            return
        port = None
        if kind == "black-hole":
            port = _deaf(stack)
        elif kind == "tls-hang":
            port = await _mute(stack)
        for place in self._places[region]:
            for name in place.destinations:
                network.withdraw(name, 443)
                if port is not None:
                    network.publish(name, 443, port)
                stack.callback(network.publish, name, 443, place.port)
            if kind == "black-hole":
                place.server.freeze()
                stack.callback(place.server.drop)
            else:
                place.server.drop()

    async def end(self, region: str) -> None:
        """Let a region work again; nothing if it does."""
        stack = self._running.pop(region, None)
        if stack is not None:
            await stack.aclose()

    async def stop(self) -> None:
        """End all outages."""
        for region in list(self._running):
            await self.end(region)
        self._places.clear()


def _deaf(stack: AsyncExitStack) -> int:
    """A port whose queue of connections is full, so that the system drops every further SYN."""
    listening = stack.enter_context(socket.socket())
    listening.bind((LOOPBACK, 0))
    listening.listen(0)
    port: int = listening.getsockname()[1]
    for _ in range(3):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex((LOOPBACK, port))
    return port


async def _mute(stack: AsyncExitStack) -> int:
    """A port that takes connections and says nothing."""
    server = await asyncio.get_running_loop().create_server(lambda: _Mute(stack), LOOPBACK, 0)
    stack.callback(server.close)
    port: int = server.sockets[0].getsockname()[1]
    return port


class _Mute(asyncio.Protocol):
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._stack.callback(transport.abort)
