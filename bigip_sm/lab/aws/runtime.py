"""The SageMaker runtime: InvokeEndpoint, its relatives and the OpenAI-compatible path, behind a strict front door.

What is served, refused and dropped follows the AWS sheet, section 1. Where AWS's behaviour is not known, the
emulation refuses.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bigip_sm.lab.aws import refusal
from bigip_sm.lab.aws.answers import async_answer, invocation_answer, openai_answer, stream_answer
from bigip_sm.lab.aws.apis import Api, Pending
from bigip_sm.lab.aws.bearer import verify_bearer
from bigip_sm.lab.aws.endpoints import ContainerRequest, Endpoint
from bigip_sm.lab.aws.limits import OPENAI, container_headers
from bigip_sm.lab.aws.patience import ANSWER, STREAM, TIMED_OUT, ask
from bigip_sm.lab.aws.refusal import ACCOUNT, Refusal
from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.aws.verify import verify
from bigip_sm.lab.http import Request, Response

ACCEPTED = "accepted"
"""Verdict on a request that reached the container."""

MAX_BODY = 25 * 1024**2
"""Largest body in bytes (SageMaker guide, "Model Hosting FAQs": 25 MB)."""

_NAME = r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}"
_ROUTE = re.compile(
    rf"/endpoints/(?P<endpoint>{_NAME})/(?:(?P<operation>invocations|invocations-response-stream|async-invocations)|"
    rf"(?:inference-components/(?P<component>{_NAME})/)?openai(?P<openai>/v1/chat/completions))"
)
_ANSWERS = {
    "invocations": invocation_answer,
    "invocations-response-stream": stream_answer,
    "async-invocations": async_answer,
    OPENAI: openai_answer,
}
PROBE = "/ping"
"""What monitors ask for, unsigned: it is answered as anything unsigned is, and not recorded."""

_OPENAI_PATH = "/openai/v1/chat/completions"
_Answering = Callable[[str, "Fault"], Awaitable[Response]]
"""Makes an answer for the id of a request, with what happens to that request."""

INLINE_BODY = 128_000
"""Largest body of InvokeEndpointAsync, bytes; larger ones are named by InputLocation."""


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

    ``refusal`` is sent instead of an answer; ``answer`` takes the place of what the container would have said. Of the
    answer's body the byte at the offset ``damage`` arrives changed.
    """

    refusal: Refusal | None = None
    answer: Response | None = None
    delay: float = 0.0
    damage: int | None = None


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
    """The runtime of all regions, and the front door of the other services.

    ``hosts`` maps every host name that is served to its region, ``apis`` those of other services to the service.

    ``requests`` holds everything that arrived but probes of monitors; ``faults`` are used up one by one, by the next
    accepted requests, and ``regional`` is what happens to every other one in a region.
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
        apis: Mapping[str, Api] | None = None,
    ) -> None:
        self.apis = apis if apis is not None else {}
        self.requests: list[SeenRequest] = []
        self.faults: deque[Fault] = deque()
        self.regional: dict[str, Fault] = {}
        self.patience = ANSWER
        self.stream_patience = STREAM
        self._endpoints = endpoints
        self._sessions = sessions
        self._hosts = hosts
        self._clock = clock
        self._max_body = max_body

    async def handle(self, request: Request) -> Response:
        """Answer one request; every refusal is an answer, in the format of the service or path it is for."""
        request_id = str(uuid.uuid4())
        api = self.apis.get(request.header("host") or "")
        headers: tuple[tuple[str, str], ...] = ()
        try:
            region = self._region(request)
            if api is None:
                pending, headers = self._admit_invocation(request, region)
            else:
                verify(request, self._sessions, now=self._clock(), services=(api.signing,), regions=(region,))
                pending = _fixed_or(api.admit(request, region))
            fault = self.faults.popleft() if self.faults else self.regional.get(region, Fault())
            if fault.delay:
                await asyncio.sleep(fault.delay if fault.refusal is not None else min(fault.delay, self.patience))
            if fault.refusal is not None:
                raise fault.refusal
        except Refusal as error:
            self._record(request, error.kind, None)
            if api is not None:
                return api.refuse(error, request_id)
            openai = request.path.endswith(_OPENAI_PATH)
            return (refusal.openai if openai else refusal.rest_json)(error, request_id)
        self._record(request, ACCEPTED, headers)
        made = await pending(request_id, fault)
        return made if fault.damage is None else _damaged(made, fault.damage)

    def _admit_invocation(self, request: Request, region: str) -> tuple[_Answering, tuple[tuple[str, str], ...]]:
        """Check a request to the SageMaker runtime: what makes its answer, and the container's headers."""
        route = _ROUTE.fullmatch(request.path)
        if route is None or request.method != "POST":
            raise refusal.unknown_operation()
        endpoint, headers = self._admit(request, route, region)
        asked = ContainerRequest(endpoint.name, region, route["openai"] or "/invocations", headers, request.body)

        async def answer(request_id: str, fault: Fault) -> Response:
            left = self.patience - fault.delay
            made = TIMED_OUT if left <= 0 else fault.answer or await ask(endpoint.container, asked, left)
            operation = route["operation"] or OPENAI
            streams = operation in (OPENAI, "invocations-response-stream")
            return await _ANSWERS[operation](made, asked, request_id, self.stream_patience if streams else left)

        return answer, headers

    def _admit(
        self, request: Request, route: re.Match[str], region: str
    ) -> tuple[Endpoint, tuple[tuple[str, str], ...]]:
        """Check everything; returns the endpoint, and the headers that its container gets. Raises Refusal."""
        openai, name = route["openai"] is not None, route["endpoint"]
        if len(request.body) > self._max_body:
            message = f"HTTP content length exceeded {self._max_body} bytes."
            raise Refusal(413, "RequestEntityTooLargeException", message)
        if openai:
            self._authenticate_bearer(request, region)
        else:
            verify(request, self._sessions, now=self._clock(), services=("sagemaker",), regions=(region,))
        headers = container_headers(request.headers, OPENAI if openai else route["operation"])
        if route["operation"] == "async-invocations":
            _check_async(request, dict(headers))
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            raise refusal.validation(f"Endpoint {name} of account {ACCOUNT} not found.")
        if openai and endpoint.kind != "sagemaker-openai":
            raise refusal.validation(f"Endpoint {name} does not serve /v1/chat/completions.")
        _check_choice(endpoint, dict(headers), route["component"])
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
        if request.method == "GET" and request.path == PROBE and request.header("authorization") is None:
            return
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


