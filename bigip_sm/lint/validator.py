"""A draft-07 validator for F5's schema that looks a class up instead of trying them all.

The schema asks of every item 111 times in turn "if your class is X, then ...", which makes a large declaration take
seconds. Such lists of cases are turned into one table; what they accept does not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

KEYWORD = "x-bigip-sm-cases"

Case = tuple[str, str, Any]


def build(root: dict[str, Any]) -> Validator:
    """A validator for ``root``, which is changed: lists of cases become tables. String formats are AS3's."""
    from jsonschema import Draft7Validator
    from jsonschema.validators import extend

    from bigip_sm.lint.formats import format_checker

    _tabulate(root)
    kind: type[Validator] = extend(Draft7Validator, {KEYWORD: _check_case})  # type: ignore[no-untyped-call]  # its stub has no types
    return kind(root, format_checker=format_checker())


def cases(schemas: Any) -> list[Case] | None:
    """(property, constant, schema) of each entry of an ``allOf`` that is nothing but cases of one property."""
    found = [_case(schema) for schema in schemas] if isinstance(schemas, list) and len(schemas) > 2 else [None]
    known = [case for case in found if case is not None]
    return known if len(known) == len(found) and len({case[0] for case in known}) == 1 else None


def _case(schema: Any) -> Case | None:
    if not isinstance(schema, dict) or schema.keys() != {"if", "then"} or list(schema["if"]) != ["properties"]:
        return None
    properties = schema["if"]["properties"]
    if len(properties) != 1:
        return None
    ((name, test),) = properties.items()
    return (name, test["const"], schema["then"]) if list(test) == ["const"] and isinstance(test["const"], str) else None


def _tabulate(schema: Any) -> None:
    if isinstance(schema, list):
        for part in schema:
            _tabulate(part)
    elif isinstance(schema, dict):
        table = cases(schema.get("allOf"))
        if table:
            schema[KEYWORD] = table
            del schema["allOf"]
        for part in schema.values():
            _tabulate(part)
        for _, _, part in table or ():
            _tabulate(part)


def _check_case(
    validator: Any, table: list[Case], instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        applicable = table
    else:
        # Without the property every "if" holds, as it says nothing about a property that is not there.
        applicable = [case for case in table if instance.get(case[0], case[1]) == case[1]]
    for _, _, then in applicable:
        yield from validator.descend(instance, then)
