"""Validation in the manner of ajv 6, on a schema small enough to see through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bigip_sm.errors import SchemaError
from bigip_sm.lab.bigip.as3.schema import Schema


def schema(adc: dict[str, Any]) -> Schema:
    return Schema({"definitions": {"ADC": adc, "AS3": {"properties": {"action": {"enum": ["deploy"]}}}}})


def test_defaults_are_filled_in_before_anything_else_is_looked_at() -> None:
    found = schema(
        {
            "if": {"properties": {"kind": {"const": "a"}}},
            "then": {"required": ["x"]},
            "properties": {"kind": {"default": "b"}, "deep": {"properties": {"y": {"default": [1]}}}},
            "required": ["kind"],
        }
    )
    declaration: dict[str, Any] = {"deep": {}}
    assert found.first_error(declaration) is None
    assert declaration == {"kind": "b", "deep": {"y": [1]}}


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_no_defaults_below_alternatives(keyword: str) -> None:
    declaration: dict[str, Any] = {}
    assert schema({keyword: [{"properties": {"x": {"default": 1}}}]}).first_error(declaration) is None
    assert declaration == {}


def test_no_defaults_from_a_condition_but_from_its_branch() -> None:
    found = schema({"if": {"properties": {"x": {"default": 1}}}, "then": {"properties": {"y": {"default": 2}}}})
    declaration: dict[str, Any] = {}
    assert found.first_error(declaration) is None
    assert declaration == {"y": 2}


@pytest.mark.parametrize(
    ("adc", "declaration", "error"),
    [
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, "/a: should be string"),
        ({"properties": {"a": {"type": ["string", "null"]}}}, {"a": 1}, "/a: should be string,null"),
        ({"required": ["a", "b"]}, {"a": 1}, ": should have required property 'b'"),
        ({"additionalProperties": False}, {"a": 1}, ": should NOT have additional properties"),
        ({"properties": {"a": {"enum": [1]}}}, {"a": 2}, "/a: should be equal to one of the allowed values"),
        ({"properties": {"a": {"const": 1}}}, {"a": 2}, "/a: should be equal to constant"),
        ({"properties": {"a": {"pattern": "^x$"}}}, {"a": "x\n"}, '/a: should match pattern "^x$"'),
        ({"properties": {"a": {"pattern": "^[$]$"}}}, {"a": "b"}, '/a: should match pattern "^[$]$"'),
        ({"properties": {"a": {"pattern": r"^\d$"}}}, {"a": "\u0661"}, r'/a: should match pattern "^\d$"'),
        ({"properties": {"a": {"format": "f5ip"}}}, {"a": "10.0.0.1/33"}, '/a: should match format "f5ip"'),
        ({"properties": {"a": {"maxLength": 1}}}, {"a": "ab"}, "/a: should NOT be longer than 1 characters"),
        ({"properties": {"a": {"minLength": 1}}}, {"a": ""}, "/a: should NOT be shorter than 1 characters"),
        ({"properties": {"a": {"maximum": 1}}}, {"a": 2}, "/a: should be <= 1"),
        ({"properties": {"a": {"minItems": 1}}}, {"a": []}, "/a: should NOT have fewer than 1 items"),
        (
            {"properties": {"a": {"maxProperties": 1}}},
            {"a": {"x": 1, "y": 2}},
            "should NOT have more than 1 properties",
        ),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [1, 1]}, "/a: should NOT have duplicate items"),
        ({"properties": {"a": {"not": {"const": 1}}}}, {"a": 1}, "/a: should NOT be valid"),
        ({"properties": {"a": {"oneOf": [{"type": "string"}, {"type": "null"}]}}}, {"a": 1}, "/a: should be string"),
        ({"properties": {"a": {"oneOf": [True, True]}}}, {"a": 1}, "/a: should match exactly one schema in oneOf"),
        ({"properties": {"a": {"multipleOf": 2}}}, {"a": 1}, "/a: should pass multipleOf keyword validation"),
    ],
)
def test_first_error(adc: dict[str, Any], declaration: dict[str, Any], error: str) -> None:
    said = schema(adc).first_error(declaration)
    assert said is not None
    assert said.endswith(error)


@pytest.mark.parametrize(
    ("adc", "declaration", "error"),
    [
        # required names without a schema of their own come first, the others in the order of the properties
        ({"properties": {"a": {"type": "string"}}, "required": ["b"]}, {"a": 1}, ": should have required property 'b'"),
        (
            {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["b"]},
            {"a": 1},
            "/a: should be string",
        ),
        (
            {"properties": {"b": {"type": "string"}, "a": {"type": "string"}}, "required": ["b"]},
            {"a": 1},
            ": should have required property 'b'",
        ),
        # additional properties come before the known ones, in the order of the declaration
        (
            {"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
            {"a": 1, "z": 2, "y": 3},
            "/z: should be string",
        ),
        # $ref, enum, allOf and the like come last, wherever the schema has them
        ({"allOf": [{"required": ["b"]}], "maxProperties": 0}, {"a": 1}, ": should NOT have more than 0 properties"),
    ],
)
def test_first_error_follows_the_order_of_ajv(adc: dict[str, Any], declaration: dict[str, Any], error: str) -> None:
    """Each case as ajv 6.12.6 answers it with ``allErrors: false``."""
    assert schema(adc).first_error(declaration) == error


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "f5ip",
            ["", "10.0.0.1", "10.0.0.0%2/8", "2001:db8::/32", "any", "any6"],
            ["10.0.0", "10.0.0.1%70000", "x", "::/129"],
        ),
        ("f5ipv4", ["10.0.0.1"], ["::1"]),
        ("f5ipv6", ["::1"], ["10.0.0.1"]),
        ("f5bigip", ["/Common/x"], ["x", "/Common/a*", "/"]),
        ("f5pointer", ["x", "/T/A/x", "@", "0/x"], ["a b", "x\n"]),
        ("hostname", ["a.example.com", "none"], ["under_score", "a..b", "-a", "a\n"]),
        ("uri", ["https://x", "file:/x"], ["x", "a b:c"]),
    ],
)
def test_formats(kind: str, good: list[str], bad: list[str]) -> None:
    found = schema({"properties": {"a": {"format": kind}}})
    assert [value for value in good if found.first_error({"a": value}) is not None] == []
    assert [value for value in bad if found.first_error({"a": value}) is None] == []


def test_names_that_the_schema_knows() -> None:
    found = schema({"properties": {"inner": {"enum": ["word"]}}, "patternProperties": {"^field[1-9]$": {}}})
    assert found.knows("inner")
    assert found.knows("word")
    assert found.knows("field7")
    assert not found.knows("action")
    assert not found.knows("fieldx")
    assert not found.knows("additionalProperties")


def test_wrapper_is_validated_without_its_declaration() -> None:
    found = schema({"required": ["never"]})
    assert found.first_wrapper_error({"declaration": {}}) is None
    assert found.first_wrapper_error({"action": "x"}) == "/action: should be equal to one of the allowed values"


@pytest.mark.parametrize("text", [None, "{", "{}", "[]"])
def test_unreadable_schema(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "schema.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SchemaError, match=r"schema\.json: F5's AS3 schema cannot be read"):
        Schema.read(path)
