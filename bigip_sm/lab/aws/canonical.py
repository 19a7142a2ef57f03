"""Canonical requests of Signature Version 4, from what arrived on the wire, for every service but S3.

Written from AWS's description (IAM User Guide, "Create a signed AWS API request") and from how the SDKs of AWS
agree to sign where it is silent; shares nothing with the code that signs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote_from_bytes

_BLANKS = re.compile(rb"[ \t\n\v\f\r]+")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")


class NotCanonical(ValueError):
    """A query whose percent-encoding cannot be read."""


def canonical_path(path: bytes) -> bytes:
    """The wire path, normalized by RFC 3986 section 6.2.2.3, then encoded once more: ``%3A`` becomes ``%253A``."""
    kept: list[bytes] = []
    segments = path.split(b"/")
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    trailing = b"/" if kept and segments[-1] in (b"", b".", b"..") else b""
    return b"/" + b"/".join(_encode(segment) for segment in kept) + trailing


def query_parameters(query: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of a raw query, decoded; ``+`` is a blank, empty parts are skipped.

    Raises NotCanonical for a percent sign without two hexadecimal digits.
    """
    pairs = (part.partition(b"=") for part in query.split(b"&") if part)
    return [(_decode(name), _decode(value)) for name, _, value in pairs]


def canonical_query(parameters: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encoded and sorted by encoded name, then encoded value."""
    encoded = sorted((_encode(name), _encode(value)) for name, value in parameters)
    return b"&".join(name + b"=" + value for name, value in encoded)


def canonical_headers(headers: Iterable[tuple[bytes, bytes]], signed: Iterable[str]) -> bytes:
    """One ``name:value`` line for each of the ``signed`` names in order.

    Values are squeezed to single blanks, those of one name joined with commas as they came; an absent one is empty.
    """
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(_BLANKS.sub(b" ", value).strip(b" "))
    lines = ((name, values.get(name, [])) for name in (name.encode("latin-1") for name in signed))
    return b"".join(name + b":" + b",".join(found) + b"\n" for name, found in lines)


def _decode(text: bytes) -> bytes:
    return _ESCAPE.sub(_decode_escape, text.replace(b"+", b" "))


def _decode_escape(match: re.Match[bytes]) -> bytes:
    if match.group(1) is None:
        raise NotCanonical("a percent sign without two hexadecimal digits")
    return bytes.fromhex(match.group(1).decode("ascii"))


def _encode(text: bytes) -> bytes:
    return quote_from_bytes(text, safe="").encode("ascii")
