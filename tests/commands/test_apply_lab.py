"""`bigip-sm apply` against the emulated BIG-IP, with nothing replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bigip_sm.bigip.inventory import load_inventory
from bigip_sm.commands.main import main
from bigip_sm.errors import ObjectNotFound
from bigip_sm.lab.lab import Lab
from bigip_sm.spec import load

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
GROUP = "/bigip_sm/quickstart.chat"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(load(QUICKSTART), tmp_path) as running:
        yield running


def apply(lab: Lab, *arguments: str) -> int:
    return main(["apply", str(QUICKSTART), "--devices", str(lab.devices_file), *arguments])


def group_exists(lab: Lab) -> bool:
    (entry,) = load_inventory(lab.devices_file).devices
    with entry.connect("administrator") as device:
        try:
            device.data_group(GROUP)
        except ObjectNotFound:
            return False
    return True


def test_dry_run_then_apply_then_no_change(lab: Lab, capsys: Capture) -> None:
    assert apply(lab, "--dry-run") == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["lab: would be changed", "  create partition /bigip_sm"]
    assert not group_exists(lab)

    assert apply(lab, "--yes", "--output", "json") == 0
    (device,) = json.loads(capsys.readouterr().out)["devices"]
    assert device["status"] == "changed"
    assert {"kind": "data-group", "path": GROUP, "effect": "create"} in device["steps"]
    assert group_exists(lab)
    assert lab.listener("public")[0] == "127.0.0.1"

    assert apply(lab, "--yes") == 0
    assert capsys.readouterr().out == "lab: no change\n"


def test_a_wrong_password_is_one_line_without_it(lab: Lab, capsys: Capture) -> None:
    password = lab.directory / "admin.password"
    password.write_text("wrong-password\n", "ascii")
    assert apply(lab, "--yes") == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("error: lab: ")
    assert "wrong-password" not in captured.out + captured.err
    assert captured.out.splitlines() == ["lab: failed"]


def test_a_certificate_that_is_not_trusted_stops_it(lab: Lab, capsys: Capture) -> None:
    text = lab.devices_file.read_text("ascii")
    lab.devices_file.write_text("\n".join(line for line in text.splitlines() if "ca:" not in line), "ascii")
    assert apply(lab, "--yes") == 1
    assert "certificate" in capsys.readouterr().err
