"""`bigip-sm weights` on two emulated BIG-IPs: they disagree, one is out of reach, only one is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from background_loop import BackgroundLoop
from control_plane import EmulatedDevice
from versions_kit import SPEC

from bigip_sm.bigip.device import DataGroup, Record
from bigip_sm.commands.main import main
from bigip_sm.lab.bigip.objects import DataGroup as LabGroup
from bigip_sm.lab.pki import Authority
from bigip_sm.spec.names import weights_group

PATH = weights_group("regions")
Capture = pytest.CaptureFixture[str]


@dataclass
class Pair:
    """Two devices with the group of weights, their inventory, and the gateway's file."""

    one: EmulatedDevice
    two: EmulatedDevice
    folder: Path

    def weights(self, action: str, *words: str) -> int:
        """Run the command; its exit code."""
        file, devices = str(self.folder / "gateway.yaml"), str(self.folder / "devices.yaml")
        return main(["weights", action, file, *words, "--devices", devices])

    def records(self, device: EmulatedDevice) -> dict[str, str]:
        """What a device holds."""
        with device.connect("admin") as client:
            return {record.name: record.data for record in client.data_group(PATH).records}


@pytest.fixture
def pair(background: BackgroundLoop, tmp_path: Path) -> Iterator[Pair]:
    management = Authority.create("Management CA")
    devices = []
    lines = ["version: 1", "devices:"]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        device = EmulatedDevice(name, background, tmp_path / name, management)
        device.start()
        device.entry()
        with device.connect("admin") as client:
            client.create_partition("bigip_sm", "of the rotator")
            client.create_data_group(DataGroup(PATH, "string", ()))
        logins = ", ".join(
            f"{role}: {{user: {user}, password: {{file: {name}/{user}.password}}}}"
            for role, user in (("administrator", "admin"), ("rotator", "rotator"))
        )
        lines.append(f"  {name}: {{address: '127.0.0.1:{device.port}', ca: {name}/management-ca.pem, {logins}}}")
        devices.append(device)
    (tmp_path / "devices.yaml").write_text("\n".join(lines), "utf-8")
    (tmp_path / "gateway.yaml").write_text(SPEC, "utf-8")
    yield Pair(devices[0], devices[1], tmp_path)
    for device in devices:
        device.stop()


def rows(capsys: Capture) -> list[dict[str, Any]]:
    """What was printed as JSON about the route with versions."""
    found = json.loads(capsys.readouterr().out)["weights"]
    return [row for row in found if row["key"] == "canary"]


def test_a_change_is_made_and_shown_on_every_device(pair: Pair, capsys: Capture) -> None:
    assert pair.weights("set", "canary", "old=50", "new=50") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{name}: canary: old=50 new=50 (gateway.yaml: old=80 new=20)" for name in ("one", "two")
    ]
    assert pair.records(pair.one) == pair.records(pair.two) == {"canary": "1|old=50,new=50", "before/canary": "-"}
    assert pair.weights("show", "--output", "json") == 0
    assert [(row["device"], row["in_force"]) for row in rows(capsys)] == [
        ("one", {"old": 50, "new": 50}),
        ("two", {"old": 50, "new": 50}),
    ]


def test_devices_that_disagree_are_shown_with_exit_code_2_until_they_agree(pair: Pair, capsys: Capture) -> None:
    assert pair.weights("promote", "canary", "new", "--device", "two") == 0
    assert pair.records(pair.one) == {}
    capsys.readouterr()
    assert pair.weights("show", "--output", "json") == 2
    assert [(row["device"], row["in_force"]) for row in rows(capsys)] == [
        ("one", {"old": 80, "new": 20}),
        ("two", {"old": 0, "new": 100}),
    ]
    assert pair.weights("show", "--device", "two") == 0
    # Each goes back to what was before on itself: nothing ever was on the first.
    assert pair.weights("revert", "canary") == 0
    assert pair.weights("show") == 0


def test_a_record_that_the_rule_does_not_follow_is_no_disagreement(pair: Pair) -> None:
    with pair.two.connect("admin") as client:
        client.replace_records(PATH, [Record("canary", "1|old=10,new=10")])
    assert pair.weights("show") == 0


@pytest.mark.parametrize("dead", ["one", "two"])
def test_a_device_out_of_reach_is_named_and_the_other_is_changed(pair: Pair, capsys: Capture, dead: str) -> None:
    down, up = (pair.one, pair.two) if dead == "one" else (pair.two, pair.one)
    down.stop()
    assert pair.weights("promote", "canary", "new") == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: {dead}: ")
    assert line.endswith(f"(done on: {up.name})")
    assert pair.records(up)["canary"] == "1|old=0,new=100"
    assert pair.weights("show") == 1
    capsys.readouterr()
    down.start()
    assert pair.weights("show") == 2
    assert pair.weights("promote", "canary", "new") == 0
    assert pair.weights("show") == 0


def test_a_device_without_the_group_is_named_and_the_other_is_changed(pair: Pair, capsys: Capture) -> None:
    pair.one.config.commit(delete=[one for one in pair.one.config.all(LabGroup) if one.path == PATH])
    assert pair.weights("set", "canary", "old=1", "new=99") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: one: there is no data group {PATH}; make it with: bigip-sm apply (done on: two)"
    assert pair.records(pair.two)["canary"] == "1|old=1,new=99"


@pytest.mark.parametrize(
    "shares", [("old=50", "old=50", "new=50"), ("old=100", "other=0"), ("old=100,other=0",), ("old=1e2",)]
)
def test_shares_that_are_not_one_for_each_name_change_nothing(pair: Pair, capsys: Capture, shares: tuple[str]) -> None:
    assert pair.weights("set", "canary", *shares) == 1
    assert "write NAME=PERCENT for old, new" in capsys.readouterr().err
    assert pair.records(pair.one) == {}
