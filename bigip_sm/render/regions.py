"""What the stages about versions and regions are told: the records of the group ``regions``."""

from __future__ import annotations

from bigip_sm.render.targets import target_of
from bigip_sm.spec.model import Spec
from bigip_sm.spec.usage import initial_weights

FORMAT = 1
"""Version of the records; the first field of each."""

VERSION_HEADER = "x-gateway-version"
"""The header with which a tester chooses one of a route's upstreams; AWS never gets it."""


def region_records(spec: Spec) -> list[dict[str, str]]:
    """The records of the group ``regions``, sorted; none if no route has a choice beyond the first available region.

    ``route/<route>`` -> ``1|<upstream>=<percent>,...``, ``version/<route>|<identity>:<subject>`` -> ``1`` for who may
    choose an upstream by header, ``weights/<upstream>`` -> ``1|<region>=<percent>,...`` and,
    for each upstream of a route with several, ``upstream/<upstream>`` ->
    ``1|<path>|<regions as in the route's record>``.
    """
    found: dict[str, str] = {}
    for key, weights in initial_weights(spec).items():
        kind, _, name = key.rpartition("/")
        found[f"weights/{name}" if kind else f"route/{name}"] = f"{FORMAT}|{weights_text(weights)}"
    for name, route in spec.routes.items():
        found.update({f"version/{name}|{tester}": str(FORMAT) for tester in route.version_header})
        for one in route.all_upstreams:
            if route.upstreams:
                target = target_of(one, spec.upstreams[one])
                found[f"upstream/{one}"] = f"{FORMAT}|{target.path}|{','.join(place.choice for place in target.places)}"
    return [{"key": key, "value": value} for key, value in sorted(found.items())]


def weights_text(weights: dict[str, int]) -> str:
    """``<name>=<percent>,...`` in the order of the spec."""
    return ",".join(f"{name}={weight}" for name, weight in weights.items())
