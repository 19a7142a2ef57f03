"""Where a message ends (RFC 9112, section 6) and whether its connection stays open, towards both sides.

TMM owns the framing: whatever a rule did to Content-Length and Transfer-Encoding, what is sent is consistent.
"""

from __future__ import annotations

from dataclasses import dataclass

from bigip_sm.lab.bigip.objects import HttpProfile
from bigip_sm.lab.tmm.messages import REASONS, RequestHead, ResponseHead
from bigip_sm.lab.tmm.parsing import IncomingRequest, RequestReader
from bigip_sm.lab.tmm.session import Answer


def frame_request(request: IncomingRequest, dropped: int) -> bool:
    """Set the framing headers of a request that is about to be sent; returns whether its body goes chunked.

    ``dropped`` is by how many bytes the rule made the collected part shorter (negative: longer).
    """
    headers = request.head.headers
    if request.chunked and (not request.complete or headers.last("transfer-encoding") is not None):
        headers.remove_all("content-length")
        headers.set_only(b"Transfer-Encoding", b"chunked")
        return True
    headers.remove_all("transfer-encoding")
    arrived = sum(len(piece) for piece in request.body)
    length = arrived if request.complete else (request.length or 0) - dropped
    if length or request.length is not None or request.chunked:
        headers.set_only(b"Content-Length", b"%d" % length)
    else:
        headers.remove_all("content-length")
    return False


def keep_alive_upstream(head: RequestHead) -> None:
    """OneConnect transformation: a server-side connection outlives the request of a client that wants to close."""
    headers = head.headers
    for place, key in enumerate(headers.keys) if "connection" in headers.keys else ():
        if key == "connection" and headers.contents[place].lower() in (b"close", b"keep-alive"):
            headers.keys[place], headers.names[place] = "xonnection", b"Xonnection"
    if head.version == b"1.0":
        head.headers.add(b"Connection", b"Keep-Alive")


@dataclass(frozen=True)
class ResponseFraming:
    """How a response goes to the client: ``chunked``, and whether the connection is to ``close`` after it."""

    chunked: bool
    close: bool
    length: bytes | None
    bodiless: bool
    old_client: bool

    @classmethod
    def of(cls, head: ResponseHead, request: IncomingRequest) -> ResponseFraming:
        """From the response as the server sent it and the request that it answers."""
        bodiless = request.head.method == b"HEAD" or head.status in (204, 304)
        old = request.head.version == b"1.0"
        transfer = head.headers.last("transfer-encoding") is not None
        length = head.headers.last("content-length")
        unframed = length is None and (not transfer or old) and not bodiless
        # A server that answers before the whole request has arrived will not read the rest.
        close = not (request.keep_alive and request.complete) or unframed
        return cls(transfer and not old and not bodiless, close, length, bodiless, old)

    def apply(self, head: ResponseHead) -> None:
        """Set the framing and connection headers."""
        headers = head.headers
        if not self.bodiless:
            headers.remove_all("transfer-encoding")
            headers.remove_all("content-length")
            if self.chunked:
                headers.add(b"Transfer-Encoding", b"chunked")
            elif self.length is not None:
                headers.add(b"Content-Length", self.length)
        headers.remove_all("connection")
        headers.remove_all("keep-alive")
        if self.close:
            headers.add(b"Connection", b"close")
        elif self.old_client:
            headers.add(b"Connection", b"Keep-Alive")


def read_request(text: bytes, profile: HttpProfile) -> IncomingRequest | None:
    """A whole request from bytes, as the HTTP profile would take it from a client; None for anything else."""
    reader = RequestReader(profile)
    reader.feed(text)
    request = reader.requests[0] if len(reader.requests) == 1 and reader.refusal is None else None
    return request if request is not None and request.complete else None


def render_answer(
    answer: Answer, request: IncomingRequest, agent: str | None, *, close: bool = False
) -> tuple[bytes, bool]:
    """The bytes of an ``HTTP::respond``, and whether the connection closes after it.

    ``agent`` is the Server header of the HTTP profile. It closes if the client or the rule wants that, or if a part
    of the request is still to come.
    """
    head = ResponseHead(answer.status, REASONS.get(answer.status, b"Unknown"), answer.version)
    headers = head.headers
    for name, value in answer.headers:
        headers.add(name, value)
    if answer.server and agent is not None:
        headers.add(b"Server", agent.encode())
    wanted = close or headers.has_token("connection", b"close")
    close = wanted or not request.keep_alive or not request.complete
    headers.remove_all("connection")
    headers.add(b"Connection", b"Close" if close else b"Keep-Alive")
    headers.remove_all("transfer-encoding")
    if answer.status in (204, 304):
        return head.encode(), close
    headers.set_only(b"Content-Length", b"%d" % len(answer.body))
    return head.encode() + (b"" if request.head.method == b"HEAD" else answer.body), close
