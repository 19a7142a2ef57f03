"""The command line of the rotator, as the process that cron starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from control_plane import PASSWORDS, EmulatedDevice
from emulated_aws import REGION, EmulatedAws

from bigip_sm.bigip.records import BearerRecord, Meta, SigningRecord, decode_all
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.spec import load
from rotator.main import main
from rotator.once import exit_code
from rotator.push import Result

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
SESSION = {
    "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "SessionToken": "IQoJb3JpZ2luX2VjEXAMPLETOKEN",
}


@dataclass
class Bench:
    """A prepared device, AWS, and an inventory that names the device."""

    device: EmulatedDevice
    aws: EmulatedAws
    devices: Path
    environment: dict[str, str] = field(default_factory=dict)

    def fill_secret(self, *, life: float = 3600) -> None:
        end = datetime.fromtimestamp(int(time.time() + life), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.aws.put_secret("bigip/classifier", {**SESSION, "Expiration": end})

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "rotator", "once", str(QUICKSTART), "--devices", str(self.devices), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def rotate(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        done = self.run("--output", "json", *arguments)
        return done.returncode, json.loads(done.stdout)

    def records(self, role: str) -> tuple[tuple[str, str], ...]:
        group = self.device.config.get(DataGroup, f"/bigip_sm/quickstart.{role}")
        assert group is not None
        return group.records


@pytest.fixture
def bench(emulated: EmulatedDevice, aws: EmulatedAws, tmp_path: Path) -> Iterator[Bench]:
    with emulated.connect("admin") as client:
        client.create_partition("bigip_sm", "")
    file = tmp_path / "rotator.password"
    file.write_text(PASSWORDS["rotator"])
    file.chmod(0o600)
    devices = tmp_path / "devices.yaml"
    devices.write_text(
        f"""
version: 1
devices:
  bigip-a:
    address: 127.0.0.1:{emulated.port}
    ca: {emulated.ca.name}
    administrator: {{user: admin, password: {{env: NOT_SET_HERE}}}}
    rotator: {{user: rotator, password: {{file: rotator.password}}}}
