"""Rules about who callers are, between identities: no two that cannot be told apart, none that nobody can be."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.identities import ApiKeyIdentity, jwks_url
from bigip_sm.spec.positions import Path, quoted

DIGEST = re.compile(r"[0-9a-f]{64}")

_READ_HEADERS = ("accept", "content-encoding", "content-length", "content-type", "expect", "host", "transfer-encoding")
"""Headers that mean something else to the gateway."""


def check_identities(draft: Draft) -> Iterator[Problem]:
    """Identities of one type beside each other, and the subjects in their groups."""
    yield from _check_certificates(draft)
    yield from _check_tokens(draft)
    yield from _check_keys(draft)
    subjects = Subjects(draft)
    for name in draft.names("identities"):
        yield from _check_groups(draft, name, subjects)


def of_type(draft: Draft, kind: str) -> list[str]:
    """The identities of a type, in their order."""
    return [name for name in draft.names("identities") if draft.text("identities", name, "type") == kind]


def _check_certificates(draft: Draft) -> Iterator[Problem]:
    """A certificate belongs to the first identity that takes its issuer: after one that takes all, none is reached."""
    issuers: dict[str, str] = {}
    everything: str | None = None
    for name in of_type(draft, "client-certificate"):
        path, issuer = ("identities", name), draft.text("identities", name, "issuer")
        if everything is not None:
            line = draft.line("identities", everything)
            message = f"{everything} (line {line}) takes every client certificate, so no caller could be {name}"
            yield draft.problem(path, message, f"give {everything} an issuer, or keep one of the two")
        elif issuer is not None and issuer in issuers:
            yield _taken(draft, (*path, "issuer"), "issuer", issuers[issuer])
        elif issuer is not None:
            issuers[issuer] = name
        elif not draft.has(*path, "issuer"):
            everything = name


def _check_tokens(draft: Draft) -> Iterator[Problem]:
    issuers: dict[str, str] = {}
    order = draft.names("identities")
    tokens = of_type(draft, "jwt")
    for name in tokens:
        path = ("identities", name)
        provider, issuer = draft.text(*path, "provider"), draft.text(*path, "issuer")
        yield from draft.repeated(draft.texts(*path, "audience"))
        if issuer is not None and issuer in issuers:
            yield _taken(draft, (*path, "issuer"), "issuer", issuers[issuer])
        elif issuer is not None:
            issuers[issuer] = name
            if not draft.has(*path, "jwks") and jwks_url(provider, issuer) is None:
                message = "it does not follow from the issuer where its keys are"
                yield draft.problem(path, message, "add jwks: the jwks_uri of its .well-known/openid-configuration")
    for before, name in itertools.pairwise(tokens):
        between = order[order.index(before) + 1 : order.index(name)]
        if between:
            message = f"{between[0]} stands between {before} and {name}, but tokens of all issuers are read at once"
            yield draft.problem(("identities", name), message, "write identities of type jwt one after the other")


def _check_keys(draft: Draft) -> Iterator[Problem]:
    default: str = ApiKeyIdentity.model_fields["header"].default
    headers: dict[str, str] = {}
    tokens = of_type(draft, "jwt")
    for name in of_type(draft, "api-key"):
        path = ("identities", name)
        header = draft.text(*path, "header") if draft.has(*path, "header") else default
        where = (*path, "header") if draft.has(*path, "header") else path
        if header is None:
            continue
        if header in _READ_HEADERS:
            yield draft.problem(where, f"{quoted(header)} has another meaning", f"choose another header: {default}")
        elif header == "authorization" and tokens:
            message = f"{tokens[0]} reads the header authorization already"
            yield draft.problem(where, message, f"choose another header, such as {default}")
        elif header in headers:
            yield _taken(draft, where, "header", headers[header])
        headers.setdefault(header, name)
        yield from _check_holders(draft, (*path, "keys"))


def _check_holders(draft: Draft, path: Path) -> Iterator[Problem]:
    """A subject may have several keys, so that they can be replaced, but is the same caller with each."""
    known: dict[str, tuple[str, object]] = {}
    for key in draft.names(*path):
        subject = draft.text(*path, key, "subject")
        if not DIGEST.fullmatch(key):
            continue
        groups = draft.texts(*path, key, "groups")
        yield from draft.repeated(groups)
        if subject is None:
            continue
        holder = (draft.text(*path, key, "class"), sorted(text for _, text in groups))
        other, wanted = known.setdefault(subject, (key, holder))
        if holder != wanted:
            message = f"{quoted(subject)} has another class or other groups with the key in line"
            yield draft.problem((*path, key), f"{message} {draft.line(*path, other)}", "write the same for both keys")


def _check_groups(draft: Draft, identity: str, subjects: Subjects) -> Iterator[Problem]:
    """Members of groups: each once, and somebody whom the identity can know."""
    path = ("identities", identity, "groups")
    for group in draft.names(*path):
        members = draft.texts(*path, group)
        yield from draft.repeated(members)
        for where, member in members:
            yield from subjects.problems(where, identity, member)


class Subjects:
    """The subjects that each identity can have, as far as the spec tells."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._known: dict[str, dict[str, None]] = {}

    def problems(self, path: Path, identity: str, subject: str) -> Iterator[Problem]:
        """Yield what is wrong with ``subject``, which stands at ``path``, as a subject of ``identity``."""
        draft = self._draft
        if identity not in self._known:
            self._known[identity] = dict.fromkeys(_subjects(draft, identity))
        known = self._known[identity]
        if known and subject not in known:
            advice = draft.suggester.advice(subject, known.keys(), "subjects")
            what = "network" if draft.text("identities", identity, "type") == "network" else "key"
            yield draft.problem(path, f"no {what} of {identity} has the subject {quoted(subject)}", advice)
        if draft.text("identities", identity, "subject") == "sha256" and not DIGEST.fullmatch(subject):
            fix = "write the 64 hexadecimal digits of openssl x509 -outform DER | sha256sum"
            yield draft.problem(path, f"{quoted(subject)} is not a SHA-256 thumbprint in lower case", fix)


def _subjects(draft: Draft, identity: str) -> list[str]:
    """The subjects of an identity that lists them; none for the others."""
    path = ("identities", identity)
    kind = draft.text(*path, "type")
    found: list[str | None] = []
    if kind == "network":
        found = [draft.text(*path, "networks", network) for network in draft.names(*path, "networks")]
    elif kind == "api-key":
        found = [draft.text(*path, "keys", key, "subject") for key in draft.names(*path, "keys")]
    return [subject for subject in found if subject is not None]


def _taken(draft: Draft, path: Path, what: str, other: str) -> Problem:
    line = draft.line("identities", other)
    return draft.problem(path, f"this is the {what} of {other} (line {line}) already", "keep one of the two")
