"""How far clocks are apart, and what is said about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from control_plane import EmulatedDevice
from emulated_aws import EmulatedAws

from bigip_sm.bigip.connection import skew
from rotator import clocks
from rotator.push import Result
from rotator.sources.clients import client


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    clocks.forget()
    yield
    clocks.forget()


@pytest.mark.parametrize("date", ["", "rubbish", "Sat, 99 Nov 2026 12:00:00 GMT", None])
def test_no_date_changes_nothing(date: str | None) -> None:
    assert skew(date, 0.0, 7.0) == 7.0


def test_a_date_is_told_in_whole_seconds() -> None:
    assert skew("Sat, 21 Nov 2026 12:00:00 GMT", 1_795_262_400.0, None) == 0.5


@pytest.mark.parametrize(
    ("device", "aws", "said"),
    [
        (None, 0.0, ""),
        (60.0, None, ""),
        (61.0, None, "bigip-a: its clock is 61 s ahead of ours"),
        (-300.0, None, "bigip-a: its clock is 300 s behind ours"),
        (300.0, 300.0, ""),
        (0.0, -120.0, "bigip-a: its clock is 120 s ahead of AWS's"),
    ],
)
def test_what_is_said(device: float | None, aws: float | None, said: str) -> None:
    _, text = clocks.complaint("bigip-a", device, aws)
    assert text.partition(":" if not said else ": AWS")[0] == said
    assert not said or "check its NTP servers" in text


@pytest.mark.parametrize(
    ("ahead", "state"), [(0.0, "pushed"), (239.0, "pushed"), (241.0, "failed"), (-241.0, "failed")]
)
def test_over_four_minutes_is_an_error_with_its_reason(ahead: float, state: str) -> None:
    result = clocks.judged(Result("chat", "bigip-a", "pushed", generation=1, skew=ahead))
    assert (result.state, result.generation) == (state, 1)
    assert ("AWS refuses what is signed more than 300 s off" in result.reason) == (state == "failed")
    assert result.failure == ("clock" if state == "failed" else "")


def test_our_own_clock() -> None:
    assert clocks.own_complaint(None) == (0.0, "")
    assert "the clock of this machine is 90 s behind AWS's" in clocks.own_complaint(90.0)[1]


def test_aws_is_read_off_its_answers() -> None:
    clocks.note_aws(SimpleNamespace(headers={"date": formatdate(time.time() + 100, usegmt=True)}))
    assert clocks.aws_skew() == pytest.approx(100, abs=2)
    clocks.note_aws(SimpleNamespace(headers={}))
    assert clocks.aws_skew() == pytest.approx(100, abs=2)


@pytest.mark.parametrize(("ahead", "followed"), [(59.0, False), (-59.0, False), (600.0, True), (-600.0, True)])
def test_aws_is_followed_where_ours_is_more_than_a_minute_off(ahead: float, followed: bool) -> None:
    assert clocks.now() == pytest.approx(time.time(), abs=1)
    clocks.note_aws(SimpleNamespace(headers={"date": formatdate(time.time() + ahead, usegmt=True)}))
    assert clocks.now() == pytest.approx(time.time() + (ahead if followed else 0.0), abs=2)


def test_when_our_clock_is_set_aws_is_not_known_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks.note_aws(SimpleNamespace(headers={"date": formatdate(time.time() + 600, usegmt=True)}))
    was_set = SimpleNamespace(time=lambda: time.time() + 600, monotonic=time.monotonic)
    monkeypatch.setattr(clocks, "time", was_set)
    assert clocks.aws_skew() is None
    assert clocks.now() == pytest.approx(time.time() + 600, abs=1)


def test_every_client_of_ours_reads_it(aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    client("chat", "sts", "us-east-1").get_caller_identity()
    assert clocks.aws_skew() == pytest.approx(0.0, abs=2.0)


def test_devices_are_read_off_theirs(emulated: EmulatedDevice) -> None:
    emulated.now = lambda: time.time() - 600
    with emulated.connect("admin") as device:
        assert device.clock_skew is None
        device.version()
        assert device.clock_skew == pytest.approx(-600, abs=2.0)
