"""HTTP messages as TMM holds them: bytes as on the wire, headers in order, names found in any case."""

from __future__ import annotations

import http
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

REASONS = {status.value: status.phrase.encode("ascii") for status in http.HTTPStatus}


class Headers:
    """Header fields in the order of the wire.

    ``keys`` are their names in lower case, ``names`` those as they are written, ``contents`` their values. All three
    are of one length; whoever changes one changes the others.

    Three lists, because what rules ask most is then one search in a list of strings. Where a name occurs more than
    once, single values are those of the last field, as ``HTTP::header value`` documents it, and replace and remove
    touch only that one: how many TMM touches is not documented, and a rule that loops is right either way.
    """

    __slots__ = ("contents", "keys", "names")

    def __init__(self, received: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """``received`` are names and values as they arrived."""
        self.keys: list[str] = []
        self.names: list[bytes] = []
        self.contents: list[bytes] = []
        for name, value in received:
            self.add(name, value)

    @classmethod
    def parsed(cls, names: list[bytes], contents: list[bytes]) -> Headers:
        """From the lists of a parser, which are kept; no name holds a line break."""
        headers = cls()
        headers.keys = b"\n".join(names).decode("latin-1").lower().split("\n") if names else []
        headers.names = names
        headers.contents = contents
        return headers

    @property
    def fields(self) -> list[tuple[str, bytes, bytes]]:
        """A copy: (lower-case name, name, value) of each field."""
        return list(zip(self.keys, self.names, self.contents, strict=True))

    def add(self, name: bytes, value: bytes) -> None:
        """Append a field."""
        self.append(name.decode("latin-1").lower(), name, value)

    def append(self, key: str, name: bytes, value: bytes) -> None:
        """``add`` where ``key``, the name in lower case, is known already."""
        self.keys.append(key)
        self.names.append(name)
        self.contents.append(value)

    def extend(self, named: Sequence[tuple[str, bytes]], contents: Sequence[bytes]) -> None:
        """Append fields, given their names in lower case and as they are written, and their values."""
        self.keys += [key for key, _ in named]
        self.names += [name for _, name in named]
        self.contents += contents

    def place(self, key: str) -> int:
        """Where the last field of that name (lower case) is; -1 if there is none."""
        keys = self.keys
        found = keys.count(key)
        if found == 1:
            return keys.index(key)
        return len(keys) - 1 - keys[::-1].index(key) if found else -1

    def last(self, key: str) -> bytes | None:
        """The value of the last field of that name (lower case)."""
        place = self.place(key)
        return self.contents[place] if place >= 0 else None

    def values(self, key: str) -> list[bytes]:
        """The values of all fields of that name (lower case)."""
        if key not in self.keys:
            return []
        return [value for found, value in zip(self.keys, self.contents, strict=True) if found == key]

    def count(self, key: str) -> int:
        """How many fields have that name (lower case)."""
        return self.keys.count(key)

    def delete(self, place: int) -> None:
        """Remove the field at a place."""
        del self.keys[place], self.names[place], self.contents[place]

    def remove_last(self, key: str) -> None:
        """Remove the last field of that name (lower case), if there is one."""
        place = self.place(key)
        if place >= 0:
            self.delete(place)

    def replace_last(self, name: bytes, value: bytes) -> None:
        """Set the value of the last field of that name; append one if there is none."""
        self.put_last(name.decode("latin-1").lower(), name, value)

    def put_last(self, key: str, name: bytes, value: bytes) -> None:
        """``replace_last`` where ``key``, the name in lower case, is known already."""
        place = self.place(key)
        if place >= 0:
            self.contents[place] = value
        else:
            self.append(key, name, value)

    def remove_all(self, key: str) -> None:
        """Remove every field of that name (lower case)."""
        if key in self.keys:
            self._keep([place for place, found in enumerate(self.keys) if found != key])

    def set_only(self, name: bytes, value: bytes) -> None:
        """Leave exactly one field of that name, where the first one stood or at the end."""
        key = name.decode("latin-1").lower()
        if self.keys.count(key) > 1:
            first = self.keys.index(key)
            self._keep([place for place, found in enumerate(self.keys) if found != key or place == first])
        self.put_last(key, name, value)

    def _keep(self, places: list[int]) -> None:
        """Remove all fields but those at these places."""
        self.keys = [self.keys[place] for place in places]
        self.names = [self.names[place] for place in places]
        self.contents = [self.contents[place] for place in places]

    def lines(self) -> Iterable[bytes]:
        """The fields as they go on the wire, without the ends of their lines."""
        return map(b": ".join, zip(self.names, self.contents, strict=True))

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
        lines += self.headers.lines()
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
        lines += self.headers.lines()
        lines.append(b"\r\n")
        return b"\r\n".join(lines)


Head = RequestHead | ResponseHead


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112, section 7.1); ``data`` is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
