"""Pushing to emulated devices: what is written, what is left alone, and one bad device among good ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from background_loop import BackgroundLoop
from control_plane import EmulatedDevice

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.device import DataGroup, Device, Record
from bigip_sm.errors import AuthenticationFailed, DeviceError, DeviceUnreachable
from bigip_sm.lab.bigip.config import Change
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import DataGroup as LabGroup
from bigip_sm.lab.pki import Authority
from bigip_sm.spec import load
from rotator.fleet import Unit, rotate_all
from rotator.material import Material, make
from rotator.push import Result, Wanted, push_role
from rotator.targets import Target

SPEC = load(Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml")


def made(role: str = "classifier", *, ago: float = 0, life: float = 3600, key: str = "A") -> Material:
    now = time.time()
    session = SessionCredentials(
        "ASIAIOSFODNN7EXAMPL" + key, "secret" + key, "token" + key, now - ago + life, now - ago
    )
    return make(SPEC, role, session, now=now, rotator="host-1")


@pytest.fixture
def ready(emulated: EmulatedDevice) -> EmulatedDevice:
    """A device after ``apply``."""
    return prepared(emulated)


def prepared(device: EmulatedDevice) -> EmulatedDevice:
    with device.connect("admin") as client:
        client.create_partition("bigip_sm", "")
        for role in SPEC.roles:
            client.create_data_group(DataGroup(f"/bigip_sm/quickstart.{role}"))
    return device


def wanted(material: Material) -> Wanted:
    return Wanted(material.role, material.path, material)


def push_all(targets: list[Target], materials: list[Material], **how: Any) -> list[Result]:
    return rotate_all([Unit(one.name, [one]) for one in targets], [wanted(one) for one in materials], **how)


def push(device: EmulatedDevice, material: Material, *, force: bool = False) -> Result:
    with device.connect("rotator") as client:
        return push_role(client, wanted(material), now=time.time(), force=force)


def held(device: EmulatedDevice, material: Material) -> tuple[Record, ...]:
    group = device.config.get(LabGroup, material.path)
    assert group is not None
    return tuple(Record(*record) for record in group.records)


def target(device: EmulatedDevice) -> Target:
    return Target(device.name, lambda deadline: device.connect("rotator"))


def changes(device: EmulatedDevice) -> list[Change]:
    seen: list[Change] = []
    device.config.subscribe(seen.extend)
    return seen


def test_pushed_once_then_fresh(ready: EmulatedDevice) -> None:
    seen = changes(ready)
    material = made()
    first = push(ready, material)
    assert (first.state, first.generation, first.expires_at) == (
        "pushed",
        material.meta.generation,
        material.meta.expires_at,
    )
    assert held(ready, material) == material.records()
    assert push(ready, material) == replace(first, state="fresh", reason="already fresh", wrote=False, repaired=False)
    assert len(seen) == 1


def test_newer_stays_unless_forced(ready: EmulatedDevice) -> None:
    older, newer = made(ago=60), made(key="B")
    assert push(ready, older).state == "pushed"
    assert push(ready, newer).state == "pushed"
    result = push(ready, older)
    assert (result.state, result.generation) == ("fresh", newer.meta.generation)
    assert "the device holds a newer credential" in result.reason
    assert held(ready, newer) == newer.records()
    assert push(ready, older, force=True).state == "pushed"
    assert held(ready, older) == older.records()


def test_missing_group_is_made(ready: EmulatedDevice) -> None:
    material = made()
    group = ready.config.get(LabGroup, material.path)
    assert group is not None
    ready.config.commit(delete=[group])
    assert push(ready, material).state == "pushed"
    assert held(ready, material) == material.records()


def test_missing_partition_says_what_to_do(emulated: EmulatedDevice) -> None:
    result = push(emulated, made())
    assert (result.state, result.reason) == (
        "failed",
        "bigip-a: partition bigip_sm does not exist; run `bigip-sm apply` first",
    )


def test_group_of_another_type(ready: EmulatedDevice) -> None:
    ready.config.commit(put=[LabGroup(made().path, "ip", ())])
    assert "has type ip, not string" in push(ready, made()).reason


def test_lost_and_poisoned_records_are_repaired(ready: EmulatedDevice) -> None:
    material = made()
    push(ready, material)
    with ready.connect("admin") as client:
        client.replace_records(material.path, [Record("meta", "1|99999999999999|9999999999|9999999999|evil")])
    assert push(ready, material).state == "pushed"
    assert held(ready, material) == material.records()


def test_session_that_ends_soon_is_pushed_and_stale(ready: EmulatedDevice) -> None:
    material = made(life=200)
    first = push(ready, material)
    assert (first.state, held(ready, material)) == ("stale", material.records())
    assert "the session ends in" in first.reason
    assert (first.wrote, push(ready, material).state) == (True, "stale")


def test_a_device_that_keeps_something_else_is_found_out(ready: EmulatedDevice) -> None:
    class Lying:
        """Takes every PATCH and keeps what it had."""

        name = "bigip-a"

        def __init__(self, client: Device) -> None:
            self.data_group = client.data_group

        def replace_records(self, path: str, records: object) -> None:
            pass

    material = made()
    with ready.connect("rotator") as client:
        result = push_role(Lying(client), wanted(material), now=time.time())  # type: ignore[arg-type]  # all that is called
    assert result.state == "failed"
    assert "reads back differently: meta, sigv4/sagemaker/us-east-1/" in result.reason
    assert "tokenA" not in result.reason


def test_reset_after_the_patch_was_applied(ready: EmulatedDevice) -> None:
    ready.plane.faults.append(Fault(method="PATCH", reset=True))
    material = made()
    assert push(ready, material).state == "pushed"
    assert held(ready, material) == material.records()


def test_every_role_with_one_login(ready: EmulatedDevice) -> None:
    issued = 0
    issue = ready.plane.tokens.issue

    def counted(*arguments: object) -> object:
        nonlocal issued
        issued += 1
        return issue(*arguments)  # type: ignore[arg-type]  # passed on as they are

    ready.plane.tokens.issue = counted  # type: ignore[method-assign,assignment]  # restored with the fixture
    results = push_all([target(ready)], [made("classifier"), made("chat")])
    assert [(result.role, result.state) for result in results] == [("classifier", "pushed"), ("chat", "pushed")]
    assert issued == 1
    assert len(ready.plane.tokens) == 0


@pytest.fixture
def second(background: BackgroundLoop, tmp_path: Path) -> Iterator[EmulatedDevice]:
    folder = tmp_path / "second"
    folder.mkdir()
    device = EmulatedDevice("bigip-b", background, folder, Authority.create("Second CA"))
    device.start()
    yield prepared(device)
    device.stop()


def test_a_dead_device_hides_and_delays_nothing(ready: EmulatedDevice, second: EmulatedDevice) -> None:
    second.stop()
    started = time.monotonic()
    results = push_all([target(second), target(ready)], [made("classifier"), made("chat")])
    assert [(result.device, result.role, result.state) for result in results] == [
        ("bigip-b", "classifier", "failed"),
        ("bigip-a", "classifier", "pushed"),
        ("bigip-b", "chat", "failed"),
        ("bigip-a", "chat", "pushed"),
    ]
    assert "bigip-b: no connection to 127.0.0.1:" in results[0].reason
    assert time.monotonic() - started < 5
    second.start()


def test_a_hanging_device_is_given_up_at_its_deadline(
    ready: EmulatedDevice, second: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rotator.fleet.GRACE", 0.2)
    released = threading.Event()

    def hang(deadline: float) -> Device:
        released.wait(20)
        raise DeviceError("bigip-b", "woken")

    started = time.monotonic()
    results = push_all([Target("bigip-b", hang), target(ready)], [made()], deadline=0.5)
    assert time.monotonic() - started < 2
    assert [result.state for result in results] == ["failed", "pushed"]
    assert results[0].reason == "bigip-b: not done after 0.5 s"
    released.set()


def test_slow_device_ends_at_its_deadline_by_itself(ready: EmulatedDevice) -> None:
    ready.plane.faults.append(Fault(path="/mgmt/tm", delay=3.0, times=5))

    def connect(deadline: float) -> Device:
        client = ready.connect("rotator")
        client.session.deadline = deadline
        return client

    started = time.monotonic()
    (result,) = push_all([Target("bigip-a", connect)], [made()], deadline=0.5)
    assert time.monotonic() - started < 2.5
    assert result.state == "failed"
    assert "no answer to GET" in result.reason
    assert len(ready.plane.tokens) == 0


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (AuthenticationFailed("bigip-a", "no"), 1),
        (DeviceUnreachable("bigip-a", "no"), 1),
        (DeviceError("bigip-a", "no"), 2),
        (RuntimeError("a secret"), 2),
    ],
)
def test_what_ends_a_device_and_what_only_a_role(error: Exception, tried: int) -> None:
    calls: list[str] = []
    closed: list[bool] = []

    class Failing:
        name = "bigip-a"

        def data_group(self, path: str) -> DataGroup:
            calls.append(path)
            raise error

        def close(self) -> None:
            closed.append(True)

    connect: Callable[[float], Device] = lambda deadline: Failing()  # type: ignore[assignment,return-value]  # noqa: E731
    results = push_all([Target("bigip-a", connect)], [made("classifier"), made("chat")])
    assert [result.state for result in results] == ["failed", "failed"]
    assert len(calls) == tried
    assert closed == [True]
    assert "a secret" not in results[0].reason + results[1].reason


def test_login_is_not_tried_again_for_every_role(ready: EmulatedDevice) -> None:
    ready.plane.faults.append(Fault(method="POST", path="/mgmt/shared/authn/login", status=401, times=9))
    results = push_all([target(ready)], [made("classifier"), made("chat")])
    assert {result.state for result in results} == {"failed"}
    assert ready.plane.faults[0].times == 8
