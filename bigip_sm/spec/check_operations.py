"""Rules about ``operations`` and ``grants``: what an upstream has, and who is named for what."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.check_access import entry_check
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.forms import choices
from bigip_sm.spec.operations import CONTROL_PLANE, OPERATIONS, operations_of
from bigip_sm.spec.positions import quoted
from bigip_sm.spec.principals import parse


def check_operations(draft: Draft) -> Iterator[Problem]:
    """Operations that the upstream does not have, grants of what is not offered, control-plane for everybody."""
    check = entry_check(draft)
    for route in draft.names("routes"):
        upstream = draft.text("routes", route, "upstream") or ""
        kind = draft.text("upstreams", upstream, "kind")
        if kind is None:
            continue
        known = operations_of(kind, draft.text("upstreams", upstream, "operation"))
        given = draft.texts("routes", route, "operations")
        yield from draft.repeated(given)
        for path, operation in given:
            if operation in OPERATIONS and operation not in known:
                message = f"requests to upstream {upstream} are never {quoted(operation)}"
                yield draft.problem(path, message, f"write {choices(known)}")
        offered = [text for _, text in given] if given else [one for one in known if one not in CONTROL_PLANE]
        if not offered:
            message = f"requests to upstream {upstream} are {quoted(known[0])}, which no route offers by default"
            yield draft.problem(("routes", route), message, f"add operations: [{known[0]}], and callers named for it")
        if CONTROL_PLANE & set(offered) & set(known):
            yield from _check_named(draft, route)
        for operation in draft.names("routes", route, "grants"):
            path = ("routes", route, "grants", operation)
            if operation in OPERATIONS and (operation not in offered or len(known) == 1):
                message = f"this route does not tell {quoted(operation)} from other operations"
                yield draft.problem(path, message, "remove it; allow says who may use the route")
                continue
            entries = draft.texts(*path)
            yield from draft.repeated(entries)
            for where, entry in entries:
                yield from check(route, where, entry)


def _check_named(draft: Draft, route: str) -> Iterator[Problem]:
    """The control plane is for scopes of tokens, and for single callers of identities without scopes."""
    for path, text in draft.texts("routes", route, "allow"):
        entry = parse(text)
        tokens = draft.text("identities", entry.identity, "type") == "jwt"
        if entry.kind != ("scope" if tokens else "subject"):
            message = f"{quoted(text)} is not named for the control plane, which this route offers"
            wanted = f"{entry.identity}:scope/NAME" if tokens else f"{entry.identity}:subject, one for each caller"
            yield draft.problem(path, message, f"write {wanted}")
