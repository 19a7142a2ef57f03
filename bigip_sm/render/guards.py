"""What the iRule and its data groups need to know of the guards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from bigip_sm.render.phrases import PHRASES
from bigip_sm.spec.guards import Dlp, Guard, Pii, PromptInjection
from bigip_sm.spec.model import Spec

FORMAT = 1
"""Version of the records; the first field of each."""

Way = Literal["request", "response"]
Chain = tuple[str, str, str]
"""Guard, direction, and its inspections in that direction as a Tcl list."""


@dataclass(frozen=True)
class Guards:
    """The guards that the routes of one listener use, as the templates need them.

    ``looked_for`` are the kinds of pii and dlp; ``own_patterns`` (<guard>.<name>, regular expression); ``scores``
    whether prompt injection is scored, ``redacts`` whether anything is redacted; ``size`` in bytes.
    """

    chains: tuple[Chain, ...]
    looked_for: frozenset[str]
    own_patterns: tuple[tuple[str, str], ...]
    scores: bool
    redacts: bool
    size: int


def inspects(spec: Spec, route: str, way: Way) -> bool:
    """Whether a route has guards that inspect texts that go this way."""
    names = spec.routes[route].guards
    return any(step.direction in (way, "both") for name in names for step in spec.guards[name].chain)


def decides(spec: Spec, route: str, way: Way) -> bool:
    """Whether a route has guards that may refuse or change texts that go this way, and do not only record."""
    steps = (step for name in spec.routes[route].guards for step in spec.guards[name].chain)
    return any(step.direction in (way, "both") and step.action != "record" for step in steps)


def guards_of(spec: Spec, routes: Iterable[str]) -> Guards:
    """The guards of these routes."""
    names = sorted({name for route in routes for name in spec.routes[route].guards})
    guards = {name: spec.guards[name] for name in names}
    steps = [step for guard in guards.values() for step in guard.chain]
    own = {
        f"{name}.{label}": pattern
        for name, guard in guards.items()
        for step in guard.chain
        if isinstance(step, Dlp)
        for label, pattern in step.patterns.items()
    }
    return Guards(
        tuple(_chains(guards.items())),
        frozenset(kind for step in steps if isinstance(step, Pii | Dlp) for kind in step.find),
        tuple(sorted(own.items())),
        any(isinstance(step, PromptInjection) for step in steps),
        any(step.action == "redact" for step in steps),
        spec.inspection.max_size,
    )


def _chains(guards: Iterable[tuple[str, Guard]]) -> Iterator[Chain]:
    ways: tuple[Way, ...] = ("request", "response")
    for name, guard in guards:
        for way in ways:
            steps = [_step(name, guard.version, step) for step in guard.chain if step.direction in (way, "both")]
            yield name, way, "".join(f"\n                {step}" for step in steps)


def _step(name: str, version: int, step: PromptInjection | Pii | Dlp) -> str:
    if isinstance(step, PromptInjection):
        return f"{{{version} {step.type} {step.action} {step.threshold:.2f} {{}}}}"
    found: list[str] = list(step.find)
    if isinstance(step, Dlp):
        found += [f"{name}.{label}" for label in sorted(step.patterns)]
    return f"{{{version} {step.type} {step.action} 0 {{{' '.join(found)}}}}}"


def guard_records(spec: Spec) -> list[dict[str, str]]:
    """``<route>`` -> ``1|<guard>[,...]|<requests>|<answers>``.

    The guards are in the order in which they inspect; of requests and answers 1 says that they only record there.
    """
    return [
        {
            "key": name,
            "value": f"{FORMAT}|{','.join(route.guards)}|{int(not decides(spec, name, 'request'))}|"
            f"{int(not decides(spec, name, 'response'))}",
        }
        for name, route in sorted(spec.routes.items())
        if route.guards
    ]


def phrase_records(spec: Spec) -> list[dict[str, str]]:
    """``_<words of a phrase>_``, with ``_`` for blanks, -> weight; none if no route scores prompt injection."""
    if not guards_of(spec, spec.routes).scores:
        return []
    weights = {**PHRASES, **spec.inspection.phrases}
    return [{"key": f"_{phrase.replace(' ', '_')}_", "value": f"{weights[phrase]:g}"} for phrase in sorted(weights)]
