"""Two units: device groups, config sync, conflicts, failover."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from control_plane_kit import ROTATOR, Box, Pair, encoded, group, small, start, start_pair

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.as3.storage import LOCK
from bigip_sm.lab.bigip.cluster import Cluster, DeviceGroup
from bigip_sm.lab.bigip.objects import DataGroup, Rule

CM = "/mgmt/tm/cm"
GROUPS = "/mgmt/tm/ltm/data-group/internal"
WORDS = f"{GROUPS}/~Common~words"
LOCAL = {"trafficGroup": "/Common/traffic-group-local-only", "inheritedTrafficGroup": "false"}
DETACHED = {"deviceGroup": "none", "inheritedDevicegroup": "false", **LOCAL}


@pytest.fixture
def manual() -> Iterator[Pair]:
    """A pair with a device group that is synced by hand."""
    yield from start_pair(DeviceGroup("/Common/pair"))


@pytest.fixture
def auto() -> Iterator[Pair]:
    """A pair that syncs by itself, after its initial sync."""
    for pair in start_pair(DeviceGroup("/Common/pair", auto_sync=True, save_on_auto_sync=True)):
        assert sync(pair.a).status_code == 200
        yield pair


def sync(box: Box, arguments: str = "config-sync to-group pair", **more: Any) -> Any:
    return box.request("POST", CM, json={"command": "run", "utilCmdArgs": arguments}, **more)


def status(box: Box) -> tuple[str, str]:
    """Status and all details of ``cm sync-status``."""
    (entry,) = box.request("GET", f"{CM}/sync-status").json()["entries"].values()
    entries = entry["nestedStats"]["entries"]
    (details,) = (value for key, value in entries.items() if key.endswith("/details"))
    lines = [each["nestedStats"]["entries"]["details"]["description"] for each in nested(details).values()]
    return entries["status"]["description"], "\n".join(lines)


def nested(value: Any) -> Any:
    return value["nestedStats"]["entries"]


def failover(box: Box) -> str:
    (entry,) = box.request("GET", f"{CM}/failover-status").json()["entries"].values()
    return str(nested(entry)["status"]["description"])


def make_words(box: Box, *names: str) -> None:
    body = {"name": "words", "type": "string", "records": [{"name": name} for name in names]}
    assert box.request("POST", GROUPS, json=body).status_code == 200


def words(box: Box) -> list[str] | None:
    found = box.config.get(DataGroup, "/Common/words")
    return None if found is None else [name for name, _ in found.records]


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Alone


def test_standalone() -> None:
    for box in start():
        found, details = status(box)
        assert (found, details) == ("Standalone", "Optional action: Add a device to the trust domain")
        assert failover(box) == "ACTIVE"
        (device,) = box.request("GET", f"{CM}/device", user=ROTATOR).json()["items"]
        assert (device["selfDevice"], device["failoverState"]) == ("true", "active")
        groups = box.request("GET", f"{CM}/device-group").json()["items"]
        assert [item["name"] for item in groups] == ["device_trust_group"]
        missing = sync(box)
        assert missing.status_code == 404
        assert missing.json()["message"] == "01020036:3: The requested device group (/Common/pair) was not found."


def test_units_need_names_of_their_own() -> None:
    for box in start():
        with pytest.raises(LabError, match="different host names"):
            Cluster((box.plane.unit, box.plane.unit), [DeviceGroup("/Common/pair")])


# Manual sync


def test_manual_group_waits_for_a_sync(manual: Pair) -> None:
    assert status(manual.a)[0] == status(manual.b)[0] == "Awaiting Initial Sync"
    sync(manual.a)
    assert status(manual.a)[0] == status(manual.b)[0] == "In Sync"
    make_words(manual.a, "one")
    assert words(manual.b) is None
    found, details = status(manual.b)
    assert found == "Changes Pending"
    assert "Recommended action: Synchronize bigip-a.lab to group /Common/pair" in details
    assert sync(manual.a).json()["kind"] == "tm:cm:runstate"
    assert words(manual.b) == ["one"]
    assert status(manual.a)[0] == "In Sync"


def test_sync_deletes_what_the_source_does_not_have(manual: Pair) -> None:
    sync(manual.a)
    make_words(manual.b, "only here")
    assert "Synchronize bigip-b.lab" in status(manual.a)[1]
    sync(manual.a, "config-sync to-group /Common/pair force-full-load-push")
    assert words(manual.b) is None
    assert status(manual.b)[0] == "In Sync"


def test_from_group_takes_what_is_newest(manual: Pair) -> None:
    sync(manual.a)
    make_words(manual.b, "one")
    assert sync(manual.a, "config-sync from-group pair").status_code == 200
    assert words(manual.a) == ["one"]


def test_changes_on_both_units_are_a_conflict(manual: Pair) -> None:
    sync(manual.a)
    make_words(manual.a, "a")
    make_words(manual.b, "a")  # the same change is a conflict too
    found, details = status(manual.a)
    assert found == "Changes Pending"
    assert "There is a possible change conflict between bigip-a.lab and bigip-b.lab." in details
    sync(manual.b)
    assert status(manual.a)[0] == "In Sync"


def test_folder_without_device_group_stays_on_its_unit(manual: Pair) -> None:
    for box in (manual.a, manual.b):
        box.make_credentials()
        assert box.request("PATCH", "/mgmt/tm/sys/folder/~bigip_sm", json=DETACHED).status_code == 200
    sync(manual.a)
    chat = f"{GROUPS}/~bigip_sm~quickstart.chat"
    manual.a.request("PATCH", chat, json={"records": [{"name": "meta"}]}, user=ROTATOR)
    assert status(manual.a)[0] == "In Sync"
    make_words(manual.a, "one")
    sync(manual.a)
    assert words(manual.b) == ["one"]
    assert "records" not in manual.b.request("GET", chat).json()
    shown = manual.b.request("GET", "/mgmt/tm/sys/folder").json()["items"]
    assert {item["fullPath"]: item["deviceGroup"] for item in shown}["/bigip_sm"] == "none"
    assert {item["fullPath"]: item["deviceGroup"] for item in shown}["/Common"] == "/Common/pair"


def test_credentials_folder_in_the_group_is_overwritten(manual: Pair) -> None:
    """Why the folder of credentials must leave the device group."""
    for box in (manual.a, manual.b):
        box.make_credentials()
    manual.b.request("PATCH", f"{GROUPS}/~bigip_sm~quickstart.chat", json={"records": [{"name": "fresh"}]})
    sync(manual.a)
    assert "records" not in manual.b.request("GET", f"{GROUPS}/~bigip_sm~quickstart.chat").json()


def test_rule_that_names_what_the_peer_lacks_fails_the_sync(manual: Pair) -> None:
    manual.a.make_credentials()
    manual.a.request("PATCH", "/mgmt/tm/sys/folder/~bigip_sm", json=DETACHED)
    sync(manual.a)
    manual.a.deploy(small(rule=encoded("when HTTP_REQUEST { class lookup x /bigip_sm/quickstart.chat }")))
    before = manual.b.configured()
    sync(manual.a)
    found, details = status(manual.a)
    assert found == "Sync Failure"
    assert "Sync error on bigip-b.lab: Load failed from /Common/bigip-a.lab 01070151:3:" in details
    assert "Unable to find value_list (/bigip_sm/quickstart.chat)" in details
    assert manual.b.configured() == before
    manual.b.make_credentials()
    manual.b.request("PATCH", "/mgmt/tm/sys/folder/~bigip_sm", json=DETACHED)
    sync(manual.a)
    assert status(manual.b)[0] == "In Sync"
    assert manual.b.config.get(Rule, "/T/A/rule") is not None


def test_peer_that_is_away_gets_nothing(manual: Pair) -> None:
    sync(manual.a)
    manual.b.plane.unit.connected = False
    make_words(manual.a, "one")
    assert status(manual.a)[0] == "Disconnected"
    sync(manual.a)
    manual.b.plane.unit.connected = True
    assert words(manual.b) is None
    found, details = status(manual.a)
    assert found == "Not All Devices Synced"
    assert "Synchronize bigip-a.lab" in details
    sync(manual.a)
    assert status(manual.a)[0] == "In Sync"


@pytest.mark.parametrize(
    ("arguments", "status_code"),
    [("config-sync to-group nope", 404), ("config-sync", 501), ("add-to-trust x", 501), ("", 501)],
)
def test_commands_refused(manual: Pair, arguments: str, status_code: int) -> None:
    assert sync(manual.a, arguments).status_code == status_code
    assert sync(manual.a, user=ROTATOR).status_code == 403
    assert manual.a.request("POST", CM, json={"command": "add"}).status_code == 501
    assert manual.a.request("GET", CM).status_code == 501
    assert manual.a.request("POST", f"{CM}/sync-status", json={}).status_code == 501


def test_full_load_needs_12_1() -> None:
    for box in start(version="12.0.0"):
        assert sync(box, "config-sync to-group pair force-full-load-push").status_code == 400


# Automatic sync


def test_auto_sync_carries_changes_over_and_saves_them(auto: Pair) -> None:
    make_words(auto.a, "one")
    wait(lambda: words(auto.b) == ["one"])
    assert status(auto.a)[0] == "In Sync"
    auto.b.loop.run(auto.b.plane.reboot())
    wait(lambda: words(auto.b) == ["one"])


def test_parallel_writes_collide(auto: Pair) -> None:
    auto.cluster.delay = 60
    make_words(auto.a, "from a")
    make_words(auto.b, "from b")
    auto.a.loop.call(auto.cluster.sync_now)
    assert (words(auto.a), words(auto.b)) == (["from a"], ["from b"])
    found, details = status(auto.a)
    assert found == "Changes Pending"
    assert "possible change conflict" in details
    sync(auto.b)
    assert words(auto.a) == ["from b"]


def test_auto_sync_group_needs_its_initial_sync() -> None:
    for pair in start_pair(DeviceGroup("/Common/pair", auto_sync=True)):
        make_words(pair.a, "one")
        time.sleep(0.06)
        assert words(pair.b) is None
        assert status(pair.a)[0] == "Awaiting Initial Sync"


def test_as3_on_both_units_of_an_auto_sync_pair_fails(auto: Pair) -> None:
    """One unit's lock is synced to the other, which then finds it taken, and its own release may find it gone."""
    auto.a.plane.appsvcs.duration = 0.2
    task = auto.a.declare(small(dg=group()), **{"async": "true"}).json()["id"]
    wait(lambda: auto.b.config.get(DataGroup, LOCK) is not None)
    assert auto.b.declare(small("U", dg=group())).status_code == 503
    tasks = f"/mgmt/shared/appsvcs/task/{task}"
    wait(lambda: auto.a.request("GET", tasks).json()["results"][0]["message"] != "in progress")


