"""No secret key, signing key, session, bearer or login token, and no password in anything that is left or shown."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_kit import Gateway
from rotation_kit import Bench, rotating

from bigip_sm.bigip.records import BearerRecord, SigningRecord, decode_all
from bigip_sm.demo.stage import clean_environment
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import DataGroup
from rotator.logs import configure
from rotator.sources import source_for

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "declarations" / "quickstart" / "gateway.yaml"


def secrets_of(gateway: Gateway, environment: dict[str, str]) -> set[str]:
    """Everything that must not be seen anywhere."""
    lab = gateway.lab
    found = {environment["AWS_SECRET_ACCESS_KEY"], *lab._passwords.values(), *lab.control_plane.tokens._tokens}
    for session in lab.cloud.sessions.all():
        found |= {session.secret_access_key, session.session_token or ""}
    with lab_device(gateway) as device:
        for role in lab.spec.roles:
            for one in decode_all(device.data_group(f"/bigip_sm/quickstart.{role}").records):
                if isinstance(one, SigningRecord):
                    found |= {one.signing_key.hex(), repr(one.signing_key)[2:-1]}
                elif isinstance(one, BearerRecord):
                    found |= {one.token, one.token[-40:]}
    return {secret for secret in found if len(secret) > 15}


def lab_device(gateway: Gateway) -> Any:
    return gateway.stage.device.connect("rotator")


def search(texts: dict[str, str], hidden: set[str]) -> list[str]:
    """Where something was found; never what."""
    return [where for where, text in texts.items() if any(secret in text for secret in hidden)]


@pytest.fixture
def environment(quickstart: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    found = quickstart.lab.rotator_environment()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    role = quickstart.lab.spec.roles["classifier"]
    quickstart.lab.call(quickstart.lab.cloud.put_session("bigip/classifier", role.arn, "us-east-1"))
    yield found
    quickstart.lab.control_plane.faults.clear()


def test_the_search_finds_what_is_there(quickstart: Gateway, environment: dict[str, str]) -> None:
    hidden = secrets_of(quickstart, environment)
    assert len(hidden) > 6
    group = quickstart.lab.config.get(DataGroup, "/bigip_sm/quickstart.chat")
    assert search({"device": str(group and group.records), "nothing": "x"}, hidden) == ["device"]


def test_logs_at_debug_journal_metrics_and_argv(
    quickstart: Gateway, environment: dict[str, str], tmp_path: Path
) -> None:
    """A daemon that meets trouble of every kind, and says all that it can."""
    lab, state, log = quickstart.lab, tmp_path / "state", tmp_path / "log"
    command = [sys.executable, "-X", "dev", "-m", "rotator", "run", str(QUICKSTART)]
    command += ["--devices", str(lab.devices_file), "--interval", "1", "--metrics-port", "0", "--log-level", "debug"]
    shown = clean_environment() | environment | {"STATE_DIRECTORY": str(state), "BIGIP_SM_DEBUG": "1"}
    quoted = Fault(method="PATCH", path="/mgmt/tm", status=400, message="bad: 1|ASIA", times=2)
    lab.control_plane.faults += [
        Fault(method="GET", path="/mgmt/tm", status=503, html=True, times=2),
        quoted,
        Fault(method="PATCH", path="/mgmt/tm", reset=True, times=1),
        Fault(path="/mgmt/tm", status=401, times=1),
    ]
    texts: dict[str, str] = {}
    with log.open("w") as errors, subprocess.Popen(command, env=shown, stderr=errors, stdout=errors) as process:
        try:
            port = _port(log)
            texts["argv"] = Path(f"/proc/{process.pid}/cmdline").read_text() if Path("/proc").exists() else ""
            _until(lambda: quoted.times == 0 and _get(port, "/health")[0] == 200)
            texts["metrics"], texts["health"] = _get(port, "/metrics")[1], _get(port, "/health")[1]
            hidden = secrets_of(quickstart, environment)
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
    hidden |= secrets_of(quickstart, environment)
    texts["log"] = log.read_text()
    texts |= {path.name: path.read_text() for path in state.iterdir()}
    assert "GET /mgmt/tm/ltm/data-group/internal" in texts["log"]
    assert {"quickstart.journal.jsonl", "quickstart.state.json"} <= set(texts)
    assert "pushed" in texts["quickstart.journal.jsonl"]
    assert search(texts, hidden) == []


def _port(log: Path) -> str:
    _until(lambda: "metrics and health on" in log.read_text())
    return log.read_text().split("metrics and health on http://127.0.0.1:")[1].split()[0]


def _until(reached: Any) -> None:
    ends = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.05)


def _get(port: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_reprs_of_everything_that_is_held(quickstart: Gateway, environment: dict[str, str], tmp_path: Path) -> None:
    with rotating(quickstart, tmp_path, source=source_for) as bench:
        hidden = secrets_of(quickstart, environment)
        texts = {type(one).__qualname__ + str(number): repr(one) for number, one in enumerate(_reachable(bench))}
    assert any("Material" in name for name in texts)
    assert any("SessionCredentials" in name for name in texts)
    assert any("IControl" in name for name in texts)
    assert search(texts, hidden) == []


def _reachable(bench: Bench) -> Iterator[object]:
    """Objects of ours that an engine holds, at any depth. Their containers and texts are what they are."""
    seen: dict[int, object] = {}
    todo: list[object] = [bench.engine]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, dict):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            todo += list(one)
        elif type(one).__module__.startswith(("rotator", "bigip_sm")):
            yield one
            todo += list(vars(one).values()) if hasattr(one, "__dict__") else []


@pytest.mark.parametrize("broken", ["make", "replace_records", "fetch"])
def test_tracebacks(
    quickstart: Gateway,
    environment: dict[str, str],
    tmp_path: Path,
    broken: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where a library fails with a secret in its hands and in its message, at every stage."""
    told: list[str] = []

    def fail(*arguments: Any, **_: Any) -> Any:
        try:
            raise RuntimeError(
                f"cannot digest {[str(vars(one)) if hasattr(one, '__dict__') else one for one in arguments]}"
            )
        except RuntimeError as error:
            told.append("".join(traceback.format_exception(error)))
            raise

    handlers = logging.getLogger().handlers
    configure("debug")  # it also holds down the libraries that would print secrets
    logging.getLogger().handlers = handlers
    with rotating(quickstart, tmp_path, source=source_for) as bench:
        hidden = secrets_of(quickstart, environment)
        caplog.clear()
        if broken == "make":
            monkeypatch.setattr("rotator.keeper.make", fail)
        elif broken == "replace_records":
            monkeypatch.setattr("bigip_sm.bigip.icontrol.IControl.replace_records", fail)
        else:
            monkeypatch.setattr("rotator.sources.sts.Sts.fetch", fail)
        second = time.time() // 1
        bench.until(lambda: time.time() // 1 > second)  # STS tells the end of a session in whole seconds
        bench.engine.rotate_now()
        bench.until(lambda: told)
        bench.ticks(0.5)
        monkeypatch.undo()
        state = json.dumps(bench.engine.state(time.time(), time.monotonic()))
        shown = {"log": caplog.text, "state": state, "health": str(bench.engine.health())}
        shown["journal"] = json.dumps(list(bench.store.events()))
        hidden |= secrets_of(quickstart, environment)
    assert search(shown, hidden) == []
    configure("warning")
