"""Is what a device holds to be replaced?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.device import DataGroup, Record
from bigip_sm.spec import load
from rotator.generations import MARGIN, judge
from rotator.material import Material, make

SPEC = load(Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml")
NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z
ROLES = ("classifier", "chat")


def made(
    role: str = "classifier", now: float = NOW, issued: float = NOW, life: float = 3600, key: str = "A"
) -> Material:
    credentials = SessionCredentials("ASIAIOSFODNN7EXAMPL" + key, "secret" + key, "token" + key, issued + life, issued)
    return make(SPEC, role, credentials, now=now, rotator="host-1")


def held(material: Material) -> DataGroup:
    return DataGroup(material.path, "string", material.records())


def with_record(group: DataGroup, name: str, change: Callable[[str], str] | None) -> DataGroup:
    """The group with one record's data changed; None removes the record."""
    kept = [record for record in group.records if record.name != name]
    (old,) = [record for record in group.records if record.name == name]
    return DataGroup(group.path, group.type, (*kept, *([Record(name, change(old.data))] if change else [])))


def test_nothing_there() -> None:
    assert judge(None, made(), NOW).action == "push"
    assert judge(DataGroup(made().path), made(), NOW).why == "the data group is empty"


@pytest.mark.parametrize("role", ROLES)
def test_the_same_is_fresh(role: str) -> None:
    material = made(role)
    verdict = judge(held(material), material, NOW)
    assert (verdict.action, verdict.present) == ("fresh", material.meta)


@pytest.mark.parametrize("role", ROLES)
def test_generations(role: str) -> None:
    old, new = made(role, issued=NOW - 60), made(role, key="B")
    assert judge(held(old), new, NOW).action == "push"
    assert judge(held(new), old, NOW).action == "older"


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_two_rotators_never_play_ping_pong(first: int, second: int) -> None:
    """Of two valid credentials at most one replaces the other."""
    one, other = made(issued=NOW - first, life=7200), made(issued=NOW - second, life=7200, key="B")
    pushes = [judge(held(one), other, NOW).action, judge(held(other), one, NOW).action].count("push")
    assert pushes == (0 if first == second else 1)


def test_equal_generation_of_another_rotator_is_accepted() -> None:
    assert judge(held(made(key="B")), made(), NOW).action == "fresh"


def test_of_equal_generations_the_longer_lasting_wins() -> None:
    short, long = made(), made(key="B", life=5400)
    assert judge(held(short), long, NOW).action == "push"
    assert judge(held(long), short, NOW).action == "fresh"


SIGNING = "sigv4/sagemaker/us-east-1/20261121"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (SIGNING, None),
        (SIGNING, lambda data: ""),
        (SIGNING, lambda data: data + "|x"),
        (SIGNING, lambda data: data.replace("1|ASIA", "2|ASIA")),
        (SIGNING, lambda data: data.replace("tokenA", "tokenX")),
        (SIGNING, lambda data: data[:23] + ("0" if data[23] != "0" else "1") + data[24:]),
        ("meta", None),
        ("meta", lambda data: "garbled"),
    ],
)
def test_drift_is_repaired(name: str, change: Callable[[str], str] | None) -> None:
    material = made()
    group = held(material)
    assert judge(group, material, NOW).action == "fresh"
    verdict = judge(with_record(group, name, change), material, NOW)
    assert verdict.action == "push"
    assert "tokenX" not in verdict.why


@pytest.mark.parametrize("name", ["sigv4/sagemaker/eu-west-1/20261121", "bearer/us-east-1"])
def test_a_stranger_among_the_records_is_removed(name: str) -> None:
    group = held(made())
    data = group.records[1].data if name.startswith("sigv4") else f"1|{int(NOW) + 600}|token"
    verdict = judge(dataclasses.replace(group, records=(*group.records, Record(name, data))), made(), NOW)
    assert (verdict.action, verdict.why) == ("push", f"record {name} is not the gateway's")


def test_yesterdays_key_may_stay() -> None:
    """Two rotators whose clocks differ a little must not repair each other around midnight."""
    midnight = 1_795_219_200.0
    before, after = made(now=midnight + 890, issued=midnight), made(now=midnight + 910, issued=midnight)
    assert len(before.signing) == 2
    assert len(after.signing) == 1
    assert judge(held(before), after, midnight + 910).action == "fresh"
    assert judge(held(after), before, midnight + 890).action == "push"


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize(
    ("role", "name", "change"),
    [
        ("classifier", SIGNING, lambda data: data.replace(str(int(NOW) + 3600), str(int(NOW) + MARGIN))),
        ("classifier", SIGNING, lambda data: data.replace(str(int(NOW) + 3600), str(int(NOW) + 12 * 3600 + 1))),
        ("classifier", SIGNING, lambda data: data.replace(str(int(NOW) + 3600), "99999999999")),
        ("chat", "bearer/us-west-2", lambda data: data.replace(str(int(NOW) + 3600), str(int(NOW)))),
        ("chat", "bearer/us-west-2", None),
        ("chat", "meta", lambda data: f"1|99999999999999|{int(NOW)}|{int(NOW) + 3600}|evil"),
        ("chat", "meta", lambda data: f"1|{int(NOW) * 1000}|99999999999|{int(NOW) + 3600}|evil"),
    ],
)
def test_what_is_not_valid_keeps_no_good_credential_out(
    role: str, name: str, change: Callable[[str], str] | None, newer: bool
) -> None:
    """Whatever its generation: a poisoned, expired or incomplete group is replaced."""
    group = with_record(held(made(role)), name, change)
    material = made(role, issued=NOW - 120 if newer else NOW, key="B")
    assert judge(group, material, NOW).action == "push"


def test_bearer_tokens_are_renewed_in_time() -> None:
    issued = NOW
    first = made("chat", life=7200)
    actions = []
    for minute in range(0, 120, 5):
        now = issued + 60 * minute
        actions.append(judge(held(first), made("chat", now=now, issued=issued, life=7200), now).action)
    assert actions[:4] == ["fresh"] * 4
    assert actions[6:] == ["push"] * (len(actions) - 6)


@given(
    st.lists(
        st.tuples(st.sampled_from([SIGNING, "meta", "bearer/us-east-1", "x"]), st.text(max_size=40)),
        unique_by=lambda r: r[0],
    )
)
def test_any_records_are_judged(records: list[tuple[str, str]]) -> None:
    group = DataGroup(made().path, "string", tuple(Record(*record) for record in records))
    assert judge(group, made(), NOW).action == "push"
