"""Records of weights: what `bigip-sm weights` reads in one is what the iRule does with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_devices import MemoryDevice
from rule_procedures import Procedures
from versions_kit import SPEC

from bigip_sm.bigip.device import Record
from bigip_sm.bigip.weights import LONGEST, State, Weights, change, decode, encode, states
from bigip_sm.errors import DeviceError
from bigip_sm.render.irule import render_irule
from bigip_sm.spec import load

NAMES = ("old", "new-1", "third_2")
INITIAL = {"old": 70, "new-1": 20, "third_2": 10}
PATH = "/bigip_sm/regions.weights"

names = st.sampled_from(NAMES)
numbers = st.one_of(st.integers(0, 100).map(str), st.sampled_from(["00", "007", "100", "1000", "", "-1", "1e2", "٣"]))
pairs = st.tuples(st.one_of(names, st.sampled_from(["gone", "", "Old", "old "])), numbers).map("=".join)
rubbish = st.text(alphabet="0123456789|,=-_ aolde\n\\[]{}$\"'", max_size=40)
records = st.one_of(
    st.lists(pairs, max_size=5).map(lambda found: "1|" + ",".join(found)),
    st.builds(str.__add__, st.sampled_from(["1|", "2|", "", "1|\n"]), rubbish),
    st.integers(LONGEST - 30, LONGEST + 5).map(lambda size: "1|old=100,".ljust(size - 6, "a") + "=0,b=0"),
)


class Rule:
    """The rule's reading of weights, in its own Tcl."""

    def __init__(self, spec_file: Path) -> None:
        self.data = ""
        text = render_irule(load(spec_file), "public")
        self.procedures = Procedures(text, {"class": lambda *_: self.data})

    def read(self, data: str) -> Weights | None:
        """The weights that the rule follows; None if they are those of gateway.yaml."""
        self.data = data
        found = self.procedures.run("bsm_weights", "canary", encode(INITIAL).removeprefix("1|"))
        words = self.procedures.words(found or "")
        return dict(zip(words[::2], map(int, words[1::2]), strict=True))


@pytest.fixture(scope="module")
def rule(tmp_path_factory: pytest.TempPathFactory) -> Rule:
    file = tmp_path_factory.mktemp("weights") / "gateway.yaml"
    file.write_text(SPEC)
    return Rule(file)


@given(records)
def test_what_is_read_is_what_the_rule_follows(rule: Rule, data: str) -> None:
    assert (decode(data, NAMES) or INITIAL) == rule.read(data)


@given(st.integers(0, 100), st.integers(0, 100))
def test_what_is_written_is_read_back(rule: Rule, one: int, two: int) -> None:
    low, high = sorted((one, two))
    weights = {"old": low, "new-1": high - low, "third_2": 100 - high}
    assert decode(encode(weights), NAMES) == weights == rule.read(encode(weights))


@pytest.mark.parametrize(
    ("data", "weights"),
    [
        ("1|old=100", {"old": 100, "new-1": 0, "third_2": 0}),
        ("1|old=90,gone=10", None),
        ("1|old=100,gone=10", {"old": 100, "new-1": 0, "third_2": 0}),
        ("1|old=50,old=0,new-1=100", {"old": 0, "new-1": 100, "third_2": 0}),
        ("1|old=100\n", None),
        ("1|", None),
        ("", None),
    ],
)
def test_records_at_the_edge(rule: Rule, data: str, weights: Weights | None) -> None:
    assert decode(data, NAMES) == weights
    assert rule.read(data) == (weights or INITIAL)


def device(*groups: Record) -> Any:
    made = MemoryDevice("one")
    made.replace_records(PATH, groups)
    return made


def test_a_change_leaves_the_records_of_others_and_keeps_what_was_before() -> None:
    other = Record("upstream/spread", "1|a=100")
    changed = device(other)
    wanted = {"old": 0, "new-1": 100, "third_2": 0}
    assert change(changed, PATH, "canary", wanted, INITIAL) == State(INITIAL, wanted, INITIAL)
    assert set(changed.data_group(PATH).records) == {
        other,
        Record("canary", "1|old=0,new-1=100,third_2=0"),
        Record("before/canary", "-"),
    }
    assert change(changed, PATH, "canary", INITIAL, INITIAL).before == wanted


def test_what_is_in_force_already_is_not_written() -> None:
    same = device()
    same.log.clear()
    change(same, PATH, "canary", INITIAL, INITIAL)
    assert "write" not in same.log


def test_a_device_without_the_group_says_how_it_is_made() -> None:
    empty: Any = MemoryDevice("one")
    with pytest.raises(DeviceError, match=r"there is no data group /bigip_sm/regions.weights; make it with: bigip-sm"):
        states(empty, PATH, {"canary": INITIAL})


def test_a_device_that_does_not_hold_what_was_written_is_reported() -> None:
    deaf = device()
    deaf.replace_records = lambda path, records: None
    with pytest.raises(DeviceError, match="does not hold the weights that were written"):
        change(deaf, PATH, "canary", {"old": 0, "new-1": 100, "third_2": 0}, INITIAL)
