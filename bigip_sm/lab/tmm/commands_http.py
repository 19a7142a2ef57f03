"""The ``HTTP::`` commands (clouddocs.f5.com, iRules API reference).

Request line and headers are read and written as bytes, without decoding or normalising. A value with a line break is
refused: it would end the header and start another one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm.messages import Headers, RequestHead, ResponseHead
from bigip_sm.lab.tmm.normalized import FLAG, normal_path, normal_query, normal_target
from bigip_sm.lab.tmm.session import Answer, Command, CommandError, Result, Session, wire
from bigip_sm.lab.tmm.words import number

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")
COLLECT_EVENTS = frozenset({"HTTP_REQUEST", "HTTP_RESPONSE", "HTTP_RESPONSE_DATA"})
MAX_VARIABLE = 32 * 1024**2
"""Bytes that a Tcl variable of TMM holds (F5, K6578)."""

RETRY_EVENTS = frozenset({"HTTP_RESPONSE", "HTTP_RESPONSE_DATA", "LB_FAILED"})


def commands(tmm: Tmm) -> dict[str, Command]:
    """The ``HTTP::`` commands of one TMM."""

    operations = _HEADER_OPERATIONS

    def header(subcommand: str, name: str | None = None, *rest: str) -> Result:
        # Most of what a rule costs is spent here: no packing and unpacking of arguments where it can be avoided.
        headers = tmm.session.message().headers
        operation = operations.get(subcommand)
        if name is None:
            return operation(headers) if operation is not None else _first(headers, subcommand)
        if operation is None:
            raise CommandError(f'wrong # args: HTTP::header has no subcommand "{subcommand}"')
        if rest:
            return operation(headers, name, *rest)
        return (
            operation(headers, *tmm.interpreter.elements(name)) if subcommand == "insert" else operation(headers, name)
        )

    return {
        "HTTP::header": header,
        "HTTP::method": lambda: tmm.session.request_head().method,
        "HTTP::version": lambda: tmm.session.message().version,
        "HTTP::uri": lambda *words: _uri(tmm.session.request_head(), *words),
        "HTTP::path": lambda *words: _path(tmm.session.request_head(), *words),
        "HTTP::query": lambda *words: _query(tmm.session.request_head(), *words),
        "HTTP::host": lambda *words: _host(tmm.session.request_head().headers, *words),
        "HTTP::request": lambda: tmm.session.request_head().encode(),
        "HTTP::request_num": lambda: tmm.session.number,
        "HTTP::is_keepalive": lambda: int(tmm.session.keep_alive),
        "HTTP::is_redirect": lambda: _is_redirect(tmm.session),
        "HTTP::username": lambda: _credentials(tmm.session.request_head().headers)[0],
        "HTTP::password": lambda: _credentials(tmm.session.request_head().headers)[2],
        "HTTP::close": lambda: _close(tmm.session),
        "HTTP::retry": lambda *words: _retry(tmm.session, words),
        "HTTP::redirect": lambda url: _redirect(tmm.session, url),
        "HTTP::status": lambda: _status(tmm.session),
        "HTTP::has_responded": lambda: int(tmm.session.responded),
        "HTTP::respond": lambda status, *words: _respond(tmm.session, status, words),
        "HTTP::collect": lambda *words: _collect(tmm.session, *words),
        "HTTP::release": lambda: _release(tmm.session),
        "HTTP::payload": lambda *words: _payload(tmm.session, words),
    }


def _first(headers: Headers, name: str) -> Result:
    return headers.last(name.lower()) or b""


def _insert(headers: Headers, *words: str) -> Result:
    if len(words) < 2 or len(words) % 2:
        raise CommandError('wrong # args: should be "HTTP::header insert name value ?name value ...?"')
    # Nothing is inserted if one of them is refused.
    named = [_name(name) for name in words[::2]]
    headers.extend(named, [_value(value) for value in words[1::2]])
    return b""


def _replace(headers: Headers, name: str, value: str = "") -> Result:
    key, written = _name(name)
    headers.put_last(key, written, _value(value))
    return b""


def _remove(headers: Headers, name: str) -> Result:
    headers.remove_last(name.lower())
    return b""


def _values(headers: Headers, name: str) -> Result:
    """A list; but a single value is returned as it is, not as a list of one, as documented."""
    found = headers.values(name.lower())
    return found[0] if len(found) == 1 else tuple(found)


def _count(headers: Headers, name: str | None = None) -> Result:
    return len(headers.keys) if name is None else headers.count(name.lower())


def _at(headers: Headers, index: str) -> Result:
    """The name of the header at that place, from 0; empty behind the last."""
    place = number(index)
    return headers.names[place] if place < len(headers.names) else b""


_HEADER_OPERATIONS: dict[str, Callable[..., Result]] = {
    "value": _first,
    "values": _values,
    "names": lambda headers: tuple(headers.names),
    "at": _at,
    "count": _count,
    "exists": lambda headers, name: 1 if name.lower() in headers.keys else 0,
    "insert": _insert,
    "replace": _replace,
    "remove": _remove,
}

HEADER_SUBCOMMANDS = frozenset(_HEADER_OPERATIONS)


@lru_cache(maxsize=256)
def _name(text: str) -> tuple[str, bytes]:
    """A header's name in lower case, and as it is written."""
    name = wire(text)
    if not _TOKEN.fullmatch(name):
        raise CommandError("the name of an HTTP header holds a character that is not allowed there")
    return text.lower(), name


