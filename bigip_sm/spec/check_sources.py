"""Rules about where a role's session comes from and when it is replaced: what AWS would refuse or never happens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.positions import Path, quoted
from bigip_sm.spec.scalars import seconds
from bigip_sm.spec.sources import MAX_CHAINED, StsSource

LONGEST = 43200
"""Longest session of any kind, seconds: what holds where the file does not tell."""

SHORTEST_USE = 300
"""A session is used for at least this long before the next one is asked for, seconds."""

_DEFAULT_LIFE = StsSource.model_fields["duration"].default
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,4})?-[a-z]+-[1-9]")


def check_sources(draft: Draft) -> Iterator[Problem]:
    """Chains of roles, session tags, and the region of Roles Anywhere."""
    for role in draft.names("roles"):
        source = ("roles", role, "source")
        kind = draft.text(*source, "type")
        if kind == "sts":
            yield from _check_chain(draft, role, source)
            yield from _check_tags(draft, source)
        elif kind == "roles-anywhere":
            yield from _check_anywhere(draft, role, source)


def check_rotation(draft: Draft) -> Iterator[Problem]:
    """When a session is replaced must lie within its life, and so must the grace."""
    for role in draft.names("roles"):
        place = ("roles", role, "rotation")
        kind = draft.text("roles", role, "source", "type")
        known = kind is not None and kind != "secrets-manager"
        life = _time(draft, ("roles", role, "source", "duration"), _DEFAULT_LIFE) if known else LONGEST
        if life is None:
            continue
        maximum_age, renew_before = _time(draft, (*place, "maximum_age")), _time(draft, (*place, "renew_before"))
        if maximum_age is not None and maximum_age >= life:
            fix = f"write less than {life}s, or remove it"
            yield draft.problem((*place, "maximum_age"), f"no session gets this old: it lives {life}s", fix)
            continue
        if renew_before is not None and renew_before > life - SHORTEST_USE:
            message = f"the session lives {life}s, so it would be replaced as soon as it is made"
            yield draft.problem((*place, "renew_before"), message, f"write at most {life - SHORTEST_USE}s")
            continue
        yield from _check_grace(draft, (*place, "grace"), life, maximum_age, renew_before)


def _check_grace(
    draft: Draft, where: Path, life: int, maximum_age: int | None, renew_before: int | None
) -> Iterator[Problem]:
    grace = _time(draft, where)
    left = [
        *([life - maximum_age] if maximum_age is not None else []),
        *([renew_before] if renew_before is not None else []),
    ]
    most = max(left) if left else life // 3
    if grace is not None and grace > most:
        message = f"the session ends {most}s after its replacement is due"
        yield draft.problem(where, message, f"write at most {most}s")


def _check_chain(draft: Draft, role: str, source: Path) -> Iterator[Problem]:
    entries = draft.texts(*source, "chain")
    if not draft.items(*source, "chain"):
        return
    duration = _time(draft, (*source, "duration"), _DEFAULT_LIFE)
    if duration is not None and duration > MAX_CHAINED:
        message = f"a session that is assumed through a chain of roles lives {MAX_CHAINED}s at most"
        yield draft.problem((*source, "duration"), message, "write at most 1h, or remove chain")
    yield from draft.repeated(entries)
    arn = draft.text("roles", role, "arn") or ""
    for path, hop in entries:
        if hop == arn:
            yield draft.problem(path, "this is the role itself", "list only the roles to assume before it")
        elif arn.startswith("arn:") and hop.startswith("arn:") and hop.split(":")[1] != arn.split(":")[1]:
            message = f"this role is in the partition {hop.split(':')[1]}, and {role} in {arn.split(':')[1]}"
            yield draft.problem(path, message, "a role can be assumed within its partition only; name another one")


def _check_tags(draft: Draft, source: Path) -> Iterator[Problem]:
    known: dict[str, str] = {}
    for key in draft.names(*source, "tags"):
        place = (*source, "tags", key)
        if key.lower().startswith("aws:"):
            yield draft.problem(place, f"{quoted(key)} is a name of AWS's own", "choose a key that does not begin so")
        elif key.lower() in known:
            message = f"STS does not tell {quoted(key)} from {quoted(known[key.lower()])}"
            yield draft.problem(place, message, "keep one of the two")
        known.setdefault(key.lower(), key)
    entries = draft.texts(*source, "transitive_tags")
    yield from draft.repeated(entries)
    names = dict.fromkeys(known.values())
    for path, key in entries:
        if key not in names:
            advice = draft.suggester.advice(key, names.keys(), "tags")
            yield draft.problem(path, f"there is no tag {quoted(key)}", advice)


def _check_anywhere(draft: Draft, role: str, source: Path) -> Iterator[Problem]:
    """Trust anchor and profile are regional, and a session is made where they are."""
    anchor, profile = (draft.text(*source, key) or "" for key in ("trust_anchor", "profile"))
    arn = draft.text("roles", role, "arn") or ""
    parts = anchor.split(":")
    if len(parts) < 6 or parts[2] != "rolesanywhere":
        return
    region = parts[3]
    if profile.count(":") == 5 and profile.split(":")[3] != region:
        message = f"this profile is in {profile.split(':')[3]}, and the trust anchor in {region}"
        yield draft.problem((*source, "profile"), message, f"name a profile in {region}")
    asked = draft.text(*source, "region")
    if asked is not None and _REGION.fullmatch(asked) and asked != region:
        message = f"the trust anchor is in {region}, and would be asked for in {asked}"
        yield draft.problem((*source, "region"), message, "remove it, or name a trust anchor in that region")
    if arn.startswith("arn:") and arn.split(":")[1] != parts[1]:
        message = f"this trust anchor is in the partition {parts[1]}, but role {role} is in {arn.split(':')[1]}"
        yield draft.problem((*source, "trust_anchor"), message, f"name a trust anchor in {arn.split(':')[1]}")


def _time(draft: Draft, path: Path, default: int | None = None) -> int | None:
    """The seconds at ``path``, ``default`` if nothing is written; None too for what is no time."""
    if not draft.has(*path):
        return default
    text = draft.text(*path)
    if text is None:
        return draft.number(*path, default=0)
    try:
        found = seconds(text)
    except ValueError:
        return None
    return found if isinstance(found, int) else None
