"""The SageMaker runtime: InvokeEndpoint and the OpenAI-compatible path, behind a strict front door.

What is served, refused and dropped follows the AWS sheet, section 1. Where AWS's behaviour is not known, the
emulation refuses.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bigip_sm.lab.aws import refusal
from bigip_sm.lab.aws.bearer import verify_bearer
from bigip_sm.lab.aws.endpoints import ContainerRequest, Endpoint
from bigip_sm.lab.aws.limits import container_headers
from bigip_sm.lab.aws.patience import ANSWER, STREAM, TIMED_OUT, ask, bounded, whole
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.aws.verify import verify
from bigip_sm.lab.http import Request, Response

ACCEPTED = "accepted"
"""Verdict on a request that reached the container."""

MAX_BODY = 25 * 1024**2
"""Largest body in bytes (SageMaker guide, "Model Hosting FAQs": 25 MB)."""

_ROUTE = re.compile(r"/endpoints/([a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62})/(invocations|openai(/v1/chat/completions))")
_ACCOUNT = "123456789012"


@dataclass(frozen=True)
class SeenRequest:
    """A request that arrived. ``verdict`` is ACCEPTED or the error type; ``time`` is in epoch seconds.

    ``container_headers`` is what the container got, None if the request did not reach it.
    """

    time: float
    method: str
    target: bytes = field(repr=False)  # a presigned one holds a session token
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)
    sni: str | None
    verdict: str
    container_headers: tuple[tuple[str, str], ...] | None

    def values(self, name: str) -> list[bytes]:
        """All raw values of the header ``name`` (any case), as they arrived."""
        return [value for key, value in self.headers if key.lower() == name.lower().encode("latin-1")]


@dataclass(frozen=True)
class Fault:
    """What happens to one otherwise accepted request, after ``delay`` seconds.

    ``refusal`` is sent instead of an answer; ``answer`` takes the place of what the container would have said.
    """

    refusal: Refusal | None = None
    answer: Response | None = None
    delay: float = 0.0


def throttled() -> Fault:
    """A throttle: SageMaker sends HTTP 400 and no message (AWS sheet, section 1.5)."""
    return Fault(Refusal(400, "ThrottlingException", None))


def unavailable() -> Fault:
    """The service is unavailable."""
    return Fault(Refusal(503, "ServiceUnavailable", "Service Unavailable"))


def model_error(status: int = 500, text: str = "model failed") -> Fault:
    """The container answers ``status`` with ``text`` as its body."""
    return Fault(answer=Response(status, [("Content-Type", "text/plain")], text.encode()))


class Runtime:
    """The runtime of all regions. ``hosts`` maps every host name that is served to its region.

    ``requests`` holds everything that arrived; ``faults`` are used up one by one, by the next accepted requests.
    ``patience`` is how many seconds a container has for its answer, ``stream_patience`` for a streamed one.
    """

    def __init__(
        self,
        *,
        endpoints: Mapping[str, Endpoint],
        sessions: SessionStore,
        hosts: Mapping[str, str],
        clock: Callable[[], float] = time.time,
        max_body: int = MAX_BODY,
    ) -> None:
        self.requests: list[SeenRequest] = []
        self.faults: deque[Fault] = deque()
        self.patience = ANSWER
        self.stream_patience = STREAM
        self._endpoints = endpoints
        self._sessions = sessions
        self._hosts = hosts
        self._clock = clock
        self._max_body = max_body

    async def handle(self, request: Request) -> Response:
        """Answer one request; every refusal is an answer, in the format of the path it is for."""
        request_id = str(uuid.uuid4())
        route = _ROUTE.fullmatch(request.path)
        openai = route is not None and route.group(3) is not None
        try:
            region = self._region(request)
            if route is None or request.method != "POST":
                raise refusal.unknown_operation()
            endpoint, headers = self._admit(request, route.group(1), openai, region)
            fault = self.faults.popleft() if self.faults else Fault()
            if fault.delay:
                await asyncio.sleep(fault.delay if fault.refusal is not None else min(fault.delay, self.patience))
            if fault.refusal is not None:
                raise fault.refusal
        except Refusal as error:
            self._record(request, error.kind, None)
            return (refusal.openai if openai else refusal.rest_json)(error, request_id)
        self._record(request, ACCEPTED, headers)
        path = route.group(3) or "/invocations"
        asked = ContainerRequest(endpoint.name, region, path, headers, request.body)
        left = self.patience - fault.delay
        answer = TIMED_OUT if left <= 0 else fault.answer or await ask(endpoint.container, asked, left)
        if openai:
            return await _openai_answer(answer, asked, request_id, self.stream_patience)
        return _invocation_answer(await whole(answer, left), asked, request_id)

    def _admit(
        self, request: Request, name: str, openai: bool, region: str
    ) -> tuple[Endpoint, tuple[tuple[str, str], ...]]:
        """Check everything; returns the endpoint, and the headers that its container gets. Raises Refusal."""
        if len(request.body) > self._max_body:
            message = f"HTTP content length exceeded {self._max_body} bytes."
            raise Refusal(413, "RequestEntityTooLargeException", message)
        if openai:
            self._authenticate_bearer(request, region)
        else:
            verify(request, self._sessions, now=self._clock(), services=("sagemaker",), regions=(region,))
        headers = container_headers(request.headers)
        if openai:
            headers = _openai_headers(headers)
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            raise refusal.validation(f"Endpoint {name} of account {_ACCOUNT} not found.")
        if openai and endpoint.kind != "sagemaker-openai":
            raise refusal.validation(f"Endpoint {name} does not serve /v1/chat/completions.")
        return endpoint, headers

    def _region(self, request: Request) -> str:
        """The region of the Host header, which must be one that is served and the name in the TLS handshake."""
        hosts = request.values("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if host not in self._hosts or host != request.sni:
            raise refusal.unknown_operation()
        return self._hosts[host]

    def _authenticate_bearer(self, request: Request, region: str) -> None:
        """The OpenAI-compatible path takes bearer tokens only, signed requests are refused."""
        authorizations = request.values("authorization")
        if not authorizations:
            raise refusal.missing_authentication()
        scheme, _, token = authorizations[0].partition(" ")
        if len(authorizations) > 1 or scheme != "Bearer":
            raise refusal.access_denied("This path takes one bearer token; other authentication is not supported.")
        verify_bearer(token, self._sessions, now=self._clock(), region=region)

    def _record(self, request: Request, verdict: str, headers: tuple[tuple[str, str], ...] | None) -> None:
        self.requests.append(
            SeenRequest(
                self._clock(),
                request.method,
                request.target,
                tuple(request.headers),
                request.body,
                request.sni,
                verdict,
                headers,
            )
        )


def _openai_headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """What the OpenAI-compatible path is known to pass; of SageMaker's own headers none is confirmed there."""
    if "x-amzn-sagemaker-inference-component" in dict(headers):
        raise refusal.validation("Inference components are addressed by path on the OpenAI-compatible path.")
    return tuple((name, value) for name, value in headers if name in ("content-type", "accept"))


