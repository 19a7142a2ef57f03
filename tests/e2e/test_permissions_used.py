"""The generated IAM policies are what the gateway does: each operation that reaches AWS is allowed, and no other.

What the gateway does is taken from what arrives at AWS when every route is used, not from what generates the policies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

import pytest
from gateway_kit import Gateway
from kinds_kit import CLAUDE
from policy_evaluator import Asked, decision

from bigip_sm.aws.documents import Document, documents
from bigip_sm.aws.policy import session_policy
from bigip_sm.lab.aws.runtime import ACCEPTED, SeenRequest

ACCOUNT = "123456789012"
VPCE = "vpce-0a1b2c3d4e5f60718"
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
BEDROCK = [
    f"/model/{model}/{operation}"
    for model in (CLAUDE, "amazon.titan-text-lite-v1")
    for operation in ("invoke", "converse", "invoke-with-response-stream", "converse-stream")
]
REQUESTS = [
    ("churn", "POST", "/endpoints/churn-v7/invocations", {}, {}),
    ("stream", "POST", "/endpoints/words-v1/invocations-response-stream", {}, {}),
    ("shaped", "POST", "/shaped", {}, {}),
    ("later", "POST", "/endpoints/churn-v7/async-invocations", {}, {}),
    ("chat", "POST", "/v1/chat/completions", CHAT, {}),
    ("llama", "POST", "/llama/v1/chat/completions", {**CHAT, "model": "jumpstart-llama-3-3-70b"}, {}),
    ("mistral", "POST", "/mistral/v1/chat/completions", {**CHAT, "model": "jumpstart-mistral-7b"}, {}),
    ("tensor", "POST", "/v1/models/churn:predict", {"instances": [[1.0]]}, {}),
    ("tensor", "POST", "/v1/models/churn/versions/3:classify", {"examples": [{"a": 1.0}]}, {}),
    ("function", "POST", "/2015-03-31/functions/score/invocations", {}, {}),
    ("event", "POST", "/events/score", {}, {}),
    ("training", "POST", "/", {"TrainingJobName": "x"}, {"X-Amz-Target": "SageMaker.CreateTrainingJob"}),
    ("training", "POST", "/", {"TrainingJobName": "x"}, {"X-Amz-Target": "SageMaker.DescribeTrainingJob"}),
    *(("scores", method, "/scores/a/b", {}, {}) for method in ("GET", "POST", "DELETE")),
    ("by_header", "GET", "/by-header/a", {}, {}),
    *(("bedrock", "POST", path, {"messages": []}, {}) for path in BEDROCK),
]
NOT_AWS = {"models", "own"}

Use = tuple[str, Asked]  # role, what is asked


@pytest.fixture(scope="module")
def used(kinds: Gateway) -> set[Use]:
    """Every operation that AWS was asked for when every route was used."""
    found: set[Use] = set()
    reached = set()
    for route, method, path, body, headers in REQUESTS:
        before = len(kinds.seen())
        data = b"" if method in ("GET", "DELETE") else json.dumps(body).encode()
        content = "application/x-amz-json-1.1" if route == "training" else "application/json"
        with kinds.client() as client:
            client.request(path, data, [("Content-Type", content), *headers.items()], method=method)
        for seen in kinds.seen()[before:]:
            # A job that is described wrongly is refused after it was authorized.
            assert seen.verdict in (ACCEPTED, *(["ValidationException"] if route == "training" else [])), route
            role = str(kinds.stage.spec.upstreams[kinds.stage.spec.routes[route].upstream].role)
            found |= {(role, asked) for asked in asked_of(seen)}
            reached.add(route)
    assert reached == set(kinds.stage.spec.routes) - NOT_AWS
    return found


def asked_of(seen: SeenRequest) -> Iterator[Asked]:
    """The permissions that AWS asks for one request (Service Authorization Reference); where it is not documented which
    of two, both."""
    path = seen.target.partition(b"?")[0].decode()
    (host,) = (value.decode() for value in seen.values("Host"))
    region = re.findall(r"[a-z]{2}-[a-z]+-[0-9]", host)[0]

    def arn(service: str, rest: str, account: str = ACCOUNT) -> str:
        return f"arn:aws:{service}:{region}:{account}:{rest}"

    if match := re.fullmatch(r"/endpoints/([^/]+)/(?:inference-components/([^/]+)/)?(.+)", path):
        endpoint, component, operation = match.groups()
        actions = {"sagemaker:InvokeEndpoint"}
        actions |= {"sagemaker:InvokeEndpointAsync"} if operation == "async-invocations" else set()
        streams = operation == "invocations-response-stream" or endpoint == "mistral-7b"
        actions |= {"sagemaker:InvokeEndpointWithResponseStream"} if streams else set()
        if operation.startswith("openai/"):
            yield Asked("sagemaker:CallWithBearerToken", "*")
        for action in actions:
            yield Asked(action, arn("sagemaker", f"endpoint/{endpoint}"))
            if component:
                yield Asked(action, arn("sagemaker", f"inference-component/{component}"))
    elif match := re.fullmatch(r"/model/([^/]+)/(.+)", path):
        stream = "WithResponseStream" if match[2].endswith("stream") else ""
        yield Asked(f"bedrock:InvokeModel{stream}", arn("bedrock", f"foundation-model/{unquote(match[1])}", ""))
    elif match := re.fullmatch(r"/2015-03-31/functions/([^/]+)/invocations", path):
        yield Asked("lambda:InvokeFunction", arn("lambda", f"function:{match[1]}:live"))
    elif ".execute-api." in host:
        yield Asked(
            "execute-api:Invoke", arn("execute-api", f"a1b2c3d4e5/{path[1:].replace('/', f'/{seen.method}/', 1)}")
        )
    else:
        (target,) = seen.values("X-Amz-Target")
        yield Asked(f"sagemaker:{target.decode().removeprefix('SageMaker.')}", arn("sagemaker", "training-job/x"))


@pytest.fixture(scope="module")
def made(kinds: Gateway) -> dict[str, Document]:
    return {document.name: document for document in documents(kinds.stage.spec)}


def through(asked: Asked, vpce: str, role: str = "") -> Asked:
    known = [("aws:SourceVpce", vpce), ("aws:ViaAWSService", "false")]
    return replace(asked, context=(*known, ("aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:role/bigip-{role}")))


def test_each_operation_is_allowed_from_the_vpc_endpoint_and_in_the_session(
    kinds: Gateway, used: set[Use], made: dict[str, Document]
) -> None:
    assert len(used) >= 20
    for role, asked in used:
        assert decision(made[f"{role}-permissions"].policy, through(asked, VPCE)) == "allow", (role, asked)
        assert decision(json.loads(session_policy(kinds.stage.spec, role)), asked) == "allow", (role, asked)


def test_no_other_operation_is_allowed(kinds: Gateway, used: set[Use], made: dict[str, Document]) -> None:
    actions = {asked.action for _, asked in used} | {"sagemaker:DeleteEndpoint", "s3:GetObject", "sts:AssumeRole"}
    resources = {asked.resource for _, asked in used}
    resources |= {f"{one}x" for one in resources if "execute-api" not in one}
    resources |= {one.replace(ACCOUNT, "210987654321") for one in resources if ACCOUNT in one}
    resources |= {one.replace("us-east-1", "eu-west-1") for one in resources}
    resources |= {one.replace("/POST/", "/PUT/").replace("/prod/", "/test/") for one in resources}
    # The management API's permissions are on whatever has the operation's resource type, so its actions have one class.
    managed = {"sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob"}
    checked = 0
    for role in kinds.stage.spec.roles:
        for action in actions:
            for resource in resources:
                own = (
                    action in managed
                    and role == "trainer"
                    and resource.startswith(f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:")
                )
                # It has no resource of its own, so whoever has it has it on all.
                own = own or (action == "sagemaker:CallWithBearerToken" and role == "models")
                if own or (role, Asked(action, resource)) in used or resource == "*":
                    continue
                asked = Asked(action, resource)
                assert decision(made[f"{role}-permissions"].policy, through(asked, VPCE)) == "implicit deny", asked
                assert decision(json.loads(session_policy(kinds.stage.spec, role)), asked) == "implicit deny", asked
                checked += 1
    assert checked > 1000


def test_elsewhere_than_through_the_vpc_endpoint_a_role_is_worth_nothing(
    used: set[Use], made: dict[str, Document]
) -> None:
    bound = [
        (role, asked)
        for role, asked in used
        if not (
            asked.resource.startswith("arn:aws:bedrock:") or ":us-west-2:" in asked.resource or asked.resource == "*"
        )
    ]
    assert len(bound) >= 10
    for role, asked in bound:
        assert decision(made[f"{role}-permissions"].policy, through(asked, "vpce-0ffff")) == "implicit deny", asked


def test_the_policy_of_the_vpc_endpoint_lets_only_the_gateways_roles_through(
    used: set[Use], made: dict[str, Document]
) -> None:
    policy = made[f"{VPCE}-endpoint"].policy
    east = [
        (role, asked) for role, asked in used if ":us-east-1:" in asked.resource and "bedrock" not in asked.resource
    ]
    assert len(east) >= 10
    for role, asked in east:
        assert decision(policy, through(asked, VPCE, role)) == "allow", (role, asked)
        assert decision(policy, through(asked, VPCE, "somebody-else")) == "implicit deny"
    for role, asked in used:
        if ":us-west-2:" in asked.resource:
            assert decision(policy, through(asked, VPCE, role)) == "implicit deny"
