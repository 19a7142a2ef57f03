"""Pydantic's errors, as problems in the words of the file.

Pydantic speaks of its own types, reports every branch of a union and has no lines. Here each error becomes one problem
at the line of its value that says what is wrong and what would be right, and errors that only repeat another are left
out: the other branches of a union, a missing key that stands there misspelt, anything about a value that YAML itself
could not be sure of.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bigip_sm.errors import Problem
from bigip_sm.spec.fields import Place, Wanted, follow, is_model, tags, written
from bigip_sm.spec.forms import Form, Suggester, choices, listed
from bigip_sm.spec.positions import Document, Node, Path, quoted

_KINDS = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
_PRESENT = {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "a mapping"}
_UNITS = {"bytes": "B", "seconds": "s"}
_BOUNDS = {"greater_than_equal": ("ge", "least"), "less_than_equal": ("le", "most")}


@dataclass(frozen=True)
class _Error:
    """One error of pydantic and its place; ``node`` is the value there, None if there is none."""

    type: str
    text: str
    context: dict[str, Any]
    place: Place
    node: Node | None


def shape_problems(
    document: Document, model: type[BaseModel], errors: Iterable[Any], suggester: Suggester
) -> list[Problem]:
    """Turn the errors that pydantic found when it validated ``document`` as ``model`` into problems."""
    found = []
    for error in errors:
        place = follow(model, error["loc"])
        node = document.find(place.path)
        if not _any_prefix(place.path, document.broken) and not _repeats(error, node):
            found.append(_Error(error["type"], error["msg"], error.get("ctx", {}), place, node))
    kept = list(_without_other_branches(document, found))
    meant = {
        (error.place.path[:-1], nearest)
        for error in kept
        if error.type == "extra_forbidden" and (nearest := _meant(document, error, suggester))
    }
    problems = [
        document.problem(_shown_path(error), *_words(document, error, suggester), shown=error.place.shown)
        for error in kept
        if not (error.type == "missing" and _stands_there(error.place.path, meant, document))
    ]
    return list(dict.fromkeys(problems))


def _stands_there(path: Path, meant: set[tuple[Path, str]], document: Document) -> bool:
    """Return whether a missing key may be there after all: misspelt, or by a merge key, which has its own problem."""
    *parent, key = path
    return (tuple(parent), key) in meant or (*parent, "<<") in document.broken


def _repeats(error: Any, node: Node | None) -> bool:
    """Return whether an error only follows from others: pydantic counts the valid items of a list, not all of them."""
    return error["type"] == "too_short" and node is not None and len(node.children) >= error["ctx"]["min_length"]


def _any_prefix(path: Path, paths: frozenset[Path]) -> bool:
    return bool(paths) and any(path[:length] in paths for length in range(len(path) + 1))


def _without_other_branches(document: Document, errors: list[_Error]) -> Iterator[_Error]:
    """Of the errors inside one union, keep those of the branch that the value was meant for."""
    unions: dict[Path, tuple[Wanted, list[_Error]]] = {}
    for error in errors:
        union = error.place.union
        if union is None:
            yield error
        else:
            unions.setdefault(union.path, (union.wanted, []))[1].append(error)
    for path, (wanted, group) in unions.items():
        yield from _best_branch(document.find(path), path, wanted, group)


def _best_branch(node: Node | None, path: Path, wanted: Wanted, group: list[_Error]) -> Iterable[_Error]:
    keys = node.children.keys() if node else ()
    if node is not None and isinstance(node.value, dict) and wanted.models:

        def fitness(model: type[BaseModel]) -> int:
            return sum(key in model.model_fields for key in keys)

        best = max(wanted.models, key=fitness)
        return [error for error in group if error.place.union and error.place.union.arm is best]
    place = Place(path, wanted, None, None, False)
    first = next((error for error in group if not _of_model(error)), group[0])
    return [_Error(first.type, first.text, first.context, place, node)]


def _of_model(error: _Error) -> bool:
    return error.place.union is not None and is_model(error.place.union.arm)


def _shown_path(error: _Error) -> Path:
    if error.type.startswith("union_tag") and error.node is not None and isinstance(error.node.value, dict):
        return (*error.place.path, error.place.wanted.discriminator or "type")
    return error.place.path


def _meant(document: Document, error: _Error, suggester: Suggester) -> str | None:
    """Return the key that an unknown key was meant to be: one that is not there yet."""
    parent = document.find(error.place.path[:-1])
    present = parent.children if parent else {}
    names = [name for name in _keys(error.place.owner) if name not in present]
    return suggester.nearest(str(error.place.path[-1]), names)


def _keys(model: type[BaseModel] | None) -> list[str]:
    """Return the keys that a user may write in a mapping of this model."""
    if model is None:
        return []
    return [name for name, field in model.model_fields.items() if not field.exclude]


def _words(document: Document, error: _Error, suggester: Suggester) -> tuple[str, str]:
    """Return message and fix."""
    if error.type == "extra_forbidden":
        nearest = _meant(document, error, suggester)
        known = f"the keys here are {listed(_keys(error.place.owner))}"
        return "unknown key", f"did you mean {quoted(nearest)}?" if nearest else f"remove it; {known}"
    if error.type == "missing":
        return "this key is missing", _add(error.place.wanted)
    if error.type == "value_error" and (error.node is None or error.node.value is not None):
        return _said_by_validator(error)
    if error.place.is_key or error.node is None:
        return _not_a(str(error.place.path[-1]), error.place.wanted)
    if error.type.startswith("union_tag"):
        return _wrong_tag(error, error.node, suggester)
    if error.type not in _BOUNDS and not _fits(error.node.value, error.place.wanted):
        return _mismatch(error.node, error.place.wanted)
    return _wrong_value(error, error.node, suggester)


def _said_by_validator(error: _Error) -> tuple[str, str]:
    """Words of a validator's ValueError: ``message; fix``, or only the fix. Words of libraries are replaced."""
    message, separator, fix = str(error.context.get("error", error.text)).partition("; ")
    if separator:
        return message, fix
    if error.place.wanted.form and error.place.path:
        value = error.place.path[-1] if error.place.is_key or error.node is None else error.node.value
        return _not_a(str(value), error.place.wanted)
    return "this cannot be used as it is", message