"""
    )
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    environment["STATE_DIRECTORY"] = str(tmp_path / "state")
    yield Bench(emulated, aws, devices, environment | aws.environment())
    assert len(emulated.plane.tokens) == 0


def test_rotate_then_fresh(bench: Bench) -> None:
    bench.fill_secret()
    code, report = bench.rotate("--id", "test-rotator")
    assert (code, report["ok"], report["exit_code"]) == (0, True, 0)
    assert [(one["role"], one["device"], one["result"]) for one in report["results"]] == [
        ("classifier", "bigip-a", "pushed"),
        ("chat", "bigip-a", "pushed"),
    ]
    assert all(3500 < one["expires_in"] <= 3600 for one in report["results"])
    with bench.device.connect("rotator") as client:
        classifier = decode_all(client.data_group("/bigip_sm/quickstart.classifier").records)
        chat = decode_all(client.data_group("/bigip_sm/quickstart.chat").records)
    assert {type(one) for one in classifier} == {SigningRecord, Meta}
    assert [one.region for one in chat if isinstance(one, BearerRecord)] == ["us-east-1", "us-west-2"]
    assert {one.rotator for one in (*classifier, *chat) if isinstance(one, Meta)} == {"test-rotator"}

    before = bench.records("classifier")
    code, report = bench.rotate("--role", "classifier")
    assert (code, [one["result"] for one in report["results"]]) == (0, ["fresh"])
    assert bench.records("classifier") == before


def test_a_new_session_is_pushed_the_next_time(bench: Bench) -> None:
    bench.fill_secret()
    assert bench.rotate("--role", "chat")[1]["results"][0]["result"] == "pushed"
    before = bench.records("chat")
    time.sleep(1.0)  # STS tells the end of a session in whole seconds
    assert bench.rotate("--role", "chat")[1]["results"][0]["result"] == "pushed"
    assert bench.records("chat") != before


def test_text_output(bench: Bench) -> None:
    bench.fill_secret()
    done = bench.run()
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].split() == ["role", "device", "result", "generation", "expires", "in"]
    assert lines[1].split()[:3] == ["classifier", "bigip-a", "pushed"]
    assert lines[1].split()[4] == "59m"
    assert len(lines) == 3


def test_one_source_fails_the_other_role_is_pushed(bench: Bench) -> None:
    bench.aws.put_secret("bigip/classifier", {"password": "hunter2"})
    done = bench.run()
    assert done.returncode == 1
    assert (
        "classifier on bigip-a: failed: role classifier: secret bigip/classifier in us-east-1: AccessKeyId is"
        in done.stdout
    )
    assert "hunter2" not in done.stdout + done.stderr
    with bench.device.connect("rotator") as client:
        assert client.data_group("/bigip_sm/quickstart.chat").records


def test_a_late_secret_is_stale(bench: Bench) -> None:
    bench.fill_secret(life=200)
    code, report = bench.rotate("--role", "classifier")
    assert (code, report["ok"], report["results"][0]["result"]) == (2, False, "stale")


def test_device_down(bench: Bench) -> None:
    bench.fill_secret()
    bench.device.plane.faults.append(Fault(path="/mgmt/shared/authn", status=401, message="Authentication failed."))
    code, report = bench.rotate()
    assert code == 1
    assert {one["reason"] for one in report["results"]} == {
        "bigip-a: login of user rotator refused: Authentication failed."
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--role", "nobody"], "has no role 'nobody'; it has classifier, chat"),
        (["--wrong"], "No such option"),
        (["--deadline", "0"], "--deadline"),
    ],
)
def test_usage_errors(bench: Bench, arguments: list[str], problem: str) -> None:
    done = bench.run("--output", "json", *arguments)
    assert done.returncode == 1
    assert problem in done.stderr
    assert problem in json.loads(done.stdout)["problems"][0]["message"]
    assert "Traceback" not in done.stderr


def test_problems_of_both_files(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.devices.write_text("version: 2\ndevices: {}\n")
    assert main(["once", str(QUICKSTART), "--devices", str(bench.devices)]) == 1
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 2
    assert all(line.startswith(f"error: {bench.devices}:") for line in shown)
    assert main(["once", "missing.yaml", "--devices", str(bench.devices)]) == 1
    assert capsys.readouterr().err.startswith("error: missing.yaml:1: ")


def test_password_file_that_others_may_read(bench: Bench) -> None:
    bench.fill_secret()
    (bench.devices.parent / "rotator.password").chmod(0o644)
    code, report = bench.rotate()
    assert code == 1
    assert "others may read or change it" in report["results"][0]["reason"]


def test_no_secret_in_logs_at_debug_or_in_arguments(bench: Bench) -> None:
    """Whatever goes wrong or right, at every log level: neither keys nor tokens nor passwords."""
    bench.fill_secret()
    bench.device.plane.faults += [
        Fault(method="PATCH", status=503),
        Fault(method="GET", path="/mgmt/tm", status=400, message="1|ASIAIOSFODNN7EXAMPLE"),
    ]
    runs = [bench.run("--log-level", "debug"), bench.run("--log-level", "debug", "--output", "json")]
    sessions = [one for one in bench.aws.cloud.sessions.all() if one.session_token]
    assert sessions
    hidden = [SESSION["SecretAccessKey"], SESSION["SessionToken"], *PASSWORDS.values(), "sagemaker-api-key-"]
    hidden += [bench.environment["AWS_SECRET_ACCESS_KEY"]]
    hidden += [one.secret_access_key for one in sessions] + [str(one.session_token) for one in sessions]
    for role in load(QUICKSTART).roles:
        for record in bench.records(role):
            hidden += [part for part in record[1].split("|") if len(part) > 30]
    for run in runs:
        assert "bigip-a: GET /mgmt/tm/ltm/data-group/internal" in run.stderr
        assert "/mgmt/shared/authz/tokens/(token): 200" in run.stderr
        for secret in hidden:
            assert secret not in run.stdout + run.stderr + " ".join(run.args)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_terminated_in_the_middle_of_a_push(bench: Bench, number: signal.Signals) -> None:
    """The push in hand is finished, the token is deleted, the exit code says so."""
    bench.fill_secret()
    arrived = threading.Event()

    def watch(request: object) -> bool:
        arrived.set()
        return True

    bench.device.plane.faults.append(Fault(method="POST", path="/mgmt/tm", delay=1.0, when=watch))
    process = subprocess.Popen(
        bench.command("--output", "json"),
        env=bench.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert arrived.wait(20)
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert json.loads(output)["problems"] == [{"message": "interrupted"}]
    assert errors.strip() == "error: interrupted"
    assert bench.records("classifier")
    assert len(bench.device.plane.tokens) == 0


def test_exit_codes() -> None:
    fresh, stale, failed = Result("r", "d", "fresh"), Result("r", "d", "stale"), Result("r", "d", "failed")
    assert exit_code([fresh, fresh]) == 0
    assert exit_code([fresh, stale]) == 2
    assert exit_code([stale, failed]) == 1


def test_help_is_quick_and_imports_no_sdk() -> None:
    code = (
        "import sys, rotator.main as m; m.main(['once', '-h']); print({'boto3', 'httpx', 'pydantic'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.splitlines()[-1] == "set()"
    assert REGION not in done.stderr
