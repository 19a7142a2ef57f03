"""How long SageMaker waits for a container: 60 s for an answer, 8 minutes for a stream (SageMaker guide, hosting FAQs).

What a caller gets after that was reported for InvokeEndpoint (RamVegiraju/SageMaker-Deployment#3 and
aws/amazon-sagemaker-examples#799): ModelError with status 0. How a stream ends is not known: here without its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

from bigip_sm.lab.aws.endpoints import Container, ContainerRequest
from bigip_sm.lab.http import Response

ANSWER = 60.0
"""Seconds for an answer, or for the beginning of a streamed one."""

STREAM = 480.0
"""Seconds for a streamed answer."""

TIMED_OUT = Response(
    0,
    [],
    b"Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    b"each container in Amazon CloudWatch, resolve the issue, and try again.",
)
"""What stands for the answer of a container that gave none in time."""


class StreamTimeout(Exception):
    """A streamed answer took too long; the connection ends in the middle of it."""


async def ask(container: Container, asked: ContainerRequest, seconds: float) -> Response:
    """The container's answer, TIMED_OUT if it has not begun after ``seconds``."""
    try:
        return await asyncio.wait_for(container(asked), seconds)
    except asyncio.TimeoutError:
        return TIMED_OUT


async def whole(response: Response, seconds: float) -> Response:
    """The response with all of its body, TIMED_OUT if that takes longer than ``seconds``."""
    if isinstance(response.body, bytes):
        return response
    try:
        return Response(response.status, response.headers, await asyncio.wait_for(_joined(response.body), seconds))
    except asyncio.TimeoutError:
        return TIMED_OUT


async def bounded(body: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """The pieces of a stream. Raises StreamTimeout when it is not over after ``seconds``."""
    end = time.monotonic() + seconds
    try:
        while True:
            try:
                yield await asyncio.wait_for(_next(body), max(0.0, end - time.monotonic()))
            except StopAsyncIteration:
                return
            except asyncio.TimeoutError:
                raise StreamTimeout(f"no end of the stream within {seconds:g} s") from None
    finally:
        if isinstance(body, AsyncGenerator):
            await body.aclose()


async def _next(body: AsyncIterator[bytes]) -> bytes:
    return await body.__anext__()


async def _joined(body: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in body])
