"""What a role must be allowed for one upstream: actions of IAM, each on the exact resources that requests go to.

Sources: Service Authorization Reference of each service. Which action SageMaker asks for on response streams and
asynchronous invocations is not documented without contradiction, so both of the pair are named (facts of AWS, 1.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bigip_sm.spec.upstreams import (
    ApiGateway,
    Bedrock,
    EndpointUpstream,
    Lambda,
    MlflowApp,
    MlflowUpstream,
    SageMaker,
    SageMakerApi,
    SageMakerOpenAi,
    Upstream,
)

_PROFILE = re.compile(r"(?:us|eu|apac|us-gov|jp|au|ca|global)\.(?P<model>[a-z0-9-]+\..+)")
"""Id of a cross-region inference profile of Bedrock: a geography before the id of its model."""

_BEDROCK = {
    "invoke": "bedrock:InvokeModel",
    "converse": "bedrock:InvokeModel",
    "invoke-with-response-stream": "bedrock:InvokeModelWithResponseStream",
    "converse-stream": "bedrock:InvokeModelWithResponseStream",
    "count-tokens": "bedrock:CountTokens",
}


class Permission(NamedTuple):
    """One action on one resource."""

    action: str
    resource: str


def permissions_of(upstream: Upstream, role_arn: str, methods: Iterable[str]) -> Iterator[Permission]:
    """What ``role_arn`` needs for an upstream whose routes take ``methods``. Resources are in the role's account."""
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    if isinstance(upstream, SageMakerOpenAi):
        # It has no resource of its own (SageMaker guide, OpenAI-compatible endpoints).
        yield Permission("sagemaker:CallWithBearerToken", "*")
    for region in upstream.regions:

        def arn(service: str, resource: str, *, owner: str = account, where: str = region.name) -> str:
            return f"arn:{partition}:{service}:{where}:{owner}:{resource}"

        if isinstance(upstream, EndpointUpstream):
            # SageMaker writes endpoint names in ARNs in lower case, and a policy with capitals denies in silence.
            names = [f"endpoint/{upstream.endpoint.lower()}"]
            names += [f"inference-component/{upstream.component.lower()}"] if upstream.component else []
            for action in _invocations(upstream):
                yield from (Permission(action, arn("sagemaker", name)) for name in names)
        elif isinstance(upstream, ApiGateway):
            stage, _, path = upstream.path.removeprefix("/").partition("/")
            rest = f"{path}*" if upstream.path.endswith("/") else path
            for method in methods:
                yield Permission("execute-api:Invoke", arn("execute-api", f"{upstream.api}/{stage}/{method}/{rest}"))
        elif isinstance(upstream, Bedrock):
            for action in sorted({_BEDROCK[operation] for operation in upstream.operations}):
                for model in upstream.models:
                    profile = _PROFILE.fullmatch(model)
                    if profile is None:
                        yield Permission(action, arn("bedrock", f"foundation-model/{model}", owner=""))
                    else:
                        yield Permission(action, arn("bedrock", f"inference-profile/{model}"))
                        model_arn = arn("bedrock", f"foundation-model/{profile['model']}", owner="", where="*")
                        yield Permission(action, model_arn)
        elif isinstance(upstream, SageMakerApi):
            # Each operation has resources of other types; those of the account in the region are as near as it gets.
            yield from (Permission(f"sagemaker:{one}", arn("sagemaker", "*")) for one in upstream.operations)
        elif isinstance(upstream, MlflowUpstream):
            if isinstance(upstream, MlflowApp):
                yield Permission("sagemaker:CallMlflowAppApi", upstream.arn)
            # The actions are not narrowed to what routes allow: their list is not that of the REST API.
            yield Permission("sagemaker-mlflow:*", upstream.arn)
        elif isinstance(upstream, Lambda):
            qualifier = f":{upstream.qualifier}" if upstream.qualifier else ""
            yield Permission("lambda:InvokeFunction", arn("lambda", f"function:{upstream.function}{qualifier}"))


def _invocations(upstream: EndpointUpstream) -> tuple[str, ...]:
    invoke = "sagemaker:InvokeEndpoint"
    if isinstance(upstream, SageMaker) and upstream.operation == "async":
        return invoke, "sagemaker:InvokeEndpointAsync"
    if isinstance(upstream, SageMaker) and (upstream.operation == "response-stream" or upstream.format != "native"):
        return invoke, "sagemaker:InvokeEndpointWithResponseStream"
    return (invoke,)
