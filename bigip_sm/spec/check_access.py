"""Rules about who may do what: the entries of ``allow``, and roles that depend on a group."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.check_aws import check_partition
from bigip_sm.spec.check_identities import Subjects
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.identities import PRESETS
from bigip_sm.spec.names import GROUP_PATTERN, SUBJECT_PATTERN
from bigip_sm.spec.positions import Path, quoted
from bigip_sm.spec.principals import CLASSES, PREFIXES, Principals, parse

MAX_CONDITIONS = 64
"""Groups, scopes and classes of one identity on one route: the iRule compares them one by one."""


def check_allow(draft: Draft) -> Iterator[Problem]:
    """Entries of ``allow``: their form, an identity that exists, callers that this identity can have."""
    check = entry_check(draft)
    for route in draft.names("routes"):
        entries = draft.texts("routes", route, "allow")
        yield from draft.repeated(entries)
        conditions: dict[str, int] = {}
        for path, entry in entries:
            yield from check(route, path, entry)
            identity = entry.partition(":")[0]
            conditions[identity] = conditions.get(identity, 0) + (parse(entry).kind in PREFIXES.values())
            if conditions[identity] == MAX_CONDITIONS + 1:
                message = f"more than {MAX_CONDITIONS} groups, scopes and classes of {identity} on one route"
                yield draft.problem(path, message, "put the callers into fewer groups")


def check_role_by_group(draft: Draft) -> Iterator[Problem]:
    """Roles by group: a group that its identity can have, a role that exists in the partition of the regions."""
    check = entry_check(draft)
    roles, identities = dict.fromkeys(draft.names("roles")), dict.fromkeys(draft.names("identities"))
    for route in draft.names("routes"):
        for entry in draft.names("routes", route, "role_by_group"):
            path = ("routes", route, "role_by_group", entry)
            if entry.partition(":")[0] in identities and parse(entry).kind != "group":
                message = f"{quoted(entry)} is not a group"
                yield draft.problem(path, message, "write identity:group/NAME; a role follows from groups only")
            else:
                yield from check(route, path, entry)
            role = draft.text(*path)
            if role is not None and role not in roles:
                advice = draft.suggester.advice(role, roles, "roles")
                yield draft.problem(path, f"there is no role {quoted(role)}", advice)
            elif role is not None:
                yield from check_partition(draft, path, role, draft.text("routes", route, "upstream") or "")


def check_role_names(draft: Draft) -> Iterator[Problem]:
    """Names of roles that are those of other data groups beside the roles' own."""
    for role in ("audit", "jwks", "weights"):
        if role in draft.names("roles"):
            message = f"the data group /bigip_sm/<gateway>.{role} holds something else"
            yield draft.problem(("roles", role), message, "rename the role")


def entry_check(draft: Draft) -> Callable[[str, Path, str], Iterator[Problem]]:
    """Return what checks one entry of a route at a path."""
    identities = draft.names("identities")
    kinds = {name: draft.text("identities", name, "type") for name in identities}
    groups = {name: _groups(draft, name) for name in identities}
    subjects = Subjects(draft)

    def check(route: str, path: Path, entry: str) -> Iterator[Problem]:
        identity, colon, subject = entry.partition(":")
        if not colon or not subject:
            fix = f"write {identity or 'identity'}:* for every caller of an identity, or identity:subject for one"
            yield draft.problem(path, f"{quoted(entry)} is not identity:subject", fix)
        elif identity not in kinds:
            advice = draft.suggester.advice(identity, identities, "identities")
            yield draft.problem(path, f"there is no identity {quoted(identity)}", advice)
        elif kinds[identity] == "client-certificate" and not _asks_for_certificates(draft, route):
            listener = draft.text("routes", route, "listener")
            yield draft.problem(
                path,
                f"{identity} needs a client certificate, and listener {quoted(listener)} does not ask for one",
                f"add client_certificate to listeners.{listener}.tls",
            )
        else:
            found = parse(entry)
            if found.kind == "subject":
                yield from _check_subject(draft, path, found, subjects)
            elif found.kind == "class" and found.name not in CLASSES:
                advice = draft.suggester.advice(found.name, CLASSES, "classes")
                yield draft.problem(path, f"there is no class {quoted(found.name)}", advice)
            elif found.kind in ("group", "scope"):
                yield from _check_named(draft, path, found, kinds[identity], groups[identity])

    return check


def _check_subject(draft: Draft, path: Path, found: Principals, subjects: Subjects) -> Iterator[Problem]:
    subject = found.name
    if "*" in subject:
        fix = f"list the subjects, or write {found.identity}:* for every one"
        yield draft.problem(path, f"the subject {quoted(subject)} has a * beside other characters", fix)
    elif not re.fullmatch(SUBJECT_PATTERN, subject) or subject != subject.strip():
        fix = "write 1 to 128 letters, digits, inner blanks and ._@+=,:/-"
        yield draft.problem(path, f"{quoted(subject)} cannot be a subject", fix)
    else:
        yield from subjects.problems(path, found.identity, subject)


def _check_named(
    draft: Draft, path: Path, found: Principals, kind: str | None, groups: Collection[str]
) -> Iterator[Problem]:
    """Check a group or a scope."""
    identity, name = found.identity, found.name
    if not re.fullmatch(GROUP_PATTERN, name) or name != name.strip():
        fix = "write 1 to 64 letters, digits, inner blanks and ._@+=,:/-"
        yield draft.problem(path, f"{quoted(name)} cannot be a {found.kind}", fix)
    elif kind == "jwt":
        claim = f"{found.kind}s"
        if not draft.has("identities", identity, claim) and getattr(_preset(draft, identity), claim) is None:
            message = f"{identity} reads no {claim}, so no caller is in {quoted(name)}"
            yield draft.problem(path, message, f"add {claim}: the name of the claim to identities.{identity}")
    elif found.kind == "scope":
        message = f"{identity} is not of type jwt, and only tokens have scopes"
        yield draft.problem(path, message, f"write {identity}:group/NAME, or list subjects")
    elif name not in groups:
        advice = draft.suggester.advice(name, groups, "groups")
        yield draft.problem(path, f"no caller of {identity} is in a group {quoted(name)}", advice)


def _preset(draft: Draft, identity: str) -> object:
    return PRESETS.get(draft.text("identities", identity, "provider"), PRESETS[None])


def _groups(draft: Draft, identity: str) -> dict[str, None]:
    """The groups that the spec itself puts callers of an identity into."""
    keys = ("identities", identity, "keys")
    found = [text for key in draft.names(*keys) for _, text in draft.texts(*keys, key, "groups")]
    return dict.fromkeys([*draft.names("identities", identity, "groups"), *found])


def _asks_for_certificates(draft: Draft, route: str) -> bool:
    """Return whether the route's listener asks for client certificates; True as well if there is no such listener."""
    listener = draft.text("routes", route, "listener")
    if listener is None or not draft.has("listeners", listener, "tls"):
        return True
    return draft.has("listeners", listener, "tls", "client_certificate")
