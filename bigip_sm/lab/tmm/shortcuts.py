"""What most calls of the commonest commands are, without the detour.

Every call of a Python function costs as much as several commands of Tcl, so a shortcut is one function from Tcl to the
result. It takes only calls that cannot fail, and gives the same result as the command; everything else, every error
among it, it leaves to the command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm import commands_http
from bigip_sm.lab.tmm.messages import RequestHead
from bigip_sm.lab.tmm.session import Command, Result, wire

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

Shortcut = Callable[[Command], Command]
"""From a command that may be called for everything, to what is called in its place."""


def shortcuts(tmm: Tmm) -> dict[str, Shortcut]:
    """The shortcuts of one TMM, by the name of the command."""
    return {
        "HTTP::header": lambda command: _header(tmm, command),
        "HTTP::method": lambda command: _method(tmm, command),
        "HTTP::path": lambda command: _path(tmm, command),
        "HTTP::query": lambda command: _query(tmm, command),
        "HTTP::host": lambda command: _host(tmm, command),
        "HTTP::payload": lambda command: _payload(tmm, command),
        "class": lambda command: _class(tmm, command),
        "active_members": lambda command: _active_members(tmm, command),
        "CRYPTO::hash": _hash,
    }


def _header(tmm: Tmm, command: Command) -> Command:
    def header(*words: str) -> Result:
        head = tmm.session.current
        if head is None or len(words) != 2:
            return command(*words)
        subcommand, name = words
        key = name.lower()
        fields = head.headers.fields
        if subcommand == "value":
            for field in reversed(fields):
                if field[0] == key:
                    return field[2]
            return b""
        if subcommand == "exists":
            for field in fields:
                if field[0] == key:
                    return 1
            return 0
        if subcommand == "count":
            found = 0
            for field in fields:
                if field[0] == key:
                    found += 1
            return found
        if subcommand == "remove":
            for place in range(len(fields) - 1, -1, -1):
                if fields[place][0] == key:
                    del fields[place]
                    break
            return b""
        return command(*words)

    return header


def _method(tmm: Tmm, command: Command) -> Command:
    def method(*words: str) -> Result:
        head = tmm.session.current
        return head.method if isinstance(head, RequestHead) and not words else command(*words)

    return method


def _path(tmm: Tmm, command: Command) -> Command:
    def path(*words: str) -> Result:
        head = tmm.session.current
        return head.target.partition(b"?")[0] if isinstance(head, RequestHead) and not words else command(*words)

    return path


def _query(tmm: Tmm, command: Command) -> Command:
    def query(*words: str) -> Result:
        head = tmm.session.current
        return head.target.partition(b"?")[2] if isinstance(head, RequestHead) and not words else command(*words)

    return query


def _host(tmm: Tmm, command: Command) -> Command:
    def host(*words: str) -> Result:
        head = tmm.session.current
        if words or not isinstance(head, RequestHead):
            return command(*words)
        for field in reversed(head.headers.fields):
            if field[0] == "host":
                return field[2]
        return b""

    return host


def _payload(tmm: Tmm, command: Command) -> Command:
    def payload(*words: str) -> Result:
        session = tmm.session
        if session.current is not None:
            if not words and len(session.payload) <= commands_http.MAX_VARIABLE:
                return bytes(session.payload)
            if words == ("length",):
                return len(session.payload)
        return command(*words)

    return payload


def _class(tmm: Tmm, command: Command) -> Command:
    """``class match ?-value? -- item equals group``, for a group of strings that is named in full."""
    groups = tmm.groups.by_path
    forms = {("match", "--"): False, ("match", "-value", "--"): True}

    def match(*words: str) -> Result:
        value = forms.get(words[:-3])
        group = groups.get(words[-1]) if value is not None and words[-2] == "equals" else None
        if group is None or group.kind != "string":
            return command(*words)
        found = group.records.get(words[-3])
        if not value:
            return 0 if found is None else 1
        return "" if found is None else found if found.isascii() else wire(found)

    return match


def _active_members(tmm: Tmm, command: Command) -> Command:
    def active_members(*words: str) -> Result:
        state = tmm.world.pools.get(words[0]) if len(words) == 1 else None
        return command(*words) if state is None else len(state.active())

    return active_members


def _hash(command: Command) -> Command:
    sha256 = hashlib.sha256

    def digest(*words: str) -> Result:
        if len(words) == 3 and words[0] == "-alg" and words[1] == "sha256":
            return sha256(wire(words[2])).digest()
        return command(*words)

    return digest
