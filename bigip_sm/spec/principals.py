"""Entries of ``allow``: whom of an identity they mean."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Literal

from bigip_sm.spec.identities import (
    ApiKeyIdentity,
    ClientCertificateIdentity,
    Identity,
    JwtIdentity,
    NetworkIdentity,
    PrincipalClass,
    key_class,
    principal_class,
)

Kind = Literal["subject", "any", "group", "scope", "class"]
CLASSES: tuple[str, ...] = typing.get_args(PrincipalClass)
PREFIXES: dict[str, Kind] = {"group/": "group", "scope/": "scope", "class/": "class"}


@dataclass(frozen=True)
class Principals:
    """Callers of one identity: all of them (``any``, without a name), or those of that subject, group, scope, class."""

    identity: str
    kind: Kind
    name: str = ""


def parse(entry: str) -> Principals:
    """Read ``identity:subject``, ``identity:*``, or ``identity:`` and ``group/NAME``, ``scope/NAME``, ``class/NAME``.

    A subject that begins like one of the three cannot be written; no caller with such a subject is mistaken for one.
    """
    identity, _, rest = entry.partition(":")
    if rest == "*":
        return Principals(identity, "any")
    for prefix, kind in PREFIXES.items():
        if rest.startswith(prefix):
            return Principals(identity, kind, rest.removeprefix(prefix))
    return Principals(identity, "subject", rest)


def known_subjects(identity: Identity, principals: Principals) -> tuple[str, ...] | None:
    """The subjects that ``principals`` are; None if only a request tells, ``("",)`` for every subject of the identity.

    Tokens bring groups, scopes and perhaps their class along; for all other identities the spec has them.
    """
    match principals.kind:
        case "any":
            return ("",)
        case "subject":
            return (principals.name,)
        case "class":
            return _of_class(identity, principals.name)
        case "group" if isinstance(identity, ClientCertificateIdentity | NetworkIdentity):
            return identity.groups.get(principals.name, ())
        case "group" if isinstance(identity, ApiKeyIdentity):
            return tuple(dict.fromkeys(key.subject for key in identity.keys.values() if principals.name in key.groups))
        case _:
            return None if isinstance(identity, JwtIdentity) else ()


def _of_class(identity: Identity, name: str) -> tuple[str, ...] | None:
    if isinstance(identity, JwtIdentity) and identity.settings.class_by is not None:
        return None
    if isinstance(identity, ApiKeyIdentity):
        return tuple(dict.fromkeys(key.subject for key in identity.keys.values() if key_class(identity, key) == name))
    return ("",) if principal_class(identity) == name else ()
