"""Editing the text of gateway.yaml: what is not changed keeps its comments, order and spelling.

The text is edited with ruamel.yaml, which keeps what PyYAML throws away; it is always loaded anew afterwards, so that
nothing is written that ``load`` would refuse.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bigip_sm.errors import EditError
from bigip_sm.spec.model import Spec
from bigip_sm.spec.principals import known_subjects, parse


@dataclass(frozen=True)
class Approval:
    """Who approved a change of a route, and when."""

    name: str
    ticket: str
    day: date


@dataclass(frozen=True)
class NewCaller:
    """A caller to be known and let in. ``key_hash`` is the SHA-256 of an API key, ``network`` a CIDR."""

    identity: str
    subject: str
    routes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    key_hash: str | None = None
    network: str | None = None
    approval: Approval | None = None


def add_caller(text: str, spec: Spec, caller: NewCaller) -> str:
    """The text of a gateway.yaml with the caller in it; ``spec`` is what the text says now.

    Raises EditError if the identity or a route does not exist, or if the caller's identity cannot take what was given.
    """
    _check(spec, caller)
    yaml = _yaml()
    document = yaml.load(text)
    identity = document["identities"][caller.identity]
    if caller.key_hash is not None:
        entry: dict[str, Any] = {"subject": caller.subject}
        if caller.groups:
            entry["groups"] = _flow(caller.groups)
        identity["keys"][_quoted(caller.key_hash)] = _flow_map(entry)
    elif caller.network is not None:
        identity["networks"][caller.network] = caller.subject
    if caller.groups and caller.key_hash is None:
        _join(identity, caller)
    for name in caller.routes:
        route = document["routes"][name]
        if not _let_in(spec, name, caller):
            route["allow"].append(f"{caller.identity}:{caller.subject}")
        if caller.approval is not None:
            route["approved_by"].update(
                {"name": caller.approval.name, "ticket": caller.approval.ticket, "date": caller.approval.day}
            )
    output = io.StringIO()
    yaml.dump(document, output)
    return output.getvalue()


def _check(spec: Spec, caller: NewCaller) -> None:
    if caller.identity not in spec.identities:
        raise EditError(f"there is no identity {caller.identity}; there are {', '.join(spec.identities)}")
    for name in caller.routes:
        if name not in spec.routes:
            raise EditError(f"there is no route {name}; there are {', '.join(spec.routes)}")
    kind = spec.identities[caller.identity].type
    if (caller.key_hash is not None) != (kind == "api-key"):
        raise EditError(f"{caller.identity} is of type {kind}: a key is for api-key identities, and they need one")
    if (caller.network is not None) != (kind == "network"):
        raise EditError(f"{caller.identity} is of type {kind}: a network is for network identities, and they need one")
    if caller.groups and kind == "jwt":
        raise EditError(f"the groups of {caller.identity} are in its tokens; put the caller into them at the issuer")


def _let_in(spec: Spec, name: str, caller: NewCaller) -> bool:
    """Whether the route lets the caller in as it is: every caller of the identity, this one, or one of its groups."""
    for text in spec.routes[name].allow:
        entry = parse(text)
        if entry.identity != caller.identity:
            continue
        if entry.kind == "group" and entry.name in caller.groups:
            return True
        known = known_subjects(spec.identities[caller.identity], entry) or ()
        if "" in known or caller.subject in known:
            return True
    return False


def _join(identity: MutableMapping[str, Any], caller: NewCaller) -> None:
    groups = identity.setdefault("groups", _flow_map({}))
    for name in caller.groups:
        members: MutableSequence[str] = groups.setdefault(name, _flow(()))
        if caller.subject not in members:
            members.append(caller.subject)


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 100_000  # a line is the writer's own; no line is broken anew
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _flow(items: tuple[str, ...]) -> Any:
    from ruamel.yaml.comments import CommentedSeq

    made = CommentedSeq(items)
    made.fa.set_flow_style()
    return made


def _flow_map(items: Mapping[str, Any]) -> Any:
    from ruamel.yaml.comments import CommentedMap

    made = CommentedMap(items)
    made.fa.set_flow_style()
    return made


def _quoted(text: str) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    return DoubleQuotedScalarString(text)
