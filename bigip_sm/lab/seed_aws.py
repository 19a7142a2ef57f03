"""What the lab brings along in AWS for a spec: model containers behind its endpoints, and every service it reaches."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.aws.hosts import SERVICES, public_host
from bigip_sm.lab.aws.apis import Api
from bigip_sm.lab.aws.apis.bedrock import BedrockApi
from bigip_sm.lab.aws.apis.lambda_ import LambdaApi
from bigip_sm.lab.aws.apis.management import ManagementApi
from bigip_sm.lab.aws.apis.mlflow import Forward, MlflowApi
from bigip_sm.lab.aws.apis.rest import RestApi, RestApis
from bigip_sm.lab.aws.cloud import Served
from bigip_sm.lab.aws.containers import tensorflow
from bigip_sm.lab.aws.endpoints import Chat, Container, Endpoint, classifier, steady
from bigip_sm.lab.aws.textgen import TextGeneration
from bigip_sm.spec.model import Spec
from bigip_sm.spec.upstreams import (
    ApiGateway,
    AwsUpstream,
    Bedrock,
    EndpointUpstream,
    Lambda,
    MlflowApp,
    MlflowTracking,
    MlflowUpstream,
    RuntimeUpstream,
    SageMaker,
    SageMakerOpenAi,
    SageMakerTensorFlow,
    UpstreamRegion,
)
from bigip_sm.spec.usage import upstreams_of

CHAT_TOKENS = ("This ", "answer ", "comes ", "from ", "the ", "lab, ", "one ", "token ", "at ", "a ", "time.")
CHAT_PAUSE = 0.05
"""Seconds between two tokens of a chat endpoint."""


def endpoints(spec: Spec) -> list[Endpoint]:
    """A model container for each SageMaker endpoint of the spec, of the kind that its upstreams take it for."""
    made: dict[str, Endpoint] = {}
    for upstream in spec.upstreams.values():
        if not isinstance(upstream, EndpointUpstream):
            continue
        before = made.get(upstream.endpoint)
        components = set(before.components if before else ()) | {upstream.component or ""}
        variants = set(before.variants if before else ("AllTraffic",))
        if isinstance(upstream, RuntimeUpstream) and upstream.variant:
            variants.add(upstream.variant)
        if isinstance(upstream, SageMaker):
            variants.update(upstream.client_headers.get("target-variant", ()))
            components.update(upstream.client_headers.get("inference-component", ()))
        made[upstream.endpoint] = Endpoint(
            upstream.endpoint,
            "sagemaker-openai" if isinstance(upstream, SageMakerOpenAi) else "sagemaker",
            before.container if before else _container(upstream),
            tuple(sorted(components - {""})),
            tuple(sorted(variants)),
        )
    return list(made.values())


def _container(upstream: EndpointUpstream) -> Container:
    if isinstance(upstream, SageMakerTensorFlow):
        return tensorflow
    if isinstance(upstream, SageMaker) and upstream.prompt is not None:
        return TextGeneration(CHAT_TOKENS, steady(CHAT_PAUSE))
    openai = isinstance(upstream, SageMakerOpenAi) or (isinstance(upstream, SageMaker) and upstream.speaks_openai)
    return Chat(CHAT_TOKENS, steady(CHAT_PAUSE)) if openai else classifier


def regions(spec: Spec) -> list[str]:
    """Every region of the spec, sorted."""
    return sorted({region.name for upstream in spec.upstreams.values() for region in upstream.regions})


def first_region(spec: Spec, role: str) -> str:
    """The first region of the first upstream that uses that role; where its secret is, unless it says otherwise."""
    for upstream in upstreams_of(spec, role):
        return upstream.regions[0].name
    return home_region(spec)


def home_region(spec: Spec) -> str:
    """The first region of the spec; some region, if all its upstreams are outside AWS."""
    return (regions(spec) or ["us-east-1"])[0]


def uses_mlflow(spec: Spec) -> bool:
    """Whether MLflow's own server is needed."""
    return any(isinstance(upstream, MlflowUpstream) for upstream in spec.upstreams.values())


def served(spec: Spec, mlflow: Forward) -> list[Served]:
    """Every service in every region that the spec reaches; ``mlflow`` sends a request to MLflow's server."""
    groups: dict[tuple[str, str, bool], list[tuple[AwsUpstream, UpstreamRegion]]] = {}
    for upstream in spec.upstreams.values():
        if isinstance(upstream, AwsUpstream):
            for region in upstream.regions:
                groups.setdefault((region.name, upstream.service, upstream.fips), []).append((upstream, region))
    apis = _apis(spec, mlflow)
    found = []
    for (name, service, _), members in groups.items():
        public = dict.fromkeys(_public(upstream, region) for upstream, region in members)
        endpoint_names = dict.fromkeys(region.vpc_endpoint for _, region in members if region.vpc_endpoint)
        reached = dict.fromkeys(place for upstream, region in members for place in _destinations(upstream, region))
        found.append(Served(name, apis.get(service), (*public, *endpoint_names), tuple(reached)))
    return found


def _public(upstream: AwsUpstream, region: UpstreamRegion) -> str:
    prefix = upstream.api if isinstance(upstream, ApiGateway) else ""
    return public_host(upstream.service, region.name, fips=upstream.fips, prefix=prefix)


def _destinations(upstream: AwsUpstream, region: UpstreamRegion) -> Iterator[str]:
    domain = f"%{region.route_domain}" if region.route_domain else ""
    yield from (f"{address}{domain}" for address in region.addresses)
    if not region.addresses:
        yield region.vpc_endpoint or _public(upstream, region)


def _apis(spec: Spec, mlflow: Forward) -> dict[str, Api]:
    """Service -> what answers for it; the runtime is not among them."""
    upstreams = spec.upstreams.values()
    functions: dict[str, frozenset[str]] = {}
    for one in upstreams:
        if isinstance(one, Lambda):
            functions[one.function] = functions.get(one.function, frozenset()) | {one.qualifier or "$LATEST"}
    return {
        "bedrock": BedrockApi({model for one in upstreams if isinstance(one, Bedrock) for model in one.models}),
        "lambda": LambdaApi(functions),
        "api": ManagementApi(),
        **{
            kind.service: MlflowApi(
                SERVICES[kind.service].signing,
                kind.arn_header,
                [one.arn for one in upstreams if isinstance(one, kind)],
                mlflow,
            )
            for kind in (MlflowTracking, MlflowApp)
        },
        "execute_api": RestApis([RestApi(one.api, one.path) for one in upstreams if isinstance(one, ApiGateway)]),
    }
