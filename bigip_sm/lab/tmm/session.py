"""What one client connection shows to its iRules, and what they ask for in return.

The commands (``commands_*.py``) read and write a Session; the connection (``client.py``, ``exchange.py``) acts on it
after each event. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.objects import PoolMember, VirtualServer
from bigip_sm.lab.tmm.messages import Head, RequestHead, ResponseHead
from bigip_sm.tcl.events import SIDES

Result = bytes | int | str | tuple[bytes, ...] | tuple[tuple[bytes, ...], ...]
"""What a command returns to Tcl: bytes for anything from the wire, str for plain ASCII, a tuple for a list."""

Command = Callable[..., Result]

RESPONSE_EVENTS = frozenset({"HTTP_RESPONSE", "HTTP_RESPONSE_CONTINUE", "HTTP_RESPONSE_DATA", "HTTP_RESPONSE_RELEASE"})


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


@dataclass
class Deferred:
    """A script of ``after`` that waits: Tcl text, seconds, and the event and rule number that it belongs to."""

    script: str = field(repr=False)
    delay: float
    periodic: bool
    event: str
    rule: str


class TlsDetails(Protocol):
    """What an established TLS connection can tell about itself."""

    def details(self) -> tuple[str, str, int]:
        """OpenSSL's name of the cipher, the name of the version (``TLSv1.2``), the bits of the key."""

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for (SNI)."""


@dataclass(slots=True)
class Session:
    """The state of one client connection. Full paths name objects; the client's address is as the rule sees it.

    ``current`` is the message of the event that runs; None while there is none that a command may touch.
    ``local`` is the virtual server's address and port; ``server_local`` and ``server_remote`` those of the connection
    to the pool member, None before there is one.
    ``silenced``: no event is handled any more; ``disabled`` are single ones that are not.
    """

    client_address: str
    client_port: int
    virtual: VirtualServer | None = None
    certificates: tuple[bytes, ...] = ()
    verify_result: int = 50
    tls: TlsDetails | None = None

    event: str = ""
    side: str = ""
    request: RequestHead | None = None
    response: ResponseHead | None = None
    number: int = 0
    keep_alive: bool = True
    current: Head | None = None

    pool: str | None = None
    wanted: PoolMember | None = None
    member: PoolMember | None = None
    reselect: bool = False
    detach: bool = False
    server_ssl: str | None = None
    server_clear: bool = False
    server_local: tuple[str, int] | None = None
    server_tls: TlsDetails | None = None
    server_certificates: tuple[bytes, ...] = ()

    answer: Answer | None = None
    responded: bool = False
    retry: bytes | None = field(default=None, repr=False)
    rejected: bool = False
    dropped: bool = False
    closing: bool = False
    close_after: bool = False
    fault: bool = False
    silenced: bool = False
    disabled: set[str] = field(default_factory=set)

    collect: int | None = None
    payload: bytearray = field(default_factory=bytearray, repr=False)
    released: bytearray | None = field(default=None, repr=False)
    plaintext: list[bytes] = field(default_factory=list, repr=False)
    timers: dict[str, Deferred] = field(default_factory=dict)

    def message(self) -> Head:
        """The message that ``HTTP::`` commands of the current event are about. Raises CommandError."""
        head = self.response if self.event in RESPONSE_EVENTS else self.request
        if head is None:
            raise CommandError(f"command is not valid in current event context ({self.event})")
        if self.responded:
            raise CommandError("Can't call after responding - ERR_NOT_SUPPORTED")
        return head

    def enter(self, event: str) -> None:
        """The handlers of an event are about to run."""
        self.event = event
        head = self.response if event in RESPONSE_EVENTS else self.request
        self.current = None if self.responded else head

    def respond(self, answer: Answer) -> None:
        """Note the answer of a rule: no command may touch the message from now on."""
        self.answer = answer
        self.responded = True
        self.current = None

    def request_head(self) -> RequestHead:
        """The request, in an event that has one and before any HTTP::respond. Raises CommandError."""
        head = self.message()
        if not isinstance(head, RequestHead):
            raise CommandError(f"command is not valid in current event context ({self.event})")
        return head

    @property
    def server_side(self) -> bool:
        """Whether commands mean the connection to the pool member: by the event, or within ``serverside``."""
        return (self.side or SIDES.get(self.event)) == "server"

    @property
    def collecting(self) -> bool:
        """Whether a rule wants to see a body, or more of it."""
        return self.collect is not None

    def begin(self, request: RequestHead, *, keep_alive: bool) -> None:
        """Forget the previous request; the pool stays selected, as on TMM."""
        self.request = request
        self.keep_alive = keep_alive
        self.number += 1
        self.response = None
        self.answer = None
        self.responded = False
        self.retry = None
        self.close_after = False
        self.reset_payload()

    def reset_payload(self) -> None:
        """Nothing is collected any more, nor about to be."""
        self.collect = None
        self.payload = bytearray()
        self.released = None
