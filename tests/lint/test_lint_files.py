"""What a file is, by its content, and where findings are in it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bigip_sm.lint.files import Unreadable, decode, kind_of, lint_file

RULE = "# Purpose: an example\nwhen HTTP_REQUEST priority 500 {\n    exec ls\n}\n"


@pytest.fixture(autouse=True)
def no_schema(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp()))


def declaration(rule: Any) -> dict[str, Any]:
    return {
        "class": "ADC",
        "T": {
            "class": "Tenant",
            "A": {"class": "Application", "rule": {"class": "iRule", "expand": False, "iRule": rule}},
        },
    }


def where(text: str, name: str) -> list[str]:
    return [f"{one.rule} {one.where}" for one in lint_file(text, name)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (RULE, "irule"),
        ("proc p {a} {\n}\n", "irule"),
        ("# only\n when RULE_INIT {}", "irule"),
        ("when RULE_INIT { };when CLIENT_ACCEPTED { }", "irule"),
        ("\n {}", "declaration"),
        ("\ufeff{}", "declaration"),
        ("ltm rule /Common/a {\nwhen HTTP_REQUEST {\n}\n}\n", "tmsh"),
        ("version: 1\ngateway: quickstart\n", "gateway"),
        ("", "unknown"),
        ("hello world", "unknown"),
        ("when: now\n", "unknown"),
        ("we do this when possible\n", "unknown"),
        ("def f():\n    return 1\n", "unknown"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_an_irule() -> None:
    assert where(RULE, "a/b.tcl") == ["BSM-R005 a/b.tcl:3"]


@pytest.mark.parametrize("rule", [RULE, {"text": RULE}, {"base64": base64.b64encode(RULE.encode()).decode()}])
def test_the_irules_in_a_declaration(rule: Any) -> None:
    document = declaration(rule)
    assert where(json.dumps(document), "d.json") == ["BSM-R005 d.json:/T/A/rule:3"]
    request = {"class": "AS3", "declaration": document}
    (found,) = lint_file(json.dumps(request, indent=2), "d.json")
    assert (found.where, found.line, found.column) == ("d.json:/T/A/rule:3", 0, 5)


def test_the_declaration_itself() -> None:
    document = declaration(RULE.replace("exec ls", "pool web"))
    document["updateMode"] = "complete"
    assert where(json.dumps(document), "d.json") == ["BSM-D020 d.json:/updateMode"]


ANSWERS = """# Purpose: an example
when HTTP_REQUEST priority 300 {
    if { [HTTP::host] eq "old.example.com" } {
        HTTP::redirect "https://new.example.com/"
    }
}
"""
TOUCHES = """# Purpose: an example
when HTTP_REQUEST priority 400 {
    HTTP::header insert X-Checked 1
}
"""


def service(*rules: str, order: tuple[int, ...] = (0, 1), form: Any = None) -> list[str]:
    names = [f"rule{number}" for number in range(len(rules))]
    content: dict[str, Any] = {
        name: {"class": "iRule", "expand": False, "iRule": text} for name, text in zip(names, rules, strict=True)
    }
    listed = [form(names[number]) if form else names[number] for number in order]
    content["service"] = {"class": "Service_HTTP", "virtualAddresses": ["192.0.2.1"], "iRules": listed}
    content["service"]["persistenceMethods"] = []
    document = {"class": "ADC", "T": {"class": "Tenant", "A": {"class": "Application", **content}}}
    return where(json.dumps(document), "d.json")


@pytest.mark.parametrize("form", [None, lambda name: {"use": name}, lambda name: f"/T/A/{name}"])
def test_a_rule_after_one_that_answers(form: Any) -> None:
    assert service(ANSWERS, TOUCHES, form=form) == ["BSM-R010 d.json:/T/A/rule1:3"]
    assert service(ANSWERS, TOUCHES, order=(1, 0), form=form) == ["BSM-R010 d.json:/T/A/rule1:3"]


def test_rules_that_do_not_meet() -> None:
    first = TOUCHES.replace("400", "200")
    asks = TOUCHES.replace("    HTTP::header", "    if { [HTTP::has_responded] } { return }\n    HTTP::header")
    branch = TOUCHES.replace(
        "    HTTP::header insert X-Checked 1", "    if { $static::ex_on } { HTTP::header remove X }"
    )
    silent = ANSWERS.replace("    }\n}", "        event disable\n        return\n    }\n}")
    for later, earlier in ((first, ANSWERS), (asks, ANSWERS), (branch, ANSWERS), (TOUCHES, silent)):
        assert service(earlier, later) == []
    assert service(ANSWERS, TOUCHES, order=(1,)) == []
    assert service(ANSWERS, TOUCHES, form=lambda name: {"bigip": f"/Common/{name}"}) == []


def test_rules_in_tmsh_configuration() -> None:
    other = RULE.replace("exec ls", "open x")
    text = f"ltm pool web {{ }}\nltm rule /Common/one {{\n{RULE}}}\nltm rule two {{\n{other}}}\n"
    assert where(text, "bigip.conf") == ["BSM-R005 bigip.conf:/Common/one:5", "BSM-R005 bigip.conf:two:11"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "neither an iRule"),
        ("", "neither an iRule"),
        ("{", "begins like JSON and is none: line 1"),
        ('{"a": 1}', "class is neither ADC nor AS3"),
        ('{"class": "AS3"}', "class is neither ADC nor AS3"),
        ('{"class": "AS3", "declaration": []}', "class is neither ADC nor AS3"),
        ("{" + '"a":[' * 100_000, "begins like JSON"),
    ],
)
def test_what_is_nothing_of_the_kind(text: str, message: str) -> None:
    with pytest.raises(Unreadable, match=message) as raised:
        lint_file(text, "x")
    assert "\n" not in str(raised.value)


def test_bytes_that_are_no_utf8() -> None:
    text = decode(RULE.replace("exec ls", 'set x "\xe9"').encode("latin-1"))
    assert where(text, "x") == ["BSM-R006 x:3"]
