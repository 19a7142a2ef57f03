"""Rules about versions and regions: weights that sum up, upstreams that can stand for one another."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.positions import Path, quoted
from bigip_sm.spec.principals import parse

ALL = 100
"""What weights sum up to."""

_OWN = frozenset(
    {"endpoint", "component", "regions", "timeout", "circuit", "policy", "failover", "monitor", "slow_ramp"}
)
"""Keys in which the upstreams of one route may differ; all others say what is made of a request."""

_KINDS = ("sagemaker", "sagemaker-openai")


def check_versions(draft: Draft) -> Iterator[Problem]:
    """The upstreams of a route: ``upstream`` or ``upstreams``, known names, alike, weights of 100 in all."""
    for route in draft.names("routes"):
        path: Path = ("routes", route, "upstreams")
        several = draft.has(*path)
        if several == draft.has("routes", route, "upstream"):
            where = path if several else ("routes", route)
            message = "upstream and upstreams are both given" if several else "there is no upstream"
            yield draft.problem(where, message, "write upstream: name for one, or upstreams for several with weights")
        if several:
            yield from _check_list(draft, path)
        yield from _check_testers(draft, route, several=several)


def _check_list(draft: Draft, path: Path) -> Iterator[Problem]:
    entries = [(*path, index) for index in draft.items(*path)]
    known = dict.fromkeys(draft.names("upstreams"))
    names = [((*entry, "name"), name) for entry in entries if (name := draft.text(*entry, "name")) is not None]
    yield from draft.repeated(names)
    for where, name in names:
        if name not in known:
            advice = draft.suggester.advice(name, known, "upstreams")
            yield draft.problem(where, f"there is no upstream {quoted(name)}", advice)
        else:
            yield from _check_alike(draft, where, names[0][1], name)
    if len(entries) == 1:
        yield draft.problem(
            path, "there is nothing to choose from", f"write upstream: {names[0][1] if names else 'name'}"
        )
    yield from _check_sum(draft, path, [(*entry, "weight") for entry in entries])


def _check_alike(draft: Draft, where: Path, first: str, name: str) -> Iterator[Problem]:
    """Upstreams of one route must make the same of a request, and count nothing before the choice."""
    kind = draft.text("upstreams", name, "kind")
    if kind is not None and kind not in _KINDS:
        yield draft.problem(where, f"{name} is of kind {kind}", f"list upstreams of kind {' or '.join(_KINDS)}")
        return
    if draft.has("upstreams", name, "in_flight"):
        message = f"in_flight of {name} would be counted before the upstream is chosen"
        yield draft.problem(where, message, "remove in_flight, or limit the route with concurrency and per: route")
    own = _OWN if kind == "sagemaker-openai" else _OWN - {"component"}
    for key in sorted({*draft.names("upstreams", first), *draft.names("upstreams", name)} - own - {"in_flight"}):
        if draft.written("upstreams", first, key) != draft.written("upstreams", name, key):
            message = f"{key} of {name} is not that of {first}"
            yield draft.problem(where, message, f"give both the same {key}; they may differ in endpoint and regions")


def _check_testers(draft: Draft, route: str, *, several: bool) -> Iterator[Problem]:
    for path, entry in draft.texts("routes", route, "version_header"):
        if not several:
            fix = "write upstreams, or remove version_header"
            yield draft.problem(path, "this route has only one upstream to choose", fix)
        elif parse(entry).kind != "subject" or entry.partition(":")[0] not in draft.names("identities"):
            fix = "write identity:subject of each tester"
            yield draft.problem(path, f"{quoted(entry)} is not one caller of an identity", fix)


def check_weights(draft: Draft) -> Iterator[Problem]:
    """Regions of an upstream: weights where they count, and only there."""
    for upstream in draft.names("upstreams"):
        path: Path = ("upstreams", upstream, "regions")
        weights = [(*path, index, "weight") for index in draft.items(*path)]
        if draft.text("upstreams", upstream, "policy") == "weighted":
            yield from _check_sum(draft, path, weights)
        else:
            for weight in weights:
                if draft.has(*weight):
                    fix = "write policy: weighted beside regions, or remove the weight"
                    yield draft.problem(weight, "without policy: weighted no weight counts", fix)


def _check_sum(draft: Draft, path: Path, weights: list[Path]) -> Iterator[Problem]:
    numbers = [draft.number(*weight, default=-1) for weight in weights]
    if None in numbers or not weights:
        return
    missing = [weight for weight, number in zip(weights, numbers, strict=True) if number == -1]
    if missing:
        yield draft.problem(missing[0][:-1], "there is no weight", "add weight: and a percentage; all sum to 100")
        return
    total = sum(number for number in numbers if number is not None)
    if total != ALL and all(0 <= (number or 0) <= ALL for number in numbers):
        yield draft.problem(path, f"the weights sum to {total}", "change them so that they sum to 100")
