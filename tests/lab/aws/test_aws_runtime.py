"""The runtime: routes, hosts, limits, what reaches the container and what comes back."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from aws_signing import HOST, PATH, REGION, ROLE, sign, with_header

from bigip_sm.aws.bearer import mint
from bigip_sm.lab.aws.endpoints import Chat, ContainerRequest, Endpoint, classifier, echo, steady
from bigip_sm.lab.aws.runtime import ACCEPTED, Fault, Runtime, model_error, throttled, unavailable
from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.http import Request, Response

VPCE = "vpce-1.runtime.sagemaker.us-east-1.vpce.amazonaws.com"
WEST = "runtime.sagemaker.us-west-2.amazonaws.com"
CHAT = "/endpoints/llama/openai/v1/chat/completions"
STORE = SessionStore()
SESSION = STORE.issue(ROLE, 3600)


async def failing(request: ContainerRequest) -> Response:
    return Response(404 if b"client" in request.body else 503, [], b"no \xff model")


def runtime(extra: Endpoint | None = None, **settings: Any) -> Runtime:
    endpoints = [
        Endpoint("churn-v7", "sagemaker", echo),
        Endpoint("labels", "sagemaker", classifier),
        Endpoint("failing", "sagemaker-openai", failing),
        Endpoint("llama", "sagemaker-openai", Chat(["Hel", "lo"])),
    ]
    hosts = {HOST: REGION, VPCE: REGION, WEST: "us-west-2"}
    named = {endpoint.name: endpoint for endpoint in (*endpoints, *([extra] if extra else []))}
    return Runtime(endpoints=named, sessions=STORE, hosts=hosts, **settings)


def ask(aws: Runtime, request: Request) -> tuple[int, dict[str, str], Any]:
    """Status, headers in lower case, and the JSON or bytes of the answer."""
    response = asyncio.run(aws.handle(request))
    headers = {name.lower(): value for name, value in response.headers}
    assert isinstance(response.body, bytes)
    is_json = headers.get("content-type") == "application/json"
    return response.status, headers, json.loads(response.body) if is_json else response.body


def bearer(body: bytes = b'{"messages": []}', *, token: str | None = None, target: str = CHAT) -> Request:
    token = token or mint(SESSION, REGION, now=time.time(), expires=900)
    headers = [(b"Host", HOST.encode()), (b"Authorization", f"Bearer {token}".encode())]
    return Request("POST", target.encode(), headers, body, HOST, ("127.0.0.1", 1))


def test_an_invocation_reaches_the_container_without_what_sagemaker_drops() -> None:
    aws = runtime()
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Accept", "*/*"),
        ("X-Amzn-SageMaker-Custom-Attributes", "principal=staff%3Aalice,route=churn"),
        ("X-Amzn-SageMaker-Inference-Id", "id-1"),
        ("X-Request-ID", "mine"),
        ("X-User", "root"),
        ("Cookie", "a=b"),
    ]
    status, answer, body = ask(aws, sign(SESSION, headers=headers, body=b"\x00\xff"))
    assert (status, body) == (200, b"\x00\xff")
    assert answer["x-amzn-invoked-production-variant"] == "AllTraffic"
    assert answer["content-type"] == "application/octet-stream"
    assert len(answer["x-amzn-requestid"]) == 36
    (seen,) = aws.requests
    assert seen.verdict == ACCEPTED
    assert dict(seen.container_headers or ()) == {
        "content-type": "application/octet-stream",
        "accept": "*/*",
        "x-amzn-sagemaker-custom-attributes": "principal=staff%3Aalice,route=churn",
        "x-amzn-sagemaker-inference-id": "id-1",
    }
    assert seen.values("X-USER") == [b"root"]
    assert SESSION.session_token not in repr(seen)


def test_the_classifier_answers_json() -> None:
    status, _, body = ask(runtime(), sign(SESSION, target="/endpoints/labels/invocations"))
    assert status == 200
    assert body["endpoint"] == "labels"
    assert body["received_bytes"] == len(b'{"a": 1}')


@pytest.mark.parametrize("host", [HOST, VPCE])
def test_both_names_of_a_region_are_served(host: str) -> None:
    assert ask(runtime(), sign(SESSION, host=host))[0] == 200


def test_unsigned_and_tampered_invocations_have_aws_s_answer() -> None:
    aws = runtime()
    status, headers, body = ask(aws, with_header(sign(SESSION), "Authorization", None))
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    assert body == {"message": "Missing Authentication Token"}
    status, headers, body = ask(aws, dataclasses.replace(sign(SESSION), body=b"x"))
    assert (status, headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    assert body["message"].startswith("The request signature we calculated does not match")
    assert "The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n" in body["message"]
    assert [seen.verdict for seen in aws.requests] == [
        "MissingAuthenticationTokenException",
        "InvalidSignatureException",
    ]
    assert {seen.container_headers for seen in aws.requests} == {None}


@pytest.mark.parametrize(
    ("host", "sni"),
    [(HOST, VPCE), (VPCE, HOST), (HOST, None), ("example.com", "example.com"), (HOST.upper(), HOST.upper())],
)
def test_host_must_be_served_and_be_the_name_of_the_handshake(host: str, sni: str | None) -> None:
    status, headers, _ = ask(runtime(), dataclasses.replace(sign(SESSION, host=host), sni=sni))
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


def test_two_hosts_are_refused() -> None:
    assert ask(runtime(), with_header(sign(SESSION), "Host", HOST, add=True))[0] == 404


def test_region_of_the_scope_is_that_of_the_host() -> None:
    status, headers, body = ask(runtime(), sign(SESSION, host=WEST, region="us-east-1"))
    assert (status, headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    assert "'us-east-1'" in body["message"]
    assert ask(runtime(), sign(SESSION, host=WEST, region="us-west-2"))[0] == 200


def test_unknown_endpoint() -> None:
    status, headers, body = ask(runtime(), sign(SESSION, target="/endpoints/nobody/invocations"))
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert body == {"message": "Endpoint nobody of account 123456789012 not found."}


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/endpoints/churn-v7",
        "/endpoints/churn-v7/invocations/",
        "/endpoints//churn-v7/invocations",
        "/endpoints/churn%2Dv7/invocations",
        "/endpoints/-x/invocations",
        "/endpoints/churn-v7/invocations-bidirectional-stream",
        "/endpoints/llama/openai/v1/models",
    ],
)
def test_other_paths_are_no_operation(target: str) -> None:
    status, headers, _ = ask(runtime(), sign(SESSION, target=target))
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


def test_only_post_is_an_operation() -> None:
    assert ask(runtime(), dataclasses.replace(sign(SESSION), method="GET"))[0] == 404


@pytest.mark.parametrize(
    ("name", "value", "member"),
    [
        ("X-Amzn-SageMaker-Custom-Attributes", "a" * 1025, "customAttributes"),
        ("X-Amzn-SageMaker-Custom-Attributes", "caf\u00e9", "customAttributes"),
        ("X-Amzn-SageMaker-Custom-Attributes", "a\tb", "customAttributes"),
        ("X-Amzn-SageMaker-Inference-Id", "i" * 65, "inferenceId"),
        ("X-Amzn-SageMaker-Inference-Id", "", "inferenceId"),
        ("X-Amzn-SageMaker-Target-Variant", "a_b", "targetVariant"),
        ("X-Amzn-SageMaker-Session-Id", "s" * 257, "sessionId"),
        ("Content-Type", "c" * 1025, "contentType"),
    ],
)
def test_header_limits(name: str, value: str, member: str) -> None:
    request = with_header(sign(SESSION, headers=()), name, value)
    status, headers, body = ask(runtime(), request)
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert f"'{member}'" in body["message"]


def test_longest_custom_attributes_pass_and_a_second_header_does_not() -> None:
    name = "X-Amzn-SageMaker-Custom-Attributes"
    request = with_header(sign(SESSION, headers=()), name, "a" * 1024)
    assert ask(runtime(), request)[0] == 200
    assert ask(runtime(), with_header(request, name, "b", add=True))[0] == 400


def test_body_limit() -> None:
    aws = runtime(max_body=8)
    assert ask(aws, sign(SESSION, body=b"12345678"))[0] == 200
    assert ask(aws, sign(SESSION, body=b"123456789"))[0] == 413


def test_model_errors_are_wrapped() -> None:
    target = "/endpoints/failing/invocations"
    status, headers, body = ask(runtime(), sign(SESSION, target=target, body=b"client"))
    assert (status, headers["x-amzn-errortype"]) == (424, "ModelError")
    assert (body["OriginalStatusCode"], body["ErrorCode"]) == (404, "CLIENT_ERROR_FROM_MODEL")
    assert body["Message"].startswith('Received client error (404) from primary with message "no ')
    assert "in account 123456789012" in body["Message"]
    assert ask(runtime(), sign(SESSION, target=target))[2]["ErrorCode"] == "SERVER_ERROR_FROM_MODEL"


def test_faults_hit_the_next_accepted_requests_only() -> None:
    aws = runtime()
    aws.faults.extend([throttled(), unavailable(), model_error(500, "boom"), Fault(delay=0.05)])
    assert ask(aws, with_header(sign(SESSION), "Authorization", None))[0] == 403
    status, headers, body = ask(aws, sign(SESSION))
    assert (status, headers["x-amzn-errortype"], body) == (400, "ThrottlingException", {"message": None})
    assert ask(aws, sign(SESSION))[0] == 503
    status, _, body = ask(aws, sign(SESSION))
    assert (status, body["OriginalMessage"]) == (424, "boom")
    before = time.monotonic()
    assert ask(aws, sign(SESSION))[0] == 200
    assert time.monotonic() - before >= 0.05
    verdicts = ["MissingAuthenticationTokenException", "ThrottlingException", "ServiceUnavailable"]
    assert [seen.verdict for seen in aws.requests] == [*verdicts, ACCEPTED, ACCEPTED]


def test_chat_by_bearer_token() -> None:
    aws = runtime()
    status, headers, body = ask(aws, bearer(b'{"model": "", "messages": [{"role": "user", "content": "Hi"}]}'))
    assert (status, headers["x-amzn-invoked-production-variant"]) == (200, "AllTraffic")
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert body["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda r: with_header(r, "Authorization", None), 403, "missing_authentication_token"),
        (lambda r: with_header(r, "Authorization", "Bearer x", add=True), 403, "access_denied"),
        (lambda r: with_header(r, "Authorization", "Bearer x"), 403, "unrecognized_client"),
        (lambda r: with_header(r, "Authorization", "bearer x"), 403, "access_denied"),
        (lambda r: dataclasses.replace(r, sni=WEST), 404, "unknown_operation"),
        (lambda r: dataclasses.replace(with_header(r, "Host", WEST), sni=WEST), 403, "invalid_signature"),
        (lambda r: with_header(r, "X-Amzn-SageMaker-Inference-Component", "c"), 400, "validation_error"),
        (lambda r: dataclasses.replace(r, body=b"[]"), 400, "model_error"),
        (lambda r: dataclasses.replace(r, target=CHAT.replace("llama", "gone").encode()), 400, "validation_error"),
        (lambda r: dataclasses.replace(r, target=CHAT.replace("llama", "labels").encode()), 400, "validation_error"),
    ],
)
def test_chat_refusals_have_openai_s_envelope(change: Any, status: int, code: str) -> None:
    found, _, body = ask(runtime(), change(bearer()))
    assert (found, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]


def test_signed_requests_are_refused_on_the_chat_path_and_tokens_on_the_other() -> None:
    status, _, body = ask(runtime(), sign(SESSION, target=CHAT))
    assert (status, body["error"]["code"]) == (403, "access_denied")
    status, headers, _ = ask(runtime(), bearer(target=PATH))
    assert (status, headers["x-amzn-errortype"]) == (403, "IncompleteSignatureException")


def test_the_chat_container_does_not_get_sagemaker_s_headers() -> None:
    aws = runtime()
    request = with_header(bearer(), "X-Amzn-SageMaker-Custom-Attributes", "principal=x")
    assert ask(aws, with_header(request, "Content-Type", "application/json"))[0] == 200
    assert aws.requests[0].container_headers == (("content-type", "application/json"),)


def stream(aws: Runtime, body: bytes) -> list[bytes]:
    async def collect() -> list[bytes]:
        response = await aws.handle(bearer(body))
        assert not isinstance(response.body, bytes)
        return [piece async for piece in response.body]

    return asyncio.run(collect())


@pytest.mark.parametrize(("options", "usages"), [({}, 0), ({"stream_options": {"include_usage": True}}, 1)])
def test_chat_streams_server_sent_events(options: dict[str, Any], usages: int) -> None:
    asked = {"model": "m", "messages": [], "stream": True, **options}
    events = stream(runtime(), json.dumps(asked).encode())
    assert events[-1] == b"data: [DONE]\n\n"
    chunks: Sequence[Any] = [json.loads(event.removeprefix(b"data: ")) for event in events[:-1]]
    text = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk["choices"]]
    assert text == ["Hel", "lo", None]
    assert sum("usage" in chunk for chunk in chunks) == usages


def test_a_steady_container_takes_its_time_between_tokens() -> None:
    chat = Chat(["a", "b", "c"], steady(0.02))
    aws = runtime(extra=Endpoint("slow", "sagemaker-openai", chat))
    assert ask(aws, bearer(target=CHAT.replace("llama", "slow")))[0] == 200
    first, second, third = chat.produced
    assert second - first >= 0.02
    assert third - second >= 0.02