def _value(text: str) -> bytes:
    value = text.encode() if text.isascii() else wire(text)
    if 13 in value or 10 in value or 0 in value:
        raise CommandError("the value of an HTTP header holds a line break or NUL")
    return value


def _uri(head: RequestHead, value: str | None = None, *rest: str) -> Result:
    if value is None:
        return head.target
    if value == FLAG and not rest:
        return normal_target(head.target)
    if rest:
        raise CommandError("wrong # args: HTTP::uri ?-normalized | uri?")
    head.target = _target(value)
    return b""


def _path(head: RequestHead, value: str | None = None, *rest: str) -> Result:
    path, mark, query = head.target.partition(b"?")
    if value is None:
        return path
    if value == FLAG and not rest:
        return normal_path(path)
    if rest:
        raise CommandError("wrong # args: HTTP::path ?-normalized | path?")
    head.target = _target(value) + mark + query
    return b""


def _target(text: str) -> bytes:
    target = wire(text)
    if not target.startswith(b"/"):
        raise CommandError("the URI of a request must start with /")
    if not (text.isascii() and text.isprintable() and " " not in text) and not _TARGET.fullmatch(target):
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
    headers = tuple((_name(name)[1], _value(value)) for name, value in zip(rest[::2], rest[1::2], strict=True))
    session.respond(Answer(int(status), body, headers, version, server))
    return b""


def _version(text: str, session: Session) -> bytes:
    if text == "auto":
        return session.request.version if session.request is not None else b"1.0"
    if text not in ("1.0", "1.1"):
        raise CommandError(f'bad version "{text}" in HTTP::respond')
    return text.encode("ascii")


def _query(head: RequestHead, value: str | None = None, *rest: str) -> Result:
    path, _, query = head.target.partition(b"?")
    if value is None:
        return query
    if value == FLAG and not rest:
        return normal_query(query)
    if rest:
        raise CommandError("wrong # args: HTTP::query ?-normalized | query?")
    head.target = _target((path + b"?" + wire(value)).decode("latin-1")) if value else path
    return b""


def _host(headers: Headers, value: str | None = None) -> Result:
    if value is None:
        return headers.last("host") or b""
    headers.replace_last(b"Host", _value(value))
    return b""


def _credentials(headers: Headers) -> tuple[bytes, bytes, bytes]:
    """User name, colon and password of Basic authentication (RFC 7617); empty if there are none or they are broken."""
    scheme, _, value = (headers.last("authorization") or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return b"", b"", b""
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")
    except ValueError:
        return b"", b"", b""


def _is_redirect(session: Session) -> Result:
    head = session.message()
    return int(isinstance(head, ResponseHead) and head.status in (301, 302, 303, 305, 307, 308))


def _close(session: Session) -> Result:
    session.message()
    session.close_after = True
    return b""


def _retry(session: Session, words: tuple[str, ...]) -> Result:
    """``HTTP::retry ?-reset? request``: the server-side connection is never used again, with or without -reset."""
    session.message()
    if session.event not in RETRY_EVENTS:
        raise CommandError(f"HTTP::retry is not emulated in event {session.event}")
    match words:
        case (text,) | ("-reset", text):
            session.retry = wire(text)
            return b""
        case _:
            raise CommandError("wrong # args: HTTP::retry ?-reset? request")


def _redirect(session: Session, url: str) -> Result:
    """302 with a Location and, as ``HTTP::respond``, in HTTP/1.0."""
    session.message()
    session.respond(Answer(302, b"", ((b"Location", _value(url)),), b"1.0", True))
    return b""


def _collect(session: Session, *words: str) -> Result:
    session.message()
    if session.event not in COLLECT_EVENTS:
        raise CommandError(f"HTTP::collect is not emulated in event {session.event}")
    length = words[0] if words else ""
    if len(words) > 1 or not length.isdigit() or int(length) == 0:
        raise CommandError("HTTP::collect without a positive length is not emulated")
    if session.event == "HTTP_RESPONSE_DATA" and session.payload:
        raise CommandError("HTTP::collect in HTTP_RESPONSE_DATA is emulated only after HTTP::release")
    session.collect = int(length)
    return b""


def _release(session: Session) -> Result:
    """What was collected goes on when the event is over; the rule does not see it any more."""
    session.message()
    session.collect = None
    session.released = (session.released or bytearray()) + session.payload
    session.payload = bytearray()
    return b""


def _payload(session: Session, words: tuple[str, ...]) -> Result:
    session.message()
    payload = session.payload
    match words:
        case ():
            return _variable(payload)
        case ("length",):
            return len(payload)
        case ("replace", offset, length, text):
            start, size = number(offset), number(length)
            payload[start : start + size] = wire(text)
            return b""
        case (length,):
            return _variable(payload[: number(length)])
        case (offset, length):
            return _variable(payload[number(offset) :][: number(length)])
        case _:
            raise CommandError("wrong # args: HTTP::payload ?length? | ?offset length? | replace offset length string")


def _variable(data: bytearray) -> bytes:
    if len(data) > MAX_VARIABLE:
        raise CommandError(f"a variable of TMM holds {MAX_VARIABLE} bytes, these are {len(data)}")
    return bytes(data)
