"""Faults on demand: what a management interface does on a bad day.

A test appends to ``ControlPlane.faults``; the first fault that matches a request is applied to it, and used up
after ``times``. What concerns the whole device (restart, other certificate, wrong clock) is on ``ControlPlane``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.replies import reply
from bigip_sm.lab.http import Request, Response

FOREVER = float("inf")
"""As ``times``: the fault is never used up."""


@dataclass
class Fault:
    """One fault: first ``delay`` (seconds), then what the flags say; with none of them the request is served.

    ``status`` answers by itself, with ``html`` as a page such as Apache's while restjavad restarts; ``drop`` closes
    the connection before the first byte of an answer, ``reset`` after half of it; ``hang`` never answers; ``pace``
    serves the request but sends the answer in pieces of 16 bytes, that many seconds apart. ``method`` and ``path`` (a
    prefix) say which requests, ``when`` narrows further; the first ``after`` of them are spared.
    """

    method: str | None = None
    path: str = "/"
    status: int | None = None
    message: str = "emulated fault"
    html: bool = False
    delay: float = 0.0
    drop: bool = False
    reset: bool = False
    hang: bool = False
    pace: float = 0.0
    times: float = 1
    after: int = 0
    when: Callable[[Request], bool] | None = None

    def matches(self, request: Request) -> bool:
        """Whether this fault is for that request. Counts down what is spared."""
        if self.times <= 0 or self.method not in (None, request.method) or not request.path.startswith(self.path):
            return False
        if self.when is not None and not self.when(request):
            return False
        self.after -= 1
        return self.after < 0

    async def apply(self) -> Response | None:
        """Use the fault once; None means that the request is then served as usual.

        Raises ConnectionAbortedError for ``drop``: the server then closes the connection without an answer.
        """
        self.times -= 1
        if self.hang:
            await asyncio.Event().wait()
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.drop:
            raise ConnectionAbortedError("a fault closes the connection here")
        if self.reset:
            return Response(200, [("Content-Type", "application/json")], _half_an_answer())
        if self.status is None:
            return None
        return page(self.status, self.message) if self.html else refusal(self.status, self.message)

    def slow_down(self, response: Response) -> Response:
        """The response at the fault's pace."""
        if self.pace and isinstance(response.body, bytes):
            response.body = _dripping(response.body, self.pace)
        return response


def page(status: int, message: str) -> Response:
    """An HTML page with a status, as Apache and Tomcat send them."""
    text = f"<html><head><title>{status}</title></head><body>{message}</body></html>"
    return Response(status, [("Content-Type", "text/html")], text.encode())


def refusal(status: int, message: str) -> Response:
    """A JSON refusal as restjavad words it."""
    return reply({"code": status, "message": message, "errorStack": []}, status)


async def _half_an_answer() -> AsyncIterator[bytes]:
    yield b'{"kind":'
    raise LabError("a fault breaks the connection off here")  # makes the server drop it


async def _dripping(body: bytes, pace: float) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 16):
        yield body[start : start + 16]
        await asyncio.sleep(pace)
