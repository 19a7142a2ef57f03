"""How far an AS3 class is emulated, and the check of an object against that.

The words of the errors are ajv's, as AS3 shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bigip_sm.lab.bigip.as3.invalid import invalid, lab_gap
from bigip_sm.lab.bigip.replies import Json

WORDS = ("class", "label", "remark")
"""Properties of every class."""

_LABEL = re.compile(r"[^\x00-\x1f\x22#&*<>?\x5b-\x5d`\x7f]{0,64}")
_REMARK = re.compile(r"[^\x00-\x1f\x22\x5c\x7f]{0,64}")

Check = Callable[[Any], str | None]
"""Says what a value should be, in ajv's words, or None if it is."""


def boolean(value: Any) -> str | None:
    """A JSON boolean."""
    return None if isinstance(value, bool) else "should be boolean"


def text(value: Any) -> str | None:
    """A JSON string."""
    return None if isinstance(value, str) else "should be string"


def array(value: Any) -> str | None:
    """A JSON array."""
    return None if isinstance(value, list) else "should be array"


def anything(_value: Any) -> str | None:
    """Whatever; the translation looks at it."""
    return None


def integer(low: int, high: int) -> Check:
    """A JSON integer within bounds."""

    def check(value: Any) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return "should be integer"
        return None if low <= value <= high else f"should be >= {low} and <= {high}"

    return check


def one_of(*values: Any) -> Check:
    """One of these values."""
    return lambda value: None if value in values else "should be equal to one of the allowed values"


class _Unset:
    """Stands for a property that is not there and has no default."""

    def __repr__(self) -> str:
        return "absent"


UNSET = _Unset()


@dataclass(frozen=True)
class Only:
    """The values that are emulated, and AS3's default, which need not be one of them."""

    allowed: tuple[Any, ...]
    default: Any


def only(*allowed: Any, default: Any = UNSET) -> Only:
    """Emulated for ``allowed`` alone; ``default`` is AS3's, by default the first of them."""
    return Only(allowed, allowed[0] if default is UNSET else default)


@dataclass(frozen=True)
class ClassRules:
    """How far the properties of one class are emulated."""

    name: str
    closed: bool
    required: tuple[str, ...] = ()
    used: Mapping[str, Check] = field(default_factory=dict)
    only: Mapping[str, Only] = field(default_factory=dict)
    free: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()

    @property
    def properties(self) -> frozenset[str]:
        """Every property of the class."""
        return frozenset((*WORDS, *self.used, *self.only)) | self.free | self.refused

    def check(self, where: str, body: Any) -> None:
        """Raise Refusal (422) if an object of this class is wrong, or is not emulated."""
        if not isinstance(body, dict):
            raise invalid(where, "should be object")
        for name in self.required:
            if name not in body:
                raise invalid(where, f"should have required property '{name}'")
        for name, pattern in (("label", _LABEL), ("remark", _REMARK)):
            if not isinstance(body.get(name, ""), str) or not pattern.fullmatch(body.get(name, "")):
                raise invalid(f"{where}/{name}", f'should match pattern "^{pattern.pattern}$"')
        for name in body:
            if name in self.refused:
                raise lab_gap(f"{where}/{name}")
            if self.closed and name not in self.properties:
                raise invalid(where, "should NOT have additional properties")
        for name, check in self.used.items():
            wrong = check(body[name]) if name in body else None
            if wrong:
                raise invalid(f"{where}/{name}", wrong)
        self._check_only(where, body)

    def _check_only(self, where: str, body: Json) -> None:
        for name, values in self.only.items():
            value = body.get(name, values.default)
            if not any(_same(value, allowed) for allowed in values.allowed):
                emulated = ", ".join(map(repr, values.allowed))
                implied = "" if name in body else " (AS3's default)"
                raise lab_gap(f"{where}/{name}", f"{value!r}{implied} instead of {emulated} is")


def _same(value: Any, allowed: Any) -> bool:
    return value is allowed or (type(value) is type(allowed) and value == allowed)


def names(words: str) -> frozenset[str]:
    """Names written in one string, with blanks between them."""
    return frozenset(words.split())
