"""SageMaker, TensorFlow Serving, API Gateway and Bedrock through the gateway, by the stock client of each."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import openai
import pytest
import requests
from gateway_kit import Gateway
from kinds_kit import CLAUDE, arrived, base_url, header, refused, resolve_here, scope, sdk

from bigip_sm.lab.aws.apis.bedrock import WORDS
from bigip_sm.lab.aws.endpoints import StreamFailure
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import Fault, model_error, throttled, unavailable
from bigip_sm.lab.http import Response

QUESTION: Any = [{"role": "user", "content": [{"text": "Hello"}]}]


@pytest.fixture(autouse=True)
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_here(monkeypatch)


@pytest.fixture
def runtime(kinds: Gateway) -> Iterator[Any]:
    client = sdk(kinds, "sagemaker-runtime")
    yield client
    client.close()


@pytest.fixture
def bedrock(kinds: Gateway) -> Iterator[Any]:
    client = sdk(kinds, "bedrock-runtime")
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


# SageMaker


def test_an_invocation_has_the_spec_s_headers(kinds: Gateway, runtime: Any) -> None:
    answer = runtime.invoke_endpoint(
        EndpointName="churn-v7", Body=b"{}", ContentType="application/json", TargetVariant="forged", SessionId="s-1"
    )
    assert json.loads(answer["Body"].read())["received_bytes"] == 2
    seen = arrived(kinds)
    assert header(seen, "x-amzn-sagemaker-target-variant") == "blue", "the spec's, not the caller's"
    assert header(seen, "x-amzn-sagemaker-session-id") == "s-1"
    assert header(seen, "x-amzn-sagemaker-custom-attributes") == "principal=staff%3Aalice,route=churn"
    assert "x-amzn-sagemaker-target-variant" in header(seen, "authorization"), "nobody behind can swap it"
    assert scope(seen).endswith("/us-east-1/sagemaker/aws4_request")


@pytest.mark.parametrize("model", ["a.tar.gz", "team/b/c.tar.gz"])
def test_a_listed_target_model_is_passed_on(kinds: Gateway, runtime: Any, model: str) -> None:
    runtime.invoke_endpoint(EndpointName="churn-v7", Body=b"{}", TargetModel=model)
    assert header(arrived(kinds), "x-amzn-sagemaker-target-model") == model


@pytest.mark.parametrize("model", ["b.tar.gz", "a.tar.gz2", "team/../secret.tar.gz", "TEAM/x", "team", "team/[x]"])
def test_another_target_model_is_refused(kinds: Gateway, runtime: Any, model: str) -> None:
    before = len(kinds.seen())
    call = lambda: runtime.invoke_endpoint(EndpointName="churn-v7", Body=b"{}", TargetModel=model)  # noqa: E731
    assert refused(call) == (400, "header-not-allowed")
    assert len(kinds.seen()) == before


def test_a_header_of_one_request_is_not_that_of_the_next(kinds: Gateway, runtime: Any) -> None:
    runtime.invoke_endpoint(EndpointName="churn-v7", Body=b"{}", TargetModel="a.tar.gz")
    runtime.invoke_endpoint(EndpointName="churn-v7", Body=b"{}")
    assert header(arrived(kinds), "x-amzn-sagemaker-target-model") == ""


def test_a_response_stream_passes_through(kinds: Gateway, runtime: Any) -> None:
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName="words-v1", Body=b"{}")
    payload = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    assert json.loads(payload)["endpoint"] == "words-v1"
    seen = arrived(kinds)
    assert header(seen, "x-amzn-sagemaker-custom-attributes") == "", "identity_header: off"
    assert header(seen, "x-amzn-sagemaker-inference-id")


def test_a_stream_that_breaks_is_a_modelled_error(kinds: Gateway, runtime: Any) -> None:
    async def body() -> Any:
        yield b"one"
        raise StreamFailure("ModelStreamError", "Model did not finish", ErrorCode="ModelInvocationTimeExceeded")

    kinds.lab.cloud.runtime.faults.append(Fault(answer=Response(200, [("Content-Type", "text/plain")], body())))
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName="words-v1", Body=b"{}")
    found = []
    with pytest.raises(botocore.exceptions.EventStreamError, match="ModelStreamError"):
        found += [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    answer["Body"].close()


def test_frames_that_a_stage_would_have_to_read_are_refused(kinds: Gateway) -> None:
    answer = kinds.ask("/shaped", b"{}")
    assert answer.verdict == "502 answer-invalid"
    assert b"vnd.amazon" not in answer.body


def test_an_asynchronous_invocation(kinds: Gateway, runtime: Any) -> None:
    location = "s3://inputs/churn/today.csv"
    answer = runtime.invoke_endpoint_async(
        EndpointName="churn-v7", InputLocation=location, ContentType="text/csv", InvocationTimeoutSeconds=60
    )
    assert answer["OutputLocation"].startswith("s3://")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    seen = arrived(kinds)
    assert header(seen, "x-amzn-sagemaker-inputlocation") == location
    assert header(seen, "x-amzn-sagemaker-content-type") == "text/csv"
    assert header(seen, "content-type") == ""


@pytest.mark.parametrize("location", ["s3://other/x", "s3://inputs/churn/../x", "https://example.com/x"])
def test_input_from_elsewhere_is_refused(runtime: Any, location: str) -> None:
    call = lambda: runtime.invoke_endpoint_async(EndpointName="churn-v7", InputLocation=location)  # noqa: E731
    assert refused(call) == (400, "header-not-allowed")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (throttled(), (400, "ThrottlingException")),
        (unavailable(), (503, "ServiceUnavailable")),
        (model_error(), (424, "ModelError")),
        (Fault(Refusal(429, "ModelNotReadyException", "not ready")), (429, "ModelNotReadyException")),
        (Fault(Refusal(500, "InternalFailure", "no")), (500, "InternalFailure")),
        (Fault(Refusal(530, "InternalDependencyException", "no")), (530, "InternalDependencyException")),
        (Fault(Refusal(400, "ValidationError", "no capacity")), (400, "ValidationError")),
        (Fault(Refusal(403, "AccessDeniedException", "no")), (502, "aws-refused")),
    ],
    ids=lambda one: str(one) if isinstance(one, tuple) else "",
)
def test_errors_of_the_runtime(kinds: Gateway, runtime: Any, fault: Fault, expected: tuple[int, str]) -> None:
    kinds.lab.cloud.runtime.faults.append(fault)
    assert refused(lambda: runtime.invoke_endpoint(EndpointName="churn-v7", Body=b"{}")) == expected


def test_a_chat_with_an_inference_component(kinds: Gateway) -> None:
    tls = ssl.create_default_context(cafile=str(kinds.lab.ca_file))
    files = kinds.lab.client("alice")
    tls.load_cert_chain(files.certificate, files.key)
    http = openai.DefaultHttpxClient(verify=tls, trust_env=False)
    with openai.OpenAI(base_url=f"{base_url(kinds)}/v1", api_key="unused", http_client=http, max_retries=0) as client:
        answer = client.chat.completions.create(model="", messages=[{"role": "user", "content": "Hello"}])
        assert answer.choices[0].message.content
        assert arrived(kinds).target == b"/endpoints/llama-v3/inference-components/llama-ic/openai/v1/chat/completions"
        kinds.lab.cloud.runtime.faults.append(model_error(400, "prompt too long"))
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="", messages=[{"role": "user", "content": "Hello"}])
    assert caught.value.code == "model_error"


# TensorFlow Serving


@pytest.mark.parametrize(
    ("path", "attributes", "called"),
    [
        ("churn:predict", "tfs-model-name=churn,tfs-method=predict", "/tfs/v1/models/churn:predict"),
        (
            "churn/versions/3:classify",
            "tfs-model-name=churn,tfs-model-version=3,tfs-method=classify",
            "/tfs/v1/models/churn/versions/3:classify",
        ),
        ("fraud:predict", "tfs-model-name=fraud,tfs-method=predict", "/tfs/v1/models/fraud:predict"),
    ],
)
def test_tensorflow_serving_by_requests(
    kinds: Gateway, web: requests.Session, path: str, attributes: str, called: str
) -> None:
    answer = web.post(f"{base_url(kinds)}/v1/models/{path}", json={"instances": [[1.0, 2.0]]})
    assert (answer.status_code, answer.json()["called"]) == (200, called)
    assert answer.json()["predictions"] == [[0.25, 0.75]]
    seen = arrived(kinds)
    assert seen.target == b"/endpoints/tf-v2/invocations"
    expected = f"principal=staff%3Aalice,route=tensor,{attributes}"
    assert header(seen, "x-amzn-sagemaker-custom-attributes") == expected
    assert scope(seen).endswith("/us-west-2/sagemaker/aws4_request")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json"])
def test_the_container_gets_the_exact_content_type(kinds: Gateway, web: requests.Session, content_type: str) -> None:
    url = f"{base_url(kinds)}/v1/models/churn:predict"
    assert web.post(url, data=b"{}", headers={"Content-Type": content_type}).status_code == 200
    assert header(arrived(kinds), "content-type") == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "verdict"),
    [
        ("POST", "other:predict", "404 model-not-served"),
        ("POST", "churn/versions/5:predict", "404 model-not-served"),
        ("POST", "fraud/versions/1:predict", "404 model-not-served"),
        ("POST", "churn/versions/03:predict", "404 model-not-served"),
        ("POST", "churn,tfs-method=x:predict", "404 model-not-served"),
        ("POST", "churn/x:predict", "404 model-not-served"),
        ("POST", ":predict", "404 model-not-served"),
        ("POST", "churn:regress", "403 operation-not-allowed"),
        ("POST", "churn:delete", "403 operation-not-allowed"),
        ("POST", "churn", "404 status-not-available"),
        ("GET", "churn", "404 status-not-available"),
        ("GET", "churn/versions/3", "404 status-not-available"),
        ("GET", "churn/metadata", "404 status-not-available"),
        ("GET", "churn:predict", "403 operation-not-allowed"),
        ("DELETE", "churn:predict", "405 method-not-allowed"),
    ],
)
def test_what_tensorflow_serving_refuses(kinds: Gateway, method: str, path: str, verdict: str) -> None:
    before = len(kinds.seen())
    headers = [("Content-Type", "application/json")]
    assert kinds.ask(f"/v1/models/{path}", b"{}", headers, method=method).verdict == verdict
    assert len(kinds.seen()) == before


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json; charset=latin-1", "application/jsonx"])
def test_another_content_type_is_refused(kinds: Gateway, content_type: str) -> None:
    headers = [("Content-Type", content_type)] if content_type else []
    assert kinds.ask("/v1/models/churn:predict", b"{}", headers).verdict == "415 tensorflow-content-type"


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (throttled(), 400, "ThrottlingException"),
        (unavailable(), 503, "ServiceUnavailable"),
        (model_error(400, '{"error": "Tensor :0 is not an element of this graph"}'), 424, "ModelError"),
    ],
    ids=["throttled", "unavailable", "model error"],
)
def test_errors_behind_tensorflow_serving_s_paths(
    kinds: Gateway, web: requests.Session, fault: Fault, status: int, kind: str
) -> None:
    kinds.lab.cloud.runtime.faults.append(fault)
    answer = web.post(f"{base_url(kinds)}/v1/models/churn:predict", json={"instances": [[1.0]]})
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (status, kind)


# API Gateway


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["a", "a/b;c=1", "x(1)", "caf%C3%A9/%3Ax", "a!b*'", ""])
def test_a_private_rest_api(kinds: Gateway, web: requests.Session, method: str, path: str) -> None:
    url = f"{base_url(kinds)}/scores/{path}?b=2&a=%3D+1"
    request = requests.Request(method, url, headers={"X-Tenant": "a  b", "X-Other": "x"}).prepare()
    request.url = url
    answer = web.send(request)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["method"], told["path"], told["query"]) == (method, f"/prod/score/{path}", "a=%3D%201&b=2")
    assert told["headers"]["host"] == "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
    assert told["headers"]["x-tenant"] == "a b"
    assert "x-other" not in told["headers"]
    assert scope(arrived(kinds)).endswith("/us-east-1/execute-api/aws4_request")
    assert b"sagemaker" not in b"".join(name.lower() for name, _ in arrived(kinds).headers)


def test_a_private_rest_api_by_header(kinds: Gateway, web: requests.Session) -> None:
    answer = web.get(f"{base_url(kinds)}/by-header/x")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["api"] == "a1b2c3d4e5"
    assert told["headers"]["host"] == "vpce-0a1b2c3d4e5f60718-abcdefghh.execute-api.us-east-1.vpce.amazonaws.com"
    assert "x-apigw-api-id" in header(arrived(kinds), "authorization")


def test_errors_of_api_gateway(kinds: Gateway, web: requests.Session) -> None:
    kinds.lab.cloud.runtime.faults.append(Fault(Refusal(429, "TooManyRequestsException", "Too Many Requests")))
    answer = web.get(f"{base_url(kinds)}/scores/x")
    assert (answer.status_code, answer.json()) == (429, {"message": "Too Many Requests"})
    kinds.lab.cloud.runtime.faults.append(Fault(Refusal(403, "ForbiddenException", "Forbidden")))
    assert web.get(f"{base_url(kinds)}/scores/x").headers["x-gateway-reason"] == "aws-refused"


# Bedrock


def test_bedrock_converses(kinds: Gateway, bedrock: Any) -> None:
    answer = bedrock.converse(modelId=CLAUDE, messages=QUESTION)
    assert answer["output"]["message"]["content"][0]["text"] == "".join(WORDS)
    seen = arrived(kinds)
    assert seen.target == b"/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse"
    assert header(seen, "host") == "bedrock-runtime-fips.us-east-1.amazonaws.com"
    assert scope(seen).endswith("/us-east-1/bedrock/aws4_request")


def test_bedrock_invokes(bedrock: Any) -> None:
    answer = bedrock.invoke_model(modelId=CLAUDE, body=json.dumps({"prompt": "x"}))
    assert json.loads(answer["body"].read())["completion"] == "".join(WORDS)


def test_bedrock_streams(bedrock: Any) -> None:
    answer = bedrock.invoke_model_with_response_stream(modelId="amazon.titan-text-lite-v1", body=b"{}")
    assert "".join(json.loads(event["chunk"]["bytes"])["completion"] for event in answer["body"]) == "".join(WORDS)
    events = list(bedrock.converse_stream(modelId=CLAUDE, messages=QUESTION)["stream"])
    words = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(words) == "".join(WORDS)


def test_bedrock_by_curl_with_a_plain_colon(kinds: Gateway) -> None:
    answer = kinds.ask(f"/model/{CLAUDE}/converse", json.dumps({"messages": QUESTION}).encode())
    assert answer.status == 200
    assert b"%3A" in arrived(kinds).target


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("meta.llama3-8b-instruct-v1:0/converse", "404 model-not-served"),
        (f"{CLAUDE}x/converse", "404 model-not-served"),
        (f"{CLAUDE}/apply", "403 operation-not-allowed"),
        (f"{CLAUDE}/count-tokens", "403 operation-not-allowed"),
        (CLAUDE, "404 model-not-served"),
        (f"x/{CLAUDE}/converse", "404 model-not-served"),
        (f"{CLAUDE}%253A/converse", "404 model-not-served"),
    ],
)
def test_what_bedrock_refuses(kinds: Gateway, path: str, verdict: str) -> None:
    assert kinds.ask(f"/model/{path}", b"{}").verdict == verdict


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "ThrottlingException"),
        (424, "ModelErrorException"),
        (408, "ModelTimeoutException"),
        (503, "ServiceUnavailableException"),
        (400, "ValidationException"),
        (404, "ResourceNotFoundException"),
    ],
)
def test_errors_of_bedrock(kinds: Gateway, bedrock: Any, status: int, kind: str) -> None:
    faults = kinds.lab.cloud.runtime.faults
    faults.extend([Fault(Refusal(status, kind, "no"))] * 2)  # one for each region
    try:
        assert refused(lambda: bedrock.converse(modelId=CLAUDE, messages=QUESTION)) == (status, kind)
    finally:
        faults.clear()


def test_another_region_of_bedrock_is_signed_for(kinds: Gateway, bedrock: Any) -> None:
    kinds.lab.cloud.runtime.faults.append(Fault(Refusal(429, "ThrottlingException", "no")))
    assert bedrock.converse(modelId=CLAUDE, messages=QUESTION)["stopReason"] == "end_turn"
    first, second = kinds.seen()[-2:]
    assert first.verdict == "ThrottlingException"
    assert header(second, "host") == second.sni == "bedrock-runtime-fips.us-west-2.amazonaws.com"
    assert scope(arrived(kinds)).endswith("/us-west-2/bedrock/aws4_request")
    assert second.target == first.target
