"""The tasks that serve the connections of a listening socket, so that a stop can end them all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class Connections:
    """Each connection that is being served, as the task that asyncio runs its handler in."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Count the task that runs this as a connection, until the block ends."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs a connection's handler in a task of its own
        self.tasks.add(task)
        try:
            yield
        finally:
            self.tasks.discard(task)

    async def end(self) -> None:
        """Cancel every connection's task and wait until all have ended."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
