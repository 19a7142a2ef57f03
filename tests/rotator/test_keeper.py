"""When a role's source is asked, and which session is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.errors import SourceError
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import Rotation
from rotator.keeper import JITTER, Keeper, back_off, generation

SPEC = load(Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml")
NOW = 1_795_262_400.0
LIFE = 3600.0


def session(issued: float = NOW, life: float = LIFE, key: str = "A") -> SessionCredentials:
    return SessionCredentials("ASIAIOSFODNN7EXAMPL" + key, "secret", "token" + key, issued + life, issued)


class Scripted:
    """Gives what the test says."""

    def __init__(self, *found: SessionCredentials | Exception, polled: bool = False) -> None:
        self.found = list(found)
        self.polled = polled

    def fetch(self) -> SessionCredentials:
        one = self.found.pop(0)
        if isinstance(one, Exception):
            raise one
        return one


def keeper(*found: SessionCredentials | Exception, polled: bool = False, spec: Spec = SPEC) -> Keeper:
    source: Any = Scripted(*found, polled=polled)
    return Keeper(spec, "chat", source, rotator="host-1", interval=60.0)


def take(one: Keeper, now: float = NOW, ticks: float = 0.0, revoked: int = 0) -> bool:
    return one.take(one.fetch(lambda: now), now, ticks, revoked)


def test_refreshed_at_two_thirds_of_its_life_and_a_little_before() -> None:
    one = keeper(session())
    assert one.wants_fetch(NOW, 0.0, 0)
    assert take(one)
    due = NOW + LIFE * 2 / 3
    assert not one.wants_fetch(due - JITTER * LIFE, 1.0, 0)
    assert one.wants_fetch(due, 1.0, 0)
    assert due - JITTER * LIFE <= one.next_at(NOW, 0.0) <= due - 20  # time to bring it before it is late


def test_rotators_spread() -> None:
    moments = set()
    for _ in range(20):
        one = keeper(session())
        take(one)
        moments.add(one.next_at(NOW, 0.0))
    assert len(moments) > 15


@pytest.mark.parametrize(
    ("rotation", "after"),
    [
        ({"maximum_age": 900}, 900.0),
        ({"renew_before": 600}, 3000.0),
        ({"maximum_age": 900, "renew_before": 600}, 900.0),
    ],
)
def test_rotation_of_gateway_yaml_overrides(rotation: dict[str, int], after: float) -> None:
    role = SPEC.roles["chat"].model_copy(update={"rotation": Rotation(**rotation)})
    one = keeper(session(), spec=SPEC.model_copy(update={"roles": {**SPEC.roles, "chat": role}}))
    take(one)
    assert NOW + after * (1 - JITTER) <= one.next_at(NOW, 0.0) <= NOW + after


def test_a_polled_source_is_asked_every_interval() -> None:
    one = keeper(session(), session(), polled=True)
    assert take(one)
    assert not one.wants_fetch(NOW, 50.0, 0)
    assert one.wants_fetch(NOW, 70.0, 0)
    assert not take(one, ticks=70.0)


def test_an_outage_keeps_the_last_good_one_until_it_is_over() -> None:
    one = keeper(session(), *[SourceError("down")] * 9)
    take(one)
    for ticks in range(1, 9):
        assert not take(one, now=NOW + 2500, ticks=float(ticks))
        assert one.wanted(NOW + 2500, 0).material is not None
    assert one.problem == "down"
    wanted = one.wanted(NOW + LIFE - 30, 0)
    assert (wanted.material, wanted.problem) == (None, "down")


def test_failures_back_off() -> None:
    one = keeper(*[SourceError("down")] * 8)
    waits = []
    for _ in range(8):
        take(one, ticks=1000.0)
        waits.append(one.next_at(NOW, 1000.0) - NOW)
    assert 3.7 <= waits[0] <= 6.3
    assert waits[2] > 14
    assert 44 <= waits[-1] <= 76
    assert not one.wants_fetch(NOW, 1001.0, 0)


def test_back_off_never_overflows() -> None:
    assert back_off(10_000) <= 75.0


def test_a_defect_of_a_source_is_told_without_its_text() -> None:
    one = keeper(RuntimeError("secret"))
    take(one)
    assert one.problem == "role chat: unexpected RuntimeError from its source"


def test_an_older_session_is_not_taken_while_the_newer_is_good() -> None:
    newer, older = session(), session(NOW - 600, key="B")
    one = keeper(newer, older)
    take(one)
    assert not take(one)
    assert one.session == newer
    assert "600 s older than the one it gave before" in one.problem
    late = keeper(newer, session(NOW - 600, 7200, "B"))
    take(late)
    assert take(late, now=NOW + LIFE - 10)
    assert late.session is not None
    assert late.session.access_key_id.endswith("B")


@pytest.mark.parametrize(
    ("odd", "says"),
    [(session(NOW + 3600), "from 3600 s in the future"), (session(NOW - 3580), "that ends in 20 s")],
)
def test_a_session_that_cannot_be_right(odd: SessionCredentials, says: str) -> None:
    one = keeper(odd)
    assert not take(one)
    assert says in one.problem
    assert one.session is None


def test_what_was_revoked_is_dropped_and_asked_for_anew() -> None:
    old = session()
    revoked = generation(old) + 500
    one = keeper(old, old, session(NOW + 1, key="B"))
    take(one)
    assert one.wants_fetch(NOW, 1.0, revoked)
    assert one.wanted(NOW, revoked).material is None
    take(one, revoked=revoked)
    assert "issued before the revocation of 2026-11-21T12:00:00Z" in one.problem
    assert one.session is None
    assert take(one, now=NOW + 1, ticks=10.0, revoked=revoked)
    assert one.wanted(NOW + 1, revoked).material is not None


def test_a_reload_keeps_the_session_of_an_unchanged_role() -> None:
    before, after = keeper(session()), keeper()
    take(before)
    after.inherit(before)
    assert after.session == before.session
    assert not after.wants_fetch(NOW, 0.0, 0)
    role = SPEC.roles["chat"].model_copy(update={"arn": "arn:aws:iam::123456789012:role/other"})
    changed = keeper(spec=SPEC.model_copy(update={"roles": {**SPEC.roles, "chat": role}}))
    changed.inherit(before)
    assert changed.session is None


def test_devices_of_one_round_get_the_same_material() -> None:
    one = keeper(session())
    take(one)
    assert one.wanted(NOW, 0).material is one.wanted(NOW + 10, 0).material
    assert one.wanted(NOW, 0).material is not one.wanted(NOW + 40, 0).material
