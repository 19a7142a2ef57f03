"""Which roles requests are signed with, and for which upstreams: by an upstream's own role, or by a caller's group."""

from __future__ import annotations

from bigip_sm.spec.model import Route, Spec, Upstream


def roles_of(spec: Spec, route: Route) -> tuple[str, ...]:
    """Every role that a request on ``route`` can be signed with; the upstream's own comes first."""
    return tuple(dict.fromkeys([spec.upstreams[route.upstream].role, *route.role_by_group.values()]))


def upstreams_of(spec: Spec, role: str) -> tuple[Upstream, ...]:
    """Every upstream that ``role`` is used for, in the order of the spec."""
    by_group = {route.upstream for route in spec.routes.values() if role in route.role_by_group.values()}
    return tuple(upstream for name, upstream in spec.upstreams.items() if upstream.role == role or name in by_group)