def _add(wanted: Wanted) -> str:
    about = wanted.description or _expected(wanted)
    first, blank, rest = about.partition(" ")
    return f"add it: {first.lower() if first.istitle() else first}{blank}{rest}"


def _not_a(text: str, wanted: Wanted) -> tuple[str, str]:
    shown = "this" if wanted.secret else quoted(text)
    if wanted.form is None:
        return f"{shown} is not allowed here", f"write {_expected(wanted)}"
    return f"{shown} is not {wanted.form.noun}", f"write {_rule(wanted.form)}{_or_outline(wanted)}"


def _rule(form: Form) -> str:
    return f"{form.rule}, such as {form.example}"


def _or_outline(wanted: Wanted) -> str:
    return f", or {_outline(wanted)}" if wanted.models else ""


def _fits(value: Any, wanted: Wanted) -> bool:
    """Return whether a value is of a basic kind that is wanted: text for a date fits, a list does not."""
    return type(value) in {kind for arm in wanted.arms for kind in written(arm)}


def _expected(wanted: Wanted) -> str:
    literals = _literals(wanted)
    if literals:
        return choices(map(quoted, literals))
    if wanted.form:
        return f"{wanted.form.noun}{' or a mapping' if wanted.models else ''}"
    kinds = [kind for arm in wanted.arms for kind in written(arm)]
    return choices(dict.fromkeys(_KINDS[kind] for kind in kinds if kind is not int or float not in kinds))


def _literals(wanted: Wanted) -> tuple[Any, ...]:
    arms = [arm for arm in wanted.arms if typing.get_origin(arm) is typing.Literal]
    return tuple(value for arm in arms for value in typing.get_args(arm)) if len(arms) == len(wanted.arms) else ()


