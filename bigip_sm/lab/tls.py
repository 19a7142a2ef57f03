"""TLS for servers of the lab, between a socket's transport and an asyncio protocol.

asyncio's own layer drops the alert when a handshake fails, keeps handshakes under way out of reach, and differs
between Python versions. A client of the lab must see the alert that a real server sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

HANDSHAKE = 10.0
"""Seconds that a client has for the handshake."""

_RECORD = 65536


class TlsProtocol(asyncio.Protocol):
    """Shakes hands as the server, then lets ``inner`` speak over the connection.

    ``inner`` gets its ``connection_made`` after the handshake only; its transport has the extra information
    ``ssl_object``. Writes are held back and resumed as the socket's are. ``transports`` holds the transport of the
    socket for as long as it is open.
    """

    def __init__(self, context: ssl.SSLContext, inner: asyncio.Protocol, transports: set[asyncio.Transport]) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._inner = inner
        self._transports = transports
        self._established = False
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time that the handshake may take."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type for the checker
        self._raw = transport
        self._transports.add(transport)
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or decrypt; broken TLS ends the connection with the alert for it."""
        self._incoming.write(data)
        try:
            if not self._established:
                self._tls.do_handshake()
                self._established = True
                self._deadline.cancel()
                self._flush()
                self._inner.connection_made(_TlsTransport(self._raw, self._tls, self._outgoing))
            while chunk := self._tls.read(_RECORD):
                self._inner.data_received(chunk)
                if self._lost:
                    return
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError:
            self._flush()
        self._raw.close()  # the client has said good-bye, or does not speak TLS

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end of the connection on, if ``inner`` ever knew of it."""
        self._lost = True
        self._transports.discard(self._raw)
        self._deadline.cancel()
        if self._established:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on that the client does not read."""
        if self._established:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        if self._established:
            self._inner.resume_writing()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())


class _TlsTransport(asyncio.Transport):
    """What ``inner`` writes to: the part of asyncio.Transport that the lab's servers use."""

    def __init__(self, raw: asyncio.Transport, tls: ssl.SSLObject, outgoing: ssl.MemoryBIO) -> None:
        super().__init__()
        self._raw = raw
        self._tls = tls
        self._outgoing = outgoing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls if name == "ssl_object" else self._raw.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._raw.is_closing():
            return
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        self._raw.write(self._outgoing.read())

    def close(self) -> None:
        if not self._raw.is_closing():
            with contextlib.suppress(ssl.SSLError):  # the client's own good-bye is not waited for
                self._tls.unwrap()
            self._raw.write(self._outgoing.read())
            self._raw.close()

    def abort(self) -> None:
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def can_write_eof(self) -> bool:
        return False
