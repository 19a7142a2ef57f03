"""HTTP messages as TMM holds them: bytes as on the wire, headers in order, names found in any case."""

from __future__ import annotations

import http
from collections.abc import Iterable
from dataclasses import dataclass, field

REASONS = {status.value: status.phrase.encode("ascii") for status in http.HTTPStatus}


class Headers:
    """Header fields in the order of the wire; ``fields`` are (lower-case name, name, value).

    Where a name occurs more than once, single values are those of the last field, as ``HTTP::header value`` documents
    it, and replace and remove touch only that one: how many TMM touches is not documented, and a rule that loops is
    right either way.
    """

    __slots__ = ("fields",)

    def __init__(self, received: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """``received`` are names and values as they arrived."""
        self.fields: list[tuple[str, bytes, bytes]] = [
            (name.decode("latin-1").lower(), name, value) for name, value in received
        ]

    def add(self, name: bytes, value: bytes) -> None:
        """Append a field."""
        self.fields.append((name.decode("latin-1").lower(), name, value))

    def last(self, name: str) -> bytes | None:
        """The value of the last field of that name (lower case)."""
        for key, _, value in reversed(self.fields):
            if key == name:
                return value
        return None

    def values(self, name: str) -> list[bytes]:
        """The values of all fields of that name (lower case)."""
        return [value for key, _, value in self.fields if key == name]

    def count(self, name: str) -> int:
        """How many fields have that name (lower case)."""
        found = 0
        for key, _, _ in self.fields:
            if key == name:
                found += 1
        return found

    def remove_last(self, name: str) -> None:
        """Remove the last field of that name (lower case), if there is one."""
        fields = self.fields
        for index in range(len(fields) - 1, -1, -1):
            if fields[index][0] == name:
                del fields[index]
                return

    def replace_last(self, name: bytes, value: bytes) -> None:
        """Set the value of the last field of that name; append one if there is none."""
        self.put_last(name.decode("latin-1").lower(), name, value)

    def put_last(self, key: str, name: bytes, value: bytes) -> None:
        """``replace_last`` where ``key``, the name in lower case, is known already."""
        fields = self.fields
        for index in range(len(fields) - 1, -1, -1):
            if fields[index][0] == key:
                fields[index] = (key, fields[index][1], value)
                return
        fields.append((key, name, value))

    def remove_all(self, name: str) -> None:
        """Remove every field of that name (lower case)."""
        self.fields = [kept for kept in self.fields if kept[0] != name]

    def set_only(self, name: bytes, value: bytes) -> None:
        """Leave exactly one field of that name, where the first one stood or at the end."""
        key = name.decode("latin-1").lower()
        for index, (found, spelled, _) in enumerate(self.fields):
            if found == key:
                rest = [kept for kept in self.fields[index + 1 :] if kept[0] != key]
                self.fields[index:] = [(key, spelled, value), *rest]
                return
        self.fields.append((key, name, value))

    def has_token(self, name: str, token: bytes) -> bool:
        """Whether a comma-separated list header (RFC 9110, section 5.6.1) contains ``token`` in any case."""
        return any(token == part.strip().lower() for value in self.values(name) for part in value.split(b","))


@dataclass(slots=True)
class RequestHead:
    """Request line and headers. ``version`` is b"1.0" or b"1.1"."""

    method: bytes
    target: bytes
    version: bytes
    headers: Headers = field(default_factory=Headers)

    def encode(self) -> bytes:
        """The bytes for the wire, the empty line included."""
        lines = [b"%b %b HTTP/%b" % (self.method, self.target, self.version)]
        lines += [b"%b: %b" % (name, value) for _, name, value in self.headers.fields]
        lines.append(b"\r\n")
        return b"\r\n".join(lines)


@dataclass(slots=True)
class ResponseHead:
    """Status line and headers."""

    status: int
    reason: bytes
    version: bytes
    headers: Headers = field(default_factory=Headers)

    def encode(self) -> bytes:
        """The bytes for the wire, the empty line included."""
        lines = [b"HTTP/%b %d %b" % (self.version, self.status, self.reason)]
        lines += [b"%b: %b" % (name, value) for _, name, value in self.headers.fields]
        lines.append(b"\r\n")
        return b"\r\n".join(lines)


Head = RequestHead | ResponseHead


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112, section 7.1); ``data`` is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
