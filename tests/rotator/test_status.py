"""``status`` and ``revoke`` from the command line."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click.testing
import pytest
import yaml
from control_plane import PASSWORDS, EmulatedDevice

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.connection import Patience
from bigip_sm.bigip.device import DataGroup
from bigip_sm.bigip.records import META
from bigip_sm.lab.bigip.objects import DataGroup as LabGroup
from bigip_sm.spec import load
from rotator.engine import Engine
from rotator.fleet import units_of
from rotator.main import cli, main
from rotator.store import Store

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
SPEC = load(QUICKSTART)


class Source:
    polled = False

    def fetch(self) -> SessionCredentials:
        now = time.time()
        return SessionCredentials("ASIAIOSFODNN7EXAMPLE", "secret", "token", now + 3600, now)


class Place:
    """A device, its inventory, a state folder, and an engine that has been at work."""

    def __init__(self, device: EmulatedDevice, folder: Path) -> None:
        self.device = device
        self.state = folder / "state"
        password = folder / "rotator.password"
        password.write_text(PASSWORDS["rotator"])
        password.chmod(0o600)
        login = {"user": "rotator", "password": {"file": password.name}}
        entry = {"address": f"127.0.0.1:{device.port}", "ca": str(device.ca), "administrator": login, "rotator": login}
        self.devices = folder / "devices.yaml"
        self.devices.write_text(yaml.safe_dump({"version": 1, "devices": {"bigip-a": entry}}))

    def rotate(self) -> None:
        from bigip_sm.bigip.inventory import load_inventory

        store = Store(self.state, SPEC.gateway)
        units = units_of(load_inventory(self.devices))
        engine = Engine(SPEC, units, store, rotator="daemon", source=lambda spec, role: Source())
        until = time.monotonic() + 10
        while engine.health() and time.monotonic() < until:
            engine.tick()
            time.sleep(0.01)
        engine.stop()

    def arguments(self, *more: str) -> list[str]:
        return [*more, "--devices", str(self.devices), "--state", str(self.state)]

    def records(self, role: str) -> list[str]:
        group = self.device.config.get(LabGroup, f"/bigip_sm/quickstart.{role}")
        assert group is not None
        return [name for name, _ in group.records]


@pytest.fixture
def place(emulated: EmulatedDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(Patience, "pause", lambda self, attempt: 0.01)
    with emulated.connect("admin") as client:
        client.create_partition("bigip_sm", "")
        for role in SPEC.roles:
            client.create_data_group(DataGroup(f"/bigip_sm/quickstart.{role}"))
    yield Place(emulated, tmp_path)
    assert len(emulated.plane.tokens) == 0


def status(place: Place, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    code = main(place.arguments("status", str(QUICKSTART), "--output", "json", *more))
    return code, json.loads(capsys.readouterr().out)


def test_before_any_rotation(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = status(place, capsys)
    assert (code, found["ok"], found["exit_code"]) == (1, False, 1)
    assert {row["error"] for row in found["credentials"]} == {"the data group is empty"}
    assert {row["next"] for row in found["credentials"]} == {None}


def test_in_order(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.rotate()
    code, found = status(place, capsys, "--role", "chat")
    assert (code, found["ok"]) == (0, True)
    (row,) = found["credentials"]
    assert (row["role"], row["device"], row["state"], row["error"]) == ("chat", "bigip-a", "fresh", "")
    assert 0 <= row["age"] < 20
    assert 3500 < row["expires_in"] <= 3600
    assert row["next"].endswith("Z")


def test_as_a_table(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.rotate()
    assert main(place.arguments("status", str(QUICKSTART))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "role",
        "device",
        "state",
        "generation",
        "age",
        "expires",
        "in",
        "next",
        "last",
        "error",
    ]
    assert lines[1].split()[:3] == ["classifier", "bigip-a", "fresh"]
    assert len(lines) == 3


def test_a_device_that_is_down_shows_what_was_last_known(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.rotate()
    place.device.stop()
    try:
        code, found = status(place, capsys)
    finally:
        place.device.start()
    assert code == 1
    row = found["credentials"][0]
    assert row["generation"] is not None
    assert row["expires_in"] > 3500
    assert "no connection to" in row["error"]


def test_revoke_asks_first(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.rotate()
    runner = click.testing.CliRunner()
    command = place.arguments("revoke", str(QUICKSTART), "chat")
    done = runner.invoke(cli, command, input="y\n")
    assert "nobody can be asked here: say --yes" in done.output
    assert len(place.records("chat")) > 1
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("rotator.commands.revoke.sys", terminal)
    done = runner.invoke(cli, command, input="n\n")
    assert done.exit_code == 1
    assert "Take the credentials of role chat off 1 device(s)?" in done.output
    assert len(place.records("chat")) > 1
    done = runner.invoke(cli, command, input="y\n")
    assert place.records("chat") == [META]
    assert "bigip-a: revoked" in done.output


def test_revoke_prints_the_policy_and_leaves_other_roles(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.rotate()
    assert main(place.arguments("revoke", str(QUICKSTART), "chat", "--yes")) == 0
    printed = capsys.readouterr().out
    assert '"aws:TokenIssueTime": "' in printed
    assert "aws iam put-role-policy --role-name bigip-chat --policy-name AWSRevokeOlderSessions" in printed
    assert place.records("chat") == [META]
    assert len(place.records("classifier")) > 1
    code, found = status(place, capsys)
    assert code == 2
    assert [row["state"] for row in found["credentials"]] == ["fresh", "stale"]
    assert "it was revoked" in found["credentials"][1]["error"]
    assert main(place.arguments("revoke", str(QUICKSTART), "chat", "--yes")) == 0


def test_revoke_tells_of_clocks_that_are_apart(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.rotate()
    place.device.now = lambda: time.time() - 600
    assert main(place.arguments("revoke", str(QUICKSTART), "chat", "--yes")) == 0
    said = capsys.readouterr().err
    assert re.search("warning: bigip-a: its clock is (599|600|601) s behind ours", said)


def test_what_was_revoked_is_not_pushed_again_by_once(place: Place) -> None:
    from bigip_sm.bigip.inventory import load_inventory
    from rotator.once import rotate

    store = Store(place.state, SPEC.gateway)
    now = time.time()
    session = SessionCredentials("ASIAIOSFODNN7EXAMPLE", "secret", "token", now + 3600, now)
    source = Source()
    source.fetch = lambda: session  # type: ignore[method-assign]
    how: Any = {"rotator": "cron", "store": store, "source": lambda spec, role: source}
    inventory = load_inventory(place.devices)
    assert rotate(SPEC, inventory, ["chat"], **how)[0].state == "pushed"
    store.revoke("chat", int(now * 1000) + 1)
    (result,) = rotate(SPEC, inventory, ["chat"], **how)
    assert (result.state, place.records("chat")) == ("stale", [META])
    assert "it was revoked at" in result.reason
    assert [event["event"] for event in store.events()] == ["pushed", "revoked"]


def test_a_device_that_is_down_is_told_and_done_later(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.rotate()
    place.device.stop()
    try:
        assert main(place.arguments("revoke", str(QUICKSTART), "chat", "--yes")) == 1
    finally:
        place.device.start()
    printed = capsys.readouterr().out
    assert "bigip-a: failed: bigip-a: no connection" in printed
    assert "as soon as they answer" in printed
    assert len(place.records("chat")) > 1
    assert main(place.arguments("revoke", str(QUICKSTART), "chat", "--yes")) == 0
    assert place.records("chat") == [META]


def test_a_role_that_is_not_there(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(place.arguments("revoke", str(QUICKSTART), "nobody", "--yes")) == 1
    assert "has no role 'nobody'; it has classifier, chat" in capsys.readouterr().err
