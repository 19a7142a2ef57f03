"""``HTTP::cookie``: cookies of the request (Cookie) and of the response (Set-Cookie).

clouddocs.f5.com, iRules API "HTTP::cookie"; the layout of the headers is RFC 6265. Names compare with case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm.messages import Headers, RequestHead
from bigip_sm.lab.tmm.session import Command, CommandError, Result, wire
from bigip_sm.lab.tmm.words import integer

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

_FORBIDDEN = frozenset(b"\r\n\0;")
_SEPARATORS = frozenset(b" \t,=")
_INSERTED = ("path", "domain", "version")


def commands(tmm: Tmm) -> dict[str, Command]:
    """``HTTP::cookie`` of one TMM."""
    return {"HTTP::cookie": lambda subcommand, *words: _cookie(tmm, subcommand, words)}


def _cookie(tmm: Tmm, subcommand: str, words: tuple[str, ...]) -> Result:
    head = tmm.session.message()
    jar = _Request(head.headers) if isinstance(head, RequestHead) else _Response(head.headers)
    operation = _OPERATIONS.get(subcommand)
    if operation is None:
        if words:
            raise CommandError(f'wrong # args: HTTP::cookie has no subcommand "{subcommand}"')
        return jar.value(wire(subcommand)) or b""
    try:
        return operation(jar, *words)
    except TypeError:
        raise CommandError(f"wrong # args: in HTTP::cookie {subcommand}") from None


class _Request:
    """The cookies of Cookie headers."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def pairs(self) -> list[tuple[bytes, bytes]]:
        found = []
        for value in self._headers.values("cookie"):
            for pair in value.split(b";"):
                name, mark, content = pair.strip().partition(b"=")
                if mark:
                    found.append((name, content))
        return found

    def value(self, name: bytes) -> bytes | None:
        return next((content for found, content in self.pairs() if found == name), None)

    def names(self) -> tuple[bytes, ...]:
        return tuple(name for name, _ in self.pairs())

    def put(self, name: bytes, value: bytes, attributes: list[tuple[bytes, bytes]]) -> None:
        kept = [pair for pair in self.pairs() if pair[0] != name]
        self._write([*kept, (name, value)])

    def replace(self, name: bytes, value: bytes) -> None:
        self._write([(found, value if found == name else content) for found, content in self.pairs()])

    def remove(self, name: bytes) -> None:
        self._write([pair for pair in self.pairs() if pair[0] != name])

    def attribute(self, name: bytes, attribute: bytes) -> bytes:
        raise CommandError("the cookies of a request have no attributes")

    def set_attribute(self, name: bytes, attribute: bytes, value: bytes | None) -> None:
        raise CommandError("the cookies of a request have no attributes")

    def _write(self, pairs: list[tuple[bytes, bytes]]) -> None:
        if pairs:
            self._headers.set_only(b"Cookie", b"; ".join(b"%b=%b" % pair for pair in pairs))
        else:
            self._headers.remove_all("cookie")


