"""A page for each rule over iRules and over gateway.yaml, made from the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigip_sm.lint import RULES
from bigip_sm.lint.pages import page

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(rule for rule in RULES if rule.startswith(("BSM-R", "BSM-A", "BSM-G")))


@pytest.mark.parametrize("rule", PAGES)
def test_the_page_is_what_the_registry_says(rule: str) -> None:
    assert (DOCS / "rules" / f"{rule}.md").read_text("utf-8") == page(RULES[rule]), "run: make docs"


def test_there_is_no_other_page() -> None:
    assert sorted(path.stem for path in (DOCS / "rules").iterdir()) == PAGES


@pytest.mark.parametrize("rule", PAGES)
def test_every_page_has_all_its_parts(rule: str) -> None:
    text = page(RULES[rule])
    for part in ("Level: **", "## How to mend it", "## Breaks the rule", "## Does not"):
        assert part in text


@pytest.mark.parametrize("rule", sorted(set(RULES) - set(PAGES)))
def test_every_other_rule_can_be_explained_too(rule: str) -> None:
    assert RULES[rule].why in page(RULES[rule])