def _mismatch(node: Node, wanted: Wanted) -> tuple[str, str]:
    """Words for a value of another basic kind. Text is not shown: it may be a secret in the wrong place."""
    value, expected = node.value, _expected(wanted)
    if value is None:
        return "this is empty", _write(wanted)
    message = f"must be {expected}, not {_PRESENT[type(value)]}"
    if wanted.accepts(int) and isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return message, "write the number without quotes"
    literals = _literals(wanted)
    if literals and node.raw not in literals:
        return message, f"write {expected}"
    if wanted.accepts(str) and node.raw is not None and not wanted.models:
        return message, "put the value in quotes" if wanted.secret else f"put it in quotes: {quoted(node.raw)}"
    if wanted.accepts(list) and not isinstance(value, dict):
        return message, "write it as a list: in brackets, or after a dash"
    return message, _write(wanted)


def _write(wanted: Wanted) -> str:
    """Return the advice for a place where nothing useful stands yet."""
    if wanted.form:
        return f"write {_rule(wanted.form)}{_or_outline(wanted)}"
    if wanted.models:
        return f"write {_outline(wanted)}"
    if wanted.accepts(dict):
        return "write a name, a colon and its value for each"
    return f"write {_expected(wanted)}"


def _outline(wanted: Wanted) -> str:
    """Return how the wanted mappings are written, with the keys that they need, or else may have: ``{file: ...}``."""

    def keys(model: type[BaseModel]) -> list[str]:
        return [name for name in _keys(model) if model.model_fields[name].is_required()] or _keys(model)

    def pair(model: type[BaseModel], name: str) -> str:
        return f"{name}: {choices(tags(model, name)) if name == wanted.discriminator else '...'}"

    return choices("{" + ", ".join(pair(model, name) for name in keys(model)) + "}" for model in wanted.models)


def _wrong_tag(error: _Error, node: Node, suggester: Suggester) -> tuple[str, str]:
    wanted = error.place.wanted
    if not isinstance(node.value, dict):
        return _mismatch(node, wanted)
    tag = wanted.discriminator or "type"
    known = [value for model in wanted.models for value in tags(model, tag)]
    if tag not in node.value:
        return "this key is missing", f"add {tag}: {choices(known)}"
    return _not_one_of(node.children[tag], known, suggester)


def _not_one_of(node: Node, known: list[Any], suggester: Suggester) -> tuple[str, str]:
    if node.value is None or isinstance(node.value, (list, dict)):
        return _mismatch(node, Wanted((typing.Literal[tuple(known)],)))
    message = f"{quoted(node.value)} is not one of {listed(map(quoted, known))}"
    if len(known) == 1:
        message = f"{quoted(node.value)} is not allowed here"
    texts = [name for name in known if isinstance(name, str)]
    nearest = suggester.nearest(node.value, texts) if isinstance(node.value, str) else None
    if nearest:
        return message, f"did you mean {quoted(nearest)}?"
    return message, f"write {choices(map(quoted, known))}"


def _wrong_value(error: _Error, node: Node, suggester: Suggester) -> tuple[str, str]:
    """Words for a value of the right kind that breaks a rule."""
    wanted = error.place.wanted
    if error.type == "literal_error" and _literals(wanted):
        return _not_one_of(node, list(_literals(wanted)), suggester)
    if error.type in _BOUNDS:
        bound, word = _BOUNDS[error.type]
        shown = node.raw or quoted(node.value)
        return (
            f"{shown} is too {'small' if bound == 'ge' else 'large'}",
            f"write at {word} {_amount(error.context[bound], wanted)}",
        )
    if error.type == "too_short":
        return "this is empty", f"write at least {error.context['min_length']}"
    if isinstance(node.value, str):
        if error.type == "string_too_long" and "max_length" in error.context:
            limit = error.context["max_length"]
            return f"this has {len(node.value)} characters", f"write at most {limit}"
        return _not_a(node.value, wanted)
    return f"{quoted(node.raw or node.value)} is not allowed here", _write(wanted)


def _amount(bound: int, wanted: Wanted) -> str:
    """Write a bound in the unit that a user would."""
    unit = wanted.form.unit if wanted.form else ""
    if unit == "bytes" and bound % 1024**2 == 0:
        return f"{bound // 1024**2}MiB"
    return f"{bound}{_UNITS.get(unit, '')}"