# AS3 on a pair


def test_declaration_reaches_the_peer_with_the_sync(manual: Pair) -> None:
    sync(manual.a)
    manual.a.deploy(small(dg=group()))
    assert manual.b.request("GET", "/mgmt/shared/appsvcs/declare").status_code == 204
    sync(manual.a)
    shown = manual.b.request("GET", "/mgmt/shared/appsvcs/declare").json()
    assert shown == manual.a.request("GET", "/mgmt/shared/appsvcs/declare").json()
    assert manual.b.plane.folders.has("/T/A")


def test_no_change_still_makes_changes_pending(manual: Pair) -> None:
    manual.a.deploy(small(dg=group()))
    sync(manual.a)
    assert manual.a.declare(small(dg=group())).json()["results"][0]["message"] == "no change"
    assert status(manual.a)[0] == "Changes Pending"


def test_sync_to_group_is_launched_and_overtaken_by_as3s_own_record(manual: Pair) -> None:
    sync(manual.a)
    order = {"class": "AS3", "syncToGroup": "/Common/pair", "declaration": small(dg=group())}
    for _ in range(2):  # the second changes nothing and syncs all the same
        manual.a.deploy(order)
        assert manual.b.config.get(DataGroup, "/T/A/dg") is not None
        assert status(manual.a)[0] == "Changes Pending"
    manual.a.request("POST", "/mgmt/shared/appsvcs/settings", json={"asyncTaskStorage": "memory"})
    manual.a.deploy(order)
    assert status(manual.a)[0] == "In Sync"
    unknown = manual.a.declare({**order, "syncToGroup": "/Common/nope"})
    assert unknown.status_code == 500
    assert "failed to launch config-sync to /Common/nope" in unknown.json()["message"]


