"""Pairs of devices in a cluster that syncs as BIG-IPs do: writing both members of an auto-sync group collides there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from background_loop import BackgroundLoop
from control_plane import EmulatedDevice
from memory_devices import CLASSIFIER, SPEC, Sessions, one_role

from bigip_sm.bigip.device import DataGroup
from bigip_sm.bigip.inventory import Inventory, SyncGroup
from bigip_sm.lab.bigip.cluster import Cluster, DeviceGroup
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import DataGroup as LabGroup
from bigip_sm.lab.pki import Authority
from rotator.engine import Engine
from rotator.fleet import units_of
from rotator.store import Store


class Pair:
    """Two units, their cluster, and an engine over them."""

    def __init__(self, background: BackgroundLoop, folder: Path, sync: str) -> None:
        authority = Authority.create("Management CA")
        self.background = background
        self.devices: list[EmulatedDevice] = []
        for name in ("bigip-a", "bigip-b"):
            (folder / name).mkdir()
            device = EmulatedDevice(name, background, folder / name, authority)
            device.plane.system.hostname = f"{name}.lab"
            device.start()
            self.devices.append(device)
        a, b = self.devices
        self.group = DeviceGroup("/Common/pair", auto_sync=sync == "auto")
        self.cluster = Cluster([a.plane.unit, b.plane.unit], [self.group])
        with a.connect("admin") as client:
            client.create_partition("bigip_sm", "")
            client.create_data_group(DataGroup(CLASSIFIER))
        background.run(self._push())
        if sync == "none":
            for device in self.devices:
                with device.connect("admin") as client:
                    client.detach_folder("bigip_sm")
            background.run(self._push())
        groups = (SyncGroup("pair", "auto", ("bigip-a", "bigip-b")),) if sync == "auto" else ()
        source = Sessions(time.time)
        inventory = Inventory(tuple(device.entry() for device in self.devices), groups)
        self.engine = Engine(
            one_role(SPEC),
            units_of(inventory),
            Store(folder / "state", "quickstart"),
            rotator="r",
            source=lambda spec, role: source,
            interval=0.2,
        )

    async def _push(self) -> None:
        self.cluster.push(self.devices[0].plane.unit, self.group)

    def records(self) -> list[tuple[tuple[str, str], ...]]:
        found = [device.config.get(LabGroup, CLASSIFIER) for device in self.devices]
        return [group.records if group else () for group in found]

    def rotate(self) -> None:
        before = self.records()
        self.engine.rotate_now()
        until = time.monotonic() + 10
        while self.engine.health() or self.records()[0] == before[0] or self.records()[0] != self.records()[1]:
            assert time.monotonic() < until, (self.engine.health(), self.status())
            self.engine.tick()
            time.sleep(0.01)

    def status(self) -> str:
        async def ask() -> str:
            return self.cluster.status().status

        return self.background.run(ask())

    def close(self) -> None:
        self.engine.stop()

        async def stop() -> None:
            self.cluster.stop()

        self.background.run(stop())
        for device in self.devices:
            assert len(device.plane.tokens) == 0
            device.stop()


@pytest.fixture
def pair(request: pytest.FixtureRequest, background: BackgroundLoop, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(background, tmp_path, request.param)
    yield made
    made.close()


@pytest.mark.parametrize("pair", ["none"], indirect=True)
def test_every_unit_directly_without_any_config_sync(pair: Pair) -> None:
    for _ in range(3):
        pair.rotate()
    assert pair.status() == "In Sync"


@pytest.mark.parametrize("pair", ["auto"], indirect=True)
def test_an_auto_sync_group_through_one_member(pair: Pair) -> None:
    refused = Fault(method="PATCH", path="/mgmt/tm", status=500, times=10**6)
    pair.devices[1].plane.faults.append(refused)
    for _ in range(3):
        pair.rotate()
    assert pair.status() == "In Sync"
    assert refused.times == 10**6


@pytest.mark.parametrize("pair", ["auto"], indirect=True)
def test_an_auto_sync_group_through_the_other_member_when_the_first_fails(pair: Pair) -> None:
    pair.rotate()
    pair.devices[0].plane.faults.append(Fault(path="/mgmt/tm", status=500, times=10**6))
    before = pair.records()
    pair.engine.rotate_now()
    until = time.monotonic() + 10
    while pair.records()[1] == before[1] or pair.records()[0] != pair.records()[1]:
        assert time.monotonic() < until
        pair.engine.tick()
        time.sleep(0.01)
    pair.devices[0].plane.faults.clear()
    pair.rotate()
    assert pair.status() == "In Sync"


@pytest.mark.parametrize("pair", ["manual"], indirect=True)
def test_a_group_synced_by_hand_is_written_on_every_unit(pair: Pair) -> None:
    for _ in range(2):
        pair.rotate()
    assert pair.status() == "Changes Pending"
    pair.background.run(pair._push())
    pair.rotate()
