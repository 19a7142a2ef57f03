"""Rules over declarations beyond the example of each: other spellings, and declarations that are not in order."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.lint import lint_declaration
from bigip_sm.lint.findings import RULES, register

CASES = Path(__file__).parent / "cases"


def lint(**items: Any) -> list[str]:
    """Rules broken by items of an application, with the last step of their place."""
    declaration = {"class": "ADC", "sample": {"class": "Tenant", "app": {"class": "Application", **items}}}
    return [f"{finding.rule} {finding.where}" for finding in lint_declaration(declaration)]


def rule(text: str, **more: Any) -> dict[str, Any]:
    return {"class": "iRule", "iRule": {"base64": base64.b64encode(text.encode()).decode()}, **more}


def test_a_request_of_class_as3_is_linted_inside() -> None:
    inner = json.loads((CASES / "BSM-D010" / "bad.json").read_text(encoding="utf-8"))
    assert [one.rule for one in lint_declaration({"class": "AS3", "declaration": inner})] == ["BSM-D010"]


@pytest.mark.parametrize("value", ["{", {"text": "{"}, {"base64": "ew=="}])
def test_rule_text_is_read_in_every_form(value: Any) -> None:
    assert lint(rule={"class": "iRule", "expand": False, "iRule": value}) == ["BSM-D008 /sample/app/rule/iRule"]


def test_base64_of_rules_may_be_url_safe_and_unpadded() -> None:
    encoded = base64.urlsafe_b64encode(b"when X {\n ~~~???>>> {\n").decode().rstrip("=")
    assert lint(rule={"class": "iRule", "expand": False, "iRule": {"base64": encoded}})
    assert lint(rule={"class": "iRule", "expand": False, "iRule": {"base64": "a"}}) == []


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("plain", False),
        ("`T` and `*pool` and `=x` and `+x` and `!note` and ``", False),
        ("`~` then `anything goes", False),
        ("a lone ` here", True),
        ("`pool`", True),
    ],
)
def test_expansions(text: str, refused: bool) -> None:
    assert lint(rule=rule(text)) == (["BSM-D006 /sample/app/rule/iRule"] if refused else [])
    assert lint(rule=rule(text, expand=False)) == []
    monitor = {"class": "Monitor", "monitorType": "https", "send": text, "receive": "HTTP/1."}
    assert lint(monitor=monitor) == (["BSM-D006 /sample/app/monitor/send"] if refused else [])


@pytest.mark.parametrize("value", ["a\nb", "a\tb", "a\\", "\x0c"])
def test_values_that_as3_rewrites(value: str) -> None:
    group = {"class": "Data_Group", "keyDataType": "string", "records": [{"key": "kk", "value": value}]}
    assert lint(group=group) == ["BSM-D011 /sample/app/group/records/0/value"]


def test_sizes_are_counted_in_bytes() -> None:
    group = {"class": "Data_Group", "keyDataType": "string", "records": [{"key": "kk", "value": "é" * 32_761}]}
    assert lint(group=group) == ["BSM-D012 /sample/app/group/records/0/value"]


def test_integer_keys_are_compared_too() -> None:
    group = {"class": "Data_Group", "keyDataType": "integer", "records": [{"key": 1}, {"key": 2}, {"key": 1}]}
    assert lint(group=group) == ["BSM-D010 /sample/app/group/records/2"]


@pytest.mark.parametrize(
    "changes",
    [{"validateCertificate": False}, {"trustCA": "none"}, {"serverName": "none"}],
)
def test_ways_not_to_validate(changes: dict[str, Any]) -> None:
    good = json.loads((CASES / "BSM-D005" / "good.json").read_text(encoding="utf-8"))["sample"]["app"]["upstream"]
    assert lint(upstream=good) == []
    assert [found.split()[0] for found in lint(upstream={**good, **changes})] == ["BSM-D005"]


def test_inline_keys_in_every_form() -> None:
    bad = json.loads((CASES / "BSM-D015" / "bad.json").read_text(encoding="utf-8"))["sample"]["app"]["cert"]
    encoded = base64.b64encode(bad["privateKey"].encode()).decode()
    assert lint(cert={**bad, "privateKey": {"base64": encoded}}) == ["BSM-D015 /sample/app/cert/privateKey"]
    assert lint(useCert=bad) == []


def test_findings_never_show_a_key_or_a_value() -> None:
    bad = json.loads((CASES / "BSM-D015" / "bad.json").read_text(encoding="utf-8"))["sample"]["app"]["cert"]
    group = {"class": "Data_Group", "records": [{"key": "kk", "value": "hidden\\"}]}
    declaration = {
        "class": "ADC",
        "sample": {"class": "Tenant", "app": {"class": "Application", "c1": bad, "g1": group}},
    }
    found = lint_declaration(declaration)
    assert len(found) == 2
    assert not any("hidden" in one.message or "BEGIN" in one.message for one in found)


def test_a_rule_is_registered_once() -> None:
    with pytest.raises(ValueError, match="BSM-D001 is registered twice"):
        register("BSM-D001", "error", "again", "never")
    assert all(one.title and one.why and one.id == key for key, one in RULES.items())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_declaration_with_anything_in_it_is_linted_without_an_error(data: st.DataObject) -> None:
    """Every case of a rule, with one of its values replaced by any JSON value."""
    case = data.draw(st.sampled_from(sorted(CASES.glob("BSM-D*/*.json"))))
    declaration = json.loads(case.read_text(encoding="utf-8"))
    places = [place for place in _places(declaration) if len(place) > 1]
    place = data.draw(st.sampled_from(places))
    changed = copy.deepcopy(declaration)
    target = changed
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = data.draw(json_values)
    lint_declaration(changed)


def _places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [above] if above else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += _places(one, (*above, key))
    return found