def _failed(response: Response) -> bool:
    return response is TIMED_OUT or response.status >= 400


def _side(status: int) -> str:
    """Whose error it is; a time-out is the server's, with status 0."""
    return "client" if 400 <= status < 500 else "server"


def _invocation_answer(response: Response, asked: ContainerRequest, request_id: str) -> Response:
    """The container's answer in the headers of InvokeEndpoint, or ModelError for a status of 400 and above."""
    assert isinstance(response.body, bytes)  # noqa: S101 - narrows the type: it was collected
    if _failed(response):
        text = response.body.decode("utf-8", "replace")
        error = {
            "ErrorCode": f"{_side(response.status).upper()}_ERROR_FROM_MODEL",
            "LogStreamArn": f"arn:aws:logs:{asked.region}:{_ACCOUNT}:log-group:{_log_group(asked)}",
            "Message": _model_error(response.status, text, asked),
            "OriginalMessage": text,
            "OriginalStatusCode": response.status,
        }
        headers = [("x-amzn-ErrorType", "ModelError"), ("Content-Type", "application/json")]
        return Response(424, [("x-amzn-RequestId", request_id), *headers], json.dumps(error).encode())
    return Response(200, _answer_headers(response, request_id), response.body)


async def _openai_answer(response: Response, asked: ContainerRequest, request_id: str, patience: float) -> Response:
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
        f"{_log_group(asked)} in account {_ACCOUNT} for more information."
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
