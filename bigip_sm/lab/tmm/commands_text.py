"""Text: ``URI::``, ``findstr`` and its relatives, base64, digests, checksums, byte order.

clouddocs.f5.com, iRules API. Everything works on byte strings.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import urllib.parse
import zlib

from bigip_sm.lab.tmm.session import Command, CommandError, Result, wire
from bigip_sm.lab.tmm.words import integer, number

_URI = re.compile(
    rb"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(\[[^\]]*\]|[^/:?#]*)(?::([0-9]*))?(/[^?#]*)?(?:\?([^#]*))?", re.DOTALL
)
_PORTS = {b"http": b"80", b"https": b"443", b"ftp": b"21", b"ldap": b"389", b"sip": b"5060", b"rtsp": b"554"}
_SAFE = "-_.~"


def commands() -> dict[str, Command]:
    """The commands; they belong to no connection."""
    return {
        "URI::decode": lambda text: decode(wire(text)),
        "URI::encode": lambda text: urllib.parse.quote_from_bytes(wire(text), safe=_SAFE),
        "URI::path": _path,
        "URI::basename": lambda text: _parts(text)[3].rpartition(b"/")[2],
        "URI::query": _query,
        "URI::host": lambda text: _parts(text)[1],
        "URI::protocol": lambda text: _parts(text)[0],
        "URI::port": lambda text: _parts(text)[2] or _PORTS.get(_parts(text)[0].lower(), b"0"),
        "URI::compare": lambda one, other: int(_normal(one) == _normal(other)),
        "findstr": _findstr,
        "getfield": _getfield,
        "substr": _substr,
        "domain": _domain,
        "b64encode": lambda text: base64.b64encode(wire(text)),
        "b64decode": _b64decode,
        "crc32": lambda text: zlib.crc32(wire(text)),
        **{name: _digest(name) for name in ("md5", "sha1", "sha256", "sha384", "sha512")},
        "htonl": lambda text: _swapped(text, 4),
        "ntohl": lambda text: _swapped(text, 4),
        "htons": lambda text: _swapped(text, 2),
        "ntohs": lambda text: _swapped(text, 2),
    }


def decode(text: bytes) -> bytes:
    """Percent-decoding; what is not a percent sign with two hexadecimal digits stays as it is."""
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text)


def _parts(text: str) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Protocol, host, port, path and query; a URI that begins with a slash has no host."""
    raw = wire(text)
    if raw.startswith(b"/"):
        path, _, query = raw.partition(b"#")[0].partition(b"?")
        return b"", b"", b"", path, query
    found = _URI.match(raw)
    protocol, host, port, path, query = found.groups(b"") if found is not None else (b"",) * 5
    return protocol, host, port, path, query


def _path(text: str, first: str | None = None, last: str | None = None) -> Result:
    """The directory part of the path; ``depth`` counts its levels, ``first ?last?`` choose some, from 1."""
    directory = _parts(text)[3].rpartition(b"/")[0]
    levels = [level for level in directory.split(b"/") if level]
    if first is None:
        return directory + b"/"
    if first == "depth":
        return len(levels)
    start = number(first)
    end = number(last) if last is not None else len(levels)
    if start < 1:
        raise CommandError(f'bad level "{first}" in URI::path: levels are counted from 1')
    chosen = levels[start - 1 : end]
    return b"/" + b"".join(level + b"/" for level in chosen)


def _query(text: str, name: str | None = None) -> Result:
    """The query, or the value of one of its parameters, not decoded."""
    query = _parts(text)[4]
    if name is None:
        return query
    wanted = wire(name)
    for pair in query.split(b"&"):
        key, _, value = pair.partition(b"=")
        if key == wanted:
            return value
    return b""


def _normal(text: str) -> tuple[bytes, ...]:
    protocol, host, port, path, query = _parts(text)
    protocol = protocol.lower()
    return protocol, host.lower(), port or _PORTS.get(protocol, b""), decode(path) or b"/", decode(query)


def _findstr(text: str, search: str, skip: str = "0", end: str | None = None) -> Result:
    """From the match, ``skip`` bytes further on, up to a terminator or that many bytes; empty without a match."""
    raw, wanted = wire(text), wire(search)
    place = raw.find(wanted)
    return b"" if place < 0 else _cut(raw[place:], skip, end)


def _substr(text: str, skip: str, end: str | None = None) -> Result:
    return _cut(wire(text), skip, end)


def _cut(raw: bytes, skip: str, end: str | None) -> bytes:
    rest = raw[number(skip) :]
    if end is None:
        return rest
    if end.isdigit():
        return rest[: int(end)]
    return rest.partition(wire(end))[0] if end else rest


def _getfield(text: str, separator: str, field: str) -> Result:
    """The field of that number, from 1; empty if there are not so many."""
    raw, mark, place = wire(text), wire(separator), number(field)
    if not mark or place < 1:
        raise CommandError("getfield needs a separator and a field number from 1")
    fields = raw.split(mark)
    return fields[place - 1] if place <= len(fields) else b""


def _domain(text: str, count: str) -> Result:
    labels = wire(text).split(b".")
    wanted = number(count)
    return b".".join(labels[-wanted:]) if wanted else b""


def _b64decode(text: str) -> Result:
    """Standard alphabet with padding. Raises CommandError: what TMM does with garbage is not documented."""
    try:
        return base64.b64decode(wire(text), validate=True)
    except (binascii.Error, ValueError):
        raise CommandError("b64decode: the text is not base64") from None


def _digest(name: str) -> Command:
    constructor = getattr(hashlib, name)
    return lambda text: constructor(wire(text), usedforsecurity=False).digest()


def _swapped(text: str, size: int) -> Result:
    """Between host and network byte order; TMM runs on little-endian machines."""
    value = integer(text) % (1 << 8 * size)
    return int.from_bytes(value.to_bytes(size, "little"), "big")
