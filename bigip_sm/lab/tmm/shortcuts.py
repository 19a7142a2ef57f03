"""What most calls of the commonest commands are, without the detour.

Every call of a Python function costs as much as several commands of Tcl, so a shortcut is one function from Tcl to the
result. It takes only calls that cannot fail, and gives the same result as the command; everything else, every error
among it, it leaves to the command.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm import commands_http
from bigip_sm.lab.tmm.messages import Headers, RequestHead, ResponseHead
from bigip_sm.lab.tmm.session import Command, Result, wire

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

MAX_NAMES = 256
"""Names of headers that are known to be well-formed: rules may take them from requests."""

Shortcut = Callable[[Command], Command]
"""From a command that may be called for everything, to what is called in its place."""


def shortcuts(tmm: Tmm) -> dict[str, Shortcut]:
    """The shortcuts of one TMM, by the name of the command."""
    return {
        "HTTP::header": lambda command: _header(tmm, command),
        "HTTP::method": lambda command: _method(tmm, command),
        "HTTP::path": lambda command: _path(tmm, command),
        "HTTP::query": lambda command: _query(tmm, command),
        "HTTP::uri": lambda command: _uri(tmm, command),
        "HTTP::host": lambda command: _host(tmm, command),
        "HTTP::status": lambda command: _status(tmm, command),
        "HTTP::payload": lambda command: _payload(tmm, command),
        "class": lambda command: _class(tmm, command),
        "pool": lambda command: _pool(tmm, command),
        "active_members": lambda command: _active_members(tmm, command),
        "CRYPTO::hash": _hash,
    }


def _header(tmm: Tmm, command: Command) -> Command:
    names: dict[str, tuple[str, bytes]] = {}  # those that may be written: in lower case, and as they are written

    def learn(taken: tuple[str, ...]) -> None:
        """The command has taken these names."""
        if len(names) < MAX_NAMES:
            names.update((name, (name.lower(), wire(name))) for name in taken)

    def insert(headers: Headers, words: tuple[str, ...]) -> bool:
        """Whether the fields could be appended."""
        values = words[2::2]
        if not _harmless("".join(values)):
            return False
        try:
            headers.extend([names[name] for name in words[1::2]], [value.encode() for value in values])
        except KeyError:
            return False
        return True

    def header(*words: str) -> Result:
        head = tmm.session.current
        if head is None:
            return command(*words)
        headers = head.headers
        if len(words) == 2:
            subcommand, name = words
            key = name.lower()
            keys = headers.keys
            found = keys.count(key)
            if subcommand == "value":
                if found == 1:
                    return headers.contents[keys.index(key)]
                return headers.contents[headers.place(key)] if found else b""
            if subcommand == "count":
                return found
            if subcommand == "exists":
                return 1 if found else 0
            if subcommand == "remove":
                if found:
                    headers.delete(keys.index(key) if found == 1 else headers.place(key))
                return b""
        elif len(words) == 3 and words[0] == "replace":
            _, name, value = words
            if name in names and _harmless(value):
                headers.put_last(*names[name], value.encode())
                return b""
            result = command(*words)
            learn((name,))
            return result
        elif words == ("names",):
            return tuple(headers.names)
        elif words == ("count",):
            return len(headers.keys)
        elif len(words) > 2 and words[0] == "insert" and len(words) % 2:
            if insert(headers, words):
                return b""
            result = command(*words)
            learn(words[1::2])
            return result
        return command(*words)

    return header


def _harmless(text: str) -> bool:
    """Whether values of headers may be sent as they are."""
    return text.isascii() and not ("\r" in text or "\n" in text or "\0" in text)


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


def _uri(tmm: Tmm, command: Command) -> Command:
    plain = re.compile(r"/[!-~]*").fullmatch

    def uri(*words: str) -> Result:
        head = tmm.session.current
        if len(words) != 1 or not isinstance(head, RequestHead) or not plain(words[0]):
            return command(*words)
        head.target = words[0].encode()
        return b""

    return uri


def _status(tmm: Tmm, command: Command) -> Command:
    def status(*words: str) -> Result:
        head = tmm.session.current
        return head.status if isinstance(head, ResponseHead) and not words else command(*words)

    return status


def _host(tmm: Tmm, command: Command) -> Command:
    def host(*words: str) -> Result:
        head = tmm.session.current
        if words or not isinstance(head, RequestHead):
            return command(*words)
        return head.headers.last("host") or b""

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

    def match(*words: str) -> Result:
        if len(words) == 6:
            subcommand, option, ended, item, operator, name = words
            if subcommand == "match" and option == "-value" and ended == "--" and operator == "equals":
                group = groups.get(name)
                if group is not None and group.kind == "string":
                    found = group.records.get(item, "")
                    return found if found.isascii() else wire(found)
        elif len(words) == 5:
            subcommand, ended, item, operator, name = words
            if subcommand == "match" and ended == "--" and operator == "equals":
                group = groups.get(name)
                if group is not None and group.kind == "string":
                    return 1 if item in group.records else 0
        return command(*words)

    return match


def _pool(tmm: Tmm, command: Command) -> Command:
    """``pool name``, for one that is named in full."""

    def pool(*words: str) -> Result:
        session = tmm.session
        if len(words) != 1 or session.current is None or words[0] not in tmm.world.pools:
            return command(*words)
        session.wanted = None
        session.pool = words[0]
        return b""

    return pool


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