class _Response:
    """The cookies of Set-Cookie headers, one each."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def value(self, name: bytes) -> bytes | None:
        found = self._find(name)
        return None if found is None else self._parts(found)[0].partition(b"=")[2]

    def names(self) -> tuple[bytes, ...]:
        return tuple(value.split(b";")[0].partition(b"=")[0].strip() for value in self._headers.values("set-cookie"))

    def put(self, name: bytes, value: bytes, attributes: list[tuple[bytes, bytes]]) -> None:
        self._headers.add(b"Set-Cookie", _joined([b"%b=%b" % (name, value)], attributes))

    def replace(self, name: bytes, value: bytes) -> None:
        place = self._find(name)
        if place is not None:
            self._set(place, [b"%b=%b" % (name, value), *self._parts(place)[1:]])

    def remove(self, name: bytes) -> None:
        while (place := self._find(name)) is not None:
            self._headers.delete(place)

    def attribute(self, name: bytes, attribute: bytes) -> bytes:
        place = self._find(name)
        for part in self._parts(place)[1:] if place is not None else []:
            found, mark, value = part.partition(b"=")
            if found.strip().lower() == attribute.lower():
                return value.strip() if mark else b"enable"
        return b""

    def set_attribute(self, name: bytes, attribute: bytes, value: bytes | None) -> None:
        """Set an attribute; empty: without a value; None: remove it."""
        place = self._find(name)
        if place is None:
            return
        first, *rest = self._parts(place)
        kept = [part for part in rest if part.partition(b"=")[0].strip().lower() != attribute.lower()]
        if value is not None:
            kept.append(b"%b=%b" % (attribute, value) if value else attribute)
        self._set(place, [first, *kept])

    def _find(self, name: bytes) -> int | None:
        for place, value in enumerate(self._headers.contents):
            if self._headers.keys[place] == "set-cookie" and value.split(b";")[0].partition(b"=")[0].strip() == name:
                return place
        return None

    def _parts(self, place: int) -> list[bytes]:
        return [part.strip() for part in self._headers.contents[place].split(b";")]

    def _set(self, place: int, parts: list[bytes]) -> None:
        self._headers.contents[place] = b"; ".join(parts)


Jar = _Request | _Response


def _joined(parts: list[bytes], attributes: list[tuple[bytes, bytes]]) -> bytes:
    return b"; ".join([*parts, *(b"%b=%b" % pair for pair in attributes)])


def _insert(jar: Jar, *words: str) -> Result:
    """``insert name N value V ?path P? ?domain D? ?version V?``."""
    given = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or "name" not in given or "value" not in given:
        raise CommandError("wrong # args: HTTP::cookie insert name N value V ?path P? ?domain D? ?version 0|1|2?")
    unknown = set(given) - {"name", "value", *_INSERTED}
    if unknown:
        raise CommandError(f'bad option "{min(unknown)}" in HTTP::cookie insert')
    attributes = [(key.capitalize().encode(), _value(given[key])) for key in _INSERTED if key in given]
    jar.put(_name(given["name"]), _value(given["value"]), attributes)
    return b""


def _replace(jar: Jar, name: str, value: str | None = None) -> Result:
    if value is None:
        return jar.value(wire(name)) or b""
    jar.replace(wire(name), _value(value))
    return b""


def _remove(jar: Jar, name: str) -> Result:
    jar.remove(wire(name))
    return b""


def _plain(attribute: bytes) -> Callable[..., Result]:
    """An attribute with a value: ``path``, ``domain``, ``maxage``, ``version``."""

    def operation(jar: Jar, name: str, value: str | None = None) -> Result:
        if value is None:
            return jar.attribute(wire(name), attribute)
        jar.set_attribute(wire(name), attribute, _value(value))
        return b""

    return operation


def _switch(attribute: bytes) -> Callable[..., Result]:
    """An attribute that is there or not: ``secure``, ``httponly``."""

    def operation(jar: Jar, name: str, state: str | None = None) -> Result:
        if state is None:
            return jar.attribute(wire(name), attribute) or b"disable"
        if state not in ("enable", "disable"):
            raise CommandError(f'bad state "{state}": must be enable or disable')
        jar.set_attribute(wire(name), attribute, b"" if state == "enable" else None)
        return b""

    return operation


def _max_age(jar: Jar, name: str, seconds: str | None = None) -> Result:
    if seconds is None:
        return jar.attribute(wire(name), b"Max-Age")
    jar.set_attribute(wire(name), b"Max-Age", b"%d" % integer(seconds))
    return b""


_OPERATIONS: dict[str, Callable[..., Result]] = {
    "names": lambda jar: jar.names(),
    "count": lambda jar: len(jar.names()),
    "exists": lambda jar, name: int(jar.value(wire(name)) is not None),
    "value": _replace,
    "insert": _insert,
    "remove": _remove,
    "path": _plain(b"Path"),
    "domain": _plain(b"Domain"),
    "version": _plain(b"Version"),
    "maxage": _max_age,
    "secure": _switch(b"Secure"),
    "httponly": _switch(b"HttpOnly"),
}

COOKIE_SUBCOMMANDS = frozenset(_OPERATIONS)


def _name(text: str) -> bytes:
    name = wire(text)
    if not name or _FORBIDDEN.intersection(name) or _SEPARATORS.intersection(name):
        raise CommandError("the name of a cookie is empty or holds a character that is not allowed there")
    return name


def _value(text: str) -> bytes:
    value = wire(text)
    if _FORBIDDEN.intersection(value):
        raise CommandError("a cookie holds a semicolon, a line break or NUL")
    return value
