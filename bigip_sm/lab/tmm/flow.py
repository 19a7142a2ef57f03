"""The order of things on one client connection, when a rule can be suspended in the middle of an event.

TMM suspends a rule at ``after`` and at a ``table`` command on another TMM's data: the connection stands still, other
connections go on (F5, "Connection States and Command Suspension"). Here whatever fires events is a coroutine; it is
driven without the event loop for as long as nothing is suspended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

Work = Coroutine[Any, Any, None]


class _Pause:
    """What a coroutine waits for while its rule is suspended."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Flow:
    """Runs steps one after the other; while one is suspended, or runs, the others wait.

    ``suspended`` is called when the connection begins to stand still, ``resumed`` when nothing waits any more,
    ``failed`` with an exception that no caller is there to catch.
    """

    __slots__ = ("_current", "_failed", "_handle", "_resumed", "_suspended", "_waiting", "busy")

    def __init__(
        self, suspended: Callable[[], None], resumed: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        self.busy = False
        self._suspended = suspended
        self._resumed = resumed
        self._failed = failed
        self._current: Work | None = None
        self._waiting: deque[tuple[Callable[..., Work], tuple[Any, ...]]] = deque()
        self._handle: asyncio.Handle | None = None

    def run(self, step: Callable[..., Work], *arguments: Any) -> None:
        """Run a step now, or after those that wait. Raises what the step raises."""
        if self.busy:
            self._waiting.append((step, arguments))
            return
        self.busy = True
        self._drain(step(*arguments))

    async def pause(self, seconds: float) -> None:
        """Suspend the step that runs."""
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(seconds, self._resume) if seconds > 0 else loop.call_soon(self._resume)
        await _Pause()

    def hasten(self) -> None:
        """Resume what is suspended at the next opportunity: nobody waits for it any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = asyncio.get_running_loop().call_soon(self._resume)

    def _drain(self, work: Work) -> None:
        while True:
            self._current = None
            try:
                work.send(None)
            except StopIteration:
                pass
            except Exception:
                self.busy = False
                if self._waiting:
                    self._handle = asyncio.get_running_loop().call_soon(self._resume)
                    self.busy = True
                raise
            else:
                self._current = work
                self._suspended()
                return
            if not self._waiting:
                self.busy = False
                return
            step, arguments = self._waiting.popleft()
            work = step(*arguments)

    def _resume(self) -> None:
        self._handle = None
        work = self._current
        if work is None:
            step, arguments = self._waiting.popleft()
            work = step(*arguments)
        try:
            self._drain(work)
        except Exception as error:
            self._failed(error)
        if not self.busy:
            self._resumed()
