"""The optional stages of the iRule: their order, and which of them a route uses.

A stage that no route of a listener uses is absent from the listener's iRule. The route's record names those that the
route uses (``bsm_stages`` in the iRule); what a stage needs to know beyond that is in a data group of its own, keyed by
route.
"""

from __future__ import annotations

from bigip_sm.render.chat import generates, reframes, translates
from bigip_sm.render.failover import may_retry
from bigip_sm.render.guards import decides, inspects
from bigip_sm.render.limits import has_count, has_quota, has_slots
from bigip_sm.render.requests import request_of
from bigip_sm.spec.model import Spec
from bigip_sm.spec.usage import checks_content, checks_json, context_tokens, is_weighted, speaks_openai, tells_streams

REQUEST = (
    *("settle", "read", "strip", "authenticate", "route", "authorize"),
    *("limit", "content", "target", "quota", "collect"),
)
"""Stages of HTTP_REQUEST, in order. ``settle``, ``content``, ``target`` and ``quota`` are optional."""

CHOOSE = ("canary", "weighted")
"""Optional stages before those of ``FORWARD``: which of several upstreams, in which order its regions are tried."""

FORWARD = ("acquire", "owe")
"""Optional stages right before a request is forwarded, after all that may refuse it for what it is."""

CHOICE = ("circuit", "retry")
"""Optional parts of the choice of a region. ``retry``, where the request was collected: another region may have what
one has not worked on."""

BODY = ("measure", "json", "validate", "operation", "ask", "guard", "translate", "generate")
"""Optional stages that read or change a request's body, in order; a route that has one collects the body. ``json``
reads it as a JSON object and refuses what is none; any stage that wants its members brings it along."""

JSON = frozenset({"operation", "ask", "translate", "generate", "validate"})
"""Stages that bring ``json`` along on every route that uses them; guards do unless they only record."""

RESPONSE = ("limit_headers", "clean")
"""Optional stages of HTTP_RESPONSE, in order."""

ANSWER = ("reframe", "generated", "usage", "guard_response", "shape")
"""Optional stages that read or change the body of an answer, in order; ``answer_data.tcl.j2`` says what they share.
``usage`` comes before what may end an answer: a blocked answer has cost its tokens too."""

OPTIONAL = ("settle", "content", "target", "quota", *BODY, *CHOOSE, *FORWARD, *CHOICE, *RESPONSE, *ANSWER)


def stages_of(spec: Spec, name: str) -> tuple[str, ...]:
    """The optional stages that a route uses, in order.

    ``body`` is among them if one needs the request's body, ``answer`` if one needs that of the answer.
    """
    used = {stage for stage in OPTIONAL if _uses(spec, name, stage)}
    if used & JSON:
        used.add("json")
    if any(may_retry(spec.upstreams[one]) for one in spec.routes[name].all_upstreams) and (
        _is_signed(spec, name) or used & set(BODY)
    ):
        used.add("retry")
    markers = [mark for mark, stages in (("body", BODY), ("answer", ANSWER)) if used & set(stages)]
    return (*markers, *(stage for stage in OPTIONAL if stage in used))


def _is_signed(spec: Spec, name: str) -> bool:
    return spec.upstreams[spec.routes[name].upstream].scheme == "sigv4"


def _uses(spec: Spec, name: str, stage: str) -> bool:
    """Whether a route uses a stage. Each stage that is built adds its own condition here."""
    route = spec.routes[name]
    match stage:
        case "content":
            return checks_content(route) or decides(spec, name, "request")
        case "json":
            return decides(spec, name, "request")
        case "validate":
            return checks_json(route)
        case "guard":
            return inspects(spec, name, "request")
        case "guard_response":
            return inspects(spec, name, "response")
        case "clean" | "shape":
            return route.shape is not None
        case "quota":
            return has_quota(spec, route)
        case "limit_headers":
            return has_count(route, "requests", "tokens", shadow=False)
        case "acquire":
            return has_slots(spec, route)
        case "owe":
            return has_count(route, "tokens")
        case "settle":
            return has_slots(spec, route) or has_count(route, "tokens")
        case "measure":
            return has_count(route, "tokens") or context_tokens(spec, route) is not None
        case "operation":
            return tells_streams(spec, route)
        case "ask":
            return speaks_openai(spec, route) and (has_count(route, "tokens") or route.limits.max_tokens is not None)
        case "usage":
            return has_count(route, "tokens") or (has_slots(spec, route) and speaks_openai(spec, route))
        case "circuit":
            return any(spec.upstreams[one].circuit is not None for one in route.all_upstreams)
        case "canary":
            return bool(route.upstreams)
        case "weighted":
            return any(is_weighted(spec.upstreams[one]) for one in route.all_upstreams)
        case "translate":
            return translates(spec.upstreams[route.upstream])
        case "reframe":
            return reframes(spec.upstreams[route.upstream])
        case "generate" | "generated":
            return generates(spec.upstreams[route.upstream])
        case "target":
            return request_of(spec, name) is not None
    return False
