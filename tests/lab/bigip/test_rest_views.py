"""Pools and virtual servers, read by iControl REST."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from control_plane_kit import ADMIN, GUEST, ROTATOR, Box, quickstart, service, small, start

POOLS = "/mgmt/tm/ltm/pool"
VIRTUALS = "/mgmt/tm/ltm/virtual"
POOL = f"{POOLS}/~quickstart~gateway~pool_llama"
VIRTUAL = f"{VIRTUALS}/~quickstart~gateway~listener_public"
HOST = "vpce-0a1b.runtime.sagemaker.us-east-1.vpce.amazonaws.com"
MEMBER = f"~quickstart~quickstart-{HOST}:443"


@pytest.fixture
def box() -> Iterator[Box]:
    for made in start():
        made.make_credentials()
        made.deploy(quickstart())
        yield made


def test_virtual_server_and_its_profiles(box: Box) -> None:
    shown = box.request("GET", VIRTUAL).json()
    assert shown["destination"] == "/quickstart/10.20.0.10:443"
    assert shown["rules"] == ["/quickstart/gateway/irule_public"]
    assert shown["enabled"]
    assert "pool" not in shown
    profiles = box.request("GET", f"{VIRTUAL}/profiles").json()["items"]
    assert {(item["name"], item["context"]) for item in profiles} == {
        ("http", "all"),
        ("one_connect", "all"),
        ("tcp_client", "clientside"),
        ("tcp_aws_public", "serverside"),
        ("tls_public", "clientside"),
        ("tls_runtime_us_east_1", "serverside"),
    }
    assert [item["name"] for item in box.request("GET", VIRTUALS).json()["items"]] == ["listener_public"]


def test_ipv6_and_disabled(box: Box) -> None:
    box.deploy(small(vs=service(virtualAddresses=["2001:db8::1"], adminState="disable", profileTCP="wan")))
    shown = box.request("GET", f"{VIRTUALS}/~T~A~vs").json()
    assert shown["destination"] == "/T/2001:db8::1.443"
    assert shown["disabled"]
    assert "enabled" not in shown
    profiles = box.request("GET", f"{VIRTUALS}/~T~A~vs/profiles").json()["items"]
    assert ("f5-tcp-wan", "all") in {(item["name"], item["context"]) for item in profiles}


def test_pool_and_its_members(box: Box) -> None:
    shown = box.request("GET", POOL).json()
    assert (shown["loadBalancingMode"], shown["monitor"]) == (
        "least-connections-member",
        "/quickstart/gateway/monitor_runtime",
    )
    (member,) = box.request("GET", f"{POOL}/members").json()["items"]
    assert member["fqdn"] == {"autopopulate": "enabled", "tmName": HOST}
    assert (member["fullPath"], member["state"]) == (f"/quickstart/quickstart-{HOST}:443", "unchecked")
    assert box.request("GET", f"{POOL}/members/{MEMBER}").json() == member
    assert [item["name"] for item in box.request("GET", f"{POOLS}?$select=name").json()["items"]] == ["pool_llama"]


@pytest.mark.parametrize(
    ("state", "availability", "pool", "active"),
    [("up", "available", "available", 1), ("down", "offline", "offline", 0), ("checking", "unknown", "unknown", 0)],
)
def test_member_states_come_from_the_data_plane(
    box: Box, state: str, availability: str, pool: str, active: int
) -> None:
    box.plane.views.states = lambda _path: {f"{HOST}:443": state}
    assert box.request("GET", f"{POOL}/members/{MEMBER}").json()["state"] == state
    for path in (f"{POOL}/members/stats", f"{POOL}/members/{MEMBER}/stats"):
        (stats,) = box.request("GET", path).json()["entries"].values()
        entries = stats["nestedStats"]["entries"]
        assert entries["status.availabilityState"] == {"description": availability}
    (stats,) = box.request("GET", f"{POOL}/stats").json()["entries"].values()
    entries = stats["nestedStats"]["entries"]
    assert entries["status.availabilityState"] == {"description": pool}
    assert (entries["activeMemberCnt"], entries["memberCnt"]) == ({"value": active}, {"value": 1})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{POOLS}/~T~A~nope", 404),
        ("GET", f"{POOL}/members/~quickstart~nope:443", 404),
        ("GET", f"{POOL}/nope", 404),
        ("GET", f"{VIRTUALS}/~T~A~nope", 404),
        ("GET", f"{VIRTUAL}/nope", 404),
        ("PATCH", POOL, 501),
        ("DELETE", VIRTUAL, 501),
        ("POST", POOLS, 501),
    ],
)
def test_views_refuse(box: Box, method: str, path: str, status: int) -> None:
    assert box.request(method, path, json={} if method != "GET" else None).status_code == status


def test_roles_see_their_partitions(box: Box) -> None:
    for user, status in ((ADMIN, 200), (ROTATOR, 403), (GUEST, 403)):
        assert box.request("GET", POOL, user=user).status_code == status
        assert ("items" in box.request("GET", POOLS, user=user).json()) == (status == 200)
