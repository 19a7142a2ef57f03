"""The list of facts is whole, in order, and names only tests that exist; its page is current."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import generated_pages
import pytest
from fidelity import page

SHEETS = page.load()
ROOT = Path(__file__).parents[2]


@lru_cache
def functions(path: str) -> frozenset[str]:
    """Names of the test functions in a file; none if there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text("utf-8"))
    found = (node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_ids_are_the_section_and_a_running_number(sheet: page.Sheet) -> None:
    numbers = [section.number for section in sheet.sections]
    assert numbers == sorted(set(numbers), key=lambda number: [int(part) for part in number.split(".")])
    for section in sheet.sections:
        expected = [f"{sheet.letter}{section.number}.{index}" for index in range(1, len(section.facts) + 1)]
        assert [fact.id for fact in section.facts] == expected


def test_ids_and_facts_are_unique() -> None:
    facts = [fact for sheet in SHEETS for fact in sheet.facts]
    assert len({fact.id for fact in facts}) == len(facts)
    assert len({fact.fact for fact in facts}) == len(facts)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_fact_is_held_or_says_why_not(sheet: page.Sheet) -> None:
    assert [fact.id for fact in sheet.facts if not fact.status] == []
    assert [fact.id for fact in sheet.facts if fact.elsewhere and (fact.tests or fact.not_emulated)] == []
    assert [fact.id for fact in sheet.facts if not set(fact.grade.split()) <= set(sheet.grades)] == []


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_test_that_is_named_exists(sheet: page.Sheet) -> None:
    named = [(fact.id, test, *test.split("::")) for fact in sheet.facts for test in fact.tests]
    assert [(fact, test) for fact, test, path, name in named if name not in functions(path)] == []
    assert [fact.id for fact in sheet.facts if len(set(fact.tests)) < len(fact.tests)] == []


def test_the_page_is_what_the_list_makes() -> None:
    path, now, wanted = generated_pages.current("fidelity")
    assert path.name == "fidelity.md"
    assert now == wanted, "docs/fidelity.md is out of date: run `make docs`"


def test_the_counts_of_the_page_are_those_of_the_list() -> None:
    facts = [fact for sheet in SHEETS for fact in sheet.facts]
    total = page.count(tuple(facts))
    print("facts:", len(facts), total)  # noqa: T201 - shown by pytest -s, for those who compare two states of the lab
    assert sum(total.values()) == len(facts) >= 300
    rows = re.findall(r"^\| [A-Z][0-9.]+ \|", page.fidelity(), re.MULTILINE)
    assert len(rows) == len(facts)
