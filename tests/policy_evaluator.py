"""IAM's evaluation of one policy, as far as ours go (IAM User Guide, "Policy evaluation logic"); anything else fails.

Written apart from what generates the policies: wildcards in actions and resources, and four condition operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

OPERATORS = ("StringEquals", "StringNotEquals", "ArnEquals", "BoolIfExists")


@dataclass(frozen=True)
class Asked:
    """One call: what on what, and what AWS knows about it (condition keys)."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def decision(policy: Mapping[str, Any], asked: Asked) -> str:
    """``allow``, ``deny`` for an explicit one, or ``implicit deny``."""
    assert policy["Version"] == "2012-10-17"
    found = "implicit deny"
    for statement in policy["Statement"]:
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}, statement
        if _applies(statement, asked):
            if statement["Effect"] == "Deny":
                return "deny"
            found = "allow"
    return found


def _applies(statement: Mapping[str, Any], asked: Asked) -> bool:
    actions = any(fnmatchcase(asked.action.lower(), one.lower()) for one in _listed(statement["Action"]))
    resources = any(fnmatchcase(asked.resource, one) for one in _listed(statement["Resource"]))
    return (
        actions
        and resources
        and all(
            _holds(operator, key, _listed(values), dict(asked.context))
            for operator, wanted in statement.get("Condition", {}).items()
            for key, values in wanted.items()
        )
    )


def _holds(operator: str, key: str, values: list[str], context: Mapping[str, str]) -> bool:
    assert operator in OPERATORS, operator
    value = context.get(key)
    if operator == "BoolIfExists":
        return value is None or value in values
    if operator == "StringNotEquals":
        return value not in values
    return value in values


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
