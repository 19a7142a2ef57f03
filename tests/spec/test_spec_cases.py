"""Each ``cases/<name>.yaml`` is loaded; ``cases/<name>.errors`` holds what is said about it, empty if it is right.

After a wanted change of words: ``UPDATE_CASES=1 pytest tests/spec/test_spec_cases.py``, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from bigip_sm.errors import SpecError
from bigip_sm.spec import load

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.yaml"))
SYNTAX = {"yaml_unclosed_quote", "yaml_unclosed_bracket"}
"""Cases whose errors quote the YAML parser, whose words differ between libyaml and its Python twin."""


def said_about(name: str) -> str:
    try:
        load(CASES / f"{name}.yaml")
    except SpecError as error:
        return "".join(f"{problem}\n" for problem in error.problems).replace(f"{CASES}{os.sep}", "")
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str) -> None:
    if name in SYNTAX and not hasattr(yaml, "CSafeLoader"):
        pytest.skip("PyYAML without libyaml words syntax errors differently")
    golden = CASES / f"{name}.errors"
    said = said_about(name)
    if os.environ.get("UPDATE_CASES"):
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")


def test_without_libyaml_the_same_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    for name in NAMES:
        if name not in SYNTAX:
            assert said_about(name) == (CASES / f"{name}.errors").read_text(encoding="utf-8"), name


def test_no_case_is_without_its_errors_and_none_is_left_over() -> None:
    assert [path.stem for path in sorted(CASES.glob("*.errors"))] == NAMES
    assert len(NAMES) >= 100
