"""Version, modules, partitions and folders, and what a restart brings back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from control_plane_kit import ADMIN, GUEST, ROTATOR, Box, group, small, start

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.objects import DataGroup

CHAT = "/mgmt/tm/ltm/data-group/internal/~bigip_sm~quickstart.chat"
CONFIG = "/mgmt/tm/sys/config"
PARTITIONS = "/mgmt/tm/auth/partition"
FOLDERS = "/mgmt/tm/sys/folder"
SAVE = {"command": "save"}


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def put_record(box: Box, name: str) -> None:
    assert box.request("PATCH", CHAT, json={"records": [{"name": name}]}).status_code == 200


def records(box: Box) -> list[str]:
    return [record["name"] for record in box.request("GET", CHAT).json().get("records", [])]


def back(box: Box) -> None:
    """Wait until the device answers again."""
    deadline = time.monotonic() + 5
    while True:
        try:
            if box.request("GET", "/mgmt/tm/sys/version").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.01)


# What the device is


@pytest.mark.parametrize("version", ["13.1.5", "17.5.1.2"])
def test_versions(version: str) -> None:
    for box in start(version=version):
        (stats,) = box.request("GET", "/mgmt/tm/cli/version", user=GUEST).json()["entries"].values()
        assert stats["nestedStats"]["entries"]["active"]["description"] == version
        (stats,) = box.request("GET", "/mgmt/tm/sys/version").json()["entries"].values()
        assert stats["nestedStats"]["entries"]["Version"]["description"] == version
        assert box.request("GET", "/mgmt/tm/sys/").json()["selfLink"].endswith(f"ver={version}")


@pytest.mark.parametrize("more", [{"version": "17"}, {"version": "17.x"}, {"provisioned": ["ltm", "lmt"]}])
def test_no_version_and_no_module(more: dict[str, object]) -> None:
    with pytest.raises(LabError, match="is no"):
        next(start(**more))  # type: ignore[arg-type]


def test_provisioned_modules() -> None:
    for box in start(provisioned=("ltm", "asm")):
        items = box.request("GET", "/mgmt/tm/sys/provision").json()["items"]
        assert {item["name"] for item in items if item["level"] == "nominal"} == {"ltm", "asm"}
        assert box.request("GET", "/mgmt/tm/sys/provision/apm").json()["level"] == "none"
        assert box.request("GET", "/mgmt/tm/sys/provision/nope").status_code == 404
        assert box.request("POST", "/mgmt/tm/sys/provision", json={}).status_code == 501


def test_self_address_for_terraform(box: Box) -> None:
    (item,) = box.request("GET", "/mgmt/tm/net/self").json()["items"]
    assert item["address"] == "10.20.0.1/24"
    assert box.request("POST", "/mgmt/tm/net/self", json={}).status_code == 501


# Partitions and folders


def test_folder_in_a_folder(box: Box) -> None:
    box.make_credentials()
    made = box.request("POST", FOLDERS, json={"name": "sub", "partition": "bigip_sm"})
    assert (made.status_code, made.json()["fullPath"]) == (200, "/bigip_sm/sub")
    body = {"name": "x", "partition": "bigip_sm", "subPath": "sub", "type": "string"}
    assert box.request("POST", "/mgmt/tm/ltm/data-group/internal", json=body).json()["subPath"] == "sub"
    assert box.request("POST", FOLDERS, json={"name": "/bigip_sm/sub"}).status_code == 409
    assert box.request("POST", FOLDERS, json={"name": "/nope/sub"}).status_code == 404
    assert box.request("POST", FOLDERS, json={"name": "/bigip_sm/sub", "device": 1}).status_code == 400
    assert box.request("DELETE", f"{FOLDERS}/~bigip_sm~sub").status_code == 400
    assert box.request("DELETE", "/mgmt/tm/ltm/data-group/internal/~bigip_sm~sub~x").status_code == 200
    assert box.request("DELETE", f"{FOLDERS}/~bigip_sm~sub").status_code == 200
    assert box.request("DELETE", f"{FOLDERS}/~bigip_sm~sub").status_code == 404


def test_partition_goes_when_it_is_empty(box: Box) -> None:
    box.make_credentials()
    refused = box.request("DELETE", f"{PARTITIONS}/bigip_sm")
    assert refused.status_code == 400
    assert refused.json()["message"].startswith(
        "0107082a:3: All objects must be removed from a partition (bigip_sm) before the partition may be removed"
    )
    assert box.request("DELETE", CHAT).status_code == 200
    assert box.request("DELETE", f"{PARTITIONS}/bigip_sm", user=ROTATOR).status_code == 403
    assert box.request("DELETE", f"{PARTITIONS}/bigip_sm").status_code == 200
    assert box.request("DELETE", f"{PARTITIONS}/bigip_sm").status_code == 404
    assert box.request("DELETE", f"{PARTITIONS}/Common").status_code == 501


# Saved and running configuration


def test_what_is_not_saved_is_lost_at_a_reboot(box: Box) -> None:
    box.make_credentials()
    put_record(box, "saved")
    assert box.request("POST", CONFIG, json=SAVE).json() == {"kind": "tm:sys:config:savestate", **SAVE}
    put_record(box, "running")
    token = box.login(ADMIN)
    transaction = box.request("POST", "/mgmt/tm/transaction", json={}).json()["transId"]
    box.loop.run(box.plane.reboot())
    back(box)
    assert records(box) == ["saved"]
    assert box.request("GET", PARTITIONS, user=None, headers={"X-F5-Auth-Token": token}).status_code == 401
    assert box.request("GET", f"/mgmt/tm/transaction/{transaction}").status_code == 404


def test_first_start_counts_as_saved(box: Box) -> None:
    box.make_credentials()
    before = box.plane.folders.partitions()
    box.loop.run(box.plane.reboot())
    back(box)
    assert (before, box.plane.folders.partitions()) == (("Common", "bigip_sm"), ("Common",))
    assert box.config.get(DataGroup, "/bigip_sm/quickstart.chat") is None
    assert box.request("GET", "/mgmt/tm/ltm/rule").status_code == 200


def test_as3_saves_what_others_left_unsaved(box: Box) -> None:
    box.make_credentials()
    put_record(box, "rotated")
    box.deploy({"class": "AS3", "persist": False, "declaration": small(dg=group())})
    box.loop.run(box.plane.reboot())
    back(box)
    assert box.plane.folders.partitions() == ("Common",)
    box.make_credentials()
    put_record(box, "rotated")
    box.deploy(small(dg=group()))
    put_record(box, "later")
    box.deploy(small(dg=group()))  # no change, and saved all the same
    box.loop.run(box.plane.reboot())
    back(box)
    assert records(box) == ["later"]
    assert box.request("GET", "/mgmt/shared/appsvcs/declare/T").status_code == 200


def test_dry_run_saves_nothing(box: Box) -> None:
    box.make_credentials()
    box.declare(small(dg=group()), **{"controls.dryRun": "true"})
    box.loop.run(box.plane.reboot())
    back(box)
    assert box.plane.folders.partitions() == ("Common",)


def test_reboot_refuses_connections_then_answers_503(box: Box) -> None:
    box.loop.run(box.plane.reboot(refused=0.1, unavailable=0.2))
    with pytest.raises(httpx.ConnectError):
        box.request("GET", CONFIG)
    deadline = time.monotonic() + 5
    page = None
    while page is None:
        assert time.monotonic() < deadline
        try:
            page = box.request("GET", "/mgmt/tm/sys/version")
        except httpx.TransportError:
            time.sleep(0.01)
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html")
    assert "Configuration Utility restarting..." in page.text
    back(box)


def test_reboot_ends_with_the_device() -> None:
    for box in start():
        box.loop.run(box.plane.reboot(refused=30))


@pytest.mark.parametrize(
    ("body", "status"), [({"command": "load"}, 501), ({"command": "save", "options": []}, 501), ({}, 501)]
)
def test_config_commands_refused(box: Box, body: dict[str, object], status: int) -> None:
    assert box.request("POST", CONFIG, json=body).status_code == status
    assert box.request("POST", CONFIG, json=SAVE, user=ROTATOR).status_code == 403
