"""What roles are allowed: each action on the exact resources of the upstreams that use the role."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kinds_kit import CLAUDE, SPEC

from bigip_sm.aws.pins import Target, targets_of
from bigip_sm.aws.policy import permissions, session_policy
from bigip_sm.errors import CredentialError
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from bigip_sm.spec.upstreams import MlflowUpstream

ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load(Path("gateway.yaml"), SPEC)


def test_actions_and_resources_are_those_of_the_upstreams(spec: Spec) -> None:
    found = permissions(spec, "models")
    sagemaker = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
    api = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:a1b2c3d4e5/prod"
    assert found["sagemaker:InvokeEndpointAsync"] == (f"{sagemaker}:endpoint/churn-v7",)
    streams = (f"{sagemaker}:endpoint/mistral-7b", f"{sagemaker}:endpoint/words-v1")
    assert found["sagemaker:InvokeEndpointWithResponseStream"] == streams, "format openai streams if it is asked to"
    assert f"{sagemaker}:inference-component/llama-ic" in found["sagemaker:InvokeEndpoint"]
    assert f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/tf-v2" in found["sagemaker:InvokeEndpoint"]
    assert found["sagemaker:CallWithBearerToken"] == ("*",)
    assert found["execute-api:Invoke"] == tuple(f"{api}/{method}/score/*" for method in ("DELETE", "GET", "POST"))
    assert f"arn:aws:bedrock:us-west-2::foundation-model/{CLAUDE}" in found["bedrock:InvokeModelWithResponseStream"]
    assert found["lambda:InvokeFunction"] == (f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:score:live",)
    assert set(permissions(spec, "trainer")) == {"sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob"}


def test_pins_are_those_of_endpoints_and_their_components(spec: Spec) -> None:
    found = targets_of(spec)
    assert Target("llama-v3", "us-east-1", "llama-ic") in found
    assert {one.endpoint for one in found} == {
        "churn-v7",
        "llama-70b",
        "llama-v3",
        "mistral-7b",
        "tf-v2",
        "words-v1",
    }


def test_mlflow_is_allowed_on_its_own_server_only() -> None:
    example = load(Path(__file__).parents[2] / "declarations" / "mlflow" / "gateway.yaml")
    app, tracking = (example.upstreams[name] for name in ("app", "tracking"))
    assert isinstance(app, MlflowUpstream)
    assert isinstance(tracking, MlflowUpstream)
    assert permissions(example, "experiments") == {
        "sagemaker-mlflow:*": (app.arn, tracking.arn),
        "sagemaker:CallMlflowAppApi": (app.arn,),
    }


def test_an_inference_profile_needs_its_models_too() -> None:
    changed = SPEC.replace(f'"{CLAUDE}"', f'"eu.{CLAUDE}"')
    found = permissions(load(Path("gateway.yaml"), changed), "models")["bedrock:InvokeModel"]
    assert f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/eu.{CLAUDE}" in found
    assert f"arn:aws:bedrock:*::foundation-model/{CLAUDE}" in found


def test_the_session_policy_says_the_same(spec: Spec) -> None:
    statements = json.loads(session_policy(spec, "models"))["Statement"]
    allowed = {
        (action, resource)
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
        for resource in ([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
    }
    needed = {(action, one) for action, resources in permissions(spec, "models").items() for one in resources}
    assert allowed == needed


def test_a_policy_that_is_too_long_is_not_widened() -> None:
    models = ", ".join(f"amazon.titan-text-lite-v{number}" for number in range(40))
    with pytest.raises(CredentialError, match="divide the upstreams among several roles"):
        session_policy(load(Path("gateway.yaml"), SPEC.replace("amazon.titan-text-lite-v1]", f"{models}]")), "models")
