"""`bigip-sm apply`: asks before it changes, stops at the first failure, says what came of each device.

The clients have tests of their own, against the emulated BIG-IP; here they are replaced to see what the command does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

import bigip_sm.bigip.apply
from bigip_sm.bigip.apply import Applied, Step
from bigip_sm.bigip.as3 import Outcome, TenantResult
from bigip_sm.bigip.inventory import DeviceEntry
from bigip_sm.commands.main import main
from bigip_sm.errors import RequestRefused

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
Capture = pytest.CaptureFixture[str]


@dataclass
class Fleet:
    """Devices that are not there: ``calls`` is what was asked of them, ``broken`` fails, ``current`` has it already."""

    calls: list[tuple[str, bool]]
    broken: set[str]
    current: set[str]

    def apply(
        self, device: SimpleNamespace, as3: object, spec: object, declaration: object, *, dry_run: bool
    ) -> Applied:
        self.calls.append((device.name, dry_run))
        if device.name in self.broken:
            raise RequestRefused(device.name, 503, "busy")
        if device.name in self.current:
            outcome = Outcome((TenantResult("quickstart", 200, "no change"),), dry_run)
            return Applied(device.name, (Step("partition", "/bigip_sm", "keep"),), outcome)
        outcome = Outcome((TenantResult("quickstart", 200, "success"),), dry_run)
        return Applied(device.name, (Step("partition", "/bigip_sm", "create"),), outcome)


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    @contextmanager
    def connect(entry: DeviceEntry, who: str) -> Iterator[SimpleNamespace]:
        assert who == "administrator"
        yield SimpleNamespace(name=entry.name, session=SimpleNamespace(name=entry.name))

    made = Fleet([], set(), set())
    monkeypatch.setattr(DeviceEntry, "connect", connect)
    monkeypatch.setattr(bigip_sm.bigip.apply, "apply", made.apply)
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    return made


@pytest.fixture
def devices(tmp_path: Path) -> str:
    """An inventory of two devices."""
    login = "{user: admin, password: {env: BIGIP_PASSWORD}}"
    lines = ["version: 1", "devices:"]
    for name in ("one", "two"):
        lines.append(f"  {name}: {{address: 192.0.2.1, administrator: {login}, rotator: {login}}}")
    path = tmp_path / "devices.yaml"
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


def apply(*arguments: str) -> int:
    return main(["apply", str(QUICKSTART), "--devices", *arguments])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)


def answer(monkeypatch: pytest.MonkeyPatch, reply: str) -> None:
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda prompt: reply)


def test_yes_applies_to_every_device_once(fleet: Fleet, devices: str, capsys: Capture) -> None:
    assert apply(devices, "--yes") == 0
    assert fleet.calls == [("one", False), ("two", False)]
    assert capsys.readouterr().out.splitlines() == [
        "one: changed",
        "  create partition /bigip_sm",
        "  tenant quickstart: success",
        "two: changed",
        "  create partition /bigip_sm",
        "  tenant quickstart: success",
    ]


def test_a_dry_run_only_looks(fleet: Fleet, devices: str, capsys: Capture) -> None:
    assert apply(devices, "--dry-run") == 0
    assert fleet.calls == [("one", True), ("two", True)]
    assert "one: would be changed" in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("reply", "code", "applied"), [("y", 0, True), ("n", 1, False), ("", 1, False)])
def test_it_asks_before_it_changes(
    fleet: Fleet, devices: str, monkeypatch: pytest.MonkeyPatch, reply: str, code: int, applied: bool
) -> None:
    answer(monkeypatch, reply)
    assert apply(devices) == code
    assert (("one", False) in fleet.calls) is applied


@pytest.mark.usefixtures("terminal")
def test_nothing_to_do_asks_nothing(fleet: Fleet, devices: str, capsys: Capture) -> None:
    fleet.current = {"one", "two"}
    assert apply(devices) == 0
    assert capsys.readouterr().out.splitlines() == ["one: no change", "two: no change"]
    assert fleet.calls == [("one", True), ("two", True)]


@pytest.mark.parametrize("arguments", [[], ["--output", "json"]])
def test_without_a_terminal_it_wants_a_word(fleet: Fleet, devices: str, capsys: Capture, arguments: list[str]) -> None:
    assert apply(devices, *arguments) == 1
    assert "say --yes or --dry-run" in capsys.readouterr().err
    assert fleet.calls == []


def test_after_a_failure_the_rest_is_left_alone(fleet: Fleet, devices: str, capsys: Capture) -> None:
    fleet.broken = {"one"}
    assert apply(devices, "--yes") == 1
    captured = capsys.readouterr()
    assert fleet.calls == [("one", False)]
    assert captured.out.splitlines() == ["one: failed", "two: not tried"]
    assert captured.err == "error: one: HTTP 503: busy\n"


def test_a_failure_is_json_too(fleet: Fleet, devices: str, capsys: Capture) -> None:
    fleet.broken = {"two"}
    assert apply(devices, "--yes", "--output", "json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert [(one["device"], one["status"]) for one in document["devices"]] == [("one", "changed"), ("two", "failed")]
    assert document["devices"][0]["tenants"] == [{"name": "quickstart", "code": 200, "message": "success"}]


def test_one_device_of_the_inventory(fleet: Fleet, devices: str, capsys: Capture) -> None:
    assert apply(devices, "--yes", "--device", "two") == 0
    assert fleet.calls == [("two", False)]
    assert apply(devices, "--yes", "--device", "three") == 1
    assert "no device 'three' in the inventory; it has one, two" in capsys.readouterr().err


def test_what_validate_calls_an_error_reaches_no_device(
    fleet: Fleet, devices: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bigip_sm.lint
    from bigip_sm.lint import Finding

    monkeypatch.setattr(bigip_sm.lint, "lint_declaration", lambda declaration: [Finding("X1", "error", "/a", "is bad")])
    assert apply(devices, "--yes") == 1
    assert capsys.readouterr().err == "error: /a: is bad [X1]; see: bigip-sm validate\n"
    assert fleet.calls == []


def test_an_unset_password_names_the_variable(devices: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIGIP_PASSWORD", raising=False)
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    assert apply(devices, "--yes") == 1
    assert "BIGIP_PASSWORD" in capsys.readouterr().err
