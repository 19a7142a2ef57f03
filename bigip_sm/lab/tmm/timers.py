"""Idle time-outs of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class IdleTimer:
    """Calls ``expired`` once nothing has been touched for ``seconds``; 0 never expires.

    Touching is cheap: the timer looks at the time of the last touch when it fires, and waits again.
    """

    __slots__ = ("_expired", "_handle", "_loop", "_seconds", "_touched")

    def __init__(self, seconds: float, expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._expired = expired
        self._touched = self._loop.time()
        self._handle = self._loop.call_later(seconds, self._look) if seconds > 0 else None

    def touch(self) -> None:
        """Something happened."""
        self._touched = self._loop.time()

    def cancel(self) -> None:
        """Like ``stop``; named as asyncio's timers name it."""
        self.stop()

    def stop(self) -> None:
        """Never call ``expired`` again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        left = self._touched + self._seconds - self._loop.time()
        if left > 0:
            self._handle = self._loop.call_later(left, self._look)
        else:
            self._handle = None
            self._expired()
