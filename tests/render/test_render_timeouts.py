"""Timeouts, monitors and slow ramps: what TMM gets of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import document, route, spec, upstream

from bigip_sm.lab.tmm.pools import matches
from bigip_sm.lint import find_schema, validate_schema
from bigip_sm.render import render
from bigip_sm.render.timeouts import DEFAULT, LONGEST_BASE, SHORTEST_BASE, Syns, syns
from bigip_sm.spec.chat import JUMPSTART, JumpStart


def items(**changes: Any) -> dict[str, Any]:
    rendered = render(spec(**changes))
    schema = find_schema()
    assert schema is None or list(validate_schema(rendered.declaration, schema)) == []
    found: dict[str, Any] = rendered.declaration["sample"]["gateway"]
    return found


@given(st.integers(1, 60))
def test_a_connection_is_given_up_when_it_is_said_and_never_later(seconds: int) -> None:
    schedule = syns(seconds)
    waits = [schedule.base * 2**number for number in range(schedule.repeats + 1)]
    assert seconds * 1000 - 15 <= sum(waits) == schedule.given_up <= seconds * 1000
    assert SHORTEST_BASE <= schedule.base <= LONGEST_BASE
    assert schedule.repeats >= 1  # one lost packet costs no connection


def test_without_a_time_it_is_three_and_a_half_seconds() -> None:
    assert syns(None) == DEFAULT == Syns(500, 2)
    assert DEFAULT.given_up == 3500


@pytest.mark.parametrize("seconds", [0, 76, 3600])
def test_times_that_no_schedule_has(seconds: int) -> None:
    with pytest.raises(ValueError, match=f"after {seconds} s"):
        syns(seconds)


def test_each_listener_has_its_own_time_to_connect_and_callers_have_none() -> None:
    tls = document()["listeners"]["public"]
    listeners = {"public": {**tls, "connect_timeout": "5s"}, "other": {**tls, "address": "192.0.2.11"}}
    made = items(listeners=listeners)
    assert (made["tcp_aws_public"]["synRtoBase"], made["tcp_aws_public"]["synMaxRetrans"]) == (714, 2)
    assert (made["tcp_aws_other"]["synRtoBase"], made["tcp_aws_other"]["synMaxRetrans"]) == (500, 2)
    assert "synRtoBase" not in made["tcp_client"]


ROUTES = {"churn": route(), "llama": route(upstream="llama", match={"path": "/llama"})}


def test_upstreams_of_one_host_share_a_monitor_until_one_wants_another() -> None:
    monitor = {"interval": "2s", "timeout": 7, "time_until_up": "90s"}
    both = {"churn": upstream(), "llama": upstream(monitor=monitor, slow_ramp="2m")}
    made = items(upstreams=both, routes=ROUTES)
    usual, own = made["monitor_runtime_us_east_1"], made["monitor_of_llama_us_east_1"]
    assert (usual["interval"], usual["timeout"], "timeUntilUp" in usual) == (5, 16, False)
    assert (own["interval"], own["timeout"], own["timeUntilUp"]) == (2, 7, 90)
    assert {key: own[key] for key in ("send", "receive", "clientTLS")} == {
        key: usual[key] for key in ("send", "receive", "clientTLS")
    }
    pools = made["pool_churn_us_east_1"], made["pool_llama_us_east_1"]
    assert [pool["monitors"] for pool in pools] == [
        [{"use": "monitor_runtime_us_east_1"}],
        [{"use": "monitor_of_llama_us_east_1"}],
    ]
    assert [pool.get("slowRampTime") for pool in pools] == [None, 120]


def test_a_monitor_that_nobody_uses_is_not_made() -> None:
    both = {name: upstream(monitor={"time_until_up": 5}, slow_ramp=0) for name in ("churn", "llama")}
    made = items(upstreams=both, routes=ROUTES)
    assert sorted(name for name in made if name.startswith("monitor_")) == [
        "monitor_of_churn_us_east_1",
        "monitor_of_llama_us_east_1",
    ]
    assert made["pool_churn_us_east_1"]["slowRampTime"] == 0


OWN = {"kind": "http", "host": "vllm.example.internal", "ca": "/Common/own.crt", "path": "/v1/"}


@pytest.mark.parametrize("monitor", [None, {}, {"interval": 5}])
def test_a_server_of_one_s_own_is_up_when_it_answers_anything(monitor: dict[str, Any] | None) -> None:
    made = items(upstreams={"churn": OWN if monitor is None else {**OWN, "monitor": monitor}})
    usual = made["monitor_http_churn_local"]
    assert usual["send"].startswith(r"GET /ping HTTP/1.1\r\nHost: vllm.example.internal\r\n")
    assert usual["receive"] == "HTTP/1."


def test_a_server_of_one_s_own_with_a_readiness_path_is_up_when_it_answers_2xx() -> None:
    made = items(upstreams={"churn": {**OWN, "monitor": {"path": "/health"}}})
    own = made["monitor_of_churn_local"]
    assert made["pool_churn_local"]["monitors"] == [{"use": "monitor_of_churn_local"}]
    assert own["clientTLS"] == {"use": "tls_http_churn_local"}
    assert own["send"] == (r"GET /health HTTP/1.1\r\nHost: vllm.example.internal\r\nConnection: close\r\n\r\n")
    statuses = {status: bool(matches(own["receive"], b"HTTP/1.1 %d \r\n" % status)) for status in range(100, 600)}
    assert {status for status, up in statuses.items() if up} == set(range(200, 300))
    assert matches(own["receive"], b"HTTP/1.0 204 No Content\r\n")
    assert not set(own["receive"]) & set('\\[]{}$"`')  # nothing that a script of tmsh could read otherwise


# what a context window costs before it is refused


def window(*, alias: str = "", of_upstream: int | None = None, of_route: int | None = None) -> str | None:
    """The longest prompt in the record of the route's limits."""
    chat = {"alias": alias or "own", **({} if of_upstream is None else {"context_tokens": of_upstream})}
    chatty = {**upstream(kind="sagemaker-openai"), "chat": chat}
    limits = {} if of_route is None else {"limits": {"context_tokens": of_route}}
    made = items(upstreams={"churn": chatty}, routes={"churn": route(**limits)})
    text = "|".join(one["value"] for one in made.get("limits", {"records": []})["records"])
    found = re.findall(r"\bcontext/([0-9]+)", text)
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(("alias", "model"), sorted(JUMPSTART.items()))
def test_an_alias_brings_its_window_along(alias: str, model: JumpStart) -> None:
    assert window(alias=alias) == str(model.context)


def test_a_window_that_is_written_counts_and_the_routes_before_all() -> None:
    assert window() is None
    assert window(of_upstream=9000) == "9000"
    assert window(alias="jumpstart-falcon-40b", of_upstream=9000) == "9000"
    assert window(alias="jumpstart-falcon-40b", of_route=700) == "700"
    assert window(alias="jumpstart-falcon-40b", of_upstream=9000, of_route=700) == "700"
