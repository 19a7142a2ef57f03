"""Every fault that a rotation can meet, with signed requests flowing at the gateway all the while.

The promise after each: no request is refused because of a rotation, and the next good credential arrives.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway_kit import CHAT, INVOKE, QUICKSTART, Gateway
from rotation_kit import Bench, Flow, Issued, rotating

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip import connection
from bigip_sm.bigip.records import SigningRecord, decode_all
from bigip_sm.demo.stage import clean_environment
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.bigip import datagroups
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.bigip.replies import parse_object
from bigip_sm.lab.http import Request
from bigip_sm.lab.pki import Authority, server_context
from rotator import clocks
from rotator.sources import source_for

CLASSIFIER = "/bigip_sm/quickstart.classifier"
GROUP = "/mgmt/tm/ltm/data-group/internal/~bigip_sm~quickstart.classifier"
FOREVER = 10**9


@pytest.fixture
def gateway(quickstart: Gateway) -> Iterator[Gateway]:
    """The quickstart gateway, whose chat model answers without pauses."""
    chat = quickstart.lab.chat("llama-3-3-70b-v3")
    pause, chat.pause = chat.pause, None
    clocks.forget()
    yield quickstart
    chat.pause = pause
    clocks.forget()


@pytest.fixture
def bench(gateway: Gateway, tmp_path: Path) -> Iterator[Bench]:
    with rotating(gateway, tmp_path) as made:
        yield made


@pytest.fixture
def aws(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The real sources lead into the lab's AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in gateway.lab.rotator_environment().items():
        monkeypatch.setenv(name, value)
    put_session(gateway)
    return gateway


def put_session(gateway: Gateway) -> None:
    role = gateway.lab.spec.roles["classifier"]
    gateway.lab.call(gateway.lab.cloud.put_session("bigip/classifier", role.arn, "us-east-1"))


def put_secret(gateway: Gateway, value: dict[str, object]) -> None:
    gateway.lab.call(gateway.lab.cloud.moto.put_secret("bigip/classifier", value, "us-east-1"))


def empty(gateway: Gateway) -> None:
    """Take all records off the device, as a reboot does that finds nothing saved."""

    async def commit() -> None:
        groups = [group for group in gateway.lab.config.all(DataGroup) if group.path.startswith("/bigip_sm/")]
        gateway.lab.config.commit(put=[DataGroup(group.path, "string", ()) for group in groups])

    gateway.lab.call(commit())


def apply_patch(gateway: Gateway, request: Request) -> None:
    """Have a PATCH of a data group take effect, whatever becomes of its answer."""
    group = gateway.lab.config.get(DataGroup, CLASSIFIER)
    assert group is not None
    gateway.lab.config.commit(put=[datagroups.patched(group, parse_object(request.body))])


@contextmanager
def started(gateway: Gateway, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A rotator in a process of its own."""
    command = [sys.executable, "-m", "rotator", "run", str(QUICKSTART), "--devices", str(gateway.lab.devices_file)]
    command += ["--interval", "1", "--metrics-port", "0", "--state", str(folder / "state"), "--id", "killed"]
    environment = clean_environment() | {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def problem(bench: Bench, role: str) -> str:
    roles: Any = bench.engine.state(time.time(), time.monotonic())["roles"]
    return str(roles[role]["problem"])


# Sources


def recovers(bench: Bench, flow: Flow, role: str, says: str, heal: Callable[[], None]) -> None:
    """While the source fails: the device keeps what it has. After it: the next session arrives."""
    held = bench.generations()
    bench.engine.rotate_now()
    bench.until(lambda: says in problem(bench, role), timeout=30)
    flow.more()
    assert bench.generations()[role] == held[role]
    assert bench.reason(role) == ""
    second = time.time() // 1
    while time.time() // 1 == second:  # STS and Secrets Manager tell times in whole seconds
        flow.more(1)
    heal()
    bench.until(lambda: bench.generations()[role] != held[role] and bench.in_order(), timeout=30)


def test_source_down(aws: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rotating(aws, tmp_path, source=source_for) as bench, Flow(aws) as flow:
        right = os.environ["AWS_ENDPOINT_URL_STS"]
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://127.0.0.1:9")
        heal = lambda: monkeypatch.setenv("AWS_ENDPOINT_URL_STS", right)  # noqa: E731
        recovers(bench, flow, "chat", "AssumeRole of", heal)


def test_source_throttled(aws: Gateway, tmp_path: Path) -> None:
    async def throttle(request: Request) -> None:
        raise Refusal(400, "Throttling", "Rate exceeded")

    with rotating(aws, tmp_path, source=source_for) as bench, Flow(aws) as flow, pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws.lab.cloud.front, "_forward", throttle)
        recovers(bench, flow, "chat", "Throttling: Rate exceeded", patch.undo)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"password": "hunter2"}, "AccessKeyId is missing"),
        ({"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "long-lived access key"),
        (
            {
                "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "SecretAccessKey": "x",
                "SessionToken": "x",
                "Expiration": "2020-01-01T00:00:00Z",
            },
            "expired",
        ),
    ],
)
def test_source_returns_rubbish(aws: Gateway, tmp_path: Path, value: dict[str, object], says: str) -> None:
    with rotating(aws, tmp_path, source=source_for) as bench, Flow(aws) as flow:
        put_secret(aws, value)
        recovers(bench, flow, "classifier", says, lambda: put_session(aws))
        assert "hunter2" not in problem(bench, "classifier")


