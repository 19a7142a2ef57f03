"""An HTTP proxy on loopback that knows the lab's names: how a process beside the lab reaches what the lab emulates.

Only CONNECT is served (RFC 9110, section 9.3.6), so TLS is between the process and the emulation, with the names of
the real world. A destination that is not in the lab's network is refused: nothing leaves this machine.
"""

from __future__ import annotations

import asyncio
import contextlib

from bigip_sm.connections import Connections
from bigip_sm.lab.network import LOOPBACK, Network

MAX_HEAD = 8 * 1024
"""Longest head of a CONNECT request, bytes."""

HEAD_TIMEOUT = 5.0
"""Seconds that a client has for the head."""


class ConnectProxy:
    """A proxy from this machine into ``network``."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._server: asyncio.Server | None = None
        self._connections = Connections()

    async def start(self) -> str:
        """Listen on 127.0.0.1 and return the URL for ``HTTPS_PROXY``."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, limit=MAX_HEAD)
        return f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening and end every tunnel."""
        if self._server is not None:
            self._server.close()
        await self._connections.end()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with self._connections.serving():
                await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass
        except asyncio.LimitOverrunError:
            writer.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n")
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_TIMEOUT)
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or words[0] != "CONNECT":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\n\r\n")
            return
        host, _, port = words[1].rpartition(":")
        try:
            place = self._network.resolve(host, int(port))
        except (ConnectionRefusedError, ValueError):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        there_reader, there_writer = await asyncio.open_connection(*place)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        finally:
            there_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on everything until its end; then no more is written."""
    while piece := await reader.read(64 * 1024):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
