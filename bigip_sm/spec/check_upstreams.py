"""Rules about kinds of upstream: what their keys mean together, and which routes can lead to them."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.aws.hosts import is_aws_host
from bigip_sm.errors import Problem
from bigip_sm.spec.chat import JUMPSTART
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.forms import choices, listed
from bigip_sm.spec.model import Match
from bigip_sm.spec.positions import quoted
from bigip_sm.spec.prompts import PROMPT_TEMPLATES
from bigip_sm.spec.scalars import seconds
from bigip_sm.spec.upstreams import KINDS, Monitor

_HEADER_OF = {
    "variant": "target-variant",
    "container": "target-container-hostname",
    "component": "inference-component",
    "model": "target-model",
}
_HEADERS = {
    "invocations": ("target-variant", "target-container-hostname", "inference-component", "target-model", "session-id"),
    "response-stream": ("target-variant", "target-container-hostname", "inference-component", "session-id"),
    "async": ("input-location", "request-ttl-seconds", "invocation-timeout-seconds"),
}
"""Operation -> headers that AWS reads on it (botocore's model of sagemaker-runtime); it drops the others in silence."""

_METHODS = {
    "sagemaker-tensorflow": ("POST", "GET"),
    "bedrock": ("POST",),
    "sagemaker-api": ("POST",),
    "lambda": ("POST",),
    "model-list": ("GET",),
}
"""Kind -> methods that it has; the others are not told."""

_MLFLOW = ("mlflow-tracking", "mlflow-app")
_PREFIXES = ("sagemaker-tensorflow", "bedrock", *_MLFLOW)
_EXACT = ("sagemaker-api", "lambda", "model-list")


def check_upstreams(draft: Draft) -> Iterator[Problem]:
    """What the keys of an upstream mean together."""
    for name in draft.names("upstreams"):
        kind = draft.text("upstreams", name, "kind")
        if kind == "sagemaker":
            yield from _check_sagemaker(draft, name)
            yield from _check_prompt(draft, name)
        elif kind == "http":
            yield from _check_http(draft, name)
        elif kind in _MLFLOW:
            yield from _check_mlflow(draft, name)
        if kind in ("sagemaker", "sagemaker-openai"):
            yield from _check_chat(draft, name)
        if kind != "model-list":
            yield from _check_monitor(draft, name)


def _check_sagemaker(draft: Draft, name: str) -> Iterator[Problem]:
    operation = draft.text("upstreams", name, "operation") or "invocations"
    format_ = draft.text("upstreams", name, "format") or "native"
    # What a request for a stream would lose, no request may have.
    known = _HEADERS.get(operation if format_ == "native" else "response-stream", ())
    for key, header in _HEADER_OF.items():
        given = draft.has("upstreams", name, "client_headers", header)
        if draft.has("upstreams", name, key):
            if known and header not in known:
                message = f"AWS does not read it on {operation}"
                yield draft.problem(("upstreams", name, key), message, "remove it, or choose another operation")
            if given:
                message = f"{key} is set for every request, so callers cannot choose it"
                where = ("upstreams", name, "client_headers", header)
                yield draft.problem(where, message, f"remove it here, or remove {key}")
    for header in draft.names("upstreams", name, "client_headers"):
        if known and header in _ALL_HEADERS and header not in known:
            message = f"AWS does not read {header} on {operation}"
            yield draft.problem(("upstreams", name, "client_headers", header), message, f"it has {choices(known)}")
    if format_ != "native" and operation != "invocations":
        message = f"with format {format_} the operation follows the request: a stream if it asks for one"
        yield draft.problem(("upstreams", name, "operation"), message, "remove operation")


def _check_monitor(draft: Draft, name: str) -> Iterator[Problem]:
    """An address that may be silent for less time than lies between two questions would go down between them."""
    where = ("upstreams", name, "monitor")
    interval, timeout = (
        _seconds(draft.written(*where, key), Monitor.model_fields[key].default) for key in ("interval", "timeout")
    )
    if interval and timeout and timeout <= interval:
        at = "timeout" if draft.has(*where, "timeout") else "interval"
        message = f"an address that is asked every {interval}s would be down after {timeout}s without an answer"
        yield draft.problem((*where, at), message, f"write a timeout of {3 * interval + 1}s: three answers may be lost")


def _seconds(written: object, default: int) -> int | None:
    """Seconds as they are written; None if they are not."""
    try:
        found = default if written is None else seconds(written)
    except ValueError:
        return None
    return found if isinstance(found, int) else None


def _check_prompt(draft: Draft, name: str) -> Iterator[Problem]:
    """A prompt is written where the container takes text, and there it must be known how."""
    where = ("upstreams", name, "prompt_template")
    format_ = draft.text("upstreams", name, "format") or "native"
    if format_ != "text-generation":
        if draft.has(*where):
            message = f"with format {format_} the gateway writes no prompts"
            yield draft.problem(where, message, "remove it, or write format: text-generation")
    elif not draft.has(*where) and draft.text("upstreams", name, "chat", "alias") not in JUMPSTART:
        message = "it is not known how the model's prompts are written"
        fix = f"add prompt_template: {choices(PROMPT_TEMPLATES)}; or a chat.alias of JumpStart: {choices(JUMPSTART)}"
        yield draft.problem(("upstreams", name, "format"), message, fix)


_ALL_HEADERS = {header for headers in _HEADERS.values() for header in headers}


def _check_chat(draft: Draft, name: str) -> Iterator[Problem]:
    where = ("upstreams", name, "chat")
    native = draft.text("upstreams", name, "format") or "native"
    if draft.text("upstreams", name, "kind") == "sagemaker" and native == "native" and draft.has(*where):
        message = "bodies of format native are not read"
        yield draft.problem(where, message, "remove chat, or write format: openai")
    if native == "text-generation" and draft.has(*where, "served_model"):
        message = "a container of format text-generation is not told the name of a model"
        yield draft.problem((*where, "served_model"), message, "remove it")
    elif draft.has(*where, "served_model") and not draft.has(*where, "alias"):
        message = "served_model takes the place of an alias, and there is none"
        yield draft.problem((*where, "served_model"), message, "add alias: what callers write in model")


def _check_mlflow(draft: Draft, name: str) -> Iterator[Problem]:
    """What holds experiments is in one region, which its ARN names."""
    arn = (draft.text("upstreams", name, "arn") or "").split(":")
    regions = draft.items("upstreams", name, "regions")
    if len(regions) > 1:
        message = "an MLflow server is in one region, and keeps its experiments there"
        yield draft.problem(
            ("upstreams", name, "regions"), message, "write one region, and another upstream for another"
        )
    elif len(arn) == 6:
        for index in regions:
            path = ("upstreams", name, "regions", index, "name")
            region = draft.text(*path)
            if region is not None and region != arn[3]:
                yield draft.problem(
                    path, f"the ARN is in {arn[3]}", f"write {arn[3]}, or the ARN of a server in {region}"
                )


def _check_http(draft: Draft, name: str) -> Iterator[Problem]:
    host = draft.text("upstreams", name, "host")
    if host is not None and is_aws_host(host):
        message = f"{quoted(host)} is a host of AWS, and requests of kind http are not signed"
        yield draft.problem(("upstreams", name, "host"), message, "use the kind of the service, such as sagemaker")
    identity = draft.text("upstreams", name, "identity_header")
    for path, header in draft.texts("upstreams", name, "request_headers"):
        if header == identity:
            message = f"{header} tells the server who is calling, so callers cannot send it"
            yield draft.problem(path, message, "remove it here, or choose another identity_header")
    if draft.number("upstreams", name, "route_domain", default=0) and not draft.has("upstreams", name, "addresses"):
        message = "a route domain is that of addresses, and there are none"
        where = ("upstreams", name, "route_domain")
        yield draft.problem(where, message, "write addresses, or remove it")


def check_routes_of_kinds(draft: Draft) -> Iterator[Problem]:
    """Which paths, methods and roles a route can have by the kind of its upstream."""
    for route in draft.names("routes"):
        upstream = draft.text("routes", route, "upstream") or ""
        kind = draft.text("upstreams", upstream, "kind") or ""
        where = ("routes", route, "match", "path")
        path = draft.text(*where)
        if path is not None and kind in _PREFIXES and not path.endswith("/*"):
            what = "operation" if kind in _MLFLOW else "model"
            message = f"the path names the {what} on routes to {kind}, so it must be open at its end"
            yield draft.problem(where, message, f"end it in /*, such as {_EXAMPLES[kind]}")
        if path is not None and kind in _EXACT and path.endswith("/*"):
            message = f"a route to {kind} has one path"
            yield draft.problem(where, message, f"write it without /*, such as {_EXAMPLES[kind]}")
        yield from _check_methods(draft, route, kind)
        if kind in KINDS and "role" not in KINDS[kind].model_fields and draft.has("routes", route, "role_by_group"):
            message = f"requests to {kind} are not signed, so there is no role to choose"
            yield draft.problem(("routes", route, "role_by_group"), message, "remove it")


_EXAMPLES = {
    "sagemaker-tensorflow": "/v1/models/*",
    "bedrock": "/model/*",
    "mlflow-tracking": "/mlflow/*",
    "mlflow-app": "/mlflow/*",
    "sagemaker-api": "/",
    "lambda": "/score",
    "model-list": "/v1/models",
}


def _check_methods(draft: Draft, route: str, kind: str) -> Iterator[Problem]:
    known = _METHODS.get(kind)
    if known is None:
        return
    where = ("routes", route, "match", "methods")
    for path, method in draft.texts(*where):
        if method not in known:
            yield draft.problem(path, f"{kind} has no {method}", f"it has {listed(known)}")
    default: tuple[str, ...] = Match.model_fields["methods"].default
    if not draft.has(*where) and not set(default) <= set(known):
        message = f"{kind} has no {listed(default)}, which is the default"
        yield draft.problem(("routes", route, "match"), message, f"add methods: [{listed(known)}]")
