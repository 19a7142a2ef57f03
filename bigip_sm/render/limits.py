"""What the stages about limits are told: one record for each route that has any."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.spec.limits import Count, counts
from bigip_sm.spec.model import Route, Spec
from bigip_sm.spec.usage import speaks_openai

FORMAT = 1
"""Version of the records; the first field of each."""

STREAM_SECONDS = 480
"""How long an answer of SageMaker may stream (SageMaker guide, "Model Hosting FAQs": 8 minutes)."""


def limit_records(spec: Spec) -> list[dict[str, str]]:
    """``<route>`` -> ``1|<headers>|<limit>...``.

    Headers are ``openai`` or ``ietf``. A limit is ``<kind>/<amount>/<window, seconds>/<per>/<shadow, 0 or 1>/<name>``;
    for kind ``concurrency`` the window is how long a request at the model may take.
    """
    return [
        {"key": name, "value": "|".join([str(FORMAT), headers(spec, route), *_fields(spec, route)])}
        for name, route in sorted(spec.routes.items())
        if counts(route.limits)
    ]


def headers(spec: Spec, route: Route) -> str:
    """Which headers tell callers of a route how much is left."""
    return "openai" if speaks_openai(spec, route) else "ietf"


def _fields(spec: Spec, route: Route) -> Iterator[str]:
    for count in counts(route.limits):
        window = count.window or longest_answer(spec, route)
        yield "/".join([count.kind, str(count.amount), str(window), count.per, str(int(count.shadow)), count.name])


def longest_answer(spec: Spec, route: Route) -> int:
    """Seconds after which a request that nobody has seen end is not counted any more."""
    timeout = spec.upstreams[route.upstream].timeout
    return max(timeout, STREAM_SECONDS) if speaks_openai(spec, route) else timeout


def has_count(route: Route, *kinds: str, shadow: bool = True) -> bool:
    """Whether a route counts one of these kinds; without ``shadow`` only counts that refuse."""

    def fits(count: Count) -> bool:
        return count.kind in kinds and (shadow or not count.shadow)

    return any(map(fits, counts(route.limits)))


def counts_groups(route: Route) -> bool:
    """Whether the callers of a group are counted together on a route."""
    return any(count.per == "group" for count in counts(route.limits))
