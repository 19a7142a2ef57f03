"""Cases of the linter: a rule's text, and the findings that are expected of it in a file beside it."""

from __future__ import annotations

from pathlib import Path

from bigip_sm.lint import Finding, lint_irule

CASES = Path(__file__).parent / "lint" / "cases"
PUBLISHED = Path(__file__).parent / "lint" / "published"


def read(path: Path) -> str:
    """The text of a case; line ends as they are."""
    return path.read_bytes().decode()


def findings(path: Path) -> list[Finding]:
    return lint_irule(read(path), path.name)


def expected(path: Path) -> list[tuple[int, str, str]]:
    """(line, rule, part of the message), from ``name.expected`` beside ``name.tcl``; none without such a file."""
    beside = path.with_suffix(".expected")
    lines = beside.read_text("utf-8").splitlines() if beside.exists() else []
    return [(int(line), rule, message) for line, rule, message in (one.split(":", 2) for one in lines)]


def differences(path: Path) -> list[str]:
    """Findings that were not expected, and expected ones that are missing."""
    missing = expected(path)
    wrong = []
    for finding in findings(path):
        match = next(
            (one for one in missing if one[:2] == (finding.line, finding.rule) and one[2] in finding.message), None
        )
        if match is None:
            wrong.append(f"not expected: {finding.where}: {finding.rule} {finding.message}")
        else:
            missing.remove(match)
    return wrong + [f"missing: {one}" for one in missing]
