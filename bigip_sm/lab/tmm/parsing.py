"""Bytes to HTTP messages, strictly: what could be read in two ways is refused.

llhttp (httptools) refuses duplicate or unreadable Content-Length, Content-Length beside Transfer-Encoding, folded
headers, bare LF, blanks before the colon and control characters (RFC 9112). Refused here in addition: any transfer
coding but ``chunked``, transfer codings in HTTP/1.0, other versions than 1.0 and 1.1, and what the HTTP profile
refuses.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import httptools

from bigip_sm.lab.bigip.objects import HttpProfile
from bigip_sm.lab.tmm.messages import Headers, RequestHead, ResponseHead

MAX_RESPONSE_HEAD = 256 * 1024
"""Bytes of a response's status line and headers; more ends the connection."""


SLICE = 16 * 1024
"""Bytes parsed at once: llhttp keeps an unfinished header, so its size is looked at this often."""


@dataclass(slots=True)
class IncomingRequest:
    """A request as it comes in: ``body`` grows until ``complete``.

    ``length`` is the Content-Length (None without), ``chunked`` whether the body is chunked.
    """

    head: RequestHead
    keep_alive: bool
    length: int | None
    chunked: bool
    body: deque[bytes] = field(default_factory=deque, repr=False)
    complete: bool = False

    @property
    def has_body(self) -> bool:
        """Whether a body was announced, be it an empty chunked one."""
        return self.chunked or bool(self.length)


class RequestReader:
    """Reads the requests of one client connection into ``requests``; ``refusal`` says why it stopped."""

    def __init__(self, profile: HttpProfile) -> None:
        self.requests: deque[IncomingRequest] = deque()
        self.refusal: str | None = None
        self._profile = profile
        self._parser = httptools.HttpRequestParser(self)
        self._current: IncomingRequest | None = None
        self._target = b""
        self._names: list[bytes] = []
        self._contents: list[bytes] = []
        self._size = 0
        self._silent = 0
        self._in_head = True
        self._last = False

    def feed(self, data: bytes) -> None:
        """Parse ``data``; afterwards look at ``requests`` and ``refusal``. Raises nothing."""
        while data and not self.refusal and not self._last:
            piece, data = data[:SLICE], data[SLICE:]
            self._silent += len(piece)
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                # The request itself is forwarded like any other; what follows it is the next request.
                self._parser = httptools.HttpRequestParser(self)
                data = piece[upgrade.args[0] :] + data
            except httptools.HttpParserError as error:
                if not self._last:
                    self.refusal = f"HTTP request could not be parsed: {error}"
        if self._in_head or self._current is not None:
            self._measure()

    # httptools callbacks

    def on_message_begin(self) -> None:  # noqa: D102 - a callback
        self._target = b""
        self._names = []
        self._contents = []
        self._size = self._silent = 0
        self._in_head = True

    def on_url(self, part: bytes) -> None:  # noqa: D102 - a callback
        self._target += part
        self._size += len(part)
        self._silent = 0

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102 - a callback
        self._silent = 0
        if self._in_head:
            self._names.append(name)
            self._contents.append(value)
        else:  # trailers are dropped
            self._size += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:  # noqa: D102 - a callback
        self._in_head = False
        parser, names, contents = self._parser, self._names, self._contents
        self._measure()
        self._silent = 0
        self._size += self._fields_size()
        self._names, self._contents = [], []
        # Each value, and behind it a line end, which none of them holds.
        together = b"\n".join((*contents, b""))
        if b" \n" in together or b"\t\n" in together:
            contents = [value.rstrip(b" \t") for value in contents]
        headers = Headers.parsed(names, contents)
        head = RequestHead(parser.get_method(), self._target, parser.get_http_version().encode("ascii"), headers)
        transfer = headers.values("transfer-encoding")
        self.refusal = self.refusal or self._refuse(head, transfer, headers.count("host"))
        length = headers.last("content-length")
        self._current = IncomingRequest(
            head, parser.should_keep_alive(), None if length is None else int(length), bool(transfer)
        )
        if not self.refusal:
            self.requests.append(self._current)

    def on_body(self, part: bytes) -> None:  # noqa: D102 - a callback
        self._silent = 0
        if self._current is not None and not self.refusal:
            self._current.body.append(part)

    def on_message_complete(self) -> None:  # noqa: D102 - a callback
        self._measure()
        self._silent = 0
        if self._current is not None:
            self._current.complete = True
            self._last = not self._current.keep_alive
            self._current = None

    def _measure(self) -> None:
        """Refuse a head or trailers that are too large; llhttp is silent about a field until its end."""
        limit = self._profile.max_header_size
        size = max(self._size + self._fields_size(), self._silent)
        if size > limit and not self.refusal:
            self.refusal = f"011f0005:4: HTTP header ({size}) exceeded maximum allowed size of {limit} (Client side)"

    def _fields_size(self) -> int:
        """Bytes of the header fields so far, if the head is not complete."""
        names = self._names
        return len(b"".join(names)) + len(b"".join(self._contents)) + 4 * len(names) if names else 0

    def _refuse(self, head: RequestHead, transfer: list[bytes], hosts: int) -> str | None:
        """Why this request is not served, or None."""
        profile = self._profile
        count = len(head.headers.keys)
        if count > profile.max_header_count:
            return (
                f"011f0011:4: HTTP header count exceeded maximum allowed count of {profile.max_header_count}"
                " (Client side)"
            )
        if head.version not in (b"1.0", b"1.1"):
            return f"HTTP version {head.version.decode('ascii')} is not served"
        if head.method == b"CONNECT":
            return "method CONNECT: an explicit proxy is not emulated"
        if profile.reject_unknown_methods and (method := head.method.decode("ascii")) not in profile.known_methods:
            return f"unknown method {method} rejected by the HTTP profile"
        if transfer and ([value.lower() for value in transfer] != [b"chunked"] or head.version == b"1.0"):
            return "Transfer-Encoding other than chunked"
        if profile.enforce_rfc and (hosts > 1 or (hosts == 0 and head.version == b"1.1")):
            return f"RFC compliance: {hosts} Host headers"
        return None


