"""Versions and weighted regions as callers and AWS see them, and ``bigip-sm weights`` that moves them."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from gateway_kit import Answer
from versions_kit import AWAY, CHAT, HOME, Versions, region_of

from bigip_sm.bigip.device import Record
from bigip_sm.commands.main import cli
from bigip_sm.spec.names import credential_group, weights_group


@pytest.fixture
def regions(versions_gateway: Versions) -> Iterator[Versions]:
    """The gateway with the weights of gateway.yaml, before and after the test."""
    in_force(versions_gateway, {})
    yield versions_gateway
    in_force(versions_gateway, {})


def in_force(regions: Versions, records: dict[str, str]) -> None:
    """Replace the records of the group of weights."""
    with regions.stage.device.connect("administrator") as device:
        device.replace_records(weights_group("regions"), [Record(name, data) for name, data in records.items()])
    regions.lab.settle()


# regions by weight


def test_two_regions_alternating_on_one_connection(regions: Versions) -> None:
    before = len(regions.seen())
    with regions.client("alice") as client:
        assert [client.request("/spread", b"%d" % number).status for number in range(60)] == [200] * 60
    seen = regions.seen()[before:]
    # The emulated AWS has verified the signature, and that host and SNI are one; it answers no other request.
    assert {one.verdict for one in seen} == {"accepted"}
    assert all(one.sni == f"runtime.sagemaker.{region_of(one)}.amazonaws.com" for one in seen)
    order = [region_of(one) for one in seen]
    assert set(order) == {HOME, AWAY}
    assert sum(one != other for one, other in itertools.pairwise(order)) > 5


def test_weights_of_regions_are_those_in_force(regions: Versions) -> None:
    in_force(regions, {"upstream/spread": f"1|{HOME}=0,{AWAY}=100"})
    before = len(regions.seen())
    with regions.client("alice") as client:
        assert {client.request("/spread").status for _ in range(20)} == {200}
    assert {region_of(one) for one in regions.seen()[before:]} == {AWAY}


# versions


def test_a_caller_always_gets_the_same_version_and_shares_are_as_written(regions: Versions) -> None:
    got: Counter[str] = Counter()
    callers = [f"caller{number}" for number in range(24)]
    for caller in callers:
        with regions.client(caller) as client:
            versions = set()
            for _ in range(2):
                assert client.request("/canary", CHAT).status == 200
                versions.add(regions.endpoint())
        assert len(versions) == 1
        got.update(versions)
    # The same names always fall the same way: a fifth of 24, about.
    assert 1 <= got["model-v2"] <= 10
    assert sum(got.values()) == 24


def versions_of_some(regions: Versions) -> list[str]:
    """Which version each of a few callers gets."""
    found = []
    for number in range(8):
        assert regions.ask_as(f"caller{number}", "/canary", CHAT).status == 200
        found.append(regions.endpoint())
    return found


@pytest.mark.parametrize(
    "data", ["1|old=0,new=50", "2|old=0,new=100", "1|old=0,new=1e2", "rubbish", "1|" + "a=1," * 400, "", "1|old=100=0"]
)
def test_weights_that_are_not_whole_leave_those_of_the_file_in_force(regions: Versions, data: str) -> None:
    initial = versions_of_some(regions)
    in_force(regions, {"canary": data})
    assert versions_of_some(regions) == initial


def test_weights_of_versions_are_those_in_force(regions: Versions) -> None:
    for data, version in (("1|old=0,new=100", "model-v2"), ("1|new=0,old=100", "model-v1")):
        in_force(regions, {"canary": data})
        assert set(versions_of_some(regions)) == {version}


def chosen(regions: Versions, subject: str, version: str) -> Answer:
    return regions.ask_as(subject, "/canary", CHAT, (("X-Gateway-Version", version),))


def test_a_tester_chooses_a_version_by_header_and_nobody_else(regions: Versions) -> None:
    for version, name in (("old", "model-v1"), ("new", "model-v2")):
        assert chosen(regions, "tester", version).status == 200
        assert regions.endpoint() == name
        assert b"x-gateway-version" not in {name.lower() for name, _ in regions.seen()[-1].headers}
        assert chosen(regions, "alice", version).verdict == "403 version-not-allowed"
    for version in ("spread", "80", "", "old=80", "*"):
        assert chosen(regions, "tester", version).verdict == "403 version-not-allowed"


# bigip-sm weights


def weights(regions: Versions, *words: str, code: int = 0) -> str:
    """What the command prints."""
    file, devices = str(regions.stage.gateway_file), str(regions.lab.devices_file)
    done = CliRunner().invoke(cli, ["weights", words[0], file, *words[1:], "--devices", devices])
    assert done.exit_code == code, done.output
    regions.lab.settle()
    return done.output


def shown(regions: Versions) -> dict[str, dict[str, object]]:
    """What ``show`` says of each key."""
    rows = json.loads(weights(regions, "show", "--output", "json"))["weights"]
    return {row["key"]: row for row in rows}


def test_set_promote_and_revert_are_in_force_at_once(regions: Versions) -> None:
    assert shown(regions)["canary"]["in_force"] == {"old": 80, "new": 20}
    weights(regions, "set", "canary", "new=100")
    assert set(versions_of_some(regions)) == {"model-v2"}
    weights(regions, "promote", "canary", "old")
    assert set(versions_of_some(regions)) == {"model-v1"}
    assert shown(regions)["canary"]["before"] == {"old": 0, "new": 100}
    weights(regions, "revert", "canary")
    assert set(versions_of_some(regions)) == {"model-v2"}
    weights(regions, "promote", "upstream/spread", AWAY)
    assert shown(regions)["upstream/spread"]["in_force"] == {HOME: 0, AWAY: 100}
    assert shown(regions)["canary"]["in_force"] == {"old": 0, "new": 100}


def test_the_first_revert_goes_back_to_the_file(regions: Versions) -> None:
    weights(regions, "promote", "canary", "new")
    weights(regions, "revert", "canary")
    assert shown(regions)["canary"]["in_force"] == {"old": 80, "new": 20}


def test_the_rotator_and_apply_leave_weights_alone(regions: Versions) -> None:
    weights(regions, "promote", "canary", "new")
    assert regions.stage.rotate()[0] == 0
    regions.stage.apply()
    assert shown(regions)["canary"]["in_force"] == {"old": 0, "new": 100}
    with regions.stage.device.connect("administrator") as device:
        assert device.data_group(credential_group("regions", "plain")).records


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "canary", "old=50", "new=40"), "sum to 100"),
        (("set", "canary", "old=50", "other=50"), "old, new"),
        (("set", "nothing", "old=100"), "canary, upstream/spread"),
        (("promote", "canary", "spread"), "old, new"),
    ],
)
def test_wrong_words_change_nothing(regions: Versions, words: tuple[str, ...], said: str) -> None:
    assert said in weights(regions, *words, code=2)
    assert shown(regions)["canary"]["in_force"] == {"old": 80, "new": 20}