# Failover


def test_failover(manual: Pair) -> None:
    assert (failover(manual.a), failover(manual.b)) == ("ACTIVE", "STANDBY")
    manual.cluster.fail_over(manual.b.plane.unit)
    assert (failover(manual.a), failover(manual.b)) == ("STANDBY", "ACTIVE")
    devices = manual.a.request("GET", f"{CM}/device").json()["items"]
    assert {(item["name"], item["selfDevice"], item["failoverState"]) for item in devices} == {
        ("bigip-a.lab", "true", "standby"),
        ("bigip-b.lab", "false", "active"),
    }
    assert manual.b.request("GET", f"{CM}/device/~Common~bigip-b.lab").json()["selfDevice"] == "true"
    assert manual.b.request("GET", f"{CM}/device/nope").status_code == 404


def test_device_groups(auto: Pair) -> None:
    _, shown = auto.a.request("GET", f"{CM}/device-group").json()["items"]
    assert (shown["fullPath"], shown["autoSync"], shown["saveOnAutoSync"]) == ("/Common/pair", "enabled", "true")
    devices = auto.a.request("GET", f"{CM}/device-group/~Common~pair/devices").json()["items"]
    assert [item["name"] for item in devices] == ["bigip-a.lab", "bigip-b.lab"]
    assert auto.a.request("GET", f"{CM}/device-group/pair").json() == shown
    assert auto.a.request("GET", f"{CM}/device-group/nope").status_code == 404
    assert auto.a.request("GET", f"{CM}/device-group/pair/nope").status_code == 501
    folder = "/mgmt/tm/sys/folder/~Common"
    assert auto.a.request("PATCH", folder, json={**LOCAL, "deviceGroup": "nope"}).status_code == 404
