"""`bigip-sm apply` on two emulated BIG-IPs: asks before it changes, prepares all, stops at the first failure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from background_loop import BackgroundLoop
from control_plane import EmulatedDevice

from bigip_sm.commands.main import main
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import VirtualServer
from bigip_sm.lab.pki import Authority
from bigip_sm.lab.seed import Authorities, device_objects
from bigip_sm.spec import load

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
Capture = pytest.CaptureFixture[str]
CHANGED = [
    "  create partition /bigip_sm",
    "  detach folder /bigip_sm",
    "  create data-group /bigip_sm/quickstart.chat",
    "  create data-group /bigip_sm/quickstart.classifier",
    "  tenant quickstart: success",
]


@dataclass
class Pair:
    """Two emulated devices, ``one`` and ``two``, and the inventory that names them."""

    one: EmulatedDevice
    two: EmulatedDevice
    inventory: str

    def served(self) -> list[str]:
        """Names of the devices that have the gateway's virtual server."""
        return [device.name for device in (self.one, self.two) if list(device.config.all(VirtualServer))]

    def prepared(self) -> list[str]:
        """Names of the devices that have the partition of the credentials."""
        found = []
        for device in (self.one, self.two):
            with device.connect("admin") as client:
                if "bigip_sm" in client.partitions():
                    found.append(device.name)
        return found


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    return Authorities.create()


@pytest.fixture
def pair(
    background: BackgroundLoop, tmp_path: Path, authorities: Authorities, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pair]:
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    management = Authority.create("Management CA")
    devices = []
    lines = ["version: 1", "devices:"]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        device = EmulatedDevice(name, background, tmp_path / name, management)
        device.start()
        device.config.commit(put=device_objects(load(QUICKSTART), authorities))
        device.entry()
        logins = f"administrator: {login('admin', name)}, rotator: {login('rotator', name)}"
        lines.append(f"  {name}: {{address: '127.0.0.1:{device.port}', ca: {name}/management-ca.pem, {logins}}}")
        devices.append(device)
    (tmp_path / "devices.yaml").write_text("\n".join(lines), "utf-8")
    yield Pair(devices[0], devices[1], str(tmp_path / "devices.yaml"))
    for device in devices:
        device.stop()


def login(user: str, device: str) -> str:
    return f"{{user: {user}, password: {{file: {device}/{user}.password}}}}"


def apply(*arguments: str) -> int:
    return main(["apply", str(QUICKSTART), "--devices", *arguments])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)


def answer(monkeypatch: pytest.MonkeyPatch, reply: str) -> None:
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda prompt: reply)


def test_yes_applies_to_every_device(pair: Pair, capsys: Capture) -> None:
    assert apply(pair.inventory, "--yes") == 0
    assert pair.served() == ["one", "two"]
    assert capsys.readouterr().out.splitlines() == ["one: changed", *CHANGED, "two: changed", *CHANGED]
    assert [len(device.plane.tokens) for device in (pair.one, pair.two)] == [0, 0]


def test_a_dry_run_only_looks(pair: Pair, capsys: Capture) -> None:
    assert apply(pair.inventory, "--dry-run") == 0
    assert pair.served() == []
    assert pair.prepared() == []
    assert "one: would be changed" in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("reply", "code", "served"), [("y", 0, ["one", "two"]), ("n", 1, []), ("", 1, [])])
def test_it_asks_before_it_changes(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, reply: str, code: int, served: list[str]
) -> None:
    answer(monkeypatch, reply)
    assert apply(pair.inventory) == code
    assert pair.served() == served


@pytest.mark.usefixtures("terminal")
def test_nothing_to_do_asks_nothing(pair: Pair, capsys: Capture) -> None:
    assert apply(pair.inventory, "--yes") == 0
    capsys.readouterr()
    assert apply(pair.inventory) == 0
    assert capsys.readouterr().out.splitlines() == ["one: no change", "two: no change"]


@pytest.mark.parametrize("arguments", [[], ["--output", "json"]])
def test_without_a_terminal_it_wants_a_word(pair: Pair, capsys: Capture, arguments: list[str]) -> None:
    assert apply(pair.inventory, *arguments) == 1
    assert "say --yes or --dry-run" in capsys.readouterr().err
    assert pair.prepared() == []


def test_a_device_that_cannot_be_prepared_keeps_the_declaration_from_all(pair: Pair, capsys: Capture) -> None:
    pair.two.plane.faults.append(Fault("POST", "/mgmt/tm/auth/partition", status=400, message="no more partitions"))
    assert apply(pair.inventory, "--yes") == 1
    assert pair.served() == []
    assert pair.prepared() == ["one"]
    assert "error: two: " in capsys.readouterr().err


def test_after_a_declaration_that_fails_the_rest_is_left_alone(pair: Pair, capsys: Capture) -> None:
    pair.one.plane.faults.append(
        Fault("POST", "/mgmt/shared/appsvcs/declare", status=422, message="01070734:3: broken")
    )
    assert apply(pair.inventory, "--yes", "--output", "json") == 1
    captured = capsys.readouterr()
    assert pair.served() == []
    assert pair.prepared() == ["one", "two"]
    document = json.loads(captured.out)
    assert document["ok"] is False
    assert [(one["device"], one["status"]) for one in document["devices"]] == [("one", "failed"), ("two", "prepared")]
    assert "01070734:3: broken" in captured.err


def test_one_device_of_the_inventory(pair: Pair, capsys: Capture) -> None:
    assert apply(pair.inventory, "--yes", "--device", "two") == 0
    assert pair.served() == ["two"]
    assert apply(pair.inventory, "--yes", "--device", "three") == 1
    assert "no device 'three' in the inventory; it has one, two" in capsys.readouterr().err


def test_what_validate_calls_an_error_reaches_no_device(
    pair: Pair, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bigip_sm.lint
    from bigip_sm.lint import Finding

    monkeypatch.setattr(bigip_sm.lint, "lint_declaration", lambda declaration: [Finding("X1", "error", "/a", "is bad")])
    assert apply(pair.inventory, "--yes") == 1
    assert capsys.readouterr().err == "error: /a: is bad [X1]; see: bigip-sm validate\n"
    assert pair.prepared() == []


def test_an_unset_password_names_the_variable(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIGIP_PASSWORD", raising=False)
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    user = "{user: admin, password: {env: BIGIP_PASSWORD}}"
    inventory = tmp_path / "devices.yaml"
    inventory.write_text(f"version: 1\ndevices: {{a: {{address: 192.0.2.1, administrator: {user}, rotator: {user}}}}}")
    assert apply(str(inventory), "--yes") == 1
    assert "BIGIP_PASSWORD" in capsys.readouterr().err
