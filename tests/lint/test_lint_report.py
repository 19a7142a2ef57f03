"""Findings as text, JSON, SARIF and GitHub annotations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator

from bigip_sm.lint import RULES, Finding, report
from bigip_sm.lint.report import Result

LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {"type": "object", "required": ["uri"], "properties": {"uri": {"type": "string"}}},
                "region": {
                    "type": "object",
                    "required": ["startLine"],
                    "properties": {
                        "startLine": {"type": "integer", "minimum": 1},
                        "startColumn": {"type": "integer", "minimum": 1},
                    },
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        },
        "logicalLocations": {
            "type": "array",
            "items": {"type": "object", "required": ["fullyQualifiedName"], "additionalProperties": {"type": "string"}},
        },
    },
    "additionalProperties": False,
}
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["executionSuccessful"],
                            "additionalProperties": False,
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["message"],
                                        "properties": {"message": MESSAGE, "level": LEVEL},
                                        "additionalProperties": False,
                                    },
                                },
                            },
                        },
                    },
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": MESSAGE,
                                                "fullDescription": MESSAGE,
                                                "help": MESSAGE,
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "properties": {"level": LEVEL},
                                                    "additionalProperties": False,
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message", "locations"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": LEVEL,
                                "message": MESSAGE,
                                "locations": {"type": "array", "items": LOCATION},
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What of SARIF 2.1.0 is used here, closed: sections 3.13 to 3.58 of the OASIS standard."""

ERROR = Finding("BSM-R003", "error", "a b.tcl:3", "write --", 3, 5)
WARNING = Finding("BSM-R015", "warning", "a b.tcl:1", "50% of, it:\nall", 1, 1)
EMBEDDED = Finding("BSM-R003", "error", "d.json:/T/A/r:7", "write --", 0, 9)
POINTED = Finding("BSM-D010", "error", "d.json:/T/A/g", "twice")
SPEC = Finding("spec", "error", "g.yaml:2", "x: wrong", 2)
RESULTS = [
    Result("a b.tcl", (WARNING, ERROR)),
    Result("d.json", (EMBEDDED, POINTED)),
    Result("g.yaml", (SPEC,)),
    Result("x", problem="no such file"),
]


def test_text() -> None:
    assert report.text(RESULTS).splitlines() == [
        "a b.tcl:1:1: BSM-R015 50% of, it:",
        "all (warning)",
        "a b.tcl:3:5: BSM-R003 write --",
        "d.json:/T/A/r:7:9: BSM-R003 write --",
        "d.json:/T/A/g: BSM-D010 twice",
        "g.yaml:2: spec x: wrong",
        "3 files: 4 errors, 1 warning, 1 could not be read",
    ]


@pytest.mark.parametrize(
    ("results", "line"),
    [
        ([], "0 files: nothing found"),
        ([Result("a")], "1 file: nothing found"),
        ([Result("a", (ERROR,))], "1 file: 1 error, 0 warnings"),
        ([Result("a", problem="x")], "0 files: nothing found, 1 could not be read"),
    ],
)
def test_summary(results: list[Result], line: str) -> None:
    assert report.summary(results) == line


def test_json() -> None:
    document = json.loads(report.as_json(RESULTS, ok=False))
    assert document["ok"] is False
    assert (document["errors"], document["warnings"]) == (4, 1)
    assert document["files"] == ["a b.tcl", "d.json", "g.yaml"]
    assert document["problems"] == [{"file": "x", "message": "no such file"}]
    assert document["findings"][1] == {
        "file": "a b.tcl",
        "where": "a b.tcl:3",
        "line": 3,
        "column": 5,
        "rule": "BSM-R003",
        "level": "error",
        "message": "write --",
    }
    assert document["findings"][3]["line"] is None


def sarif(results: list[Result]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(report.sarif(results, version="1.2.3"))
    assert list(Draft7Validator(SARIF).iter_errors(document)) == []
    return document


def test_sarif() -> None:
    (run,) = sarif(RESULTS)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["BSM-D010", "BSM-R003", "BSM-R015"]
    assert rules[1]["shortDescription"]["text"] == RULES["BSM-R003"].title
    for result in run["results"]:
        if "ruleIndex" in result:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    places = [result["locations"][0] for result in run["results"]]
    assert places[1]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b.tcl"},
        "region": {"startLine": 3, "startColumn": 5},
    }
    assert places[2]["logicalLocations"] == [{"fullyQualifiedName": "/T/A/r:7"}]
    assert "region" not in places[3]["physicalLocation"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_sarif_of_nothing() -> None:
    (run,) = sarif([Result("/x/a b.tcl")])["runs"]
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_absolute_paths_in_sarif_are_uris() -> None:
    (run,) = sarif([Result("/x/a b.tcl", (ERROR,))])["runs"]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "file:///x/a%20b.tcl"


def test_github() -> None:
    results = [Result("a,b:c.tcl", (WARNING,)), *RESULTS[1:]]
    assert report.github(results).splitlines() == [
        "::warning file=a%2Cb%3Ac.tcl,line=1,col=1,title=BSM-R015::50%25 of, it:%0Aall",
        "::error file=d.json,title=BSM-R003::/T/A/r:7: write --",
        "::error file=d.json,title=BSM-D010::/T/A/g: twice",
        "::error file=g.yaml,line=2,col=1,title=spec::x: wrong",
        "::error file=x::no such file",
    ]
