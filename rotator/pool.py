"""Threads for jobs that mostly wait: bounded, yet no job that hangs keeps another from its turn."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

WORKERS = 64
"""Jobs at work at the same time, not counting those that take longer than usual."""

LEASE = 0.25
"""Seconds after which a job no longer counts: another thread takes its place."""


class Pool:
    """Runs jobs, first come first served, in daemon threads: what hangs where no time-out reaches must not keep us.

    A job must not raise. ``workers`` and ``lease`` (seconds) bound how fast threads are added, not their number: one
    hanging job is one thread, for as long as it hangs.
    """

    def __init__(self, workers: int = WORKERS, lease: float = LEASE) -> None:
        self._workers = workers
        self._lease = lease
        self._jobs: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._started: dict[int, float] = {}
        self._watched = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` when it is its turn."""
        with self._lock:
            self._jobs.append(job)
            self._staff()

    def _staff(self) -> None:
        """Start as many threads as there is work and room for; the lock is held."""
        room = self._workers - self._busy()
        for _ in range(min(room, len(self._jobs))):
            job = self._jobs.popleft()
            thread = threading.Thread(target=self._work, args=(job,), name="rotator worker", daemon=True)
            self._started[id(thread)] = time.monotonic()
            thread.start()
        if self._jobs and not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, name="rotator pool", daemon=True).start()

    def _busy(self) -> int:
        since = time.monotonic() - self._lease
        return sum(started > since for started in self._started.values())

    def _work(self, job: Callable[[], None]) -> None:
        me = id(threading.current_thread())
        while True:
            try:
                job()
            finally:
                with self._lock:
                    ended = not self._jobs or self._busy() > self._workers
                    if ended:
                        del self._started[me]
                    else:
                        job = self._jobs.popleft()
                        self._started[me] = time.monotonic()
            if ended:
                return

    def _watch(self) -> None:
        """While jobs wait: see whether some of those at work have outlived their lease."""
        while True:
            time.sleep(self._lease / 4)
            with self._lock:
                self._staff()
                if not self._jobs:
                    self._watched = False
                    return
