"""Findings as text, JSON, SARIF 2.1.0 and GitHub annotations; all in one order, so that a diff shows what changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from bigip_sm.lint.findings import RULES, Finding, Rule

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class Result:
    """One file: what was found in it, or why it could not be read (``problem``)."""

    file: str
    findings: tuple[Finding, ...] = ()
    problem: str = ""


def text(results: Sequence[Result]) -> str:
    """One line a finding, ``file:line:column: rule message``, and a summary."""
    lines = [
        f"{_place(finding)}: {finding.rule} {finding.message}" + (" (warning)" if finding.level == "warning" else "")
        for result in results
        for finding in result.findings
    ]
    return "\n".join([*lines, summary(results)]) + "\n"


def _place(finding: Finding) -> str:
    return f"{finding.where}:{finding.column}" if finding.column else finding.where


def count(results: Sequence[Result], level: str) -> int:
    """How many findings have a level."""
    return sum(finding.level == level for result in results for finding in result.findings)


def summary(results: Sequence[Result]) -> str:
    """How much was looked at, and what was found."""
    read = sum(not result.problem for result in results)
    errors, warnings = count(results, "error"), count(results, "warning")
    files = _number(read, "file")
    unread = f", {len(results) - read} could not be read" if read < len(results) else ""
    found = f"{_number(errors, 'error')}, {_number(warnings, 'warning')}" if errors or warnings else "nothing found"
    return f"{files}: {found}{unread}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def as_json(results: Sequence[Result], *, ok: bool) -> str:
    """One JSON document."""
    findings = [
        {
            "file": result.file,
            "where": finding.where,
            "line": finding.line or None,
            "column": finding.column or None,
            "rule": finding.rule,
            "level": finding.level,
            "message": finding.message,
        }
        for result in results
        for finding in result.findings
    ]
    document = {
        "ok": ok,
        "files": [result.file for result in results if not result.problem],
        "errors": count(results, "error"),
        "warnings": count(results, "warning"),
        "findings": findings,
        "problems": [{"file": one.file, "message": one.problem} for one in results if one.problem],
    }
    return json.dumps(document, indent=2) + "\n"


def sarif(results: Sequence[Result], *, version: str) -> str:
    """A SARIF 2.1.0 log with one run (OASIS, "Static Analysis Results Interchange Format"); ``version`` is ours."""
    used = sorted({finding.rule for result in results for finding in result.findings} & RULES.keys())
    failed = [result for result in results if result.problem]
    run: dict[str, Any] = {
        "tool": {
            "driver": {"name": "bigip-sm", "version": version, "rules": [_descriptor(RULES[one]) for one in used]}
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not failed,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": f"{one.file}: {one.problem}"}} for one in failed
                ],
            }
        ],
        "results": [_sarif_result(result.file, finding, used) for result in results for finding in result.findings],
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.mend or rule.why},
        "defaultConfiguration": {"level": rule.level},
    }


def _sarif_result(file: str, finding: Finding, used: Sequence[str]) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(file)}}
    if finding.line:
        physical["region"] = {"startLine": finding.line, "startColumn": max(1, finding.column)}
    location: dict[str, Any] = {"physicalLocation": physical}
    if not finding.line:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.where.removeprefix(f"{file}:")}]
    found: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [location],
    }
    if finding.rule in used:
        found["ruleIndex"] = used.index(finding.rule)
    return found


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def github(results: Sequence[Result]) -> str:
    """Workflow commands that GitHub Actions shows beside the lines of a change."""
    lines = []
    for result in results:
        if result.problem:
            lines.append(f"::error file={_property(result.file)}::{_data(result.problem)}")
        for finding in result.findings:
            place = f"file={_property(result.file)}"
            if finding.line:
                place += f",line={finding.line},col={max(1, finding.column)}"
            message = (
                finding.message
                if finding.line
                else f"{finding.where.removeprefix(f'{result.file}:')}: {finding.message}"
            )
            lines.append(f"::{finding.level} {place},title={_property(finding.rule)}::{_data(message)}")
    return "".join(line + "\n" for line in lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
