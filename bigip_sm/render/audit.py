"""The audit of a gateway: AS3 items that carry records to the collectors, and what a record says about a route.

Records leave the iRule by high-speed logging, which cannot speak TLS. So they go to an internal virtual server on the
same BIG-IP, which has a server-ssl profile and the collectors as its pool.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from bigip_sm.render.reasons import REASONS
from bigip_sm.render.templates import fill
from bigip_sm.spec.model import Spec
from bigip_sm.spec.operations import operations_of

VERSION = 1
"""Version of the records; docs/audit.md describes it."""

DIGEST = 16
"""Hex digits of a digest in a record: enough to tell versions apart, and to be found again in git."""

POLICY = ("identities", "routes", "roles")
"""Parts of the spec that decide who may do what."""


def failures() -> list[str]:
    """Reasons for which an allowed request got no answer: those of 500 and above."""
    return sorted(reason.code for reason in REASONS.values() if reason.status >= 500)


def audit_records(spec: Spec) -> list[dict[str, str]]:
    """What a record says about its route: ``<route>`` -> ``1|<endpoint>|<approver>|<ticket>|<day>|<tags>|<policy>|
    <revision>|<operation>``, and ``-`` with empty fields for requests that reach no route. The operation is empty where
    the upstream has several. A route with several upstreams has no endpoint there, and a record ``<route>/<upstream>``
    with the endpoint of each.

    Bars in names of approvers and tickets become slashes, since AS3 and the iRule divide fields by bars.
    """
    if spec.audit is None:
        return []
    digests = f"{policy_digest(spec)}|{revision(spec)}"
    rows = {"-": f"1||||||{digests}|"}
    for name, route in spec.routes.items():
        approval = route.approved_by
        approved = [_field(approval.name), _field(approval.ticket), approval.date.isoformat()]
        rest = [*approved, _tags({**spec.audit.tags, **route.tags}), digests, _only_operation(spec, name)]
        endpoints = {one: _field(getattr(spec.upstreams[one], "endpoint", "")) for one in route.all_upstreams}
        rows[name] = "|".join(["1", "" if route.upstreams else endpoints[route.upstream], *rest])
        if route.upstreams:
            rows.update({f"{name}/{one}": "|".join(["1", endpoint, *rest]) for one, endpoint in endpoints.items()})
    return [{"key": key, "value": value} for key, value in sorted(rows.items())]


def policy_digest(spec: Spec) -> str:
    """Which access policy was in force: the same for specs that give the same callers the same routes and roles."""
    return _digest({part: value for part, value in spec.model_dump(mode="json").items() if part in POLICY})


def revision(spec: Spec) -> str:
    """Which gateway.yaml was in force, by its content and not by its spelling."""
    return _digest(spec.model_dump(mode="json"))


def audit_items(spec: Spec) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pool that the iRule logs to, the internal virtual server behind it, and its way to the collectors."""
    audit = spec.audit
    if audit is None:
        return
    address, _, port = audit.local.rpartition(":")
    yield "audit_entry", fill("static_pool", members=[_member(audit.local)])
    yield "audit_collectors", fill("static_pool", members=[_member(one) for one in audit.collectors])
    yield "audit_tls", fill("tls_client", host=audit.tls.server_name, trust_ca={"bigip": audit.tls.ca})
    yield (
        "audit_relay",
        fill("service_tcp", address=address, port=int(port), pool="audit_collectors", client_tls="audit_tls"),
    )


def _only_operation(spec: Spec, name: str) -> str:
    upstream = spec.upstreams[spec.routes[name].upstream]
    known = operations_of(upstream.kind, getattr(upstream, "operation", None))
    return known[0] if len(known) == 1 else ""


def _member(socket: str) -> dict[str, object]:
    address, _, port = socket.rpartition(":")
    return {"serverAddresses": [address], "servicePort": int(port)}


def _tags(tags: dict[str, str]) -> str:
    """The inside of a JSON object; names and values have no character that JSON, Tcl or AS3 would change."""
    return ",".join(f'"{name}":"{value}"' for name, value in sorted(tags.items()))


def _field(text: str) -> str:
    return text.replace("|", "/").replace("\\", "/")


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:DIGEST]
