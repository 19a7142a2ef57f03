"""``bigip-sm-rotator run`` as the process that systemd starts."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from control_plane import PASSWORDS, EmulatedDevice
from emulated_aws import EmulatedAws

from bigip_sm.bigip.device import DataGroup as Group
from bigip_sm.bigip.records import Meta, decode_all
from bigip_sm.lab.bigip.objects import DataGroup
from rotator.main import main

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
CHAT = "/bigip_sm/quickstart.chat"


class Systemd:
    """A notification socket, and the daemon under it."""

    def __init__(self, folder: Path, device: EmulatedDevice, aws: EmulatedAws) -> None:
        self.folder = folder
        self.device = device
        self.gateway = folder / "gateway.yaml"
        self.devices = folder / "devices.yaml"
        self.errors = folder / "stderr"
        self.state = folder / "state"
        document = yaml.safe_load(QUICKSTART.read_text())
        # One role is enough, and STS needs no secret to be filled.
        document["roles"].pop("classifier")
        document["upstreams"].pop("churn")
        document["routes"].pop("churn")
        self.gateway.write_text(yaml.safe_dump(document))
        password = folder / "rotator.password"
        password.write_text(PASSWORDS["rotator"])
        password.chmod(0o600)
        login = {"user": "rotator", "password": {"file": password.name}}
        entry = {"address": f"127.0.0.1:{device.port}", "ca": str(device.ca), "administrator": login, "rotator": login}
        self.devices.write_text(yaml.safe_dump({"version": 1, "devices": {"bigip-a": entry}}))
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(str(folder / "notify"))
        self.channel.settimeout(15)
        self.said: list[str] = []
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        self.environment = (
            kept
            | aws.environment()
            | {
                "NOTIFY_SOCKET": str(folder / "notify"),
                "WATCHDOG_USEC": "3000000",
                "STATE_DIRECTORY": str(self.state),
            }
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "rotator", "run", str(self.gateway), "--devices", str(self.devices)]
        command += ["--interval", "1", "--metrics-port", "0", "--log-level", "info", "--id", "under-test", *arguments]
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(command, env=self.environment, stderr=errors, stdout=errors)
        self.until_told("READY=1")
        self.until(lambda: self.log("metrics and health on"))
        self.port = int(re.findall(r"127.0.0.1:(\d+)", self.log("metrics and health on")[-1])[-1])

    def until_told(self, line: str) -> str:
        """Wait for a message with that line; returns it."""
        while True:
            message = self.channel.recv(4096).decode()
            self.said.append(message)
            if line in message.splitlines():
                return message

    def until(self, reached: Callable[[], object], timeout: float = 15.0) -> None:
        ends = time.monotonic() + timeout
        while not reached():
            assert time.monotonic() < ends, self.errors.read_text()
            time.sleep(0.02)

    def log(self, text: str) -> list[str]:
        return [line for line in self.errors.read_text().splitlines() if text in line]

    def generation(self) -> int:
        group = self.device.config.get(DataGroup, CHAT)
        if group is None or not group.records:
            return 0
        with self.device.connect("rotator") as client:
            metas = [one for one in decode_all(client.data_group(CHAT).records) if isinstance(one, Meta)]
        return metas[0].generation if metas and not metas[0].rotator.startswith("revoked") else 0

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ends(self) -> int:
        assert self.process is not None
        return self.process.wait(20)

    def close(self) -> None:
        self.channel.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def systemd(emulated: EmulatedDevice, aws: EmulatedAws, tmp_path: Path) -> Iterator[Systemd]:
    with emulated.connect("admin") as client:
        client.create_partition("bigip_sm", "")
        client.create_data_group(Group(CHAT))
    with contextlib.closing(Systemd(tmp_path, emulated, aws)) as made:
        yield made


def test_ready_rotated_watched_healthy_and_ended(systemd: Systemd) -> None:
    systemd.start()
    systemd.until(systemd.generation)
    assert "WATCHDOG=1" in systemd.until_told("STATUS=1 of 1 credentials are in order")
    systemd.until(lambda: systemd.get("/health")[0] == 200)
    status, metrics = systemd.get("/metrics")
    assert status == 200
    assert 'bigip_sm_rotator_pushes_total{device="bigip-a",role="chat"} 1.0' in metrics
    assert len(systemd.device.plane.tokens) == 1
    systemd.signal(signal.SIGTERM)
    systemd.until_told("STOPPING=1")
    assert systemd.ends() == 0
    assert len(systemd.device.plane.tokens) == 0
    events = [json.loads(line) for line in (systemd.state / "quickstart.journal.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["session", "pushed"]
    assert events[1]["devices"] == ["bigip-a"]
    assert "Traceback" not in systemd.errors.read_text()


def test_sigusr1_rotates_now(systemd: Systemd) -> None:
    systemd.start()
    systemd.until(systemd.generation)
    before = systemd.generation()
    time.sleep(0.2)
    systemd.until(lambda: time.time() >= before / 1000 + 1)
    systemd.signal(signal.SIGUSR1)
    systemd.until(lambda: systemd.generation() > before)


def test_sighup_reloads_and_a_broken_file_changes_nothing(systemd: Systemd) -> None:
    systemd.start()
    systemd.until(systemd.generation)
    good = systemd.devices.read_text()
    systemd.devices.write_text("version: 2\n")
    systemd.signal(signal.SIGHUP)
    systemd.until_told("RELOADING=1")
    systemd.until_told("READY=1")
    systemd.until(lambda: systemd.log("not reloaded, the old configuration stays"))
    assert "devices.yaml:1" in systemd.log("not reloaded")[0]
    assert systemd.get("/health")[0] == 200
    systemd.devices.write_text(good.replace("bigip-a", "renamed"))
    systemd.signal(signal.SIGHUP)
    systemd.until_told("READY=1")
    systemd.until(lambda: 'device="renamed"' in systemd.get("/metrics")[1])
    assert 'expiry_seconds{device="bigip-a"' not in systemd.get("/metrics")[1]
    systemd.until(lambda: systemd.get("/health")[0] == 200)
    systemd.until(lambda: len(systemd.device.plane.tokens) == 1)


def test_drift_is_repaired_by_the_running_daemon(systemd: Systemd) -> None:
    systemd.start()
    systemd.until(systemd.generation)
    before = systemd.device.config.get(DataGroup, CHAT)
    with systemd.device.connect("admin") as client:
        client.replace_records(CHAT, [])
    systemd.until(lambda: systemd.device.config.get(DataGroup, CHAT) == before)


def test_revoke_beside_a_running_daemon(systemd: Systemd, capsys: pytest.CaptureFixture[str]) -> None:
    """What was revoked does not come back; a session that was issued later does."""
    systemd.start()
    systemd.until(systemd.generation)
    old = systemd.generation()
    command = ["revoke", str(systemd.gateway), "chat", "--devices", str(systemd.devices), "--state", str(systemd.state)]
    assert main([*command, "--yes", "--output", "json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["results"] == [{"device": "bigip-a", "revoked": True, "reason": ""}]
    (statement,) = done["policy"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    )
    systemd.until(systemd.generation)
    assert systemd.generation() > max(old, done["revoked_upto"])
    systemd.until(lambda: systemd.get("/health")[0] == 200)


def test_it_does_not_begin_with_a_broken_file(systemd: Systemd, capsys: pytest.CaptureFixture[str]) -> None:
    systemd.gateway.write_text("version: 7\n")
    assert main(["run", str(systemd.gateway), "--devices", str(systemd.devices)]) == 1
    assert f"{systemd.gateway}:1" in capsys.readouterr().err


def test_a_port_that_is_taken(systemd: Systemd, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["run", str(systemd.gateway), "--devices", str(systemd.devices), "--metrics-port", port]) == 1
    wrong = f"error: 127.0.0.1:{port}: Address already in use; choose another with --metrics-port\n"
    assert capsys.readouterr().err == wrong
