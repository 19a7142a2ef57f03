"""Every rule has a folder with an example that breaks it, and one that does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from bigip_sm.lint import RULES, Finding, lint_declaration, lint_irule, validate_schema

CASES = Path(__file__).parent / "cases"
NEEDS_SCHEMA = ("BSM-S001", "BSM-D017")


def findings(path: Path) -> list[Finding]:
    if path.suffix == ".tcl":
        return lint_irule(path.read_bytes().decode(), path.name)
    declaration: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return lint_declaration(declaration)


def case(rule: str, name: str) -> Path:
    (path,) = (CASES / rule).glob(f"{name}.*")
    return path


def test_every_rule_has_its_folder() -> None:
    assert sorted(folder.name for folder in CASES.iterdir()) == sorted(RULES)


@pytest.mark.parametrize("rule", sorted(set(RULES) - set(NEEDS_SCHEMA)))
def test_the_bad_example_breaks_this_rule_and_no_other(rule: str) -> None:
    found = findings(case(rule, "bad"))
    assert {finding.rule for finding in found} == {rule}
    assert {finding.level for finding in found} == {RULES[rule].level}


@pytest.mark.parametrize("rule", sorted(set(RULES) - set(NEEDS_SCHEMA)))
def test_the_good_example_breaks_no_rule(rule: str) -> None:
    assert findings(case(rule, "good")) == []


@pytest.mark.parametrize("rule", NEEDS_SCHEMA)
def test_examples_that_need_the_schema(rule: str, as3_schema: Path) -> None:
    bad, good = (json.loads(case(rule, name).read_text()) for name in ("bad", "good"))
    assert {finding.rule for finding in validate_schema(bad, as3_schema)} == {rule}
    assert validate_schema(good, as3_schema) == []


@pytest.mark.parametrize("rule", sorted(rule for rule in RULES if "-R" not in rule and rule not in NEEDS_SCHEMA))
def test_the_good_example_is_valid_by_the_schema(rule: str, as3_schema: Path) -> None:
    assert validate_schema(json.loads(case(rule, "good").read_text()), as3_schema) == []
