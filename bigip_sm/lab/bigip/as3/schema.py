"""Validation with F5's AS3 schema the way AS3 does it with ajv 6: defaults filled in, only the first error reported.

Facts: AS3's ``src/lib/schemaValidator.js`` and ``adcParserFormats.js`` (options of ajv, custom formats), ajv 6's
documentation (defaults are not filled in under anyOf, oneOf, not and if). Its keyword ``f5PostProcess`` is not
looked at here.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, FormatChecker, ValidationError, validators

from bigip_sm.errors import SchemaError

_ORDER = (
    "type",
    "maximum minimum exclusiveMaximum exclusiveMinimum multipleOf",
    "maxLength minLength pattern format",
    "maxItems minItems items additionalItems contains uniqueItems",
    "maxProperties minProperties required dependencies propertyNames additionalProperties properties patternProperties",
    "$ref const enum not anyOf oneOf allOf if",
)
"""The order in which ajv 6 looks at keywords, which decides what the first error is."""

_RANK = {keyword: rank for rank, keyword in enumerate(" ".join(_ORDER).split())}
_NOT_NAMES = frozenset(_RANK) - {"type", "format", "const", "$ref", "contains", "pattern"} | {
    "default",
    "else",
    "then",
    "$comment",
    "readOnly",
}
_MAPS = ("definitions", "properties", "patternProperties", "dependencies")
_FREE_FORM = ("metadata", "localZones", "forwardZones", "environmentVariables")
_HOSTNAME = re.compile(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-0-9a-z]{0,61}[0-9a-z])?)*", re.IGNORECASE
)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:/?/?\S*", re.IGNORECASE)
_BIGIP = re.compile(r"/[^\x00-\x19\"#'*<>?\x5b-\x5d\x7b-\x7d\x7f]+")
_POINTER = re.compile(
    r"((@|[0-9]+)|(([0-9]*/)?((@|[0-9]+|[A-Za-z][0-9A-Za-z_]{0,63})/)*([0-9]+|([A-Za-z][0-9A-Za-z_]{0,63}))))?#?"
)

_formats = FormatChecker(formats=())


class Schema:
    """F5's schema, loaded. ``names`` are all the property names that it knows anywhere."""

    def __init__(self, document: dict[str, Any]) -> None:
        ordered = _ordered(document)
        declared = {name: part for name, part in ordered["definitions"].items() if not name.startswith("AS3")}
        self.names, self._patterns = _names(declared)  # the request's own properties are not a declaration's
        self._adc = _Validator(
            {"$ref": "#/definitions/ADC", "definitions": ordered["definitions"]}, format_checker=_formats
        )
        wrapper = {"$ref": "#/definitions/AS3", "definitions": ordered["definitions"]}
        self._wrapper = _Validator(wrapper, format_checker=_formats)

    @classmethod
    def read(cls, path: Path) -> Schema:
        """Load the schema file. Raises SchemaError."""
        try:
            return _read(path.resolve(), path.stat().st_mtime_ns)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SchemaError(f"{path}: F5's AS3 schema cannot be read: {error}") from error

    def knows(self, name: str) -> bool:
        """Whether any class of the schema has a property of that name."""
        return name in self.names or any(pattern.search(name) for pattern in self._patterns)

    def first_error(self, declaration: dict[str, Any]) -> str | None:
        """AS3's words for the first thing that is wrong with a declaration of class ADC, or None.

        Defaults are filled into ``declaration``, as ajv does.
        """
        return _first(self._adc, declaration)

    def first_wrapper_error(self, wrapper: dict[str, Any]) -> str | None:
        """The same for the request wrapper of class AS3, whose declaration is left out."""
        return _first(self._wrapper, {key: value for key, value in wrapper.items() if key != "declaration"})


@lru_cache(maxsize=2)
def _read(path: Path, _changed: int) -> Schema:
    return Schema(json.loads(path.read_text(encoding="utf-8")))


