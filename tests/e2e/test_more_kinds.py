"""SageMaker's own API, Lambda and servers of one's own through the gateway; and the calls that the lab prints."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from gateway_kit import HOSTNAME, Gateway
from kinds_kit import arrived, base_url, header, refused, resolve_here, sdk

from bigip_sm.commands.lab import curl_calls
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import Fault
from bigip_sm.lab.http import Response


@pytest.fixture(autouse=True)
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_here(monkeypatch)


@pytest.fixture
def trainer(kinds: Gateway) -> Iterator[Any]:
    client = sdk(kinds, "sagemaker")
    yield client
    client.close()


@pytest.fixture
def functions(kinds: Gateway) -> Iterator[Any]:
    client = sdk(kinds, "lambda")
    yield client
    client.close()


@pytest.fixture
def web(kinds: Gateway) -> Iterator[requests.Session]:
    files = kinds.lab.client("alice")
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(kinds.lab.ca_file)
        session.cert = (str(files.certificate), str(files.key))
        yield session


# SageMaker's own API


def job(name: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/training",
        "OutputDataConfig": {"S3OutputPath": "s3://models/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image"},
    }


def test_an_agent_starts_a_training(kinds: Gateway, trainer: Any) -> None:
    made = trainer.create_training_job(**job("nightly-1"))
    assert made["TrainingJobArn"].endswith(":training-job/nightly-1")
    assert trainer.describe_training_job(TrainingJobName="nightly-1")["TrainingJobStatus"] == "InProgress"
    seen = arrived(kinds)
    assert header(seen, "host") == "api.sagemaker.us-east-1.amazonaws.com"
    assert "x-amz-target" in header(seen, "authorization")
    assert refused(lambda: trainer.create_training_job(**job("nightly-1"))) == (400, "ResourceInUse")


def test_an_operation_that_is_not_listed_is_refused(kinds: Gateway, trainer: Any) -> None:
    before = len(kinds.seen())
    assert refused(lambda: trainer.stop_training_job(TrainingJobName="nightly-1")) == (403, "operation-not-allowed")
    assert refused(lambda: trainer.delete_endpoint(EndpointName="churn-v7")) == (403, "operation-not-allowed")
    for value in ("", "CreateTrainingJob", "SageMaker.CreateTrainingJob.x", "SageMaker.createtrainingjob", "x" * 900):
        answer = kinds.ask("/", b"{}", [("X-Amz-Target", value)])
        assert answer.verdict == "403 operation-not-allowed"
    assert kinds.ask("/", b"{}").verdict == "403 operation-not-allowed"
    both = [("X-Amz-Target", "SageMaker.CreateTrainingJob"), ("x-amz-target", "SageMaker.DeleteEndpoint")]
    assert kinds.ask("/", b"{}", both).verdict == "400 header-invalid"
    assert len(kinds.seen()) == before


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal(400, "ThrottlingException", "Rate exceeded"), (400, "ThrottlingException")),
        (Refusal(400, "ResourceLimitExceeded", "no"), (400, "ResourceLimitExceeded")),
        (Refusal(400, "ResourceNotFound", "no"), (400, "ResourceNotFound")),
        (Refusal(500, "InternalFailure", "no"), (500, "InternalFailure")),
        (Refusal(403, "AccessDeniedException", "User: arn:aws:x"), (502, "aws-refused")),
    ],
    ids=lambda one: one.kind if isinstance(one, Refusal) else "",
)
def test_errors_of_the_sagemaker_api(kinds: Gateway, trainer: Any, refusal: Refusal, expected: tuple[int, str]) -> None:
    name = f"errors-{refusal.kind}"
    trainer.create_training_job(**job(name))
    kinds.lab.cloud.runtime.faults.append(Fault(refusal))
    assert refused(lambda: trainer.describe_training_job(TrainingJobName=name)) == expected


# Lambda


def test_a_function_is_invoked(kinds: Gateway, functions: Any) -> None:
    answer = functions.invoke(FunctionName="score", Payload=b'{"a": 1}', InvocationType="Event")
    assert json.loads(answer["Payload"].read()) == {"asked": {"a": 1}}
    assert answer["ExecutedVersion"] == "live"
    seen = arrived(kinds)
    assert seen.target == b"/2015-03-31/functions/score/invocations?Qualifier=live"
    assert header(seen, "x-amz-invocation-type") == "RequestResponse", "the spec's, not the caller's"
    failed = functions.invoke(FunctionName="score", Payload=b'{"fail": true}')
    assert failed["FunctionError"] == "Unhandled"


def test_a_function_gets_an_event(kinds: Gateway) -> None:
    assert kinds.ask("/events/score", b'{"a": 1}').status == 202


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, "TooManyRequestsException"), (502, "EC2UnexpectedException"), (400, "InvalidRequestContentException")],
)
def test_errors_of_lambda(kinds: Gateway, functions: Any, status: int, kind: str) -> None:
    kinds.lab.cloud.runtime.faults.append(Fault(Refusal(status, kind, "no")))
    assert refused(lambda: functions.invoke(FunctionName="score", Payload=b"{}")) == (status, kind)


# A server of one's own


def test_a_server_of_one_s_own_by_curl(kinds: Gateway) -> None:
    files = kinds.lab.client("alice")
    port = kinds.lab.listener("public")[1]
    url = f"{base_url(kinds)}/own/models/x:predict?b=1&a=2"
    command = ["curl", "--silent", "--noproxy", "*", "--cacert", str(kinds.lab.ca_file)]
    command += ["--cert", str(files.certificate), "--key", str(files.key), "--resolve", f"{HOSTNAME}:{port}:127.0.0.1"]
    command += [
        "-H",
        "X-Tenant: acme",
        "-H",
        "X-Caller: staff:forged",
        "-H",
        "Authorization: Bearer x",
        "-d",
        "{}",
        url,
    ]
    done = subprocess.run(command, capture_output=True, timeout=30, check=True)
    told = json.loads(done.stdout)
    assert (told["method"], told["path"], told["query"]) == ("POST", "/v1/models/x:predict", "a=2&b=1")
    assert told["headers"]["host"] == "vllm.example.internal"
    assert told["headers"]["x-caller"] == "staff:alice"
    assert told["headers"]["x-tenant"] == "acme"
    assert told["body"] == "{}"


def test_a_403_of_one_s_own_server_and_of_an_api_is_theirs(kinds: Gateway, web: requests.Session) -> None:
    answer = web.get(f"{base_url(kinds)}/own/forbidden")
    assert (answer.status_code, answer.json()) == (403, {"error": "not you"})
    own = Response(403, [("Content-Type", "application/json")], b'{"message": "no such tenant"}')
    kinds.lab.cloud.runtime.faults.append(Fault(answer=own))
    answer = web.get(f"{base_url(kinds)}/scores/x")
    assert (answer.status_code, answer.json()) == (403, {"message": "no such tenant"})


def test_nothing_of_aws_goes_to_a_server_of_one_s_own(kinds: Gateway) -> None:
    before = len(kinds.seen())
    with kinds.client() as client:
        assert client.request("/scores/x", b"", method="GET").status == 200
        assert client.request("/own/x", b"", method="GET").status == 200
    (request,) = kinds.lab.own.requests[-1:]
    sent = b"".join(name + value for name, value in request.headers).lower()
    assert b"amz" not in sent
    assert b"authorization" not in sent
    assert len(kinds.seen()) == before + 1


# What the product itself prints


def test_the_calls_that_the_lab_prints_are_served(kinds: Gateway) -> None:
    found = {}
    for name, command in curl_calls(kinds.lab, kinds.stage.spec):
        command += ["--silent", "--output", os.devnull, "--write-out", "%{http_code}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        found[name] = done.stdout
    spec = kinds.stage.spec
    assert set(found) == set(spec.routes)
    # A training needs more than a name, as AWS says.
    assert {name: code for name, code in found.items() if code != "200"} == {
        "training": "400",
        "event": "202",
        "later": "202",
        "shaped": "502",
    }
