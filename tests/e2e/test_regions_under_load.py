"""Each way in which a region can fail, under load: the bounds of docs/regions.md on failed requests and time.

``circuit: {}`` and ``failover: {}`` are what the example in declarations/multi-region has.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gateway_kit import Gateway, running_gateway
from regions_spec import FIRST, SECOND, outage, region_of, spec_with, wait_until_healthy

from bigip_sm.lab.aws.outages import Kind

CLIENTS = 6
KINDS: tuple[Kind, ...] = ("refused", "black-hole", "tls-hang", "unavailable", "throttling")
CIRCUIT = 5
"""Failures that open a circuit, by default."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("load")
    spec = spec_with(directory, {path_of(kind)[1:]: "circuit: {}" for kind in KINDS})
    with running_gateway(spec, directory) as running:
        yield running


def path_of(kind: Kind) -> str:
    """A route of its own for each outage: what one circuit remembers does not help the next."""
    return f"/load_{kind.replace('-', '_')}"


@dataclass(frozen=True)
class Asked:
    began: float
    ended: float
    status: int  # 0: no answer

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Load:
    """``CLIENTS`` callers who ask one after the other on a connection each, and open another when it ends."""

    gateway: Gateway
    path: str
    asked: list[Asked] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._ending.is_set():
            with suppress(OSError, http.client.HTTPException), self.gateway.client() as client:
                while not self._ending.is_set():
                    began, status = time.monotonic(), 0
                    try:
                        status = client.request(self.path, b"1,2,3").status
                    finally:
                        self.asked.append(Asked(began, time.monotonic(), status))
                    time.sleep(0.02)


@dataclass(frozen=True)
class Outcome:
    """What callers saw of an outage; times are in seconds since it began."""

    asked: list[Asked]
    began: float

    @property
    def failed(self) -> list[Asked]:
        return [one for one in self.asked if one.status != 200]

    @property
    def recovered(self) -> float:
        """When the last request failed that began during the outage, or was under way."""
        return max((one.ended - self.began for one in self.failed), default=0.0)

    @property
    def slowest(self) -> float:
        return max(one.seconds for one in self.asked if one.status == 200)


def suffer(gateway: Gateway, kind: Kind, seconds: float) -> Outcome:
    """An outage of the first region under load, for so long, in which as many callers again arrive."""
    wait_until_healthy(gateway)
    with Load(gateway, path_of(kind)) as load:
        time.sleep(1.0)
        assert {one.status for one in load.asked} == {200}, "the load fails before anything else does"
        began = time.monotonic()
        with outage(gateway, kind):
            time.sleep(0.3)
            with Load(gateway, path_of(kind)) as later:
                time.sleep(seconds)
        time.sleep(0.5)
    during = [one for one in (*load.asked, *later.asked) if one.ended > began]
    assert len([one for one in later.asked if one.status == 200]) > CLIENTS, "nobody was served during the outage"
    return Outcome(during, began)


def test_refused(gateway: Gateway) -> None:
    """Only what was under way on a connection that ended is lost."""
    outcome = suffer(gateway, "refused", 3.0)
    assert len(outcome.failed) <= CLIENTS, outcome.failed
    assert outcome.recovered < 2.0


def test_black_hole(gateway: Gateway) -> None:
    """Each connection that was open loses one request; new ones cost 3.5 s until the circuit opens."""
    outcome = suffer(gateway, "black-hole", 9.0)
    assert len(outcome.failed) <= CLIENTS, outcome.failed
    assert all(one.began < outcome.began + 1.0 for one in outcome.failed), outcome.failed
    assert outcome.slowest < 6.0
    late = [one for one in outcome.asked if outcome.began + 6.0 < one.began < outcome.began + 9.0]
    assert late
    assert max(one.seconds for one in late) < 2.0, "the region is still tried"


def test_tls_hang(gateway: Gateway) -> None:
    """Requests wait for the handshake, 10 s, and are lost; five of them open the circuit."""
    outcome = suffer(gateway, "tls-hang", 23.0)
    assert len(outcome.failed) <= CIRCUIT + 2 * CLIENTS, outcome.failed
    assert outcome.recovered < 22.0
    assert [one for one in outcome.asked if one.began > outcome.began + 22.0]


@pytest.mark.parametrize("kind", ["unavailable", "throttling"])
def test_answers_that_say_that_nothing_was_done(gateway: Gateway, kind: Kind) -> None:
    """What the budget does not let another region have is told to callers, until the circuit opens."""
    outcome = suffer(gateway, kind, 4.0)
    assert len(outcome.failed) <= CIRCUIT + 2 * CLIENTS, outcome.failed
    assert outcome.recovered < 2.0
    served = [region_of(one) for one in gateway.seen() if one.verdict == "accepted"]
    assert set(served) == {FIRST, SECOND}
