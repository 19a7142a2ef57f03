"""The list of facts behind the lab, and the page that says which test holds each of them.

A sheet is a file beside this one: facts about one system, in sections, each with its grade of evidence and one of

- ``tests``: the tests that fail if the lab (or the product, where the fact concerns that) stops to behave so;
- ``not_emulated``: why not, or what happens instead; ``tests`` may then name those that hold what happens instead;
- ``elsewhere``: why the fact is not about the emulation.

``note`` may add where the lab differs although the fact is held, for instance by refusing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SHEETS = ("irules", "as3", "icontrol", "aws")
KEYS = {"id", "fact", "grade", "tests", "not_emulated", "elsewhere", "note"}


@dataclass(frozen=True)
class Fact:
    """One fact. ``grade``: the letters of the sheet's legend, separated by blanks."""

    id: str
    fact: str
    grade: str
    tests: tuple[str, ...] = ()
    not_emulated: str = ""
    elsewhere: str = ""
    note: str = ""

    @property
    def status(self) -> str:
        """``held``, ``not emulated`` or ``elsewhere``; empty when the fact says none of them."""
        if self.elsewhere:
            return "elsewhere"
        if self.not_emulated:
            return "not emulated"
        return "held" if self.tests else ""


@dataclass(frozen=True)
class Section:
    """Facts that belong together; their ids begin with the sheet's letter and ``number``."""

    number: str
    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Sheet:
    """What is known of one system. ``grades``: letter -> what kind of evidence it stands for."""

    name: str
    letter: str
    title: str
    grades: Mapping[str, str]
    sections: tuple[Section, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All of them, in order."""
        return tuple(fact for section in self.sections for fact in section.facts)


def load() -> tuple[Sheet, ...]:
    """The sheets in the order of the page.

    Raises:
        ValueError: with file and fact, where a file has another form.
    """
    return tuple(_sheet(name) for name in SHEETS)


def count(facts: tuple[Fact, ...]) -> dict[str, int]:
    """Status -> how many facts have it."""
    return {status: sum(fact.status == status for fact in facts) for status in ("held", "not emulated", "elsewhere")}


def fidelity() -> str:
    """The generated part of the page: a table of counts, then a table for each section."""
    sheets = load()
    lines = [
        "| facts about | facts | held by a test | not emulated | not about the emulation |",
        "|---|---|---|---|---|",
    ]
    for name, facts in [*((one.title, one.facts) for one in sheets), ("all", _all(sheets))]:
        lines.append(f"| {name} | {len(facts)} | {' | '.join(str(number) for number in count(facts).values())} |")
    for sheet in sheets:
        lines += ["", f"## {sheet.title}", "", _legend(sheet)]
        for section in sheet.sections:
            lines += ["", f"### {sheet.letter}{section.number} {section.title}", ""]
            lines += ["| id | fact | evidence | held by |", "|---|---|---|---|"]
            lines += [_row(fact) for fact in section.facts]
    return "\n".join(lines)


def _sheet(name: str) -> Sheet:
    found = yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text("utf-8"))
    sections = tuple(
        Section(str(one["section"]), str(one["title"]), tuple(_facts(name, one["facts"]))) for one in found["sections"]
    )
    return Sheet(name, str(found["letter"]), str(found["title"]), found["grades"], sections)


def _facts(sheet: str, entries: list[dict[str, Any]]) -> Iterator[Fact]:
    for entry in entries:
        where = f"{sheet}.yaml: {entry.get('id')}"
        if set(entry) - KEYS or not {"id", "fact", "grade"} <= set(entry):
            raise ValueError(f"{where}: the keys are {', '.join(sorted(entry))}")
        texts = {key: value for key, value in entry.items() if key != "tests"}
        if any(not isinstance(value, str) or not value or "\n" in value for value in texts.values()):
            raise ValueError(f"{where}: every value but tests is one line of text")
        yield Fact(tests=tuple(entry.get("tests", ())), **texts)


def _all(sheets: tuple[Sheet, ...]) -> tuple[Fact, ...]:
    return tuple(fact for sheet in sheets for fact in sheet.facts)


def _legend(sheet: Sheet) -> str:
    return "Evidence: " + "; ".join(f"**{letter}** {meaning}" for letter, meaning in sheet.grades.items()) + "."


def _row(fact: Fact) -> str:
    links = ", ".join(map(_link, fact.tests))
    if fact.elsewhere:
        held = f"not about the emulation: {_text(fact.elsewhere)}"
    elif fact.not_emulated:
        held = f"**not emulated**: {_text(fact.not_emulated)}" + (f" ({links})" if links else "")
    else:
        held = links
    if fact.note:
        held += f"; {_text(fact.note)}"
    return f"| {fact.id} | {_text(fact.fact)} | {fact.grade} | {held} |"


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name.removeprefix('test_')}](../{path})"


def _text(text: str) -> str:
    """Text for a cell: bars are escaped, and outside of code also what Markdown would take for markup."""
    parts = re.split(r"(`+[^`]*`+)", text)
    parts[::2] = [re.sub(r"([*_<>\[\]])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts).replace("|", "\\|")
