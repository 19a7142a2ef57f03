"""One authenticated request to iControl REST, and what every collection needs to answer it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Object
from bigip_sm.lab.bigip.replies import Json, icrd_refusal, not_emulated, parse_object
from bigip_sm.lab.http import Request

_FILTER = re.compile(r"partition eq '?([A-Za-z0-9_.-]+)'?")
LINK = "https://localhost"
"""How iControl REST begins its links, whatever the device is called."""


@dataclass
class Call:
    """One authenticated request: ``rest`` are the decoded path segments after the collection."""

    request: Request
    account: Account
    rest: tuple[str, ...]

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request.method

    def body(self) -> Json:
        """The JSON object sent. Raises Refusal (400)."""
        return parse_object(self.request.body)

    def parameters(self, *known: str) -> dict[str, str]:
        """The query parameters. Raises Refusal (501) for one that is not in ``known``."""
        found = dict(parse_qsl(self.request.query, keep_blank_values=True))
        for name in found:
            if name not in (*known, "ver"):
                raise not_emulated(f"query parameter {name} of {self.method} {self.request.path}")
        return found

    def nothing_more(self) -> None:
        """Raises Refusal (404, 501) if the path goes on or there are query parameters."""
        if self.rest:
            raise self.not_emulated()
        self.parameters()

    def not_emulated(self, status: int = 501) -> Exception:
        """The lab's own refusal of this request."""
        return not_emulated(f"{self.method} {self.request.path}", status)

    def administrator(self) -> None:
        """Raises Refusal (403) unless the caller is an administrator."""
        if not self.account.administrator:
            message = f"01070822:3: Access Denied: User ({self.account.name}) may not access this object"
            raise icrd_refusal(403, message)

    def may_change(self, path: str) -> None:
        """Raises Refusal (403) unless the caller's role holds for the partition of ``path``."""
        partition = path.split("/")[1]
        if not self.account.manages(partition):
            message = (
                f"01070822:3: Access Denied: User ({self.account.name}) may not access objects in "
                f"partition ({partition})"
            )
            raise icrd_refusal(403, message)


@dataclass(frozen=True)
class Outcome:
    """What an operation does to a configuration, and the body of its answer (None: an empty one)."""

    put: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()
    body: Json | None = None


Edit = Callable[[Config], Outcome]
"""Works out an operation on a configuration as it is then, without changing it. Raises Refusal."""


def full_path(segment: str) -> str:
    """``~bigip_sm~x`` -> ``/bigip_sm/x``; a bare name is in Common."""
    return segment.replace("~", "/") if segment.startswith("~") else f"/Common/{segment}"


def identity(path: str, kind: str, collection: str) -> Json:
    """The properties that name an object: kind, name, partition, subPath, fullPath, selfLink."""
    _, partition, rest = path.split("/", 2)
    sub_path, _, name = rest.rpartition("/")
    shown: Json = {"kind": kind, "name": name, "partition": partition}
    if sub_path:
        shown["subPath"] = sub_path
    link = f"{LINK}{collection}/{path.replace('/', '~')}"
    return {**shown, "fullPath": path, "generation": 1, "selfLink": link}


def new_path(body: Json) -> str:
    """The full path of what a POST makes: ``name`` with ``partition`` and ``subPath``, or a full path.

    Raises Refusal (400).
    """
    name, partition, sub_path = body.get("name"), body.get("partition", "Common"), body.get("subPath", "")
    if not (isinstance(name, str) and isinstance(partition, str) and isinstance(sub_path, str) and name):
        raise icrd_refusal(400, "one or more properties must be specified", 26214401)
    path = name if name.startswith("/") else "/" + "/".join(filter(None, (partition, sub_path, name)))
    if path.count("/") < 2 or not all(_NAME.fullmatch(part) for part in path[1:].split("/")):
        raise icrd_refusal(400, f"01070734:3: Configuration error: {path!r} is not a legal name")
    return path


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def refuse_unknown(body: Json, known: Iterable[str]) -> None:
    """Raises Refusal (400) for a property that the class does not have."""
    unknown = set(body) - set(known)
    if unknown:
        raise icrd_refusal(400, f'"{min(unknown)}" unknown property', 2)


def missing(what: str, path: str) -> Exception:
    """The refusal (404) of an object that does not exist."""
    return icrd_refusal(404, f"01020036:3: The requested {what} ({path}) was not found.")


def exists_already(what: str, path: str) -> Exception:
    """The refusal (409) of an object that exists."""
    partition = path.split("/")[1]
    return icrd_refusal(409, f"01020066:3: The requested {what} ({path}) already exists in partition {partition}.")


def listing(call: Call, kind: str, items: Sequence[Json], paths: Sequence[str]) -> Json:
    """A collection: what the role lets the caller see, narrowed by ``$filter`` and ``$select``.

    ``paths`` are the full paths of ``items``. Emulated are ``$filter=partition eq NAME`` and ``$select`` of names.
    Raises Refusal (501).
    """
    parameters = call.parameters("$filter", "$select")
    wanted = parameters.get("$filter")
    match = _FILTER.fullmatch(wanted) if wanted is not None else None
    if wanted is not None and match is None:
        raise not_emulated(f"$filter={wanted}")
    shown = []
    for path, item in zip(paths, items, strict=True):
        partition = path.split("/")[1]
        if call.account.manages(partition) and (match is None or match[1] == partition):
            shown.append(selected(item, parameters))
    listed: dict[str, Any] = {"kind": kind, "selfLink": f"{LINK}{call.request.path}"}
    return {**listed, "items": shown} if shown else listed


def selected(item: Json, parameters: dict[str, str]) -> Json:
    """``item`` with the properties that ``$select`` names; with all of them without it."""
    if "$select" not in parameters:
        return item
    names = parameters["$select"].split(",")
    return {name: value for name, value in item.items() if name in names}
