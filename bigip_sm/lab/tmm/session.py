"""What one client connection shows to its iRules, and what they ask for in return.

The commands (``commands_*.py``) read and write a Session; the connection (``client.py``, ``exchange.py``) acts on it
after each event. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.objects import PoolMember
from bigip_sm.lab.tmm.messages import Head, RequestHead, ResponseHead

Result = bytes | int | str | tuple[bytes, ...]
"""What a command returns to Tcl: bytes for anything from the wire, str for plain ASCII, a tuple for a list."""

Command = Callable[..., Result]

RESPONSE_EVENTS = frozenset({"HTTP_RESPONSE", "HTTP_RESPONSE_DATA", "HTTP_RESPONSE_RELEASE"})


class CommandError(LabError):
    """An iRule command fails at run time; the message becomes the Tcl error."""


def wire(text: str) -> bytes:
    """A Tcl value as TMM's byte string: one byte a character, of which those above 255 keep the low byte (measured)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return bytes(ord(character) & 255 for character in text)


@dataclass(frozen=True)
class Answer:
    """What ``HTTP::respond`` asked for; header names and values are bytes without line breaks."""

    status: int
    body: bytes = field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    version: bytes
    server: bool


@dataclass(slots=True)
class Session:
    """The state of one client connection. Full paths name objects; the client's address is as the rule sees it."""

    client_address: str
    client_port: int
    certificates: tuple[bytes, ...] = ()
    verify_result: int = 50

    event: str = ""
    request: RequestHead | None = None
    response: ResponseHead | None = None
    pool: str | None = None
    member: PoolMember | None = None
    server_ssl: str | None = None

    answer: Answer | None = None
    responded: bool = False
    rejected: bool = False
    fault: bool = False
    collect: int | None = None
    payload: bytearray = field(default_factory=bytearray, repr=False)
    plaintext: list[bytes] = field(default_factory=list, repr=False)

    def message(self) -> Head:
        """The message that ``HTTP::`` commands of the current event are about. Raises CommandError."""
        head = self.response if self.event in RESPONSE_EVENTS else self.request
        if head is None:
            raise CommandError(f"command is not valid in current event context ({self.event})")
        if self.responded:
            raise CommandError("Can't call after responding - ERR_NOT_SUPPORTED")
        return head

    def request_head(self) -> RequestHead:
        """The request, in an event that has one and before any HTTP::respond. Raises CommandError."""
        head = self.message()
        if not isinstance(head, RequestHead):
            raise CommandError(f"command is not valid in current event context ({self.event})")
        return head

    def begin(self, request: RequestHead) -> None:
        """Forget the previous request; the pool stays selected, as on TMM."""
        self.request = request
        self.response = None
        self.answer = None
        self.responded = False
        self.collect = None
        self.payload = bytearray()