def _damaged(response: Response, offset: int) -> Response:
    async def body() -> AsyncIterator[bytes]:
        begin = 0
        pieces = response.body
        async for piece in _one(pieces) if isinstance(pieces, bytes) else pieces:
            changed = bytearray(piece)
            if begin <= offset < begin + len(piece):
                changed[offset - begin] ^= 0xFF
            begin += len(piece)
            yield bytes(changed)

    return Response(response.status, response.headers, body())


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _fixed_or(pending: Pending) -> _Answering:
    async def answer(request_id: str, fault: Fault) -> Response:
        return fault.answer or await pending(request_id)

    return answer


def _check_async(request: Request, headers: dict[str, str]) -> None:
    """A request has a body, or names an object in S3 that has it."""
    if bool(request.body) == ("x-amzn-sagemaker-inputlocation" in headers):
        raise refusal.validation("Exactly one of Body and InputLocation must be given.")
    if len(request.body) > INLINE_BODY:
        raise refusal.validation(f"Body must have length less than or equal to {INLINE_BODY}")


def _check_choice(endpoint: Endpoint, headers: dict[str, str], component: str | None) -> None:
    """Variant and inference component must be there, if the endpoint tells its own; one of components needs one."""
    named = component or headers.get("x-amzn-sagemaker-inference-component")
    if named is None and endpoint.components:
        raise refusal.validation("Inference Component Name header is required for endpoints to which you deploy them.")
    if named is not None and named not in endpoint.components and (component or endpoint.components):
        raise refusal.validation(f"Inference Component {named} not found in endpoint {endpoint.name}.")
    variant = headers.get("x-amzn-sagemaker-target-variant")
    if variant is not None and endpoint.variants and variant not in endpoint.variants:
        raise refusal.validation(f"Variant {variant} not found for endpoint {endpoint.name} of account {ACCOUNT}.")
