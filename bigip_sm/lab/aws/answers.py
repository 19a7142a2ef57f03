"""What the SageMaker runtime makes of a container's answer, by operation (AWS sheet, sections 1.3 to 1.5, 1.8)."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator

from bigip_sm.lab.aws import refusal
from bigip_sm.lab.aws.endpoints import ContainerRequest, StreamFailure
from bigip_sm.lab.aws.eventstream import event, exception
from bigip_sm.lab.aws.patience import TIMED_OUT, bounded, whole
from bigip_sm.lab.aws.refusal import ACCOUNT, Refusal
from bigip_sm.lab.http import Response


def _failed(response: Response) -> bool:
    return response is TIMED_OUT or response.status >= 400


def _side(status: int) -> str:
    """Whose error it is; a time-out is the server's, with status 0."""
    return "client" if 400 <= status < 500 else "server"


async def invocation_answer(response: Response, asked: ContainerRequest, request_id: str, patience: float) -> Response:
    """The container's answer in the headers of InvokeEndpoint, or ModelError for a status of 400 and above."""
    response = await whole(response, patience)
    body = response.body if isinstance(response.body, bytes) else b""
    if _failed(response):
        text = body.decode("utf-8", "replace")
        error = {
            "ErrorCode": f"{_side(response.status).upper()}_ERROR_FROM_MODEL",
            "LogStreamArn": f"arn:aws:logs:{asked.region}:{ACCOUNT}:log-group:{_log_group(asked)}",
            "Message": _model_error(response.status, text, asked),
            "OriginalMessage": text,
            "OriginalStatusCode": response.status,
        }
        headers = [("x-amzn-ErrorType", "ModelError"), ("Content-Type", "application/json")]
        return Response(424, [("x-amzn-RequestId", request_id), *headers], json.dumps(error).encode())
    return Response(200, _answer_headers(response, request_id), body)


async def openai_answer(response: Response, asked: ContainerRequest, request_id: str, patience: float) -> Response:
    """The container's answer as it is, or its status with its body quoted in OpenAI's envelope.

    The status after a time-out is not known for this path: 424, as for InvokeEndpoint.
    """
    if _failed(response):
        response = await whole(response, patience)
        text = response.body.decode("utf-8", "replace") if isinstance(response.body, bytes) else ""
        message = _model_error(response.status, text, asked)
        return refusal.openai(Refusal(response.status or 424, "ModelError", message), request_id)
    body = response.body if isinstance(response.body, bytes) else bounded(response.body, patience)
    return Response(response.status, _answer_headers(response, request_id), body)


def _model_error(status: int, text: str, asked: ContainerRequest) -> str:
    return (
        f'Received {_side(status)} error ({status}) from primary with message "{text}". See '
        f"https://{asked.region}.console.aws.amazon.com/cloudwatch/home?region={asked.region}#logEventViewer:group="
        f"{_log_group(asked)} in account {ACCOUNT} for more information."
    )


def _log_group(asked: ContainerRequest) -> str:
    return f"/aws/sagemaker/Endpoints/{asked.endpoint}"


def _answer_headers(response: Response, request_id: str) -> list[tuple[str, str]]:
    """SageMaker's own headers, and of the container's only the content type and the custom attributes."""
    passed = ("content-type", "x-amzn-sagemaker-custom-attributes")
    return [
        ("x-amzn-RequestId", request_id),
        ("x-Amzn-Invoked-Production-Variant", "AllTraffic"),
        *((name, value) for name, value in response.headers if name.lower() in passed),
    ]


async def stream_answer(response: Response, asked: ContainerRequest, request_id: str, patience: float) -> Response:
    """The container's answer as PayloadPart events, cut as the container sends it; ModelError before the first."""
    if _failed(response):
        return await invocation_answer(response, asked, request_id, patience)
    kinds = [value for name, value in response.headers if name.lower() == "content-type"]
    headers = [(name, value) for name, value in _answer_headers(response, request_id) if name.lower() != "content-type"]
    headers += [("Content-Type", "application/vnd.amazon.eventstream")]
    headers += [("X-Amzn-SageMaker-Content-Type", kinds[0])] if kinds else []
    body = response.body if isinstance(response.body, bytes) else bounded(response.body, patience)
    return Response(200, headers, _frames(body))


async def _frames(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        if isinstance(body, bytes):
            yield event("PayloadPart", body)
            return
        async for piece in body:
            yield event("PayloadPart", piece)
    except StreamFailure as failure:
        yield exception(failure.kind, {"Message": str(failure), **failure.members})


async def async_answer(response: Response, asked: ContainerRequest, request_id: str, patience: float) -> Response:
    """Where the answer will be. The container has been asked; its answer would be an object in S3."""
    location = f"s3://sagemaker-{asked.region}-{ACCOUNT}/{asked.endpoint}/{uuid.uuid4()}"
    inference = asked.header("x-amzn-sagemaker-inference-id") or str(uuid.uuid4())
    headers = [
        ("x-amzn-RequestId", request_id),
        ("X-Amzn-SageMaker-OutputLocation", f"{location}.out"),
        ("X-Amzn-SageMaker-FailureLocation", f"{location}-error.out"),
        ("Content-Type", "application/json"),
    ]
    return Response(202, headers, json.dumps({"InferenceId": inference}).encode())
