"""The ``HTTP::`` commands (clouddocs.f5.com, iRules API reference).

Request line and headers are read and written as bytes, without decoding or normalising. A value with a line break is
refused: it would end the header and start another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm.messages import Headers, RequestHead, ResponseHead
from bigip_sm.lab.tmm.session import Answer, Command, CommandError, Result, Session, wire

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")


def commands(tmm: Tmm) -> dict[str, Command]:
    """The ``HTTP::`` commands of one TMM."""

    def header(subcommand: str, *words: str) -> Result:
        headers = tmm.session.message().headers
        operation = _HEADER_OPERATIONS.get(subcommand)
        if operation is not None:
            return operation(headers, *words)
        if words:
            raise CommandError(f'wrong # args: HTTP::header has no subcommand "{subcommand}"')
        return headers.last(subcommand.lower()) or b""

    return {
        "HTTP::header": header,
        "HTTP::method": lambda: tmm.session.request_head().method,
        "HTTP::version": lambda: tmm.session.message().version,
        "HTTP::uri": lambda *words: _uri(tmm.session.request_head(), *words),
        "HTTP::path": lambda *words: _path(tmm.session.request_head(), *words),
        "HTTP::query": lambda: tmm.session.request_head().target.partition(b"?")[2],
        "HTTP::host": lambda: tmm.session.request_head().headers.last("host") or b"",
        "HTTP::status": lambda: _status(tmm.session),
        "HTTP::has_responded": lambda: int(tmm.session.responded),
        "HTTP::respond": lambda status, *words: _respond(tmm.session, status, words),
        "HTTP::collect": lambda *words: _collect(tmm.session, *words),
        "HTTP::release": lambda: _release(tmm.session),
        "HTTP::payload": lambda *words: _payload(tmm.session, words),
    }


def _insert(headers: Headers, *words: str) -> Result:
    if len(words) < 2 or len(words) % 2:
        raise CommandError('wrong # args: should be "HTTP::header insert name value ?name value ...?"')
    for name, value in zip(words[::2], words[1::2], strict=True):
        headers.add(_name(name), _value(value))
    return b""


def _replace(headers: Headers, name: str, value: str = "") -> Result:
    headers.replace_last(_name(name), _value(value))
    return b""


def _remove(headers: Headers, name: str) -> Result:
    headers.remove_last(name.lower())
    return b""


def _values(headers: Headers, name: str) -> Result:
    """A list; but a single value is returned as it is, not as a list of one, as documented."""
    found = headers.values(name.lower())
    return found[0] if len(found) == 1 else tuple(found)


def _count(headers: Headers, name: str | None = None) -> Result:
    return len(headers.fields) if name is None else len(headers.values(name.lower()))


_HEADER_OPERATIONS: dict[str, Callable[..., Result]] = {
    "value": lambda headers, name: headers.last(name.lower()) or b"",
    "values": _values,
    "names": lambda headers: tuple(name for _, name, _ in headers.fields),
    "count": _count,
    "exists": lambda headers, name: int(headers.last(name.lower()) is not None),
    "insert": _insert,
    "replace": _replace,
    "remove": _remove,
}

HEADER_SUBCOMMANDS = frozenset(_HEADER_OPERATIONS)


def _name(text: str) -> bytes:
    name = wire(text)
    if not _TOKEN.fullmatch(name):
        raise CommandError("the name of an HTTP header holds a character that is not allowed there")
    return name


def _value(text: str) -> bytes:
    value = wire(text)
    if b"\r" in value or b"\n" in value or b"\0" in value:
        raise CommandError("the value of an HTTP header holds a line break or NUL")
    return value


def _uri(head: RequestHead, value: str | None = None) -> Result:
    if value is None:
        return head.target
    head.target = _target(value)
    return b""


def _path(head: RequestHead, value: str | None = None) -> Result:
    path, mark, query = head.target.partition(b"?")
    if value is None:
        return path
    head.target = _target(value) + mark + query
    return b""


def _target(text: str) -> bytes:
    target = wire(text)
    if not target.startswith(b"/"):
        raise CommandError("the URI of a request must start with /")
    if not _TARGET.fullmatch(target):
        raise CommandError("the URI of a request holds a blank or a control character")
    return target


def _status(session: Session) -> Result:
    head = session.message()
    if not isinstance(head, ResponseHead):
        raise CommandError(f"command is not valid in current event context ({session.event})")
    return head.status


def _respond(session: Session, status: str, words: tuple[str, ...]) -> Result:
    """Note the answer; it is sent when the handlers of the event are done.

    Without ``-version`` it is HTTP/1.0 with a Connection header: what BIG-IPs are seen to send, though not documented.
    """
    session.message()
    if not re.fullmatch(r"[2-5][0-9][0-9]", status):
        raise CommandError(f'bad status "{status}" in HTTP::respond')
    rest = list(words)
    version, body, server = b"1.0", b"", True
    while rest and rest[0] in ("-version", "content", "noserver"):
        word = rest.pop(0)
        if word == "noserver":
            server = False
            continue
        if not rest:
            raise CommandError(f'wrong # args: "{word}" in HTTP::respond needs a value')
        value = rest.pop(0)
        if word == "content":
            body = wire(value)
        else:
            version = _version(value, session)
    if len(rest) % 2:
        raise CommandError("wrong # args: HTTP::respond needs a value for each header")
    headers = tuple((_name(name), _value(value)) for name, value in zip(rest[::2], rest[1::2], strict=True))
    session.answer = Answer(int(status), body, headers, version, server)
    session.responded = True
    return b""


def _version(text: str, session: Session) -> bytes:
    if text == "auto":
        return session.request.version if session.request is not None else b"1.0"
    if text not in ("1.0", "1.1"):
        raise CommandError(f'bad version "{text}" in HTTP::respond')
    return text.encode("ascii")


def _collect(session: Session, *words: str) -> Result:
    session.message()
    if session.event != "HTTP_REQUEST":
        raise CommandError(f"HTTP::collect is not emulated in event {session.event}")
    length = words[0] if words else ""
    if len(words) > 1 or not length.isdigit() or int(length) == 0:
        raise CommandError("HTTP::collect without a positive length is not emulated")
    session.collect = int(length)
    return b""


def _release(session: Session) -> Result:
    session.message()
    session.collect = None
    return b""


def _payload(session: Session, words: tuple[str, ...]) -> Result:
    session.message()
    payload = session.payload
    match words:
        case ():
            return bytes(payload)
        case ("length",):
            return len(payload)
        case ("replace", offset, length, text):
            start, size = _number(offset), _number(length)
            payload[start : start + size] = wire(text)
            return b""
        case (length,):
            return bytes(payload[: _number(length)])
        case (offset, length):
            return bytes(payload[_number(offset) :][: _number(length)])
        case _:
            raise CommandError("wrong # args: HTTP::payload ?length? | ?offset length? | replace offset length string")


def _number(text: str) -> int:
    if not text.isdigit():
        raise CommandError(f'expected non-negative integer but got "{text}"')
    return int(text)
