"""A response on its way to the client: its framing, and what a rule that collects it does to its length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bigip_sm.lab.tmm.framing import ResponseFraming
from bigip_sm.lab.tmm.messages import LAST_CHUNK, ResponseHead, chunk


class OutgoingResponse:
    """``streaming``: what arrives of the body goes on at once, no rule collects it.

    ``collected`` is how many bytes a rule has seen in HTTP_RESPONSE_DATA, None if it collects nothing.
    """

    def __init__(self, head: ResponseHead, framing: ResponseFraming, write: Callable[[bytes], None]) -> None:
        self.streaming = False
        self.collected: int | None = None
        self.head_sent = False
        self._head = head
        self._framing = framing
        self._write = write
        self._left: int | None = None

    @property
    def close(self) -> bool:
        """Whether the client's connection ends with this response."""
        return self._framing.close

    @property
    def overrun(self) -> bool:
        """Whether more was sent than Content-Length says."""
        return self._left is not None and self._left < 0

    def settle_length(self, change: int, *, whole: bool) -> None:
        """Before the head is sent: by how many bytes a rule changed what it collected.

        ``whole``: that was the whole body. A rule that has to see more of the body and removed Content-Length gets
        chunks; towards a client of HTTP/1.0 the end of the connection ends the body.
        """
        framing = self._framing
        if framing.length is None:
            return
        if not whole and self._head.headers.last("content-length") is None:
            old = framing.old_client
            self._framing = replace(framing, chunked=not old, close=framing.close or old, length=None)
        elif whole or self.streaming:
            self._framing = replace(framing, length=b"%d" % (int(framing.length) + change))

    def send_head(self, *, close: bool) -> None:
        """Send status line and headers; ``close``: a rule said ``HTTP::close``."""
        if close:
            self._framing = replace(self._framing, close=True)
        framing = self._framing
        framing.apply(self._head)
        self._write(self._head.encode())
        self.head_sent = True
        if self.collected is None:
            self.streaming = True
        elif framing.length is not None:
            self._left = int(framing.length)

    def send(self, body: bytes) -> None:
        """Send a piece of the body."""
        if not body or self._framing.bodiless:
            return
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0:
                return
        self._write(chunk(body) if self._framing.chunked else body)

    def finish(self) -> bool:
        """The body has ended; False if Content-Length had promised more."""
        if self._framing.chunked:
            self._write(LAST_CHUNK)
        return not self._left