def test_source_returns_an_older_version(bench: Bench) -> None:
    source = bench.sources["classifier"]
    old = source.fetch()
    bench.rotate()
    with Flow(bench.gateway) as flow:
        source.next = lambda: old
        recovers(bench, flow, "classifier", "older than the one it gave before", lambda: setattr(source, "next", None))


# Devices


def test_device_401_mid_cycle(bench: Bench) -> None:
    with Flow(bench.gateway):
        bench.lab.control_plane.faults.append(Fault(method="PATCH", path="/mgmt/tm", status=401))
        bench.rotate()
    assert bench.lab.control_plane.faults[0].times == 0


def test_device_503_for_a_minute(bench: Bench) -> None:
    """A minute of a test's time: several cycles fail, then one is good. It is not asked more often meanwhile."""
    with Flow(bench.gateway) as flow:
        fault = Fault(path="/mgmt/tm", status=503, html=True, times=FOREVER)
        bench.lab.control_plane.faults.append(fault)
        held = bench.generations()
        bench.engine.rotate_now()
        bench.ticks(1.5)
        assert "HTTP 503" in bench.reason()
        assert bench.engine.health() == []
        flow.more()
        assert FOREVER - fault.times < 40
        bench.lab.control_plane.faults.clear()
        bench.until(lambda: bench.in_order() and bench.generations() != held)
        bench.until(lambda: bench.events("recovered"))
    assert bench.events("failed")[0]["devices"] == ["lab"]


def test_connection_reset_after_the_patch_was_applied(bench: Bench) -> None:
    def apply(request: Request) -> bool:
        apply_patch(bench.gateway, request)
        return True

    with Flow(bench.gateway):
        bench.lab.control_plane.faults.append(Fault(method="PATCH", path=GROUP, reset=True, when=apply))
        bench.rotate()
    assert bench.lab.control_plane.faults[0].times == 0


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_half_written_answer(bench: Bench, method: str) -> None:
    with Flow(bench.gateway):
        bench.lab.control_plane.faults.append(Fault(method=method, path="/mgmt/tm", reset=True, times=6))
        bench.rotate()
    assert bench.lab.control_plane.faults[0].times == 0


