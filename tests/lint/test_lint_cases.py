"""Every rule has a folder with examples that break it, and some that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lint_cases import CASES, PUBLISHED, differences, expected, findings

from bigip_sm.lint import RULES, lint_declaration, validate_schema
from bigip_sm.lint.language import ALLOW, NO_EFFECT

NEEDS_SCHEMA = ("BSM-S001", "BSM-D017")
OF_DECLARATIONS = sorted(rule for rule in RULES if rule.startswith("BSM-D") and rule not in NEEDS_SCHEMA)
OF_RULES = sorted(rule for rule in RULES if rule.startswith(("BSM-R", "BSM-A")))
BAD = sorted(CASES.glob("BSM-[RA]*/bad*.tcl"))
GOOD = sorted(CASES.glob("BSM-[RA]*/good*.tcl"))


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def case(rule: str, stem: str) -> Any:
    return json.loads((CASES / rule / f"{stem}.json").read_text("utf-8"))


def test_every_rule_has_its_folder() -> None:
    assert sorted(folder.name for folder in CASES.iterdir()) == sorted(RULES)


def test_every_row_of_the_sheet_is_a_rule() -> None:
    assert {f"BSM-R{row:03}" for row in range(1, 23)} <= set(RULES)


@pytest.mark.parametrize("rule", OF_RULES)
def test_every_rule_over_irules_has_both_kinds_of_examples(rule: str) -> None:
    assert {path.stem.partition("_")[0] for path in (CASES / rule).glob("*.tcl")} == {"bad", "good"}


@pytest.mark.parametrize("path", BAD, ids=name)
def test_what_a_bad_rule_breaks(path: Path) -> None:
    assert differences(path) == []
    assert path.parent.name in {rule for _, rule, _ in expected(path)}
    assert all(finding.level == RULES[finding.rule].level for finding in findings(path))


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_a_good_rule_breaks_nothing(path: Path) -> None:
    assert findings(path) == []


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.tcl")), ids=lambda path: path.stem)
def test_published_style_has_no_errors(path: Path) -> None:
    assert [finding for finding in findings(path) if finding.level == "error"] == []
    assert differences(path) == []


@pytest.mark.parametrize("rule", OF_RULES)
def test_the_examples_of_the_page(rule: str) -> None:
    from bigip_sm.lint import lint_irule

    bad, good = (lint_irule(text.strip("\n") + "\n", "rule") for text in (RULES[rule].bad, RULES[rule].good))
    assert rule in {finding.rule for finding in bad}
    # The examples of the other rules have no header of their own.
    assert {finding.rule for finding in good} <= ({"BSM-R019"} if rule != "BSM-R019" else set())


def test_allow_comments_are_no_rows_of_the_sheet() -> None:
    assert [ALLOW.id, NO_EFFECT.id] == ["BSM-A001", "BSM-A002"]


@pytest.mark.parametrize("rule", OF_DECLARATIONS)
def test_the_bad_declaration_breaks_this_rule_and_no_other(rule: str) -> None:
    found = lint_declaration(case(rule, "bad"))
    assert {finding.rule for finding in found} == {rule}
    assert {finding.level for finding in found} == {RULES[rule].level}


@pytest.mark.parametrize("rule", OF_DECLARATIONS)
def test_the_good_declaration_breaks_no_rule(rule: str) -> None:
    assert lint_declaration(case(rule, "good")) == []


@pytest.mark.parametrize("rule", NEEDS_SCHEMA)
def test_examples_that_need_the_schema(rule: str, as3_schema: Path) -> None:
    assert {finding.rule for finding in validate_schema(case(rule, "bad"), as3_schema)} == {rule}
    assert validate_schema(case(rule, "good"), as3_schema) == []


@pytest.mark.parametrize("rule", OF_DECLARATIONS)
def test_the_good_declaration_is_valid_by_the_schema(rule: str, as3_schema: Path) -> None:
    assert validate_schema(case(rule, "good"), as3_schema) == []
