"""Validation against F5's AS3 schema, which is not part of this project: users fetch it once.

The schema is draft-07. Python's validator gives what AS3's own (ajv) gives but for AS3's string formats, which are in
``formats``, and for what AS3 looks up on the device.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigip_sm.errors import SchemaError
from bigip_sm.lint.findings import Finding, register
from bigip_sm.lint.validator import build, cases

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

ENVIRONMENT = "BIGIP_SM_AS3_SCHEMA"

INVALID = register(
    "BSM-S001", "error", "The declaration is valid by F5's AS3 schema", "AS3 answers 422 and changes nothing."
)
MISPLACED = register(
    "BSM-D017",
    "error",
    "Properties belong to the class of their item",
    "AS3 ignores in silence a property that only another class has, and refuses one that no class has.",
)


def cached_schema() -> Path:
    """Where a fetched schema is kept: below ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return cache / "bigip-sm" / "as3-schema.json"


def find_schema() -> Path | None:
    """F5's schema on this machine: what BIGIP_SM_AS3_SCHEMA names, else the fetched one, else ``None``.

    Raises SchemaError if the variable names a file that does not exist.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        if not Path(named).is_file():
            raise SchemaError(f"{ENVIRONMENT}: {named}: no such file; name a copy of F5's as3-schema.json")
        return Path(named)
    cached = cached_schema()
    return cached if cached.is_file() else None


def validate_schema(declaration: Mapping[str, Any], schema: Path) -> list[Finding]:
    """What F5's schema finds in a declaration of class ADC, and every property that its class does not have.

    The first call for a file reads it; a declaration then takes some 30 ms. Raises SchemaError if ``schema`` cannot be
    read or is not F5's.
    """
    loaded = _load(str(schema), _stamp(schema))
    findings = {INVALID.finding(*_readable(error)) for error in _deepest(loaded.validator.iter_errors(declaration))}
    findings |= set(loaded.misplaced(declaration))
    return sorted(findings, key=lambda finding: (finding.where, finding))


class _Schema:
    """A loaded schema: its validator, and the names that each class of item has."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.definitions: dict[str, Any] = document["definitions"]
        # Class of an item -> name of its definition. Read before the validator rewrites the lists of cases.
        listed = cases(self.definitions["Application"]["additionalProperties"]["allOf"]) or []
        self.classes = {kind: then["$ref"].rpartition("/")[2] for _, kind, then in listed if "$ref" in then}
        self.words = _words(self.definitions)
        self._names = {
            definition: frozenset(_property_names(self.definitions[definition], self.definitions))
            for definition in {*self.classes.values(), "Pool_Member"}
        }
        self.validator = build({**self.definitions["ADC"], "definitions": self.definitions})

    def misplaced(self, declaration: Mapping[str, Any]) -> Iterator[Finding]:
        """Properties of items and pool members that their class does not have and the schema lets pass."""
        for where, definition, value in self._objects(declaration):
            if self.definitions[definition].get("additionalProperties") is False:
                continue
            for name in value.keys() - self._names[definition]:
                outcome = "ignores it" if name in self.words else "refuses it"
                yield MISPLACED.finding(
                    f"{where}/{name}", f"{definition} has no such property, so AS3 {outcome}; remove it"
                )

    def _objects(self, declaration: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for tenant, application, name, item in _items(declaration):
            definition = self.classes.get(str(item.get("class")))
            if definition is None:
                continue
            where = f"/{tenant}/{application}/{name}"
            yield where, definition, item
            members = item.get("members")
            if definition == "Pool" and isinstance(members, list):
                for index, member in enumerate(members):
                    if isinstance(member, Mapping):
                        yield f"{where}/members/{index}", "Pool_Member", member


def _items(declaration: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for tenant, body in declaration.items():
        for application, content in body.items() if isinstance(body, Mapping) else ():
            for name, item in content.items() if isinstance(content, Mapping) else ():
                if isinstance(item, Mapping):
                    yield tenant, application, name, item


def _property_names(schema: Any, definitions: Mapping[str, Any]) -> Iterator[str]:
    """Names in ``properties`` of a schema and of everything that applies to the same object."""
    if not isinstance(schema, Mapping):
        return
    yield from schema.get("properties", ())
    if "$ref" in schema:
        yield from _property_names(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            yield from _property_names(part, definitions)
    for keyword in ("if", "then", "else"):
        yield from _property_names(schema.get(keyword), definitions)


def _words(definitions: Any) -> frozenset[str]:
    """Every property name anywhere in the schema."""
    found: set[str] = set()
    todo = [definitions]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            if isinstance(value.get("properties"), dict):
                found.update(value["properties"])
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    return frozenset(found)


def _deepest(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """For each error the one within its alternatives that says most."""
    from jsonschema.exceptions import best_match

    for error in errors:
        yield best_match([error]) or error


def _readable(error: ValidationError) -> tuple[str, str]:
    """Place and message of a validation error."""
    where = "".join(f"/{step}" for step in error.absolute_path)
    instance, wanted = error.instance, error.validator_value
    if error.validator == "additionalProperties" and isinstance(error.schema, Mapping) and isinstance(instance, dict):
        unknown = sorted(instance.keys() - error.schema.get("properties", {}).keys())
        return f"{where}/{unknown[0]}", "no such property here; remove it"
    if error.validator == "required" and isinstance(wanted, list) and isinstance(instance, dict):
        return where or "/", f"{', '.join(name for name in wanted if name not in instance)} is missing; add it"
    return where or "/", f"{_shortened(instance)} {_breach(str(error.validator), wanted)}"


BREACHES = {
    "type": "is not of type {0}",
    "enum": "is not one of {0}",
    "const": "is not {0}",
    "pattern": "does not match {0}",
    "format": "is not a valid {0}",
    "maxLength": "is longer than {0} characters",
    "minLength": "is shorter than {0} characters",
    "maximum": "is above {0}",
    "minimum": "is below {0}",
    "minItems": "has fewer than {0} entries",
    "uniqueItems": "has the same entry twice",
}
"""What is wrong with a value, by the keyword of the schema."""


def _breach(keyword: str, wanted: object) -> str:
    if isinstance(wanted, list):
        wanted = ", ".join(map(str, wanted[:20])) + (", ..." if len(wanted) > 20 else "")
    return BREACHES.get(keyword, f"breaks the schema's {keyword}").format(wanted)


def _shortened(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _stamp(schema: Path) -> tuple[int, int]:
    try:
        status = schema.stat()
    except OSError as error:
        raise SchemaError(f"{schema}: {error.strerror}; name a copy of F5's as3-schema.json") from None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=2)
def _load(path: str, stamp: tuple[int, int]) -> _Schema:
    """The schema in a file; ``stamp`` makes a changed file another one."""
    try:
        document = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise SchemaError(f"{path}: {error.strerror}; name a copy of F5's as3-schema.json") from None
    except ValueError:
        raise SchemaError(f"{path}: not JSON; name a copy of F5's as3-schema.json") from None
    try:
        return _Schema(document)
    except (AttributeError, KeyError, TypeError):
        raise SchemaError(f"{path}: not F5's AS3 schema; name a copy of F5's as3-schema.json") from None
