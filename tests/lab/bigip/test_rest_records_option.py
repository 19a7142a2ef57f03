"""Single records by ``options=records``, and PUT by version."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from control_plane_kit import Box, start
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.lab.bigip.replies import Refusal
from bigip_sm.lab.bigip.tmsh import records_option

CHAT = "/mgmt/tm/ltm/data-group/internal/~bigip_sm~quickstart.chat"
NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)


@pytest.fixture
def box() -> Iterator[Box]:
    for made in start():
        made.make_credentials()
        records = [{"name": "a", "data": "1"}, {"name": "b", "data": "2"}]
        assert made.request("PATCH", CHAT, json={"records": records}).status_code == 200
        yield made


def option(box: Box, text: str, body: Any = None) -> tuple[int, Any]:
    answer = box.request("PATCH", CHAT, params={"options": text}, json=body or {})
    shown = box.request("GET", CHAT).json().get("records", [])
    return answer.status_code, {record["name"]: record.get("data", "") for record in shown}


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("records modify { a { data new } }", {"a": "new", "b": "2"}),
        ("records modify {a{data new}}", {"a": "new", "b": "2"}),
        ('records modify { a { data "1|two words {" } }', {"a": "1|two words {", "b": "2"}),
        (r"records modify { a { data x\ y\} } }", {"a": "x y}", "b": "2"}),
        ("records modify { a { } b { data 3 } }", {"a": "", "b": "3"}),
        ("records modify { a }", {"a": "1", "b": "2"}),
        ("records add { c { data 3 } d }", {"a": "1", "b": "2", "c": "3", "d": ""}),
        ('records add { "c d" { data 3 } }', {"a": "1", "b": "2", "c d": "3"}),
        ("records delete { a b }", {}),
        ("records delete { b }", {"a": "1"}),
    ],
)
def test_single_records(box: Box, text: str, after: dict[str, str]) -> None:
    assert option(box, text) == (200, after)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("records add { a { data 3 } }", 409),
        ("records modify { c { data 3 } }", 404),
        ("records delete { c }", 404),
        ("records delete { a c }", 404),
        ("records delete { a { data 1 } }", 400),
        ("records replace-all-with { a }", 400),
        ("records none", 400),
        ("records modify { a { data } }", 400),
        ("records modify { a { data 1 2 } }", 400),
        ("records modify { a { value 1 } }", 400),
        ("records modify { { data 1 } }", 400),
        ("records modify { a { data 1 }", 400),
        ("records modify a { data 1 }", 400),
        ("records modify { }", 400),
        ("records modify { a { data 1 } } more", 400),
        ('records modify { a { data "1 } }', 400),
        ("records modify { a { data 1 } }\\", 400),
        ("description x", 400),
        ("", 400),
    ],
)
def test_options_refused(box: Box, text: str, status: int) -> None:
    assert option(box, text) == (status, {"a": "1", "b": "2"})


def test_options_and_body_exclude_each_other(box: Box) -> None:
    assert option(box, "records delete { a }", {"records": []}) == (400, {"a": "1", "b": "2"})
    assert box.request("PUT", f"{CHAT}?options=x", json={"type": "string"}).status_code == 501


def test_records_of_an_option_are_checked(box: Box) -> None:
    assert option(box, f"records add {{ c {{ data {'x' * 65_000} }} }}")[0] in (200, 431)
    assert option(box, 'records add { "" }')[0] == 400


@given(NAMES, st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_quoted_text_survives(name: str, data: str) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    parsed = records_option(f"records modify {{ {quoted(name)} {{ data {quoted(data)} }} }}")
    assert parsed == ("modify", ((name, data),))


@given(st.text('{}" \\adrecodsmify', max_size=60))
def test_any_option_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(Refusal):  # and no other exception
        verb, entries = records_option(f"records modify {text}")
        assert verb == "modify"
        assert entries


@pytest.mark.parametrize(
    ("version", "with_type", "without"),
    [("12.1.3", 400, 200), ("13.1.5", 400, 200), ("14.1.0", 400, 200), ("14.1.0.1", 200, 400), ("17.1.1", 200, 400)],
)
def test_put_by_version(version: str, with_type: int, without: int) -> None:
    for box in start(version=version):
        box.make_credentials()
        records = [{"name": "a", "data": "1"}]
        assert box.request("PUT", CHAT, json={"records": records}).status_code == without
        answer = box.request("PUT", CHAT, json={"records": records, "type": "string"})
        assert answer.status_code == with_type
        assert (with_type == 200) or "may not be specified" in answer.json()["message"]
        assert box.request("GET", CHAT).json()["records"] == records
