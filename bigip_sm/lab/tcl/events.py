"""The events of TMM that the loader knows by name, and those that the lab fires.

The order in which they fire is the data plane's business (measured: bitwisecook/tcl-lsp, BIGIP_EVENT_FLOW_RESULTS). A
rule with an event that exists on TMOS and is not fired here is refused: its code would silently never run.
"""

from __future__ import annotations

from dataclasses import dataclass

from bigip_sm.tcl.events import SIDES


@dataclass(frozen=True)
class Event:
    """``emulated``: the lab fires it. ``side``: whose context commands have in it."""

    name: str
    side: str
    emulated: bool
    summary: str = ""


_EMULATED = (
    ("RULE_INIT", "the rule was loaded; once on every TMM"),
    ("CLIENT_ACCEPTED", "a client's TCP connection was accepted"),
    ("CLIENTSSL_CLIENTCERT", "the client sent a certificate"),
    ("CLIENTSSL_HANDSHAKE", "the client's TLS handshake is complete, a resumed one too"),
    ("HTTP_REQUEST", "the head of a request was read"),
    ("HTTP_REQUEST_DATA", "what HTTP::collect asked for is there"),
    ("LB_SELECTED", "a pool member was chosen"),
    ("SA_PICKED", "a source address was picked for the connection to it"),
    ("LB_FAILED", "no pool member could be chosen or connected to"),
    ("SERVER_CONNECTED", "the connection to the pool member is open, before its TLS handshake"),
    ("SERVERSSL_CLIENTHELLO_SEND", "that handshake is about to begin"),
    ("SERVERSSL_HANDSHAKE", "the TLS handshake with the pool member is complete"),
    ("HTTP_REQUEST_SEND", "the request is about to go to the pool member"),
    ("HTTP_REQUEST_RELEASE", "the request leaves for the pool member"),
    ("HTTP_RESPONSE", "the head of a response was read"),
    ("HTTP_RESPONSE_CONTINUE", "a 100 Continue came from the pool member"),
    ("HTTP_RESPONSE_DATA", "what HTTP::collect asked for of a response is there"),
    ("HTTP_RESPONSE_RELEASE", "the response leaves for the client"),
    ("SERVER_CLOSED", "the connection to the pool member is closed"),
    ("CLIENT_CLOSED", "the client's connection is closed"),
)
EVENTS: dict[str, Event] = {
    **{name: Event(name, side, False) for name, side in SIDES.items()},
    **{name: Event(name, SIDES[name], True, summary) for name, summary in _EMULATED},
}

EMULATED_EVENTS = frozenset(event.name for event in EVENTS.values() if event.emulated)
