"""What the ``target`` stage makes of a request: path, headers and what is allowed, by the kind of the upstream.

The rules are in the iRule (``irules/target_<rule>.tcl.j2``); what they allow is data, in the group ``targets``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from bigip_sm.render.mlflow import CLIENT_HEADERS
from bigip_sm.render.regions import VERSION_HEADER
from bigip_sm.spec.model import Route, Spec
from bigip_sm.spec.upstreams import (
    ApiGateway,
    Bedrock,
    Http,
    Lambda,
    MlflowUpstream,
    ModelList,
    RuntimeUpstream,
    SageMaker,
    SageMakerApi,
    SageMakerOpenAi,
    SageMakerTensorFlow,
    Upstream,
)
from bigip_sm.spec.usage import tells_operations

FORMAT = 1
"""Version of the records."""

Rule = Literal["fixed", "async", "tensorflow", "bedrock", "action", "lambda", "path", "models", "mlflow"]
RULES: tuple[Rule, ...] = get_args(Rule)
Identity = Literal["attributes", "off", "none"]
"""How SageMaker learns who is calling: custom attributes and inference id, the latter only, or neither."""

_RUNTIME = "x-amzn-sagemaker-"
_NAMES = {
    "input-location": "inputlocation",
    "request-ttl-seconds": "requestttlseconds",
    "invocation-timeout-seconds": "invocationtimeoutseconds",
}
"""Headers that AWS writes without hyphens."""


@dataclass(frozen=True)
class Request:
    """What is done to the requests of one route.

    ``fixed`` are headers that every request gets, ``client`` those that callers may send, with the values they may
    have; a value that ends in an asterisk stands for all that begin so. ``words`` is what else the rule must know.
    """

    rule: Rule
    identity: Identity
    fixed: tuple[tuple[str, str], ...] = ()
    client: tuple[tuple[str, tuple[str, ...]], ...] = ()
    words: str = ""


def request_of(spec: Spec, name: str) -> Request | None:
    """What is done to the requests of the route ``name``; None if nothing but what is done to all."""
    upstream = spec.upstreams[spec.routes[name].upstream]
    if isinstance(upstream, RuntimeUpstream):
        return _runtime(upstream)
    if isinstance(upstream, Bedrock):
        return Request("bedrock", "none", words=f"{' '.join(upstream.operations)};{' '.join(upstream.models)}")
    if isinstance(upstream, SageMakerApi):
        return Request("action", "none", words=" ".join(upstream.operations))
    if isinstance(upstream, Lambda):
        kind = "Event" if upstream.invocation == "event" else "RequestResponse"
        qualifier = f"Qualifier={upstream.qualifier}" if upstream.qualifier else ""
        return Request("lambda", "none", (("x-amz-invocation-type", kind),), words=qualifier)
    if isinstance(upstream, ApiGateway):
        fixed = (("x-apigw-api-id", upstream.api),) if upstream.address_by == "header" else ()
        return Request("path", "none", fixed, tuple((header, ("*",)) for header in upstream.request_headers))
    if isinstance(upstream, Http):
        client = tuple((header, ("*",)) for header in upstream.request_headers)
        return Request("path", "none", client=client, words=upstream.identity_header or "")
    if isinstance(upstream, MlflowUpstream):
        told = "told" if tells_operations(spec, spec.routes[name]) else ""
        return Request("mlflow", "none", ((upstream.arn_header, upstream.arn),), CLIENT_HEADERS, told)
    if isinstance(upstream, ModelList):
        return Request("models", "none", words=_models(spec, spec.routes[name].listener))
    return None


def rules_of(spec: Spec, listener: str) -> frozenset[Rule]:
    """The rules that routes of a listener use."""
    found = (request_of(spec, name) for name, route in spec.routes.items() if route.listener == listener)
    return frozenset(one.rule for one in found if one is not None)


def given_headers(spec: Spec, listener: str) -> tuple[str, ...]:
    """Headers of callers that some route of a listener reads, sorted."""
    found: set[str] = set()
    for name, route in spec.routes.items():
        request = request_of(spec, name)
        if route.listener == listener and request is not None:
            found.update(header for header, _ in request.client)
            found.update({"x-amz-target"} if request.rule == "action" else ())
        if route.listener == listener and route.version_header:
            found.add(VERSION_HEADER)
    return tuple(sorted(found))


def target_records(spec: Spec) -> list[dict[str, str]]:
    """The records of the group ``targets``, sorted.

    ``<route>`` -> ``1|<rule>|<length of the route's prefix>|<identity>|<header>=<value>[,...]|
    <header> <value>...[,...]|<words>``.
    """
    found = {}
    for name, route in spec.routes.items():
        request = request_of(spec, name)
        if request is not None:
            fixed = ",".join(f"{header}={value}" for header, value in request.fixed)
            client = ",".join(" ".join((header, *values)) for header, values in request.client)
            start = _prefix_length(route)
            found[name] = f"{FORMAT}|{request.rule}|{start}|{request.identity}|{fixed}|{client}|{request.words}"
    return [{"key": key, "value": value} for key, value in sorted(found.items())]


def _prefix_length(route: Route) -> int:
    return len(route.match.path) - 1 if route.match.path.endswith("*") else 0


def _runtime(upstream: RuntimeUpstream) -> Request | None:
    named = [
        ("target-variant", upstream.variant),
        ("target-container-hostname", upstream.container),
        ("inference-component", upstream.component),
        ("target-model", upstream.model if isinstance(upstream, SageMaker) else None),
    ]
    fixed = tuple((f"{_RUNTIME}{header}", value) for header, value in named if value is not None)
    identity: Identity = "attributes" if upstream.identity_header == "custom-attributes" else "off"
    if isinstance(upstream, SageMakerTensorFlow):
        models = ",".join(" ".join((model, *map(str, versions))) for model, versions in upstream.models.items())
        return Request("tensorflow", identity, fixed, words=f"{' '.join(upstream.methods)};{models}")
    if not isinstance(upstream, SageMaker):
        return None
    allowed = upstream.client_headers.items()
    client = tuple((f"{_RUNTIME}{_NAMES.get(header, header)}", values) for header, values in allowed)
    if upstream.operation == "async":
        moved = tuple((f"{_RUNTIME}{header}", ("*",)) for header in ("accept", "content-type"))
        return Request("async", identity, fixed, (*client, *moved))
    return Request("fixed", identity, fixed, client) if fixed or client or identity == "off" else None


def _models(spec: Spec, listener: str) -> str:
    """``<route>=<alias>=<tokens of its context window>`` of each route of the listener whose callers name a model."""
    found = []
    for name, route in spec.routes.items():
        upstream = spec.upstreams[route.upstream]
        if route.listener == listener and (alias := alias_of(upstream)):
            context = upstream.chat.context if isinstance(upstream, SageMaker | SageMakerOpenAi) else None
            found.append(f"{name}={alias}={context or ''}")
    return ",".join(found)


def alias_of(upstream: Upstream) -> str:
    """What callers write in ``model``; empty if that is not read."""
    return (upstream.chat.alias or "") if isinstance(upstream, SageMaker | SageMakerOpenAi) else ""
