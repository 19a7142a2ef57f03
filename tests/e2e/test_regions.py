"""Regions that fail: what callers notice of it, and for how long. docs/regions.md states these bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gateway_kit import CHAT, INVOKE, ROOT, Gateway, running_gateway

from bigip_sm.lab.aws.outages import Kind
from bigip_sm.lab.aws.runtime import SeenRequest

SPEC = ROOT / "declarations" / "multi-region" / "gateway.yaml"
FIRST, SECOND = "us-east-1", "us-west-2"
REGIONS = ("us_east_1", "us_west_2")
ASK_CHAT = b'{"model":"llama","messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("regions")
    with running_gateway(SPEC, directory) as running:
        yield running


@pytest.fixture(autouse=True)
def healthy(gateway: Gateway) -> None:
    """Every test begins with both regions up, as TMM sees them, and with no connection open to either."""
    deadline = time.monotonic() + 30
    while any(state != "up" for states in states_of(gateway).values() for state in states.values()):
        assert time.monotonic() < deadline, states_of(gateway)
        time.sleep(0.1)
    gateway.lab.cloud.runtime.requests.clear()


def states_of(gateway: Gateway) -> dict[str, dict[str, str]]:
    pools = [f"/worldwide/gateway/pool_{name}_{region}" for name in ("churn", "llama") for region in REGIONS]
    return {pool: gateway.lab.data_plane.member_states(pool) for pool in pools}


@contextmanager
def outage(gateway: Gateway, kind: Kind, region: str = FIRST) -> Iterator[None]:
    gateway.lab.call(gateway.lab.cloud.outages.begin(region, kind))
    time.sleep(0.2)  # the BIG-IP sees that its open connections have ended
    try:
        yield
    finally:
        gateway.lab.call(gateway.lab.cloud.outages.end(region))


def regions(gateway: Gateway) -> list[str]:
    """The region of each request that AWS took, by the name in the handshake, which Host and scope must agree with."""
    return [region_of(request) for request in gateway.seen() if request.verdict == "accepted"]


def region_of(request: SeenRequest) -> str:
    host = request.values("host")[0].decode()
    assert request.sni == host
    return host.split(".")[2]


@pytest.mark.parametrize(("target", "body"), [(INVOKE, b"1,2,3"), (CHAT, ASK_CHAT)], ids=["sigv4", "bearer"])
def test_a_refused_region_costs_no_request(gateway: Gateway, target: str, body: bytes) -> None:
    with outage(gateway, "refused"), gateway.client() as client:
        for _ in range(3):
            assert client.request(target, body).status == 200
    assert regions(gateway) == [SECOND] * 3
    assert len(gateway.seen()) == 3


def test_a_region_that_answers_no_syn_costs_the_time_to_connect(gateway: Gateway) -> None:
    with outage(gateway, "black-hole"), gateway.client() as client:
        began = time.monotonic()
        assert client.request(INVOKE, b"1,2,3").status == 200
        assert 3.0 < time.monotonic() - began < 6.0  # SYNs at 0, 0.5 and 1.5 s, given up after 3.5 s
    assert regions(gateway) == [SECOND]


def test_a_second_failure_is_the_end(gateway: Gateway) -> None:
    with outage(gateway, "refused", FIRST), outage(gateway, "refused", SECOND), gateway.client() as client:
        assert client.request(INVOKE, b"1,2,3").verdict in ("502 upstream-unreachable", "503 upstream-unreachable")
    assert regions(gateway) == []


def test_no_region_left_is_told_at_once(gateway: Gateway) -> None:
    name = "/worldwide/gateway/pool_churn_us_west_2"
    with outage(gateway, "refused", SECOND):
        wait_for(lambda: "down" in states_of(gateway)[name].values())
        with outage(gateway, "refused", FIRST), gateway.client() as client:
            assert client.request(INVOKE, b"1,2,3").reason == "upstream-unreachable"


def test_two_regions_alternating_on_one_connection_sign_name_and_verify_the_right_host(gateway: Gateway) -> None:
    expected = []
    with gateway.client() as client:
        for turn in range(4):
            region = FIRST if turn % 2 else SECOND
            expected.append(region)
            if region == FIRST:
                assert client.request(INVOKE if turn % 3 else CHAT, b"{}").status in (200, 400)
                continue
            with outage(gateway, "refused"):
                assert client.request(INVOKE, b"1,2,3").status == 200
    seen = gateway.seen()
    assert [region_of(request) for request in seen] == expected
    for request, region in zip(seen, expected, strict=True):
        authorization = request.values("authorization")
        assert len(authorization) == 1
        assert (
            authorization[0].startswith(b"Bearer ") or f"/{region}/sagemaker/aws4_request".encode() in authorization[0]
        )
        assert request.verdict != "InvalidSignatureException"


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