def test_tls_certificate_changed(gateway: Gateway, tmp_path: Path) -> None:
    """A certificate of an unknown CA is not talked to; when the CA file names that CA, it is, without a restart."""
    strange, lab = Authority.create("somebody else"), gateway.lab
    ours, others = lab.authorities.servers, tmp_path / "ca.pem"
    others.write_text(ours.certificate_pem)

    def present(authority: Authority) -> None:
        context = server_context(authority.issue("bigip.lab", hosts=["127.0.0.1"]))
        lab.call(lab.control_plane.present_certificate(context))

    with rotating(gateway, tmp_path, ca=others) as bench, Flow(gateway) as flow:
        present(strange)
        try:
            held = bench.generations()
            bench.engine.rotate_now()
            bench.until(lambda: "TLS certificate" in bench.reason())
            flow.more()
            assert bench.generations() == held
            assert bench.engine.health() == []
            others.write_text(ours.certificate_pem + strange.certificate_pem)
            bench.until(lambda: bench.in_order() and bench.generations() != held)
        finally:
            present(ours)
        # The token of the connection that was not trusted any more could not be deleted: it ends by itself, as here.
        lab.control_plane.tokens.clear()
        bench.rotate()


def test_reboot_with_an_empty_group(bench: Bench) -> None:
    """The device comes back without records and without tokens: the same session is put back, as a repair.

    Requests fail while it is down and has no records; from the repair on, none does.
    """
    lab, held = bench.lab, bench.generations()
    with Flow(bench.gateway) as flow:
        with flow.excused():
            lab.call(lab.control_plane.reboot(refused=0.3, unavailable=0.3))
            empty(bench.gateway)
            bench.until(lambda: len(bench.events("repaired")) == 2 and bench.in_order())
            lab.settle()
        flow.more(20)
        bench.rotate()
    assert {event["generation"] for event in bench.events("repaired")} == set(held.values())


def test_token_limit_reached(gateway: Gateway, tmp_path: Path) -> None:
    plane = gateway.lab.control_plane
    with gateway.stage.device.connect("rotator") as device:
        device.data_group(CLASSIFIER)
        account = list(plane.tokens._tokens.values())[-1].account

    async def fill() -> list[Any]:
        return [plane.tokens.issue(account) for _ in range(100 - len(plane.tokens))]

    async def free(tokens: list[Any]) -> None:
        for token in tokens:
            plane.tokens.delete(token)

    tokens = gateway.lab.call(fill())
    bench = Bench(gateway, tmp_path)
    with Flow(gateway) as flow:
        bench.until(lambda: bench.generations()["chat"] is not None or bench.engine.board.answered("chat") == [])
        bench.ticks(0.5)
        assert "as many login tokens as the device allows" in bench.reason()
        flow.more()
        gateway.lab.call(free(tokens))
        bench.until(bench.in_order)
    bench.engine.stop()


def test_clock_10_min_off(bench: Bench) -> None:
    """The device's clock: said, with what to do about it; credentials go on arriving all the same."""
    with Flow(bench.gateway, [CHAT]):
        bench.lab.clock_offset = 600.0
        try:
            held = bench.generations()
            bench.engine.rotate_now()
            bench.until(lambda: "its clock is" in bench.reason() and bench.generations() != held)
            assert "600 s ahead of" in bench.reason() or "599 s" in bench.reason() or "601 s" in bench.reason()
            assert "check its NTP servers" in bench.reason()
            assert any("its clock is" in trouble for trouble in bench.engine.health())
        finally:
            bench.lab.clock_offset = 0.0
        bench.until(bench.in_order)


