"""The collector: records over TLS from any number of BIG-IPs, one a line, into a store."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

from bigip_sm.audit.lines import Lines, TooLong
from bigip_sm.audit.store import Store
from bigip_sm.connections import Connections

MAX_RECORD = 64 * 1024
"""Longest record, bytes; a longer line is left out, and the chain says so."""

MAX_SKIPPED = 16 * MAX_RECORD
"""Bytes of a line without end after which a connection is ended."""

MAX_CONNECTIONS = 256
"""Connections at a time; more are refused."""

QUIET = 0.2
"""Seconds without a line after which all that had been sent before a stop is taken."""

LONGEST_STOP = 5.0
"""Seconds that a stop takes at most while BIG-IPs go on sending."""


class Collector:
    """Serves ``store``; ``log`` gets a line about whatever is wrong. Everything is written before ``stop`` returns."""

    def __init__(self, store: Store, tls: ssl.SSLContext, *, log: Callable[[str], None]) -> None:
        self.failed: OSError | None = None
        self._store = store
        self._tls = tls
        self._log = log
        self._server: asyncio.Server | None = None
        self._connections = Connections()
        self._taken = 0
        self._broken = asyncio.Event()

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises OSError."""
        self._server = await asyncio.start_server(self._accept, host, port, ssl=self._tls, limit=MAX_RECORD)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def broken(self) -> None:
        """Return when the store cannot be written any more; ``failed`` says why."""
        await self._broken.wait()

    async def stop(self) -> None:
        """Take no more connections, take what those there are have sent, and end them.

        That is done once nothing has come for ``QUIET`` seconds, or after ``LONGEST_STOP``.
        """
        if self._server is not None:
            self._server.close()
        loop = asyncio.get_running_loop()
        latest, before = loop.time() + LONGEST_STOP, -1
        while self._connections.tasks and self._taken != before and loop.time() < latest and self.failed is None:
            before = self._taken
            await asyncio.wait(self._connections.tasks, timeout=QUIET)
        await self._connections.end()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        source = str(peer[0]) if peer else "unknown"
        if len(self._connections.tasks) >= MAX_CONNECTIONS:
            self._log(f"{source}: refused, there are {MAX_CONNECTIONS} connections already")
            writer.transport.abort()
            return
        lines = Lines(MAX_RECORD)
        try:
            with self._connections.serving():
                await self._read(reader, lines, source)
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            if self.failed is None and (rest := lines.end()):
                self._log(f"{source}: half a record at the end of a connection")
                self._keep(rest, source)

    async def _read(self, reader: asyncio.StreamReader, lines: Lines, source: str) -> None:
        while data := await reader.read(MAX_RECORD):
            self._taken += 1
            for line in lines.feed(data):
                self._keep(line, source)
            if lines.skipped > MAX_SKIPPED:
                self._log(f"{source}: a line of more than {MAX_SKIPPED} bytes; the connection was ended")
                return
            if self.failed is not None:
                return

    def _keep(self, line: bytes | TooLong, source: str) -> None:
        """Write a line, or that there was one; once that fails, nothing more is tried."""
        if self.failed is not None:
            return
        try:
            if isinstance(line, TooLong):
                words = f"a line of {line.size} bytes, more than {MAX_RECORD}, was left out"
                self._log(f"{source}: {words}")
                self._store.note(words, source, time.time())
            elif record := line.strip():
                self._store.write(record, source, time.time())
            self._store.flush()
        except OSError as error:
            self.failed = error
            self._broken.set()


def server_tls(certificate: str, key: str, ca: str | None = None) -> ssl.SSLContext:
    """TLS of the collector: 1.2 or newer; with ``ca``, only BIG-IPs that show a certificate of it may send.

    Raises OSError or ssl.SSLError if a file cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if ca is not None:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
