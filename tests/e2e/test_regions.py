"""Regions that fail: what callers notice of it, and for how long. docs/regions.md states these bounds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from audit_kit import AUDIT
from gateway_kit import CHAT, INVOKE, Gateway, running_gateway
from regions_spec import FIRST, SECOND, outage, region_of, spec_with, states_of, wait_for, wait_until_healthy

from bigip_sm.lab.aws.outages import Kind
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import Fault, model_error

ASK_CHAT = b'{"model":"llama","messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The upstream of most tests may go to another region as often as it likes; "bounded" keeps the default."""
    directory: Path = tmp_path_factory.mktemp("regions")
    spec = spec_with(
        directory,
        {
            "bounded": "failover: {}",
            "paid": "failover: {budget: 100%, billed: true}",
            "single": "failover: {budget: 100%}, in_flight: 1",
            "skipped": "circuit: {failures: 5, window: 60s}",
        },
    )
    spec.write_text(spec.read_text("utf-8") + AUDIT, "utf-8")
    with running_gateway(spec, directory) as running:
        yield running


@pytest.fixture(autouse=True)
def healthy(gateway: Gateway) -> None:
    """Every test begins with both regions up."""
    wait_until_healthy(gateway)


@contextmanager
def seen_outage(gateway: Gateway, kind: Kind, region: str = FIRST) -> Iterator[None]:
    """A region fails, and the BIG-IP has seen that its open connections have ended."""
    with outage(gateway, kind, region):
        time.sleep(0.2)
        yield


def regions(gateway: Gateway) -> list[str]:
    """The region of each request that AWS took, by the name in the handshake, which Host and scope must agree with."""
    return [region_of(request) for request in gateway.seen() if request.verdict == "accepted"]


@pytest.mark.parametrize(("target", "body"), [(INVOKE, b"1,2,3"), (CHAT, ASK_CHAT)], ids=["sigv4", "bearer"])
def test_a_refused_region_costs_no_request(gateway: Gateway, target: str, body: bytes) -> None:
    with seen_outage(gateway, "refused"), gateway.client() as client:
        for _ in range(3):
            assert client.request(target, body).status == 200
    assert regions(gateway) == [SECOND] * 3
    assert len(gateway.seen()) == 3


def test_a_region_that_answers_no_syn_costs_the_time_to_connect(gateway: Gateway) -> None:
    with seen_outage(gateway, "black-hole"), gateway.client() as client:
        began = time.monotonic()
        assert client.request(INVOKE, b"1,2,3").status == 200
        assert 3.0 < time.monotonic() - began < 6.0  # SYNs at 0, 0.5 and 1.5 s, given up after 3.5 s
    assert regions(gateway) == [SECOND]


def test_a_second_failure_is_the_end(gateway: Gateway) -> None:
    with seen_outage(gateway, "refused", FIRST), seen_outage(gateway, "refused", SECOND), gateway.client() as client:
        assert client.request(INVOKE, b"1,2,3").verdict in ("502 upstream-unreachable", "503 upstream-unreachable")
    assert regions(gateway) == []


def test_no_region_left_is_told_at_once(gateway: Gateway) -> None:
    name = "/worldwide/gateway/pool_churn_us_west_2"
    with seen_outage(gateway, "refused", SECOND):
        wait_for(lambda: "down" in states_of(gateway)[name].values())
        with seen_outage(gateway, "refused", FIRST), gateway.client() as client:
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
            with seen_outage(gateway, "refused"):
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


@pytest.mark.parametrize("kind", ["unavailable", "throttling"])
def test_what_a_region_has_not_worked_on_another_one_gets_once(gateway: Gateway, kind: Kind) -> None:
    with seen_outage(gateway, kind), gateway.client() as client:
        answer = client.request(INVOKE, b"1,2,3", [("Content-Type", "text/csv"), ("Accept", "application/json")])
        assert answer.status == 200
    first, second = gateway.seen()
    assert (region_of(first), region_of(second)) == (FIRST, SECOND)
    assert second.body == first.body == b"1,2,3"
    assert second.values("content-type") == [b"text/csv"]
    assert second.values("accept") == [b"application/json"]
    assert not second.values("x-gateway-retry")
    assert first.values("authorization") != second.values("authorization")
    # The model gets what it would have got, and the caller the id that is in both regions' records.
    assert first.values("x-amzn-sagemaker-inference-id") == second.values("x-amzn-sagemaker-inference-id")
    assert answer.headers["x-request-id"].encode() in second.values("x-amzn-sagemaker-inference-id")


def test_a_request_without_a_body_may_go_on_as_well(gateway: Gateway) -> None:
    with seen_outage(gateway, "unavailable"), gateway.client() as client:
        assert client.request(INVOKE, b"").status != 503
    assert [region_of(request) for request in gateway.seen()] == [FIRST, SECOND]


def test_a_request_of_unknown_length_may_go_on_as_well(gateway: Gateway) -> None:
    with seen_outage(gateway, "unavailable"), gateway.client() as client:
        answer = client.request(INVOKE, b"5\r\n1,2,3\r\n0\r\n\r\n", [("Transfer-Encoding", "chunked")])
        assert answer.status == 200
    assert gateway.seen()[-1].body == b"1,2,3"


