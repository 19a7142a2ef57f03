"""Timeouts as callers notice them; docs/regions.md says what TMM has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_kit import INVOKE, Gateway, running_gateway
from regions_spec import FIRST, SECOND, outage, region_of, spec_with, states_of, wait_for, wait_until_healthy

from bigip_sm.lab.aws.runtime import Fault

POOL = "/worldwide/gateway/pool_churn_us_east_1"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A second to connect, a second of silence, and a region that must answer for three seconds before it is up."""
    directory: Path = tmp_path_factory.mktemp("timeouts")
    file = spec_with(directory, {})
    text = file.read_text("utf-8").replace("    hostnames: [", "    connect_timeout: 1s\n    hostnames: [")
    text = text.replace("timeout: 70s", "timeout: 1s\n    monitor: {interval: 1s, timeout: 2s, time_until_up: 3s}")
    file.write_text(text.replace("timeout: 120s", "timeout: 1s"), "utf-8")
    with running_gateway(file, directory) as running:
        yield running


@pytest.fixture(autouse=True)
def healthy(gateway: Gateway) -> None:
    wait_until_healthy(gateway)


def test_a_region_that_answers_no_syn_is_left_when_the_listener_says(gateway: Gateway) -> None:
    with outage(gateway, "black-hole"):
        time.sleep(0.2)
        with gateway.client() as client:
            began = time.monotonic()
            assert client.request(INVOKE, b"1,2,3").status == 200
            assert 0.9 < time.monotonic() - began < 3.0  # the default would be 3.5 s
    assert [region_of(one) for one in gateway.seen() if one.verdict == "accepted"] == [SECOND]


def test_a_region_gets_requests_again_only_when_it_has_answered_for_some_time(gateway: Gateway) -> None:
    with outage(gateway, "refused"):
        wait_for(lambda: "down" in states_of(gateway)[POOL].values())
    began = time.monotonic()
    with gateway.client() as client:
        while time.monotonic() - began < 2.0:
            assert client.request(INVOKE, b"1,2,3").status == 200
            time.sleep(0.2)
        assert {region_of(one) for one in gateway.seen() if one.verdict == "accepted"} == {SECOND}
        wait_for(lambda: "up" in states_of(gateway)[POOL].values())
        assert time.monotonic() - began > 2.9
        assert client.request(INVOKE, b"1,2,3").status == 200
    assert region_of(gateway.seen()[-1]) == FIRST


def test_a_silent_model_costs_the_connection_after_the_timeout_and_its_margin(gateway: Gateway) -> None:
    gateway.lab.cloud.runtime.faults.append(Fault(delay=30.0))
    with gateway.client() as client:
        began = time.monotonic()
        with pytest.raises((ConnectionError, OSError)):
            client.request(INVOKE, b"1,2,3")
        assert 10.5 < time.monotonic() - began < 14.0  # 1 s, and 10 s on top of it
