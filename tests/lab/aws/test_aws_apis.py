"""The services beside the SageMaker runtime: each refuses signatures for another, and what it does not know."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest
from aws_signing import ROLE, sign
from botocore.eventstream import EventStreamBuffer

from bigip_sm.lab.aws.apis import Api
from bigip_sm.lab.aws.apis.bedrock import BedrockApi
from bigip_sm.lab.aws.apis.lambda_ import LambdaApi
from bigip_sm.lab.aws.apis.management import MEDIA_TYPE, ManagementApi
from bigip_sm.lab.aws.apis.rest import RestApi, RestApis
from bigip_sm.lab.aws.containers import tensorflow
from bigip_sm.lab.aws.endpoints import ContainerRequest, Endpoint, StreamFailure, echo
from bigip_sm.lab.aws.eventstream import event, exception
from bigip_sm.lab.aws.runtime import ACCEPTED, Runtime
from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.http import Request, Response

STORE = SessionStore()
SESSION = STORE.issue(ROLE, 3600)
RUNTIME = "runtime.sagemaker.us-east-1.amazonaws.com"
VPCE = "vpce-1-a.execute-api.us-east-1.vpce.amazonaws.com"
APIS: dict[str, Api] = {
    "bedrock-runtime.us-east-1.amazonaws.com": BedrockApi({"amazon.titan-v1:0"}),
    "lambda.us-east-1.amazonaws.com": LambdaApi({"score": frozenset({"live"})}),
    "api.sagemaker.us-east-1.amazonaws.com": ManagementApi(),
    "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com": RestApis([RestApi("a1b2c3d4e5", "/prod/")]),
    VPCE: RestApis([RestApi("a1b2c3d4e5", "/prod/")]),
}
BEDROCK, LAMBDA, MANAGEMENT, REST, _ = APIS
SERVICE = {BEDROCK: "bedrock", LAMBDA: "lambda", MANAGEMENT: "sagemaker", REST: "execute-api", VPCE: "execute-api"}
INVOKE = "/2015-03-31/functions/score/invocations"
Headers = Sequence[tuple[str, str]]


def aws(*endpoints: Endpoint) -> Runtime:
    hosts = dict.fromkeys([*APIS, RUNTIME], "us-east-1")
    return Runtime(endpoints={one.name: one for one in endpoints}, sessions=STORE, hosts=hosts, apis=APIS)


def ask(request: Request, cloud: Runtime | None = None) -> Response:
    return asyncio.run((cloud or aws()).handle(request))


def said(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


async def whole(response: Response) -> bytes:
    assert not isinstance(response.body, bytes)
    return b"".join([piece async for piece in response.body])


@pytest.mark.parametrize("host", list(APIS))
def test_a_signature_for_another_service_is_refused(host: str) -> None:
    signed = sign(SESSION, host=host, service="s3", target="/")
    answer = ask(signed)
    assert (answer.status, "correct service" in json.dumps(said(answer))) == (403, True)
    assert ask(dataclasses.replace(signed, headers=[(b"Host", host.encode())])).status == 403, "unsigned"
    assert ask(dataclasses.replace(signed, sni=RUNTIME)).status == 404, "another name in the handshake"


@pytest.mark.parametrize(
    ("host", "target", "headers", "body", "status", "kind"),
    [
        (BEDROCK, "/", (), b"{}", 404, "UnknownOperationException"),
        (BEDROCK, "/model/amazon.titan-v1%3A0/apply", (), b"{}", 404, "UnknownOperationException"),
        (BEDROCK, "/model/amazon.titan-v1:0/invoke", (), b"{}", 400, "ValidationException"),
        (BEDROCK, "/model/other/invoke", (), b"{}", 400, "ValidationException"),
        (BEDROCK, "/model/amazon.titan-v1%3A0/invoke", (), b"[]", 400, "ValidationException"),
        (BEDROCK, "/model/amazon.titan-v1%3A0/converse", (), b"{}", 400, "ValidationException"),
        (LAMBDA, "/", (), b"{}", 404, "UnknownOperationException"),
        (LAMBDA, INVOKE.replace("score", "other"), (), b"{}", 404, "ResourceNotFoundException"),
        (LAMBDA, f"{INVOKE}?Qualifier=dead", (), b"{}", 404, "ResourceNotFoundException"),
        (LAMBDA, f"{INVOKE}?x=1", (), b"{}", 400, "InvalidParameterValueException"),
        (LAMBDA, INVOKE, (("X-Amz-Invocation-Type", "DryRun"),), b"{}", 400, "InvalidParameterValueException"),
        (LAMBDA, INVOKE, (), b"{", 400, "InvalidRequestContentException"),
        (REST, "/dev/x", (), b"", 403, "MissingAuthenticationTokenException"),
        (VPCE, "/prod/x", (), b"", 403, "ForbiddenException"),
        (VPCE, "/prod/x", (("x-apigw-api-id", "b1b2c3d4e5"),), b"", 403, "ForbiddenException"),
    ],
)
def test_what_a_service_refuses(host: str, target: str, headers: Headers, body: bytes, status: int, kind: str) -> None:
    answer = ask(sign(SESSION, host=host, service=SERVICE[host], target=target, headers=headers, body=body))
    assert (answer.status, dict(answer.headers)["x-amzn-ErrorType"]) == (status, kind)


@pytest.mark.parametrize(
    ("headers", "body", "kind"),
    [
        ((), b"{}", "UnknownOperationException"),
        ((("X-Amz-Target", "SageMaker.DeleteEndpoint"),), b"{}", "UnknownOperationException"),
        ((("X-Amz-Target", "SageMaker.ListTrainingJobs"),), b"{}", "SerializationException"),
        (
            (("X-Amz-Target", "SageMaker.ListTrainingJobs"), ("Content-Type", MEDIA_TYPE)),
            b"{",
            "SerializationException",
        ),
        (
            (("X-Amz-Target", "SageMaker.CreateTrainingJob"), ("Content-Type", MEDIA_TYPE)),
            b"{}",
            "ValidationException",
        ),
    ],
)
def test_what_the_management_api_refuses(headers: Headers, body: bytes, kind: str) -> None:
    answer = ask(sign(SESSION, host=MANAGEMENT, target="/", headers=headers, body=body))
    assert (answer.status, said(answer)["__type"]) == (400, kind)


def test_the_target_must_be_signed() -> None:
    signed = sign(SESSION, host=MANAGEMENT, target="/", headers=[("Content-Type", MEDIA_TYPE)], body=b"{}")
    added = dataclasses.replace(signed, headers=[*signed.headers, (b"X-Amz-Target", b"SageMaker.ListTrainingJobs")])
    assert said(ask(added))["__type"] == "InvalidSignatureException"


def test_events_are_those_of_the_sheet() -> None:
    """Samples 2 and 3 of the AWS sheet, section 1.8, byte for byte."""
    assert event("PayloadPart", b"data: [DONE]\n\n").hex() == (
        "00000077000000593c670ae60b3a6576656e742d7479706507000b5061796c6f6164506172740d3a636f6e74656e742d74797065070018617070"
        "6c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d747970650700056576656e74646174613a205b444f4e455d0a0a23"
        "f4e4aa"
    )
    failed = exception(
        "ModelStreamError", {"Message": "Model did not finish", "ErrorCode": "ModelInvocationTimeExceeded"}
    )
    assert failed.hex().startswith("000000bd0000005e01a66f3f")
    assert failed.hex().endswith("325f4c67")


def test_a_response_stream_is_read_by_botocore() -> None:
    async def words(_: ContainerRequest) -> Response:
        async def body() -> Any:
            yield b"one"
            yield b"two\x00\xff"
            raise StreamFailure("ModelStreamError", "broken", ErrorCode="StreamBroken")

        return Response(200, [("Content-Type", "text/plain")], body())

    cloud = aws(Endpoint("words", "sagemaker", words))
    target = "/endpoints/words/invocations-response-stream"
    headers = [("X-Amzn-SageMaker-Target-Model", "dropped"), ("X-Amzn-SageMaker-Accept", "text/plain")]

    async def run() -> tuple[dict[str, str], bytes]:
        answer = await cloud.handle(sign(SESSION, target=target, headers=headers))
        return {name.lower(): value for name, value in answer.headers}, await whole(answer)

    answered, stream = asyncio.run(run())
    assert answered["content-type"] == "application/vnd.amazon.eventstream"
    assert answered["x-amzn-sagemaker-content-type"] == "text/plain"
    buffer: Any = EventStreamBuffer()
    buffer.add_data(stream)
    found = [(message.headers[":message-type"], message.payload) for message in buffer]
    assert [payload for kind, payload in found if kind == "event"] == [b"one", b"two\x00\xff"]
    assert json.loads(found[-1][1]) == {"Message": "broken", "ErrorCode": "StreamBroken"}
    seen = cloud.requests[-1].container_headers or ()
    assert ("accept", "text/plain") in seen
    assert "x-amzn-sagemaker-target-model" not in dict(seen), "AWS drops it on streams"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ((), b"{}", 202),
        ((), b"", 400),
        ((), b"x" * 128_001, 400),
        ((("X-Amzn-SageMaker-InputLocation", "s3://bucket/key"),), b"", 202),
        ((("X-Amzn-SageMaker-InputLocation", "s3://bucket/key"),), b"{}", 400),
        ((("X-Amzn-SageMaker-InputLocation", "ftp://bucket/key"),), b"", 400),
    ],
)
def test_an_asynchronous_invocation(headers: Headers, body: bytes, status: int) -> None:
    cloud = aws(Endpoint("words", "sagemaker", echo))
    answer = ask(sign(SESSION, target="/endpoints/words/async-invocations", headers=headers, body=body), cloud)
    assert answer.status == status
    if status == 202:
        told = dict(answer.headers)
        assert told["X-Amzn-SageMaker-OutputLocation"].startswith("s3://")
        assert cloud.requests[-1].verdict == ACCEPTED


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 400),
        ((("X-Amzn-SageMaker-Inference-Component", "part"),), 200),
        ((("X-Amzn-SageMaker-Inference-Component", "other"),), 400),
        ((("X-Amzn-SageMaker-Inference-Component", "part"), ("X-Amzn-SageMaker-Target-Variant", "blue")), 400),
    ],
)
def test_variants_and_components_must_be_there(headers: Headers, status: int) -> None:
    cloud = aws(Endpoint("words", "sagemaker", echo, components=("part",), variants=("green",)))
    assert ask(sign(SESSION, target="/endpoints/words/invocations", headers=headers), cloud).status == status


@pytest.mark.parametrize(
    ("attributes", "content_type", "called"),
    [
        ("principal=x,tfs-model-name=a,tfs-model-version=3,tfs-method=classify", "text/csv", "a/versions/3:classify"),
        ("tfs-model-name=a", "application/json", "a:predict"),
        ("tfs-model-name=a", "application/json; charset=utf-8", None),
        ("principal=x", "application/json", None),
    ],
)
def test_the_tensorflow_container_reads_attributes(attributes: str, content_type: str, called: str | None) -> None:
    headers = (("content-type", content_type), ("x-amzn-sagemaker-custom-attributes", attributes))
    answer = asyncio.run(tensorflow(ContainerRequest("e", "us-east-1", "/invocations", headers, b'{"instances": [1]}')))
    assert (answer.status == 200) == (called is not None)
    if called:
        assert said(answer)["called"] == f"/tfs/v1/models/{called}"
