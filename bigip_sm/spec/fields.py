"""What a pydantic model says about the place of an error: the type wanted there, its words, the keys around it.

A location of pydantic (``("identities", "staff", "client-certificate", "subject")``) names branches of unions between
the keys of the file. Only the types tell the two apart, so ``follow`` walks both together.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bigip_sm.spec.forms import Form
from bigip_sm.spec.positions import Path


@dataclass(frozen=True)
class Wanted:
    """What may stand in one place: one or more types (``arms``; None is not counted), and words for them."""

    arms: tuple[Any, ...]
    form: Form | None = None
    discriminator: str | None = None
    description: str = ""
    secret: bool = False

    @property
    def models(self) -> tuple[type[BaseModel], ...]:
        """The models among the types."""
        return tuple(arm for arm in self.arms if is_model(arm))

    def accepts(self, basic: type) -> bool:
        """Return whether any type is written in the file as ``basic``: dict, list, str, int, float or bool."""
        return any(basic in written(arm) for arm in self.arms)


@dataclass(frozen=True)
class Union:
    """The union that an error was found in: where it is, what it wants, and the branch that pydantic tried."""

    path: Path
    wanted: Wanted
    arm: Any


@dataclass(frozen=True)
class Place:
    """The place of an error: its path in the file, what is wanted there, the model that the last key belongs to.

    ``shown`` is how many steps of the path may be shown, None for all: a key may be a secret in the wrong place.
    """

    path: Path
    wanted: Wanted
    owner: type[BaseModel] | None
    union: Union | None
    is_key: bool
    shown: int | None = None


def is_model(annotation: Any) -> bool:
    """Return whether ``annotation`` is a pydantic model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def written(arm: Any) -> tuple[type, ...]:
    """Return how values of a type are written in a file: as which of dict, list, str, int, float and bool."""
    origin = typing.get_origin(arm) or arm
    if origin is Literal:
        return tuple({type(value) for value in typing.get_args(arm)})
    if origin is Any:
        return dict, list, str, int, float, bool
    if is_model(origin) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return (dict,)
    if origin in (tuple, list, set, frozenset, Sequence):
        return (list,)
    if origin is float:
        return int, float
    return (origin,) if origin in (int, bool) else (str,)


def want(annotation: Any, metadata: Sequence[Any] = ()) -> Wanted:
    """Read an annotation: ``Annotated``, ``| None`` and unions are taken apart."""
    notes = list(metadata)
    arms: tuple[Any, ...] = (annotation,)
    while len(arms) == 1:
        origin = typing.get_origin(arms[0])
        if origin is typing.Annotated:
            notes += arms[0].__metadata__
            arms = (arms[0].__origin__,)
        elif origin in (typing.Union, types.UnionType):
            arms = tuple(arm for arm in typing.get_args(arms[0]) if arm is not types.NoneType)
        else:
            break
    fields = [note for note in notes if isinstance(note, FieldInfo)]
    forms = [note for note in notes if isinstance(note, Form)]
    if len(arms) > 1:
        arms = tuple(_only(arm, forms) for arm in arms)
    tags = [field.discriminator for field in fields if isinstance(field.discriminator, str)]
    return Wanted(
        arms,
        form=forms[0] if forms else None,
        discriminator=tags[0] if tags else None,
        description=next((field.description for field in fields if field.description), ""),
        secret=any(field.repr is False for field in fields) or any(form.secret for form in forms),
    )


def _only(arm: Any, forms: list[Form]) -> Any:
    """Return a union's branch without ``Annotated``; its form counts for the union."""
    if typing.get_origin(arm) is not typing.Annotated:
        return arm
    forms += [note for note in arm.__metadata__ if isinstance(note, Form)]
    return arm.__origin__


def of_field(field: FieldInfo) -> Wanted:
    """Return what a field of a model wants."""
    return want(field.annotation, [field, *field.metadata])


def follow(model: type[BaseModel], location: Sequence[str | int]) -> Place:
    """Follow a location that pydantic reports, from ``model`` on."""
    wanted, path, union, owner = Wanted((model,)), list[str | int](), None, None
    secret, shown = False, None
    for index, step in enumerate(location):
        secret = secret or wanted.secret
        if len(wanted.arms) > 1:
            arm = _branch(wanted, step)
            if wanted.discriminator is None:
                union = union or Union(tuple(path), wanted, arm)
            wanted = Wanted((arm,), wanted.form, secret=secret)
            continue
        arm = wanted.arms[0]
        arguments = typing.get_args(arm)
        if is_model(arm):
            owner = arm
            field = arm.model_fields.get(str(step))
            wanted = of_field(field) if field else Wanted((Any,))
        elif dict in written(arm) and len(arguments) == 2:
            if want(arguments[0]).secret:
                shown = len(path)
            if list(location[index + 1 :]) == ["[key]"]:
                return Place((*path, step), want(arguments[0]), None, union, True, shown)
            owner, wanted = None, want(arguments[1])
        elif list in written(arm) and arguments:
            owner, wanted = None, want(arguments[0])
        else:
            continue  # a step that pydantic's own validators add and the file does not have
        path.append(step)
    wanted = dataclasses.replace(wanted, secret=secret or wanted.secret)
    return Place(tuple(path), wanted, owner, union, False, shown)


def _branch(wanted: Wanted, label: str | int) -> Any:
    """Return the branch of a union that pydantic calls ``label``: a tag, a model's name, or some other type."""
    for model in wanted.models:
        if wanted.discriminator is None:
            if model.__name__ == label:
                return model
        elif label in tags(model, wanted.discriminator):
            return model
    return next((arm for arm in wanted.arms if not is_model(arm)), wanted.arms[0])


def tags(model: type[BaseModel], discriminator: str) -> tuple[str, ...]:
    """Return the values of the discriminating field that choose ``model``."""
    return tuple(map(str, typing.get_args(model.model_fields[discriminator].annotation)))
