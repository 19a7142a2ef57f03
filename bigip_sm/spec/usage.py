"""What requests are signed with, and for which upstreams: by an upstream's own role, or by a caller's group.

The one source for what the rotator derives keys for and what policies allow.
"""

from __future__ import annotations

from typing import NamedTuple

from bigip_sm.spec.chat import ChatOptions
from bigip_sm.spec.content import Validation, is_json
from bigip_sm.spec.model import Route, Spec
from bigip_sm.spec.operations import Operation, operations_of
from bigip_sm.spec.upstreams import AwsUpstream, Upstream


class Scope(NamedTuple):
    """What a signing key is good for, the date aside."""

    service: str
    region: str


def roles_of(spec: Spec, route: Route) -> tuple[str, ...]:
    """Every role that a request on ``route`` can be signed with; the upstream's own comes first. Empty if none is."""
    role = spec.upstreams[route.upstream].role
    return () if role is None else tuple(dict.fromkeys([role, *route.role_by_group.values()]))


def upstreams_of(spec: Spec, role: str) -> tuple[Upstream, ...]:
    """Every upstream that ``role`` is used for, in the order of the spec."""
    by_group = {
        name for route in spec.routes.values() if role in route.role_by_group.values() for name in route.all_upstreams
    }
    return tuple(upstream for name, upstream in spec.upstreams.items() if upstream.role == role or name in by_group)


def scopes_of(spec: Spec, role: str) -> tuple[Scope, ...]:
    """Every (service, region) that requests are signed for with ``role``, sorted: what the rotator derives keys for."""
    return tuple(
        sorted(
            {
                Scope(upstream.signing_service, region.name)
                for upstream in upstreams_of(spec, role)
                if upstream.scheme == "sigv4"
                for region in upstream.regions
            }
        )
    )


def bearer_regions_of(spec: Spec, role: str) -> tuple[str, ...]:
    """Every region that bearer tokens of ``role`` are needed for, sorted."""
    return tuple(
        sorted(
            {
                region.name
                for upstream in upstreams_of(spec, role)
                if upstream.scheme == "bearer"
                for region in upstream.regions
            }
        )
    )


def initial_weights(spec: Spec) -> dict[str, dict[str, int]]:
    """The weights that gateway.yaml gives, by their key in the group of weights, in the order of the file.

    ``<route>`` -> upstream -> percent, and ``upstream/<upstream>`` -> region -> percent.
    """
    found = {
        name: {one.name: one.weight for one in route.upstreams}
        for name, route in spec.routes.items()
        if route.upstreams
    }
    for name, upstream in spec.upstreams.items():
        if is_weighted(upstream):
            found[f"upstream/{name}"] = {region.name: region.weight or 0 for region in upstream.regions}
    return found


def is_weighted(upstream: Upstream) -> bool:
    """Whether the requests of an upstream are spread over its regions."""
    return isinstance(upstream, AwsUpstream) and upstream.policy == "weighted"


def checks_content(route: Route) -> bool:
    """Whether the content of a route's requests is checked before AWS is reached."""
    return route.validation is not None or bool(route.match.models)


def checks_json(route: Route) -> bool:
    """Whether the route checks requests and takes JSON."""
    return checks_content(route) and any(map(is_json, (route.validation or Validation()).content_types))


def speaks_openai(spec: Spec, route: Route) -> bool:
    """Whether callers of a route speak OpenAI's API of chat completions."""
    return spec.upstreams[route.upstream].speaks_openai


def context_tokens(spec: Spec, route: Route) -> int | None:
    """Longest prompt of a route, in tokens: the route's limit, or else the context window of the upstream's model."""
    chat = getattr(spec.upstreams[route.upstream], "chat", None)
    window = chat.context if isinstance(chat, ChatOptions) else None
    return window if route.limits.context_tokens is None else route.limits.context_tokens


def tells_operations(spec: Spec, route: Route) -> bool:
    """Whether the route finds out which operation a request is, because not all callers may have all."""
    known = operations_of(spec.upstreams[route.upstream].kind)
    return len(known) > 1 and (bool(route.grants) or (bool(route.operations) and set(route.operations) != set(known)))


def tells_streams(spec: Spec, route: Route) -> bool:
    """Whether the route reads of each request if its answer will stream, because not all callers may have both."""
    known = operations_of(spec.upstreams[route.upstream].kind)
    return "infer:stream" in known and tells_operations(spec, route)


def allowed_by_operation(spec: Spec, route: Route) -> dict[Operation, tuple[str, ...]]:
    """Who may do what on a route that tells its operations apart."""
    offered = route.operations or operations_of(spec.upstreams[route.upstream].kind)
    return {operation: route.grants.get(operation, route.allow) for operation in offered}
