"""The rules of gateway.yaml that need more than one place of the file: names, and who is allowed.

``check`` runs them all. The rules about routes, listeners and addresses are in ``check_traffic``, those about AWS in
``check_aws``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.check_aws import check_regions, check_roles
from bigip_sm.spec.check_traffic import check_derived_names, check_listeners, check_networks, check_routes
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.names import SUBJECT_PATTERN
from bigip_sm.spec.positions import Path, quoted


def check(draft: Draft) -> list[Problem]:
    """Return every problem between places of the file, as far as its parts are right by themselves."""
    found: list[Problem] = []
    for rule in (
        check_references,
        check_allow,
        check_identities,
        check_listeners,
        check_networks,
        check_routes,
        check_derived_names,
        check_regions,
        check_roles,
    ):
        found += rule(draft)
    return found


def check_references(draft: Draft) -> Iterator[Problem]:
    """Names that do not exist: a route's listener and upstream, an upstream's role."""
    for section, key, target in (
        ("routes", "listener", "listeners"),
        ("routes", "upstream", "upstreams"),
        ("upstreams", "role", "roles"),
    ):
        known = dict.fromkeys(draft.names(target))
        for name in draft.names(section):
            wrong = draft.text(section, name, key)
            if wrong is not None and wrong not in known:
                advice = draft.suggester.advice(wrong, known.keys(), target)
                yield draft.problem((section, name, key), f"there is no {key} {quoted(wrong)}", advice)


def check_allow(draft: Draft) -> Iterator[Problem]:
    """Entries of ``allow``: their form, an identity that exists, a subject that this identity can have."""
    identities = {name: _Subjects(draft, name) for name in draft.names("identities")}
    for route in draft.names("routes"):
        asks = _asks_for_certificates(draft, route)
        entries = draft.texts("routes", route, "allow")
        yield from draft.repeated(entries)
        for path, entry in entries:
            identity, colon, subject = entry.partition(":")
            if not colon or not subject:
                fix = f"write {identity or 'identity'}:* for every caller of an identity, or identity:subject for one"
                yield draft.problem(path, f"{quoted(entry)} is not identity:subject", fix)
            elif identity not in identities:
                advice = draft.suggester.advice(identity, identities.keys(), "identities")
                yield draft.problem(path, f"there is no identity {quoted(identity)}", advice)
            elif identities[identity].type == "client-certificate" and not asks:
                listener = draft.text("routes", route, "listener")
                yield draft.problem(
                    path,
                    f"{identity} needs a client certificate, and listener {quoted(listener)} does not ask for one",
                    f"add client_certificate to listeners.{listener}.tls",
                )
            else:
                yield from identities[identity].problems(draft, path, subject)


class _Subjects:
    """The subjects that an identity can have."""

    def __init__(self, draft: Draft, identity: str) -> None:
        self.identity = identity
        self.type = draft.text("identities", identity, "type")
        networks = draft.names("identities", identity, "networks")
        texts = [draft.text("identities", identity, "networks", network) for network in networks]
        self.known = dict.fromkeys(text for text in texts if text is not None)

    def problems(self, draft: Draft, path: Path, subject: str) -> Iterator[Problem]:
        """Yield what is wrong with ``subject`` in the entry at ``path``."""
        if subject == "*":
            return
        if "*" in subject:
            fix = f"list the subjects, or write {self.identity}:* for every one"
            yield draft.problem(path, f"the subject {quoted(subject)} has a * beside other characters", fix)
        elif not re.fullmatch(SUBJECT_PATTERN, subject) or subject != subject.strip():
            fix = "write 1 to 128 letters, digits, inner blanks and ._@+=,:/-"
            yield draft.problem(path, f"{quoted(subject)} cannot be a subject", fix)
        elif self.type == "network" and self.known and subject not in self.known:
            advice = draft.suggester.advice(subject, self.known.keys(), "subjects")
            yield draft.problem(path, f"no network of {self.identity} has the subject {quoted(subject)}", advice)


def _asks_for_certificates(draft: Draft, route: str) -> bool:
    """Return whether the route's listener asks for client certificates; True as well if there is no such listener."""
    listener = draft.text("routes", route, "listener")
    if listener is None or not draft.has("listeners", listener, "tls"):
        return True
    return draft.has("listeners", listener, "tls", "client_certificate")


def check_identities(draft: Draft) -> Iterator[Problem]:
    """At most one identity of type client-certificate: two could not be told apart."""
    first: str | None = None
    for name in draft.names("identities"):
        if draft.text("identities", name, "type") != "client-certificate":
            continue
        if first is not None:
            line = draft.line("identities", first)
            message = f"{first} (line {line}) is already an identity of type client-certificate"
            yield draft.problem(("identities", name), message, "keep one of the two: no caller could be the second")
        first = first or name
