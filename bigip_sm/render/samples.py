"""A request that a route takes: for examples, and for the calls that ``lab up`` prints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bigip_sm.spec.model import Spec
from bigip_sm.spec.upstreams import (
    Bedrock,
    MlflowUpstream,
    SageMaker,
    SageMakerApi,
    SageMakerOpenAi,
    SageMakerTensorFlow,
    Upstream,
)

CHAT_PATH = "/chat/completions"
"""What the path of a route ends in where the callers are OpenAI clients."""

MLFLOW_SAMPLE = "/api/2.0/mlflow/experiments/search"
"""What follows the address of an MLflow server in its sample: it reads, so every caller may."""

_WITH_BODY = ("POST", "PUT", "PATCH")


@dataclass(frozen=True)
class Sample:
    """One request. ``body`` is JSON, empty if the method has none; ``headers`` are those beside Content-Type."""

    method: str
    path: str
    body: str
    model: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def sample_of(spec: Spec, name: str) -> Sample:
    """A request that the route ``name`` takes."""
    route = spec.routes[name]
    upstream = spec.upstreams[route.upstream]
    method = "POST" if "POST" in route.match.methods else route.match.methods[0]
    model = _model(upstream)
    openai = upstream.speaks_openai or (method == "POST" and route.match.path.endswith(CHAT_PATH))
    body = json.dumps(_body(upstream, model, openai=openai)) if method in _WITH_BODY else ""
    headers = (("X-Amz-Target", f"SageMaker.{upstream.operations[0]}"),) if isinstance(upstream, SageMakerApi) else ()
    return Sample(method, route.match.path.replace("*", _below(upstream)), body, model, headers)


def _model(upstream: Upstream) -> str:
    """What a caller writes in ``model``; vLLM takes an empty name where it is not read."""
    return (upstream.chat.alias or "") if isinstance(upstream, SageMaker | SageMakerOpenAi) else ""


def _below(upstream: Upstream) -> str:
    """What follows the prefix of a route."""
    if isinstance(upstream, SageMakerTensorFlow):
        model, versions = next(iter(upstream.models.items()))
        version = f"/versions/{versions[0]}" if versions else ""
        return f"{model}{version}:{upstream.methods[0]}"
    if isinstance(upstream, Bedrock):
        return f"{upstream.models[0]}/{upstream.operations[0]}"
    if isinstance(upstream, MlflowUpstream):
        return MLFLOW_SAMPLE.removeprefix("/")
    return "example"


def _body(upstream: Upstream, model: str, *, openai: bool) -> dict[str, Any]:
    if openai:
        return {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    if isinstance(upstream, Bedrock):
        return {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    if isinstance(upstream, MlflowUpstream):
        return {"max_results": 10}
    if isinstance(upstream, SageMakerApi):
        return {"TrainingJobName": "example"}
    return {"instances": [[1.0, 2.0, 5.0]]}
