"""What somebody wants to try: the rule, the requests, and the objects around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Literal

from bigip_sm.errors import LabError

HOST = "lab.example.com"
"""The Host header and the name in the TLS handshake, unless the requests say otherwise."""

GroupType = Literal["string", "ip", "integer"]

_ENTRY = re.compile(
    r"""(?:(?:network|host)\s+)?                     # as in an external data-group file of type ip
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s:"](?:(?!\s*:=)[^,])*?))
        (?:\s*:=\s*(?:"(?P<value>(?:[^"\\]|\\.)*)"|(?P<plain>[^,]*?)))?
        \s*,?""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Group:
    """A data group: its name as the rule says it, its type, and (name, value) records."""

    name: str
    type: GroupType
    records: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Wanted:
    """One try. ``requests`` are (method, target) pairs, sent one after the other on one connection.

    ``headers`` and ``body`` go with each of them. ``pools`` are wanted besides those that the rule names; the first is
    the virtual server's own. ``certificate`` is the common name of the client's certificate, None for no certificate.
    ``answer_*`` is what the pool members answer; without a body they send the request's back.
    """

    rule: str
    text: str = field(repr=False)
    requests: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    groups: tuple[Group, ...] = ()
    pools: tuple[str, ...] = ()
    certificate: str | None = None
    client_address: str | None = None
    answer_status: int = 200
    answer_headers: tuple[tuple[str, str], ...] = ()
    answer_body: bytes | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The name that the client asks for."""
        named = [value for name, value in self.headers if name.lower() == "host"]
        return named[-1] if named else HOST


def parse_group(name: str, text: str) -> Group:
    """A data group from the text of a file, one record a line: ``name``, or ``name := value``.

    Quotes and commas of F5's external data-group files are taken too, empty lines and lines that begin with ``#`` are
    skipped. The type is ``ip`` or ``integer`` if every name is one, else ``string``; ``NAME:TYPE`` as ``name`` says
    it. Raises LabError with the line that is wrong.
    """
    name, _, wanted = name.partition(":")
    if wanted not in ("", "string", "ip", "integer"):
        raise LabError(f"data group {name}: type {wanted} is none of string, ip, integer")
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise LabError(f'data group {name}, line {number}: write a record as: name := value, or "name" := "value",')
        key = found["bare"] if found["quoted"] is None else _unquoted(found["quoted"])
        value = (found["plain"] or "") if found["value"] is None else _unquoted(found["value"])
        records.append((key, value))
    kind = wanted or _type([key for key, _ in records])
    return Group(name, kind, tuple(dict(records).items()))  # type: ignore[arg-type]  # checked above


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _type(names: Sequence[str]) -> GroupType:
    if names and all(re.fullmatch(r"-?\d+", name) for name in names):
        return "integer"
    return "ip" if names and all(_is_network(name) for name in names) else "string"


def _is_network(name: str) -> bool:
    try:
        ip_network(name, strict=False)
    except ValueError:
        return False
    return True
