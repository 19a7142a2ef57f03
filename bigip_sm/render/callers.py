"""What the stages about callers are compiled for: the identities of one listener, and how much of each is read.

Issuers, audiences and names of claims are structure and stand in the rule; subjects, keys and who may do what are data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bigip_sm.render.limits import counts_groups
from bigip_sm.spec.identities import (
    ApiKeyIdentity,
    ClassBy,
    ClientCertificateIdentity,
    Identity,
    JwtIdentity,
    principal_class,
)
from bigip_sm.spec.model import Route, Spec
from bigip_sm.spec.principals import Principals, known_subjects, parse

AUTHORIZATION = "authorization"


@dataclass(frozen=True)
class Tokens:
    """How the tokens of one issuer are read; a claim that no route of the listener asks for is None."""

    name: str
    issuer: str
    audiences: tuple[str, ...]
    audience_claim: str
    subject: str
    groups: str | None
    scopes: str | None
    default_class: str
    class_by: ClassBy | None
    leeway: int
    max_size: int


@dataclass(frozen=True)
class Callers:
    """The identities of a listener, in their order.

    ``with_conditions``: a route asks for groups, scopes or classes of tokens, or has a role by group;
    ``with_roles``: the latter; ``with_groups``: a route counts the callers of a group together.
    """

    identities: tuple[tuple[str, Identity], ...]
    tokens: tuple[Tokens, ...]
    with_conditions: bool
    with_roles: bool
    with_groups: bool

    @property
    def types(self) -> frozenset[str]:
        """The types of the identities."""
        return frozenset(identity.type for _, identity in self.identities)

    @property
    def certificates(self) -> tuple[tuple[str, ClientCertificateIdentity], ...]:
        """The identities that are known by a certificate."""
        return tuple((name, one) for name, one in self.identities if isinstance(one, ClientCertificateIdentity))

    @property
    def plain_certificates(self) -> bool:
        """Whether the common name is all that is read of certificates, which TMM can do by itself."""
        return all(one.subject == "common-name" and one.issuer is None for _, one in self.certificates)

    @property
    def keys(self) -> tuple[tuple[str, ApiKeyIdentity], ...]:
        """The identities that are known by an API key."""
        return tuple((name, one) for name, one in self.identities if isinstance(one, ApiKeyIdentity))

    @property
    def bearers(self) -> bool:
        """Whether the Authorization header is read."""
        return bool(self.tokens) or any(one.header == AUTHORIZATION for _, one in self.keys)

    @property
    def max_token(self) -> int:
        """Longest token of any issuer, bytes."""
        return max(one.max_size for one in self.tokens)


def callers_of(spec: Spec, listener: str) -> Callers:
    """The identities that callers of a listener can have."""
    asked = spec.listeners[listener].tls.client_certificate is not None
    identities = tuple(
        (name, identity)
        for name, identity in spec.identities.items()
        if asked or not isinstance(identity, ClientCertificateIdentity)
    )
    routes = [route for route in spec.routes.values() if route.listener == listener]
    wanted = set(_asked_of_tokens(spec, routes))
    with_roles = any(route.role_by_group for route in routes)
    with_groups = any(counts_groups(route) for route in routes)
    tokens = tuple(_tokens(name, one, wanted) for name, one in identities if isinstance(one, JwtIdentity))
    return Callers(identities, tokens, bool(wanted) or with_roles or with_groups, with_roles, with_groups)


def _asked_of_tokens(spec: Spec, routes: list[Route]) -> Iterator[tuple[str, str]]:
    """(identity, kind) of what only a token can tell."""
    for route in routes:
        for entry in [*route.allow, *route.role_by_group, *(who for grant in route.grants.values() for who in grant)]:
            found: Principals = parse(entry)
            if known_subjects(spec.identities[found.identity], found) is None:
                yield found.identity, found.kind


def _tokens(name: str, identity: JwtIdentity, wanted: set[tuple[str, str]]) -> Tokens:
    settings = identity.settings
    return Tokens(
        name=name,
        issuer=identity.issuer,
        audiences=identity.audiences,
        audience_claim=settings.audience_claim,
        subject=settings.subject,
        groups=settings.groups if (name, "group") in wanted else None,
        scopes=settings.scopes if (name, "scope") in wanted else None,
        default_class=principal_class(identity),
        class_by=settings.class_by if (name, "class") in wanted else None,
        leeway=identity.leeway,
        max_size=identity.max_size,
    )
