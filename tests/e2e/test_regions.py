"""Regions that fail: what callers notice of it, and for how long. docs/regions.md states these bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gateway_kit import CHAT, INVOKE, ROOT, Gateway, running_gateway

from bigip_sm.lab.aws.outages import Kind
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import Fault, SeenRequest, model_error

SPEC = ROOT / "declarations" / "multi-region" / "gateway.yaml"
FIRST, SECOND = "us-east-1", "us-west-2"
REGIONS = ("us_east_1", "us_west_2")
ASK_CHAT = b'{"model":"llama","messages":[{"role":"user","content":"hi"}]}'


def route(name: str) -> str:
    return f"""
  {name}:
    listener: public
    match: {{path: /{name}}}
    upstream: {name}
    allow: ["staff:*"]
    approved_by: {{name: tests, ticket: T-1, date: 2026-01-01}}
"""


def upstream(name: str, failover: str) -> str:
    regions = "[{name: us-east-1, private_dns: true}, {name: us-west-2, private_dns: true}]"
    return f"  {name}: {{kind: sagemaker, endpoint: {name}, role: models, failover: {failover}, regions: {regions}}}\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("regions")
    spec = directory / "gateway.yaml"
    spec.write_text(SPEC.read_text() + route("bounded") + route("paid"))
    # The upstream of most tests may go to another region as often as it likes; "bounded" keeps the default.
    spec.write_text(
        spec.read_text()
        .replace("    endpoint: churn-v7\n", "    endpoint: churn-v7\n    failover: {budget: 100%}\n")
        .replace(
            "  llama:\n", upstream("bounded", "{}") + upstream("paid", "{budget: 100%, billed: true}") + "  llama:\n"
        )
    )
    with running_gateway(spec, directory) as running:
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


@pytest.mark.parametrize("kind", ["unavailable", "throttling"])
def test_what_a_region_has_not_worked_on_another_one_gets_once(gateway: Gateway, kind: Kind) -> None:
    with outage(gateway, kind), gateway.client() as client:
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
    with outage(gateway, "unavailable"), gateway.client() as client:
        assert client.request(INVOKE, b"").status != 503
    assert [region_of(request) for request in gateway.seen()] == [FIRST, SECOND]


def test_a_request_of_unknown_length_may_go_on_as_well(gateway: Gateway) -> None:
    with outage(gateway, "unavailable"), gateway.client() as client:
        answer = client.request(INVOKE, b"5\r\n1,2,3\r\n0\r\n\r\n", [("Transfer-Encoding", "chunked")])
        assert answer.status == 200
    assert gateway.seen()[-1].body == b"1,2,3"


def test_two_regions_that_throttle_are_told_once(gateway: Gateway) -> None:
    with outage(gateway, "throttling", FIRST), outage(gateway, "throttling", SECOND), gateway.client() as client:
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
    with outage(gateway, "unavailable"), gateway.client() as client:
        assert client.request(CHAT, ASK_CHAT).status == 503
    assert len(gateway.seen()) == 1


def test_the_budget_bounds_what_goes_to_another_region(gateway: Gateway) -> None:
    """A tenth of the requests in ten seconds, and three in any case; the rest gets the answer of the first region."""
    with outage(gateway, "throttling"), gateway.client() as client:
        window = wait_for_a_window()
        statuses = [client.request("/bounded", b"1,2,3").status for _ in range(40)]
        assert time.time() < window + 10, "this machine is too slow for the test"
    assert statuses.count(200) in range(3, 8)
    assert statuses[:3] == [200] * 3
    assert set(statuses) == {200, 400}


def test_no_client_can_pass_a_request_off_as_one_that_is_tried_again(gateway: Gateway) -> None:
    with gateway.client("mallory") as client, outage(gateway, "throttling"):
        assert client.request(INVOKE, b"1,2,3").status == 200
        forged = client.request("/endpoints/other/invocations", b"", [("X-Gateway-Retry", "0" * 16)])
        assert forged.reason == "no-route"
        assert client.request(INVOKE, b"1,2,3", [("X-Gateway-Retry", "")]).status == 200
    assert all(not request.values("x-gateway-retry") for request in gateway.seen())


def test_request_two_inherits_nothing_from_one_that_was_tried_again(gateway: Gateway) -> None:
    with gateway.client() as client:
        with outage(gateway, "throttling"):
            assert client.request(INVOKE, b"1,2,3").status == 200
        assert client.request("/nothing/here", b"").reason == "no-route"
        assert client.request(INVOKE, b"4,5,6").status == 200
        assert client.request(CHAT, ASK_CHAT).status == 200
    assert [region_of(request) for request in gateway.seen()] == [FIRST, SECOND, FIRST, FIRST]
    assert gateway.seen()[2].body == b"4,5,6"


def wait_for_a_window() -> float:
    """Wait until ten seconds of the budget begin; returns when."""
    began = time.time() // 10 * 10 + 10
    time.sleep(began - time.time() + 0.05)
    return began


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
