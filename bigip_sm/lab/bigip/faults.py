"""Faults on demand: what a management interface does on a bad day.

A test appends to ``ControlPlane.faults``; the first fault that matches a request is applied to it, and used up
after ``times``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.replies import reply
from bigip_sm.lab.http import Request, Response


@dataclass
class Fault:
    """One fault: first ``delay`` (seconds), then ``status`` answers by itself or ``reset`` breaks the answer off.

    With neither, the request is served after the delay. ``method`` and ``path`` (a prefix) say which requests; ``when``
    narrows further. ``html`` answers with a page instead of JSON, as Apache does while restjavad restarts.
    """

    method: str | None = None
    path: str = "/"
    status: int | None = None
    message: str = "emulated fault"
    html: bool = False
    delay: float = 0.0
    reset: bool = False
    times: int = 1
    when: Callable[[Request], bool] | None = None

    def matches(self, request: Request) -> bool:
        """Whether this fault is for that request."""
        if self.times <= 0 or self.method not in (None, request.method) or not request.path.startswith(self.path):
            return False
        return self.when is None or self.when(request)

    async def apply(self) -> Response | None:
        """Use the fault once; None means that the request is then served as usual."""
        self.times -= 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.reset:
            return Response(200, [("Content-Type", "application/json")], _half_an_answer())
        if self.status is None:
            return None
        if self.html:
            page = f"<html><head><title>{self.status}</title></head><body>{self.message}</body></html>"
            return Response(self.status, [("Content-Type", "text/html")], page.encode())
        return reply({"code": self.status, "message": self.message, "errorStack": []}, self.status)


async def _half_an_answer() -> AsyncIterator[bytes]:
    yield b'{"kind":'
    raise LabError("a fault breaks the connection off here")  # makes the server drop it
