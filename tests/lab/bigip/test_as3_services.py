"""Services: plain HTTP, the redirect from port 80, and monitors by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from control_plane_kit import Box, Json, encoded, service, small, start

from bigip_sm.lab.bigip.as3.translate_service import ATTACHED
from bigip_sm.lab.bigip.builtin import REDIRECT
from bigip_sm.lab.bigip.objects import Attachment, HttpProfile, Pool, Rule, StatisticsProfile, VirtualServer

STANDS_IN = Rule(REDIRECT.path, "when HTTP_REQUEST { HTTP::respond 302 Location https://example.com/ }")
"""For the rule of TMOS, so that these tests do not depend on the commands that the lab has."""


@pytest.fixture
def box() -> Iterator[Box]:
    for made in start():
        made.config.commit(put=[STANDS_IN])
        yield made


def redirecting(**changes: Any) -> Json:
    body = service(**changes)
    del body["redirect80"]
    return body


def test_default_of_redirect80_makes_a_second_virtual_server(box: Box) -> None:
    box.deploy(small(vs=redirecting()))
    made = {virtual.path: virtual for virtual in box.config.all(VirtualServer)}
    assert set(made) == {"/T/A/vs", "/T/A/vs-Redirect-"}
    redirect = made["/T/A/vs-Redirect-"]
    assert (redirect.address, redirect.port, redirect.rules) == ("10.0.0.1", 80, (REDIRECT.path,))
    assert (redirect.http, redirect.client_ssl, redirect.pool) == ("/Common/http", None, None)
    assert box.declare(small(vs=redirecting())).json()["results"][0]["message"] == "no change"
    box.deploy(small(vs=service()))
    assert [virtual.path for virtual in box.config.all(VirtualServer)] == ["/T/A/vs"]


def test_redirect_goes_to_sleep_with_its_service(box: Box) -> None:
    box.deploy(small(vs=redirecting(adminState="disable")))
    assert not any(virtual.enabled for virtual in box.config.all(VirtualServer))
    box.deploy(small(vs=redirecting(enable=False)))
    assert list(box.config.all(VirtualServer)) == []


def test_redirect_clashes_with_what_is_on_port_80(box: Box) -> None:
    plain = {"class": "Service_HTTP", "virtualAddresses": ["10.0.0.1"], "persistenceMethods": []}
    answer = box.declare(small(vs=redirecting(), other=plain))
    assert answer.status_code == 422
    assert answer.json()["results"][0]["response"].startswith("01070333:3:")


def test_redirect_of_several_addresses_is_refused(box: Box) -> None:
    answer = box.declare(small(vs=redirecting(virtualAddresses=["10.0.0.1", "10.0.0.2"])))
    assert answer.json()["errors"][0].startswith("/T/A/vs/redirect80: with more than one address")


def test_redirect_without_its_rule_is_refused(box: Box) -> None:
    box.config.commit(delete=[STANDS_IN])
    answer = box.declare(small(vs=redirecting()))
    assert answer.status_code == 422
    assert answer.json()["errors"][0].startswith("/T/A/vs/redirect80: true, whose rule needs commands")


def test_rule_of_tmos_is_there_if_it_loads() -> None:
    for box in start():
        found = box.config.get(Rule, REDIRECT.path)
        assert found in (None, REDIRECT)
        assert (found is None) == (box.declare(small(vs=redirecting())).status_code == 422)


def test_plain_http(box: Box) -> None:
    rule = encoded("when HTTP_REQUEST { HTTP::respond 200 }")
    plain = {"class": "Service_HTTP", "virtualAddresses": ["10.0.0.1"], "persistenceMethods": [], "iRules": ["rule"]}
    box.deploy(small(vs=plain, rule=rule))
    (virtual,) = box.config.all(VirtualServer)
    assert (virtual.port, virtual.client_ssl, virtual.http) == (80, None, "/Common/http")
    box.deploy(small(vs={**plain, "virtualPort": 8080}, rule=rule))
    (virtual,) = box.config.all(VirtualServer)
    assert virtual.port == 8080


def test_plain_http_keeps_the_other_defaults(box: Box) -> None:
    answer = box.declare(small(vs={"class": "Service_HTTP", "virtualAddresses": ["10.0.0.1"]}))
    assert answer.json()["errors"][0].startswith("/T/A/vs/persistenceMethods: ['cookie'] (AS3's default)")


def test_a_plain_tcp_service_relays_and_takes_no_rules(box: Box) -> None:
    plain = {"class": "Service_TCP", "virtualAddresses": ["10.0.0.1"], "virtualPort": 6514, "persistenceMethods": []}
    box.deploy(small(vs=plain))
    (virtual,) = box.config.all(VirtualServer)
    assert (virtual.port, virtual.http, virtual.client_ssl, virtual.rules) == (6514, None, None, ())
    defaults = box.declare(small(vs={key: value for key, value in plain.items() if key != "persistenceMethods"}))
    assert defaults.json()["errors"][0].startswith("/T/A/vs/persistenceMethods: ['source-address'] (AS3's default)")
    rule = {"class": "iRule", "iRule": "when CLIENT_ACCEPTED { }", "expand": False}
    ruled = box.declare(small(vs={**plain, "iRules": ["rule"]}, rule=rule))
    assert ruled.json()["errors"] == ["/T/A/vs/iRules: ['rule'] instead of [] is not emulated by the lab"]


@pytest.mark.parametrize("kind", ["Service_L4", "Service_Generic", "Service_UDP"])
def test_other_services_are_refused(box: Box, kind: str) -> None:
    answer = box.declare(small(vs={"class": kind, "virtualAddresses": ["10.0.0.1"], "virtualPort": 80}))
    assert answer.json()["errors"] == [f"/T/A/vs: class {kind} is not emulated by the lab"]


def test_built_in_monitor(box: Box) -> None:
    members = [{"servicePort": 443, "serverAddresses": ["10.0.0.1"]}]
    box.deploy(small(pool_own={"class": "Pool", "monitors": ["https"], "members": members}))
    pool = box.config.get(Pool, "/T/A/pool_own")
    assert pool is not None
    assert pool.monitors == ("/Common/https",)
    for name in ("http", "tcp", "icmp"):
        refused = box.declare(small(pool_own={"class": "Pool", "monitors": [name], "members": members}))
        assert refused.json()["errors"] == [
            f"/T/A/pool_own/monitors: the built-in monitor {name!r} is not emulated by the lab"
        ]


def test_statistics_profile(box: Box) -> None:
    counters = {"class": "Statistics_Profile", "field2": "refused", "field1": "served", "field10": "late"}
    box.deploy(small(vs=service(profileStatistics={"use": "counters"}), counters=counters))
    (profile,) = box.config.all(StatisticsProfile)
    assert profile == StatisticsProfile("/T/A/counters", ("served", "refused", "late"))
    (virtual,) = box.config.all(VirtualServer)
    assert virtual.statistics == "/T/A/counters"
    refused = box.declare(small(counters={**counters, "field33": "x"}))
    assert refused.status_code == 422


@pytest.mark.parametrize(("name", "kind"), ATTACHED.items())
def test_what_other_modules_have_is_attached_if_it_is_there(box: Box, name: str, kind: Any) -> None:
    base = {"class": "Service_HTTP", "virtualAddresses": ["10.0.0.1"], "persistenceMethods": []}
    missing = box.declare(small(vs={**base, name: {"bigip": "/Common/there"}}))
    assert missing.json()["message"] == f"Unable to find /Common/there for /T/A/vs/{name}"
    for other in set(ATTACHED.values()) - {kind}:
        box.config.commit(put=[Attachment("/Common/there", other)])  # type: ignore[arg-type]  # one of the kinds
        wrong = box.declare(small(vs={**base, name: {"bigip": "/Common/there"}}))
        assert wrong.json()["message"] == f"Unable to find /Common/there for /T/A/vs/{name}"
    box.config.commit(put=[Attachment("/Common/there", kind)])
    box.deploy(small(vs={**base, name: {"bigip": "/Common/there"}}))
    (virtual,) = box.config.all(VirtualServer)
    assert virtual.attached == ("/Common/there",)
    used = box.declare(small(vs={**base, name: {"use": "policy"}}))
    assert used.json()["errors"] == [f"/T/A/vs/{name}: anything but {{bigip}} is not emulated by the lab"]


def test_hsts_has_the_defaults_of_the_schema(box: Box) -> None:
    box.deploy(small(http_own={"class": "HTTP_Profile", "hstsInsert": True}))
    profile = box.config.get(HttpProfile, "/T/A/http_own")
    assert profile is not None
    assert profile.hsts == "max-age=7862400; includeSubDomains"
