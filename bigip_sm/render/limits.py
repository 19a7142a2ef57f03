"""What the stages about limits are told: one record for each route that has any."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.spec.limits import Count, counts
from bigip_sm.spec.model import Route, Spec
from bigip_sm.spec.usage import context_tokens, speaks_openai

FORMAT = 1
"""Version of the records; the first field of each."""

STREAM_SECONDS = 480
"""How long an answer of SageMaker may stream (SageMaker guide, "Model Hosting FAQs": 8 minutes)."""


def limit_records(spec: Spec) -> list[dict[str, str]]:
    """``<route>`` -> ``1|<headers>|<limit>...`` and ``circuit/<upstream>`` -> ``1|<failures>|<window>|<open>``.

    Headers are ``openai`` or ``ietf``. A limit is ``<kind>/<amount>/<window, seconds>/<per>/<shadow, 0 or 1>/<name>``,
    ``context/<tokens>`` or ``cap/<tokens>``; for the kinds ``concurrency`` and ``in_flight`` the window is how long a
    request at the model may take.
    """
    records = {
        name: "|".join([str(FORMAT), headers(spec, route), *_fields(spec, route)])
        for name, route in spec.routes.items()
        if has_quota(spec, route)
    }
    for name in {one for route in spec.routes.values() for one in route.all_upstreams}:
        if circuit := spec.upstreams[name].circuit:
            records[f"circuit/{name}"] = f"{FORMAT}|{circuit.failures}|{circuit.window}|{circuit.open}"
    return [{"key": key, "value": value} for key, value in sorted(records.items())]


def has_quota(spec: Spec, route: Route) -> bool:
    """Whether anything is counted before a request of the route goes on."""
    limits = route.limits
    others = (context_tokens(spec, route), limits.max_tokens, spec.upstreams[route.upstream].in_flight)
    return bool(counts(limits)) or any(other is not None for other in others)


def has_slots(spec: Spec, route: Route) -> bool:
    """Whether requests of the route that are at the model are counted."""
    return has_count(route, "concurrency") or spec.upstreams[route.upstream].in_flight is not None


def headers(spec: Spec, route: Route) -> str:
    """Which headers tell callers of a route how much is left."""
    return "openai" if speaks_openai(spec, route) else "ietf"


def _fields(spec: Spec, route: Route) -> Iterator[str]:
    for count in counts(route.limits):
        window = count.window or longest_answer(spec, route)
        yield "/".join([count.kind, str(count.amount), str(window), count.per, str(int(count.shadow)), count.name])
    if (context := context_tokens(spec, route)) is not None:
        yield f"context/{context}"
    if route.limits.max_tokens is not None:
        yield f"cap/{route.limits.max_tokens}"
    in_flight = spec.upstreams[route.upstream].in_flight
    if in_flight is not None:
        yield f"in_flight/{in_flight}/{longest_answer(spec, route)}/upstream/0/{route.upstream}"


def longest_answer(spec: Spec, route: Route) -> int:
    """Seconds after which a request that nobody has seen end is not counted any more."""
    timeout = max(spec.upstreams[one].timeout for one in route.all_upstreams)
    return max(timeout, STREAM_SECONDS) if speaks_openai(spec, route) else timeout


def has_count(route: Route, *kinds: str, shadow: bool = True) -> bool:
    """Whether a route counts one of these kinds; without ``shadow`` only counts that refuse."""

    def fits(count: Count) -> bool:
        return count.kind in kinds and (shadow or not count.shadow)

    return any(map(fits, counts(route.limits)))


def counts_groups(route: Route) -> bool:
    """Whether the callers of a group are counted together on a route."""
    return any(count.per == "group" for count in counts(route.limits))
