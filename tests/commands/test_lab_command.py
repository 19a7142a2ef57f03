"""`bigip-sm lab up`: what it prints works when it is pasted, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gateway_kit import INVOKE, Gateway

from bigip_sm.commands.lab import certificate_subject, keep
from bigip_sm.commands.main import main
from bigip_sm.demo.stage import clean_environment
from bigip_sm.errors import LabError
from bigip_sm.spec import load

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "declarations" / "quickstart" / "gateway.yaml"
PROGRAM = "import sys; from bigip_sm.commands.main import main; sys.exit(main())"


@contextmanager
def lab_up(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running ``lab up`` in a process group of its own, like a job of a shell."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "lab", "up", str(QUICKSTART), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={key: value for key, value in os.environ.items() if key != "BIGIP_SM_AS3_SCHEMA"},
    )
    watchdog = threading.Timer(90, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(process: subprocess.Popen[str], last: str) -> list[str]:
    """The lines printed up to the one that begins with ``last``; fails with stderr if the process ends before."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(last):
            return lines
    assert process.stderr is not None
    pytest.fail(f"the lab ended early: {process.stderr.read()}")


def group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_printed_lines_work_and_ctrl_c_ends_it(workers: str) -> None:
    with lab_up("--workers", workers) as process:
        lines = until(process, "Ctrl-C")
        calls = [line for line in lines if line.startswith("curl ")]
        assert len(calls) == 2
        for call in calls:
            ran = subprocess.run(
                ["sh", "-c", f"{call} -sS -w '\\n%{{http_code}}'"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert ran.stdout.splitlines()[-1] == "200", f"{call}\n{ran.stdout}{ran.stderr}"
        # A terminal sends Ctrl-C to the whole group.
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
        assert group_is_gone(process.pid)
        (ca,) = (line.split()[-1] for line in lines if line.startswith("CA file"))
        assert not Path(ca).exists()


def test_json_names_what_is_there_and_sigterm_ends_it_too(tmp_path: Path) -> None:
    with lab_up("--output", "json") as process:
        document = json.loads("\n".join(until(process, "}")))
        assert set(document) == {"listeners", "management", "ca", "devices", "environment", "calls"}
        assert set(document["listeners"]) == {"public"}
        assert all(address.startswith("127.0.0.1:") for address in document["listeners"].values())
        assert Path(document["ca"]).read_text("ascii").startswith("-----BEGIN CERTIFICATE-----")
        rotator = f"{sys.executable} -m rotator once {QUICKSTART} --devices {document['devices']} --state {tmp_path}"
        ran = subprocess.run(
            ["sh", "-c", f"set -a; . {document['environment']}; set +a; {rotator} --output json"],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert group_is_gone(process.pid)


@pytest.mark.skipif(shutil.which("pgrep") is None, reason="pgrep is not installed")
def test_a_worker_that_ends_ends_the_lab_with_one_clear_line() -> None:
    with lab_up("--workers", "2") as process:
        until(process, "Ctrl-C")
        find = ["pgrep", "-P", str(process.pid), "-f", "worker_process"]
        children = subprocess.run(find, capture_output=True, text=True, check=True).stdout.split()
        assert len(children) == 2
        os.kill(int(children[0]), signal.SIGKILL)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert re.fullmatch(r"error: worker [01] of the data plane ended \(exit code -9\)\n", err)
        assert group_is_gone(process.pid)


def test_sessions_are_renewed_and_rotated_in(quickstart: Gateway) -> None:
    known = len(quickstart.lab.cloud.sessions.all())
    before = quickstart.stage.credentials()
    over = threading.Event()
    keeper = threading.Thread(target=keep, args=(quickstart.stage, over, 0.1))
    keeper.start()
    try:
        for _ in range(200):
            if quickstart.stage.credentials() != before:
                break
            time.sleep(0.05)
    finally:
        over.set()
        keeper.join(30)
    assert quickstart.stage.credentials() != before
    assert len(quickstart.lab.cloud.sessions.all()) > known
    assert quickstart.ask(INVOKE).status == 200


def test_a_lab_that_is_stuck_ends_with_the_reason() -> None:
    class Stuck:
        @property
        def lab(self) -> Stuck:
            return self

        def check(self) -> None:
            raise LabError("a rule in HTTP_REQUEST does not end and cannot be ended")

    with pytest.raises(LabError, match="does not end"):
        keep(Stuck(), threading.Event(), 0.01)  # type: ignore[arg-type]  # all that keep asks of it


def test_a_missing_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "up", "nowhere.yaml"]) == 1
    assert capsys.readouterr().err.startswith("error: Invalid value for 'FILE'")


def test_who_calls_a_route_with_a_certificate() -> None:
    spec = load(QUICKSTART)
    assert certificate_subject(spec, spec.routes["churn"]) == "alice"
    assert certificate_subject(spec, spec.routes["chat"]) not in (None, "*", "")
    only_network = spec.routes["churn"].model_copy(update={"allow": ("batch:nightly-batch",)})
    assert certificate_subject(spec, only_network) is None