def test_two_regions_that_throttle_are_told_once(gateway: Gateway) -> None:
    with (
        seen_outage(gateway, "throttling", FIRST),
        seen_outage(gateway, "throttling", SECOND),
        gateway.client() as client,
    ):
        answer = client.request(INVOKE, b"1,2,3")
    assert (answer.status, answer.headers["x-amzn-errortype"].split(":")[0]) == (400, "ThrottlingException")
    assert len(gateway.seen()) == 2


def test_what_may_have_been_billed_is_not_repeated(gateway: Gateway) -> None:
    faults = [
        Fault(Refusal(500, "InternalFailure", "boom")),
        Fault(Refusal(530, "InternalDependencyException", "boom")),
    ]
    gateway.lab.cloud.runtime.faults.extend([*faults, model_error(503, "busy")])
    with gateway.client() as client:
        assert [client.request(INVOKE, b"1,2,3").status for _ in range(3)] == [500, 530, 424]
    assert len(gateway.seen()) == 3


def test_what_may_have_been_billed_is_repeated_where_that_is_allowed(gateway: Gateway) -> None:
    gateway.lab.cloud.runtime.faults.append(Fault(Refusal(500, "InternalFailure", "boom")))
    with gateway.client() as client:
        assert client.request("/paid", b"1,2,3").status == 200
        gateway.lab.cloud.runtime.faults.append(model_error(503, "busy"))
        assert client.request("/paid", b"1,2,3").status == 424
    assert [region_of(request) for request in gateway.seen()] == [FIRST, SECOND, FIRST]


def test_a_bearer_request_that_streams_is_not_repeated(gateway: Gateway) -> None:
    with seen_outage(gateway, "unavailable"), gateway.client() as client:
        assert client.request(CHAT, ASK_CHAT).status == 503
    assert len(gateway.seen()) == 1


def test_the_budget_bounds_what_goes_to_another_region(gateway: Gateway) -> None:
    """A tenth of the requests in ten seconds, and three in any case; the rest gets the answer of the first region."""
    with seen_outage(gateway, "throttling"), gateway.client() as client:
        window = wait_for_a_window()
        statuses = [client.request("/bounded", b"1,2,3").status for _ in range(40)]
        assert time.time() < window + 10, "this machine is too slow for the test"
    assert statuses.count(200) in range(3, 8)
    assert statuses[:3] == [200] * 3
    assert set(statuses) == {200, 400}


def test_a_region_that_throttles_is_skipped_however_few_ask(gateway: Gateway) -> None:
    """Each throttle is a failure for the circuit, whether or not the budget let another region have the request."""
    with outage(gateway, "throttling"), gateway.client() as client:
        window = wait_for_a_window()
        statuses = [client.request("/skipped", b"1,2,3").status for _ in range(10)]
        assert time.time() < window + 10, "this machine is too slow for the test"
    assert statuses == [200] * 3 + [400] * 2 + [200] * 5


def test_no_client_can_pass_a_request_off_as_one_that_is_tried_again(gateway: Gateway) -> None:
    with gateway.client("mallory") as client, seen_outage(gateway, "throttling"):
        assert client.request(INVOKE, b"1,2,3").status == 200
        forged = client.request("/endpoints/other/invocations", b"", [("X-Gateway-Retry", "0" * 16)])
        assert forged.reason == "no-route"
        assert client.request(INVOKE, b"1,2,3", [("X-Gateway-Retry", "")]).status == 200
    assert all(not request.values("x-gateway-retry") for request in gateway.seen())


def test_request_two_inherits_nothing_from_one_that_was_tried_again(gateway: Gateway) -> None:
    with gateway.client() as client:
        with seen_outage(gateway, "throttling"):
            assert client.request(INVOKE, b"1,2,3").status == 200
        assert client.request("/nothing/here", b"").reason == "no-route"
        assert client.request(INVOKE, b"4,5,6").status == 200
        assert client.request(CHAT, ASK_CHAT).status == 200
    assert [region_of(request) for request in gateway.seen()] == [FIRST, SECOND, FIRST, FIRST]
    assert gateway.seen()[2].body == b"4,5,6"


def test_a_request_that_is_tried_again_is_at_the_model_once(gateway: Gateway) -> None:
    with outage(gateway, "throttling"), gateway.client() as client:
        assert [client.request("/single", b"1,2,3").status for _ in range(4)] == [200] * 4
    with seen_outage(gateway, "refused"), gateway.client() as client:
        assert [client.request("/single", b"1,2,3").status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("kind", ["refused", "throttling"])
def test_the_record_of_a_request_names_the_region_that_answered(gateway: Gateway, kind: Kind) -> None:
    with seen_outage(gateway, kind), gateway.client() as client:
        answer = client.request(INVOKE, b"1,2,3")
    wanted = answer.headers["x-request-id"]
    wait_for(lambda: any(record["request_id"] == wanted for record in records(gateway)))
    time.sleep(0.1)
    (record,) = [record for record in records(gateway) if record["request_id"] == wanted]
    assert (record["region"], record["decision"], record["status"]) == (SECOND, "allowed", 200)


def records(gateway: Gateway) -> list[dict[str, Any]]:
    """What the collector of audit records has."""
    return [json.loads(line) for line in gateway.lab.collector.lines]


def wait_for_a_window() -> float:
    """Wait until ten seconds of the budget begin; returns when."""
    began = time.time() // 10 * 10 + 10
    time.sleep(began - time.time() + 0.05)
    return began
