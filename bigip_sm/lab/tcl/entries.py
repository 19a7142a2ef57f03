"""How catalogue entries are written, and the events that they share."""

from __future__ import annotations

from collections.abc import Mapping

from bigip_sm.lab.tcl.events import EMULATED_EVENTS, EVENTS
from bigip_sm.tcl.forms import Command, Form, names

CONNECTION = frozenset(EVENTS) - {"RULE_INIT"}
REQUEST = names(
    """HTTP_REQUEST HTTP_REQUEST_DATA LB_SELECTED LB_FAILED SA_PICKED SERVER_CONNECTED SERVERSSL_CLIENTHELLO_SEND
    SERVERSSL_HANDSHAKE HTTP_REQUEST_SEND HTTP_REQUEST_RELEASE"""
)
RESPONSE = names("HTTP_RESPONSE HTTP_RESPONSE_CONTINUE HTTP_RESPONSE_DATA HTTP_RESPONSE_RELEASE")
RESPOND = names("HTTP_REQUEST HTTP_REQUEST_DATA LB_FAILED HTTP_RESPONSE HTTP_RESPONSE_DATA HTTP_RESPONSE_RELEASE")
CLIENT_SIDE = frozenset(name for name in EMULATED_EVENTS if EVENTS[name].side == "client")


def entry(
    name: str,
    usage: str,
    summary: str,
    counts: tuple[int, int | None] = (0, 0),
    *,
    options: Mapping[str, int] | None = None,
    events: frozenset[str] | None = None,
    lab: frozenset[str] | None = None,
    subcommands: Mapping[str, Form] | None = None,
) -> Command:
    """A command that may be called without a subcommand; ``counts`` are its least and most arguments."""
    form = Form(*counts, options or {}, summary=summary, usage=usage)
    return Command(name, summary, form, subcommands or {}, events, lab)


def ensemble(
    name: str,
    summary: str,
    /,
    *,
    events: frozenset[str] | None = None,
    lab: frozenset[str] | None = None,
    **subcommands: Form,
) -> Command:
    """A command that needs a subcommand."""
    return Command(name, summary, None, subcommands, events, lab)


def sub(
    usage: str, summary: str, counts: tuple[int, int | None] = (0, 0), options: Mapping[str, int] | None = None
) -> Form:
    """One subcommand."""
    return Form(*counts, options or {}, summary=summary, usage=usage)


def flags(words: str, values: str = "") -> dict[str, int]:
    """Options without a value, and those with one; ``--`` among the former."""
    return {**dict.fromkeys(words.split(), 0), **dict.fromkeys(values.split(), 1)}