class ResponseReader:
    """Reads the responses of one server-side connection.

    ``feed`` appends to ``events``: a ResponseHead, the pieces of its body, then None at its end. A response whose
    length is the connection's end gets its None by ``close``.
    """

    def __init__(self) -> None:
        self.events: deque[ResponseHead | bytes | None] = deque()
        self.error: str | None = None
        self.until_close = False
        self.keep_alive = False
        self.method = b""
        self._parser = httptools.HttpResponseParser(self)
        self._bodiless = False
        self._in_head = True
        self._open = False

    def expect(self, method: bytes) -> None:
        """A request with that method was sent: the next final response answers it."""
        self.method = method
        self._open = True
        self.until_close = False
        self._silent = 0

    @property
    def idle(self) -> bool:
        """Whether no response is owed or under way."""
        return not self._open

    def feed(self, data: bytes) -> None:
        """Parse ``data``; afterwards look at ``events`` and ``error``. Raises nothing."""
        if not self._open:
            self.error = "data without a request"
            return
        self._silent += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.error = self.error or f"HTTP response could not be parsed: {error}"
        if self._silent > MAX_RESPONSE_HEAD:
            self.error = f"HTTP header ({self._silent}) exceeded maximum allowed size of {MAX_RESPONSE_HEAD}"
        if self._bodiless:
            # llhttp cannot be told that this answer has no body (HEAD, 304): it would wait for one.
            self._parser = httptools.HttpResponseParser(self)
            self._bodiless = False

    def close(self) -> bool:
        """The connection has ended in order; whether that is a legal end of what was being read."""
        if self._open and self.until_close:
            self._open = False
            self.events.append(None)
            return True
        return not self._open

    # httptools callbacks

    def on_message_begin(self) -> None:  # noqa: D102 - a callback
        self._reason = b""
        self._names: list[bytes] = []
        self._contents: list[bytes] = []
        self._in_head = True
        if not self._open or self._bodiless:
            self.error = "data after the end of a response"

    def on_status(self, part: bytes) -> None:  # noqa: D102 - a callback
        self._reason += part

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102 - a callback
        if self._in_head:
            self._names.append(name)
            self._contents.append(value)

    def on_headers_complete(self) -> None:  # noqa: D102 - a callback
        self._silent = 0
        self._in_head = False
        parser = self._parser
        status = parser.get_status_code()
        headers = Headers.parsed(self._names, self._contents)
        head = ResponseHead(status, self._reason, parser.get_http_version().encode("ascii"), headers)
        if status == 101:
            self.error = "101 Switching Protocols is not emulated"
        transfer = headers.values("transfer-encoding")
        if transfer and [value.lower().strip() for value in transfer] != [b"chunked"]:
            self.error = "Transfer-Encoding other than chunked"
        self.events.append(head)
        if status < 200:
            return
        self._bodiless = self.method == b"HEAD" or status in (204, 304)
        framed = bool(transfer) or headers.last("content-length") is not None
        self.until_close = not framed and not self._bodiless
        self.keep_alive = parser.should_keep_alive() and not self.until_close
        if self._bodiless:
            self._finish()

    def on_body(self, part: bytes) -> None:  # noqa: D102 - a callback
        self._silent = 0
        if self._bodiless or not self._open:
            self.error = "data after the end of a response"
        else:
            self.events.append(part)

    def on_message_complete(self) -> None:  # noqa: D102 - a callback
        self._silent = 0
        if self._open and self._parser.get_status_code() >= 200:
            self._finish()

    def _finish(self) -> None:
        self._open = False
        self.events.append(None)