@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_clock_10_min_off_on_the_rotators_own_host(
    gateway: Gateway, tmp_path: Path, ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes by AWS's clock: a token made by a clock that is ahead would be refused. Said, until it is put right.

    The sessions are eleven minutes old, so by the wrong clock the next token would be due.
    """
    wrong = SimpleNamespace(time=lambda: time.time() + ahead, monotonic=time.monotonic, sleep=time.sleep)

    def aged(role: str) -> Callable[[], SessionCredentials]:
        def fetch() -> SessionCredentials:
            clocks.note_aws(SimpleNamespace(headers={"date": formatdate(usegmt=True)}))
            new = gateway.lab.cloud.sessions.issue(gateway.lab.spec.roles[role].arn, 3600)
            return replace(new, issued_at=new.issued_at - 660, expiration=new.expiration - 660)

        return fetch

    with monkeypatch.context() as patch:
        patch.setattr(clocks, "time", wrong)
        patch.setattr(connection, "time", wrong)
        bench = Bench(gateway, tmp_path)
        for role, source in bench.sources.items():
            source.next = aged(role)
        empty(gateway)  # what is there is of sessions that are newer
        bench.until(lambda: all(bench.generations().values()))
        gateway.lab.settle()
        with Flow(gateway) as flow:
            flow.more(20)
            (said,) = bench.engine.health()
            assert "the clock of this machine is " in said
            assert ("ahead of" if ahead > 0 else "behind") in said
            patch.undo()
            bench.engine.rotate_now()
            bench.until(bench.in_order)
    bench.engine.stop(grace=3.0)


# The rotator itself


POINTS = {
    "logging in": ("POST", "/mgmt/shared/authn/login"),
    "reading": ("GET", GROUP),
    "before the PATCH is applied": ("PATCH", GROUP),
    "after the PATCH is applied": ("PATCH", GROUP),
    "reading back": ("GET", GROUP),
}
"""Points of a rotation -> the request that the device has just got."""


@pytest.mark.parametrize("point", list(POINTS))
def test_rotator_killed_at_any_point_and_started_again(aws: Gateway, tmp_path: Path, point: str) -> None:
    method, path = POINTS[point]
    plane = aws.lab.control_plane

    passed = []

    def kill(request: Request) -> bool:
        passed.append(request)
        if point == "reading back" and len(passed) == 1:
            return False
        if point == "after the PATCH is applied":
            apply_patch(aws, request)
        process.send_signal(signal.SIGKILL)
        return True

    with Flow(aws) as flow:
        put_session(aws)
        plane.faults.append(Fault(method=method, path=path, drop=True, when=kill))
        with started(aws, tmp_path) as process:
            assert process.wait(20) == -signal.SIGKILL
        assert plane.faults[0].times == 0
        flow.more()
        with rotating(aws, tmp_path, source=source_for):
            flow.more()


def test_rotator_killed_at_random_and_started_again(aws: Gateway, tmp_path: Path) -> None:
    with Flow(aws) as flow:
        for _ in range(3):
            put_session(aws)
            with started(aws, tmp_path) as process:
                time.sleep(random.uniform(0.3, 2.5))  # noqa: S311 (not cryptography)
                process.send_signal(signal.SIGKILL)
            flow.more()
        with rotating(aws, tmp_path, source=source_for):
            flow.more()


def test_midnight_utc_passing(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every clock is moved to two seconds before midnight; requests are signed with the keys of both days."""
    lab = gateway.lab
    midnight = (time.time() // 86400 + 1) * 86400
    offset = midnight - 2.0 - time.time()

    def clock() -> float:
        return time.time() + offset

    for part in (lab.cloud.runtime, lab.cloud.sessions):
        monkeypatch.setattr(part, "_clock", clock)
    for limit in ("WARNING", "ERROR"):  # only this process's own clock is where it was
        monkeypatch.setattr(clocks, limit, 1e9)
    lab.clock_offset = offset
    try:
        with rotating(gateway, tmp_path, clock=clock) as bench, Flow(gateway) as flow:
            while clock() < midnight + 1.0:
                bench.rotate()
                flow.more()
            group = lab.config.get(DataGroup, CLASSIFIER)
            assert group is not None
            with bench.inventory.devices[0].connect("rotator") as device:
                found = decode_all(device.data_group(CLASSIFIER).records)
        assert len({one.date for one in found if isinstance(one, SigningRecord)}) == 2
        dates = {
            request.values("Authorization")[0].split(b"/")[1]
            for request in gateway.seen()[-flow.answers[INVOKE] * 2 :]
            if request.target.startswith(b"/endpoints/churn") and request.time > midnight - 10
        }
        assert len(dates) == 2
    finally:
        lab.clock_offset = 0.0
        monkeypatch.undo()
        # What is on the device now ends a day from now.
        with rotating(gateway, tmp_path / "after") as bench:
            for source in bench.sources.values():
                assert isinstance(source, Issued)
