"""For tests of rotations in the lab: an engine that a test drives, and signed requests that flow all the while."""

from __future__ import annotations

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway_kit import CHAT, INVOKE, Client, Gateway, message

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.connection import Patience
from bigip_sm.bigip.inventory import DeviceEntry, Inventory, load_inventory
from bigip_sm.lab.lab import Lab
from bigip_sm.spec.model import Spec
from rotator.engine import Engine
from rotator.fleet import units_of
from rotator.sources import Source
from rotator.store import Store
from rotator.targets import Target, target_of

QUICK = Patience(connect=1.0, read=2.0, repeats=2, backoff=0.02)
BODIES = {INVOKE: b'{"instances": [[1]]}', CHAT: b'{"messages": []}'}


class Flow:
    """Signed requests, without a pause, on kept-alive connections. ``ROUTES``: SigV4, and bearer token."""

    ROUTES = (INVOKE, CHAT)

    def __init__(self, gateway: Gateway, routes: Sequence[str] = ROUTES, connections: int = 1) -> None:
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._gateway = gateway
        self._routes = routes
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(route,), daemon=True)
            for route in routes
            for _ in range(connections)
        ]

    def _run(self, route: str) -> None:
        while not self._ended.is_set():
            try:
                with self._gateway.client() as client:
                    self._ask(client, route)
            except OSError as error:
                self.wrong.append(f"{route}: {type(error).__name__} {error}")
                time.sleep(0.01)

    def _ask(self, client: Client, route: str) -> None:
        while not self._ended.is_set():
            client.send(message(route, BODIES[route]))
            answer = client.receive()
            self.answers[route] += 1
            if answer.status != 200:
                self.wrong.append(f"{route}: {answer.verdict} {answer.body[:200]!r}")
            if answer.headers.get("connection") == "close":
                return

    def more(self, requests: int = 5, timeout: float = 10.0) -> None:
        """Wait until every route got so many more answers."""
        wanted = {route: self.answers[route] + requests for route in self._routes}
        until = time.monotonic() + timeout
        while any(self.answers[route] < count for route, count in wanted.items()):
            assert time.monotonic() < until, f"requests do not flow: {self.answers}, {self.wrong[:3]}"
            time.sleep(0.005)

    @contextmanager
    def excused(self) -> Iterator[None]:
        """What fails within the block does not count, nor does what was under way at its end."""
        before = list(self.wrong)
        yield
        self.more(2)
        self.wrong[:] = before

    def __enter__(self) -> Flow:
        for thread in self._threads:
            thread.start()
        self.more()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.more()
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join(10)
        if kind is None:
            assert not self.wrong, f"{len(self.wrong)} of {sum(self.answers.values())}: {self.wrong[:3]}"


class Issued:
    """A source that has the lab's AWS make a session each time, or gives what the test says."""

    polled = False

    def __init__(self, lab: Lab, role: str, life: float = 3600.0) -> None:
        self.life = life
        self.next: Callable[[], SessionCredentials] | None = None
        self._lab = lab
        self._arn = lab.spec.roles[role].arn

    def fetch(self) -> SessionCredentials:
        """A session that AWS knows."""
        return self.next() if self.next else self._lab.cloud.sessions.issue(self._arn, self.life)


class Bench:
    """An engine over the lab's BIG-IP, ticked by the test."""

    def __init__(
        self,
        gateway: Gateway,
        folder: Path,
        source: Callable[[Spec, str], Source] | None = None,
        ca: Path | None = None,
        **how: Any,
    ) -> None:
        """``ca`` is another CA file for the device than the lab's own; ``how`` is for the engine."""
        self.gateway = gateway
        self.lab = gateway.lab
        self.sources = {role: Issued(gateway.lab, role) for role in self.lab.spec.roles}
        self.store = Store(folder / "state", self.lab.spec.gateway)
        how.setdefault("interval", 0.2)
        how.setdefault("deadline", 5.0)
        self.engine = Engine(
            self.lab.spec,
            units_of(self.inventory, functools.partial(quick_target, ca=ca)),
            self.store,
            rotator="test-rotator",
            source=source or (lambda spec, role: self.sources[role]),
            **how,
        )

    @property
    def inventory(self) -> Inventory:
        """The lab's devices.yaml."""
        return load_inventory(self.lab.devices_file)

    def until(self, reached: Callable[[], object], timeout: float = 15.0) -> None:
        """Tick until it is reached."""
        ends = time.monotonic() + timeout
        while not reached():
            assert time.monotonic() < ends, self.engine.health()
            self.engine.tick()
            time.sleep(0.01)

    def ticks(self, seconds: float) -> None:
        """Tick for a while."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.engine.tick()
            time.sleep(0.01)

    def generations(self) -> dict[str, int | None]:
        """Role -> generation that is known to be on the device."""
        entries = self.engine.board.entries()
        return {role: entry.result.generation if entry else None for (role, _), entry in entries.items()}

    def reason(self, role: str = "classifier") -> str:
        """What is wrong with a role on the device now; empty if nothing is."""
        entry = self.engine.board.entries()[role, "lab"]
        assert entry is not None
        return entry.result.reason if entry.result.state in ("failed", "stale") else ""

    def in_order(self) -> bool:
        """Whether nothing needs anybody, and the last look at every device was good."""
        entries = self.engine.board.entries().values()
        return not self.engine.health() and all(entry and entry.failing_since is None for entry in entries)

    def rotate(self) -> None:
        """A new session for every role, on the device and on every TMM."""
        before = self.generations()
        self.engine.rotate_now()
        self.until(lambda: self.in_order() and all(self.generations()[role] != before[role] for role in before))
        self.lab.settle()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The journal's events of one kind."""
        return [event for event in self.store.events() if event["event"] == kind]


def quick_target(entry: DeviceEntry, ca: Path | None = None) -> Target:
    """A device that is not waited for long, and trusted by ``ca`` if that is given."""
    entry = entry if ca is None else replace(entry, ca=ca)
    version = target_of(entry).version
    return Target(entry.name, lambda ends: entry.connect("rotator", patience=QUICK, deadline=ends), version)


@contextmanager
def rotating(gateway: Gateway, folder: Path, **how: Any) -> Iterator[Bench]:
    """An engine that has rotated once; logged out at the end."""
    bench = Bench(gateway, folder, **how)
    tokens = len(bench.lab.control_plane.tokens)
    try:
        bench.until(bench.in_order)
        bench.lab.settle()
        yield bench
    finally:
        bench.lab.control_plane.faults.clear()
        bench.engine.stop(grace=3.0)
    assert len(bench.lab.control_plane.tokens) <= tokens
