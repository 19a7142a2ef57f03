"""Threads for jobs that mostly wait."""

from __future__ import annotations

import threading
import time

from rotator.pool import Pool


def test_jobs_run_and_no_more_than_the_workers_at_once() -> None:
    pool = Pool(workers=4, lease=5.0)
    lock, done = threading.Lock(), threading.Semaphore(0)
    at_work, most = 0, 0

    def job() -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.005)
        with lock:
            at_work -= 1
        done.release()

    for _ in range(40):
        pool.submit(job)
    assert all(done.acquire(timeout=5) for _ in range(40))
    assert most == 4


def test_jobs_that_hang_keep_nobody_from_their_turn() -> None:
    pool = Pool(workers=2, lease=0.05)
    released, done = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        released.wait(20)

    for _ in range(20):
        pool.submit(hang)
    started = time.monotonic()
    for _ in range(10):
        pool.submit(done.release)
    assert all(done.acquire(timeout=5) for _ in range(10))
    assert time.monotonic() - started < 3
    released.set()


def test_threads_end_when_there_is_nothing_to_do() -> None:
    pool = Pool(workers=3, lease=0.05)
    before, done = threading.active_count(), threading.Semaphore(0)
    for _ in range(9):
        pool.submit(done.release)
    assert all(done.acquire(timeout=5) for _ in range(9))
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before