def _ordered(schema: Any, *, is_schema: bool = True) -> Any:
    """The schema with the keywords of every sub-schema in ajv's order; names of properties keep theirs."""
    if isinstance(schema, list):
        return [_ordered(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    keys = sorted(schema, key=lambda key: _RANK.get(key, len(_RANK))) if is_schema else list(schema)
    return {key: _ordered(schema[key], is_schema=not (is_schema and key in _MAPS)) for key in keys}


def _names(schema: dict[str, Any]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """What ``src/lib/validator.js`` collects: property names, enum and const values; patterns of pattern properties."""
    names: set[str] = set()
    patterns: set[str] = set()

    def walk(node: Any, *, are_patterns: bool = False) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(key, str):
                if key in _FREE_FORM:
                    names.add(key)
                    continue
                if are_patterns:
                    patterns.add(key)
                elif key not in _NOT_NAMES:
                    names.add(key)
                if key == "enum" and isinstance(value, list):
                    names.update(item for item in value if isinstance(item, str))
                if key == "const" and isinstance(value, str):
                    names.add(value)
            if isinstance(value, (dict, list)):
                walk(value, are_patterns=key == "patternProperties")

    walk(schema)
    return frozenset(names), tuple(re.compile(_python_pattern(pattern)) for pattern in sorted(patterns))


class _Depth(threading.local):
    """How many composite keywords (anyOf, oneOf, not, if) the validation is inside of."""

    value = 0


_depth = _Depth()


def _composite(keyword: str) -> Any:
    original = Draft7Validator.VALIDATORS[keyword]

    def validate(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _depth.value += 1
        try:
            errors = list(original(validator, value, instance, schema))
        finally:
            _depth.value -= 1
        yield from errors

    return validate


def _if(validator: Any, condition: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    _depth.value += 1
    try:
        holds = validator.evolve(schema=condition).is_valid(instance)
    finally:
        _depth.value -= 1
    branch = "then" if holds else "else"
    if branch in schema:
        yield from validator.descend(instance, schema[branch], schema_path=branch)


def _required(_validator: Any, required: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The names that ``properties`` does not look at; those it reports itself, in its own order."""
    if not isinstance(instance, dict):
        return
    _fill_in(instance, schema)
    properties = schema.get("properties", {})
    for name in required:
        if name not in instance and not properties.get(name):
            yield _missing(name)


def _properties(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    _fill_in(instance, schema)
    for name, subschema in properties.items():
        if name in instance:
            yield from validator.descend(instance[name], subschema, path=name, schema_path=name)
        elif subschema and name in schema.get("required", ()):
            yield _missing(name)


def _fill_in(instance: dict[str, Any], schema: Any) -> None:
    """Defaults, before anything else of the object is looked at."""
    if _depth.value:
        return
    for name, subschema in schema.get("properties", {}).items():
        if isinstance(subschema, dict) and "default" in subschema and name not in instance:
            instance[name] = copy.deepcopy(subschema["default"])


def _missing(name: str) -> ValidationError:
    return ValidationError("missing", validator="required", validator_value=name)


def _additional(validator: Any, extra: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """In the order of the instance; jsonschema's own goes through a set."""
    if not isinstance(instance, dict):
        return
    patterns = [re.compile(_python_pattern(pattern)) for pattern in schema.get("patternProperties", {})]
    for name, value in instance.items():
        if name in schema.get("properties", {}) or any(pattern.search(name) for pattern in patterns):
            continue
        if extra is False:
            yield ValidationError("additional property")
        else:
            yield from validator.descend(value, extra, path=name)


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not re.search(_python_pattern(pattern), instance):
        yield ValidationError(f"does not match {pattern!r}")


@lru_cache(maxsize=1024)
def _python_pattern(pattern: str) -> str:
    r"""A JavaScript pattern for Python: ``$`` must not match before a final newline, ``\d`` is ASCII."""
    parts: list[str] = []
    in_class = escaped = False
    for character in pattern:
        if character == "$" and not in_class and not escaped:
            parts.append(r"\Z")
        else:
            parts.append(character)
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "[":
            in_class = True
        elif character == "]":
            in_class = False
    return "(?a)" + "".join(parts)


_extend: Any = validators.extend  # the stubs leave it untyped
_Validator = _extend(
    Draft7Validator,
    {
        "required": _required,
        "properties": _properties,
        "additionalProperties": _additional,
        "pattern": _pattern,
        "if": _if,
        "anyOf": _composite("anyOf"),
        "oneOf": _composite("oneOf"),
        "not": _composite("not"),
    },
)


def _first(validator: Any, instance: Any) -> str | None:
    error: ValidationError | None = next(validator.iter_errors(instance), None)
    if error is None:
        return None
    while error.validator in ("anyOf", "oneOf") and error.context:
        error = error.context[0]  # ajv reports the branches first, and AS3 only shows the first report
    where = "".join(f"/{part}" for part in error.absolute_path)
    return f"{where}: {_words(error)}"


def _words(error: ValidationError) -> str:
    """ajv 6's message for an error."""
    value: Any = error.validator_value
    keyword: Any = error.validator
    match keyword:
        case "type":
            return f"should be {','.join(value) if isinstance(value, list) else value}"
        case "required":
            return f"should have required property '{value}'"
        case "additionalProperties" | "false schema" | None:
            return "should NOT have additional properties"
        case "enum":
            return "should be equal to one of the allowed values"
        case "const":
            return "should be equal to constant"
        case "pattern" | "format":
            return f'should match {keyword} "{value}"'
        case "maxLength":
            return f"should NOT be longer than {value} characters"
        case "minLength":
            return f"should NOT be shorter than {value} characters"
        case "maximum" | "minimum":
            return f"should be {'<=' if keyword == 'maximum' else '>='} {value}"
        case "maxItems" | "minItems" | "maxProperties" | "minProperties":
            kind = "items" if keyword.endswith("Items") else "properties"
            return f"should NOT have {'more' if keyword.startswith('max') else 'fewer'} than {value} {kind}"
        case "uniqueItems":
            return "should NOT have duplicate items"
        case "not":
            return "should NOT be valid"
        case "oneOf":
            return "should match exactly one schema in oneOf"
        case "anyOf":
            return "should match some schema in anyOf"
    return f"should pass {keyword} keyword validation"


@_formats.checks("f5ip")
def _f5ip(value: object) -> bool:
    return not isinstance(value, str) or value == "" or _is_f5ip(value)


@_formats.checks("f5ipv4")
def _f5ipv4(value: object) -> bool:
    return not isinstance(value, str) or value == "" or (_is_f5ip(value) and ":" not in value)


@_formats.checks("f5ipv6")
def _f5ipv6(value: object) -> bool:
    return not isinstance(value, str) or value == "" or (_is_f5ip(value) and ":" in value)


def _is_f5ip(value: str) -> bool:
    """An address with an optional ``%route-domain`` and an optional ``/prefix-length``."""
    match = re.fullmatch(r"(any6?|[0-9A-Fa-f:.]+)(?:%(\d{1,5}))?(?:/(\d{1,3}))?", value)
    if match is None:
        return False
    try:
        bits = 128 if match[1] == "any6" else 32 if match[1] == "any" else ip_address(match[1]).max_prefixlen
    except ValueError:
        return False
    return (match[2] is None or int(match[2]) <= 65535) and (match[3] is None or int(match[3]) <= bits)


@_formats.checks("f5bigip")
def _f5bigip(value: object) -> bool:
    return not isinstance(value, str) or _BIGIP.fullmatch(value) is not None


@_formats.checks("f5pointer")
def _f5pointer(value: object) -> bool:
    return not isinstance(value, str) or _POINTER.fullmatch(value) is not None


@_formats.checks("hostname")
def _hostname(value: object) -> bool:
    return not isinstance(value, str) or _HOSTNAME.fullmatch(value) is not None


@_formats.checks("uri")
def _uri(value: object) -> bool:
    return not isinstance(value, str) or _URI.fullmatch(value) is not None
