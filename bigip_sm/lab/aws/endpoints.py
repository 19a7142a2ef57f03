"""SageMaker endpoints of the lab: a name and a model container, which is a Python callable."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bigip_sm.lab.http import Response


@dataclass(frozen=True)
class ContainerRequest:
    """What the model container receives; ``headers`` are those that SageMaker lets through, names in lower case.

    ``path`` is ``/invocations`` or ``/v1/chat/completions``.
    """

    endpoint: str
    region: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """The value of the header ``name`` (lower case), or None."""
        return dict(self.headers).get(name)


Container = Callable[[ContainerRequest], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """One endpoint, the same in every region. Only ``sagemaker-openai`` ones have the OpenAI-compatible path.

    An endpoint with inference ``components`` is asked for one of them, and for one of its ``variants`` if it has any.
    """

    name: str
    kind: Literal["sagemaker", "sagemaker-openai"]
    container: Container
    components: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()


class StreamFailure(Exception):
    """What a container's stream ends with in place of the rest: an exception of the service, with its members."""

    def __init__(self, kind: str, message: str, **members: str) -> None:
        self.kind = kind
        self.members = members
        super().__init__(message)


async def echo(request: ContainerRequest) -> Response:
    """A container that answers with the body it got, under the same content type."""
    content_type = request.header("content-type") or "application/octet-stream"
    return Response(200, [("Content-Type", content_type)], request.body)


async def classifier(request: ContainerRequest) -> Response:
    """A container that answers any body with a label and a score that depend on the body alone."""
    digest = hashlib.sha256(request.body).digest()
    label = "churn" if digest[0] % 2 else "stay"
    answer = {
        "endpoint": request.endpoint,
        "predictions": [{"label": label, "score": round(0.5 + digest[1] / 512, 3)}],
        "received_bytes": len(request.body),
    }
    return _json(200, answer)


class Chat:
    """An OpenAI-compatible chat container that always says ``tokens``.

    ``pause`` is awaited before each token with its index; a test holds tokens back with it. ``produced`` holds the
    time (epoch seconds) of every token of every answer, in order of production.
    """

    def __init__(self, tokens: Sequence[str], pause: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.tokens = tuple(tokens)
        self.produced: list[float] = []
        self.pause = pause

    async def __call__(self, request: ContainerRequest) -> Response:
        """Answer a chat completion: JSON, or server-sent events if the request says ``"stream": true``."""
        try:
            asked = json.loads(request.body)
            model, messages = str(asked.get("model", "")), list(asked["messages"])
        except (ValueError, AttributeError, KeyError, TypeError):
            return _json(400, {"error": {"message": "messages: field required", "type": "BadRequestError"}})
        words = sum(len(str(message).split()) for message in messages)
        usage = {
            "prompt_tokens": words,
            "completion_tokens": len(self.tokens),
            "total_tokens": words + len(self.tokens),
        }
        if asked.get("stream"):
            options = asked.get("stream_options")
            wanted = isinstance(options, dict) and options.get("include_usage") is True
            body = self._stream(model, usage if wanted else None)
            return Response(200, [("Content-Type", "text/event-stream; charset=utf-8")], body)
        content = "".join([token async for token in self._produce()])
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return _json(200, _completion("chat.completion", model, [choice], usage))

    async def _produce(self) -> AsyncIterator[str]:
        for index, token in enumerate(self.tokens):
            if self.pause is not None:
                await self.pause(index)
            self.produced.append(time.time())
            yield token

    async def _stream(self, model: str, usage: dict[str, int] | None) -> AsyncIterator[bytes]:
        async for token in self._produce():
            choice = {"index": 0, "delta": {"role": "assistant", "content": token}, "finish_reason": None}
            yield _event(_completion("chat.completion.chunk", model, [choice], None))
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        yield _event(_completion("chat.completion.chunk", model, [last], None))
        if usage is not None:
            yield _event(_completion("chat.completion.chunk", model, [], usage))
        yield b"data: [DONE]\n\n"


def steady(seconds: float) -> Callable[[int], Awaitable[None]]:
    """A ``pause`` for Chat: that many seconds before every token but the first."""

    async def pause(index: int) -> None:
        if index:
            await asyncio.sleep(seconds)

    return pause


def _completion(kind: str, model: str, choices: list[Any], usage: dict[str, int] | None) -> dict[str, Any]:
    answer = {"id": "chatcmpl-lab", "object": kind, "created": int(time.time()), "model": model}
    return {**answer, "choices": choices, **({} if usage is None else {"usage": usage})}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _json(status: int, answer: dict[str, Any]) -> Response:
    return Response(status, [("Content-Type", "application/json")], json.dumps(answer).encode())
