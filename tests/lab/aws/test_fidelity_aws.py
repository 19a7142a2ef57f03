"""Facts of AWS that no other test holds; docs/fidelity.md lists them all."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from typing import Any

import pytest
from aws_signing import HOST, REGION, ROLE, sign, with_header

from bigip_sm.aws.bearer import mint
from bigip_sm.lab.aws.assume import Role, admit
from bigip_sm.lab.aws.endpoints import ContainerRequest, Endpoint, echo
from bigip_sm.lab.aws.patience import StreamTimeout
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import Fault, Runtime
from bigip_sm.lab.aws.sessions import Session, SessionStore
from bigip_sm.lab.http import Request, Response

CHAT = "/endpoints/llama/openai/v1/chat/completions"
STORE = SessionStore()
SESSION = STORE.issue(ROLE, 3600)


async def whatever(request: ContainerRequest) -> Response:
    return Response(200, [("Content-Type", "text/plain"), ("X-Model", "secret")], request.body)


async def refusing(_: ContainerRequest) -> Response:
    return Response(418, [], b"short and stout")


def runtime() -> Runtime:
    endpoints = [
        Endpoint("churn-v7", "sagemaker", echo),
        Endpoint("llama", "sagemaker-openai", whatever),
        Endpoint("teapot", "sagemaker-openai", refusing),
    ]
    return Runtime(endpoints={one.name: one for one in endpoints}, sessions=STORE, hosts={HOST: REGION})


def ask(request: Request, aws: Runtime | None = None) -> Response:
    return asyncio.run((aws or runtime()).handle(request))


def chat(body: bytes, target: str = CHAT) -> Request:
    token = mint(SESSION, REGION, now=time.time(), expires=900)
    headers = [(b"Host", HOST.encode()), (b"Authorization", f"Bearer {token}".encode())]
    return Request("POST", target.encode(), headers, body, HOST, ("127.0.0.1", 1))


def said(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("Target-Model", ["m", "a b", "m" * 1024], ["", " ", "m" * 1025]),
        ("Target-Variant", ["v", "v-1", "v" * 63], ["-v", "v_1", "v" * 64]),
        ("Target-Container-Hostname", ["h", "h" * 63], ["h.", "h" * 64]),
        ("Inference-Id", ["i", "a b", "i" * 64], ["", "i" * 65, "\x7f"]),
        ("Enable-Explanations", ["`true`", "e" * 64], ["", "e" * 65]),
        ("Inference-Component", ["c", "c--d", "c" * 63], ["-c", "c-", "c" * 64]),
        ("Session-Id", ["NEW_SESSION", "s-1", "s" * 256], ["OLD_SESSION", "s" * 257]),
    ],
)
def test_every_header_has_its_limit(name: str, good: list[str], bad: list[str]) -> None:
    signed = sign(SESSION, headers=())
    header = f"X-Amzn-SageMaker-{name}"
    assert [value for value in good if ask(with_header(signed, header, value)).status != 200] == []
    assert [value for value in bad if ask(with_header(signed, header, value)).status != 400] == []


def test_the_limit_of_a_body_is_25_mb() -> None:
    limit = 25 * 1024**2
    assert ask(chat(bytes(limit))).status == 200
    assert ask(chat(bytes(limit + 1))).status == 413


def test_a_container_s_error_keeps_its_status_on_the_chat_path() -> None:
    response = ask(chat(b"{}", CHAT.replace("llama", "teapot")))
    error = said(response)["error"]
    assert (response.status, error["type"], error["code"]) == (418, "server_error", "model_error")
    assert 'Received client error (418) from primary with message "short and stout"' in error["message"]


def test_a_token_covers_no_body() -> None:
    request = chat(b"one")
    for body in (b"one", b"another", b""):
        response = ask(dataclasses.replace(request, body=body))
        assert (response.status, response.body) == (200, body)


def test_what_the_model_adds_to_the_headers_is_dropped() -> None:
    assert "X-Model" not in dict(ask(chat(b"")).headers)


def test_plain_invocations_do_not_stream() -> None:
    aws = runtime()

    async def pieces() -> Any:
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    aws.faults.append(Fault(answer=Response(200, [("Content-Type", "text/event-stream")], pieces())))
    assert ask(sign(SESSION, body=b'{"stream": true}'), aws).body == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("slow", ["container", "delay", "body"])
def test_a_container_that_takes_too_long_is_a_model_error(slow: str) -> None:
    async def late(_: ContainerRequest) -> Response:
        await asyncio.sleep(5 if slow == "container" else 0)
        return Response(200, [], pieces() if slow == "body" else b"ok")

    async def pieces() -> Any:
        yield b"o"
        await asyncio.sleep(5)
        yield b"k"

    aws = Runtime(endpoints={"churn-v7": Endpoint("churn-v7", "sagemaker", late)}, sessions=STORE, hosts={HOST: REGION})
    assert aws.patience == 60.0
    aws.patience = 0.2
    if slow == "delay":
        aws.faults.append(Fault(delay=5))
    response = ask(sign(SESSION, body=b"{}"), aws)
    assert (response.status, dict(response.headers)["x-amzn-ErrorType"]) == (424, "ModelError")
    error = said(response)
    assert (error["ErrorCode"], error["OriginalStatusCode"]) == ("SERVER_ERROR_FROM_MODEL", 0)
    assert error["OriginalMessage"].startswith("Your invocation timed out while waiting for a response from container")
    assert error["Message"].startswith('Received server error (0) from primary with message "Your invocation timed out')


def test_a_stream_that_takes_too_long_is_cut_off() -> None:
    closed = []

    async def pieces() -> Any:
        try:
            for _ in range(50):
                yield b"data: 1\n\n"
                await asyncio.sleep(0.05)
        finally:
            closed.append(True)

    async def streaming(_: ContainerRequest) -> Response:
        return Response(200, [("Content-Type", "text/event-stream")], pieces())

    got: list[bytes] = []

    async def read() -> None:
        endpoint = Endpoint("llama", "sagemaker-openai", streaming)
        aws = Runtime(endpoints={"llama": endpoint}, sessions=STORE, hosts={HOST: REGION})
        assert aws.stream_patience == 480.0
        aws.stream_patience = 0.3
        response = await aws.handle(chat(b"{}"))
        assert not isinstance(response.body, bytes)
        async for piece in response.body:
            got.append(piece)

    with pytest.raises(StreamTimeout):
        asyncio.run(read())
    assert 1 <= len(got) < 50
    assert closed == [True]


def test_a_chat_that_does_not_begin_in_time_is_a_model_error() -> None:
    async def late(_: ContainerRequest) -> Response:
        await asyncio.sleep(5)
        return Response(200, [], b"ok")

    aws = Runtime(
        endpoints={"llama": Endpoint("llama", "sagemaker-openai", late)}, sessions=STORE, hosts={HOST: REGION}
    )
    aws.patience = 0.1
    response = ask(chat(b"{}"), aws)
    error = said(response)["error"]
    assert (response.status, error["type"], error["code"]) == (424, "server_error", "model_error")


def test_the_smallest_set_of_signed_headers_is_enough() -> None:
    signed = sign(SESSION, headers=())
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in (signed.header("authorization") or "")
    assert ask(signed).status == 200


def test_a_component_that_is_not_there_is_refused() -> None:
    answer = ask(chat(b"", CHAT.replace("/openai", "/inference-components/part/openai")))
    assert (answer.status, said(answer)["error"]["code"]) == (400, "validation_error")


ASKED = {"RoleArn": ROLE, "RoleSessionName": "bigip-a"}
CALLER = Session("AKIA", "secret", "arn:aws:iam::123456789012:user/rotator", None, None)
CHAINED = Session("ASIA", "secret", ROLE, "token", 9e9, "bigip-a", frozenset({"team"}))


@pytest.mark.parametrize(
    ("caller", "form", "kind"),
    [
        (CALLER, {"SourceIdentity": "b"}, "ValidationError"),
        (CALLER, {"SourceIdentity": "b" * 65}, "ValidationError"),
        (CALLER, {"SourceIdentity": "not one"}, "ValidationError"),
        (CALLER, {"Policy": '"' + "p" * 2047 + '"'}, "ValidationError"),
        (CALLER, {"Policy": "{"}, "MalformedPolicyDocument"),
        (CALLER, {"DurationSeconds": "899"}, "ValidationError"),
        (CALLER, {"DurationSeconds": "3601"}, "ValidationError"),
        (CHAINED, {"SourceIdentity": "bigip-b"}, "AccessDenied"),
        (CHAINED, {"Tags.member.1.Key": "Team", "Tags.member.1.Value": "x"}, "InvalidParameterValue"),
    ],
)
def test_what_sts_refuses(caller: Session, form: dict[str, str], kind: str) -> None:
    roles = {ROLE: Role(ROLE)}
    admit({**ASKED, "SourceIdentity": "bigip-a"}, caller, roles)
    with pytest.raises(Refusal) as refused:
        admit({**ASKED, **form}, caller, roles)
    assert refused.value.kind == kind
