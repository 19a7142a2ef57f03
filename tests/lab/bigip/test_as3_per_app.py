"""Applications one by one: ``declare/<tenant>/applications``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from control_plane_kit import Box, Json, encoded, group, service, small, start

from bigip_sm.lab.bigip.objects import DataGroup, VirtualServer

AS3 = "/mgmt/shared/appsvcs"
APPS = f"{AS3}/declare/T/applications"


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def application(**items: Json) -> Json:
    return {"class": "Application", **items}


def post(box: Box, body: Any, path: str = APPS, **parameters: str) -> httpx.Response:
    return box.request("POST", path, json=body, params=parameters)


def one(name: str, value: str) -> Json:
    return {"schemaVersion": "3.50.0", name: application(dg=group(("a", value)))}


def paths(box: Box) -> list[str]:
    return [found.path for found in box.config.below("/T/")]


def test_one_application_leaves_the_others_alone(box: Box) -> None:
    answer = post(box, one("First", "1"))
    assert answer.status_code == 200
    body = answer.json()
    assert (body["results"][0]["tenant"], body["results"][0]["message"]) == ("T", "success")
    assert set(body["declaration"]) == {"schemaVersion", "First"}
    assert post(box, one("Second", "2")).status_code == 200
    stranger = DataGroup("/T/First/stranger", "string")
    box.config.commit(put=[stranger, DataGroup("/T/loose", "string")])
    assert post(box, one("Second", "3")).json()["results"][0]["message"] == "success"
    assert post(box, one("Second", "3")).json()["results"][0]["message"] == "no change"
    assert paths(box) == ["/T/First/dg", "/T/First/stranger", "/T/Second/dg", "/T/loose"]
    assert set(box.request("GET", f"{AS3}/declare").json()["T"]) == {"class", "First", "Second"}


def test_applications_are_shown_without_their_tenant(box: Box) -> None:
    post(box, {**one("First", "1"), **one("Second", "2")})
    assert set(box.request("GET", APPS).json()) == {"schemaVersion", "First", "Second"}
    shown = box.request("GET", f"{APPS}/First").json()
    assert set(shown) == {"schemaVersion", "First"}
    assert shown["First"] == application(dg=group(("a", "1")))


def test_application_is_deleted(box: Box) -> None:
    post(box, {**one("First", "1"), **one("Second", "2")})
    assert box.request("DELETE", f"{APPS}/First").json()["results"][0]["message"] == "success"
    assert paths(box) == ["/T/Second/dg"]
    assert not box.plane.folders.has("/T/First")
    assert box.request("DELETE", f"{APPS}/Second").status_code == 200
    assert box.plane.folders.partitions() == ("Common",)


def test_tenant_declarations_and_applications_mix(box: Box) -> None:
    box.deploy(small(dg=group()))
    post(box, one("Second", "2"))
    assert paths(box) == ["/T/A/dg", "/T/Second/dg"]
    box.deploy(small(dg=group()))
    assert paths(box) == ["/T/A/dg"]


def test_shared_application_is_looked_at_too(box: Box) -> None:
    rule = encoded("when CLIENT_ACCEPTED { set a 1 }")
    shared = {"class": "Application", "template": "shared", "rule_shared": rule}
    body: Json = {"schemaVersion": "3.50.0", "Shared": shared}
    assert post(box, {**body, "App": application(vs=service(iRules=["/T/Shared/rule_shared"]))}).status_code == 200
    (virtual,) = box.config.all(VirtualServer)
    assert virtual.rules == ("/T/Shared/rule_shared",)
    refused = box.request("DELETE", f"{APPS}/Shared")
    assert refused.status_code == 422


def test_per_app_dry_run_and_task(box: Box) -> None:
    dry = {**one("First", "1"), "controls": {"class": "Controls", "dryRun": True}}
    assert post(box, dry).json()["dryRun"]
    assert paths(box) == []
    assert post(box, one("First", "1"), **{"async": "true"}).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"schemaVersion": "3.50.0"}, 422, "Per-app declaration must contain at least one application"),
        ([], 422, "declaration should be an object"),
        ({"First": application()}, 422, "declaration is invalid"),
        ({**one("First", "1"), "id": "x"}, 422, "declaration is invalid"),
        ({**one("First", "1"), "label": "x"}, 422, "declaration is invalid"),
        ({"schemaVersion": "3.50.0", "F": application(x={"class": "Pool", "bogus": 1})}, 422, "Invalid data property"),
    ],
)
def test_per_app_bodies_refused(box: Box, body: Any, status: int, message: str) -> None:
    answer = post(box, body)
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert paths(box) == []


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", f"{APPS}/Nope", 404, "specified Application 'Nope' not found in 'T'"),
        ("DELETE", f"{APPS}/Nope", 404, "specified Application 'Nope' not found in 'T'"),
        ("GET", f"{AS3}/declare/U/applications", 404, "specified tenant 'U' not found in declaration"),
        ("DELETE", f"{AS3}/declare/U/applications/A", 404, "specified tenant 'U' not found in declaration"),
        ("PATCH", APPS, 422, "Per-app declaration must contain at least one application"),
        ("POST", f"{AS3}/declare/T,U/applications", 400, "Only 1 tenant and 1 application may be specified"),
        ("GET", f"{AS3}/declare/T/apps", 400, "Bad Request: Invalid path"),
        ("DELETE", APPS, 501, "not emulated by the lab"),
        ("POST", f"{APPS}/First", 501, "not emulated by the lab"),
    ],
)
def test_per_app_calls_refused(box: Box, method: str, path: str, status: int, message: str) -> None:
    post(box, one("First", "1"))
    answer = box.request(method, path, json=one("First", "1"))
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert paths(box) == ["/T/First/dg"]


def test_per_app_can_be_switched_off(box: Box) -> None:
    box.request("POST", f"{AS3}/settings", json={"perAppDeploymentAllowed": False})
    answer = post(box, one("First", "1"))
    assert answer.status_code == 400
    assert answer.json()["message"] == ("Error: Per-application deployment has been disabled on the settings endpoint")
