"""Loading a user's YAML file into its model, with every problem at its line.

``load_model`` is for any file and model; ``load`` is for gateway.yaml and adds the rules that need more than one place
of the file (``checks``) and the certificates beside it (``pem``). Heavy libraries are imported when a file is read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bigip_sm.errors import Problem, SpecError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from bigip_sm.spec.forms import Suggester
    from bigip_sm.spec.model import Spec
    from bigip_sm.spec.positions import Document

    T = TypeVar("T", bound=BaseModel)


def load(path: Path, text: str | None = None) -> Spec:
    """Load gateway.yaml from ``path``; ``text`` replaces its content (then ``path`` only names it).

    Raises SpecError with every problem of the file: YAML, shape, names that do not exist, rules between places, and
    certificates that cannot be read. Files named in it are relative to the folder of ``path``.
    """
    from bigip_sm.spec.checks import check
    from bigip_sm.spec.draft import Draft
    from bigip_sm.spec.forms import Suggester
    from bigip_sm.spec.model import Spec
    from bigip_sm.spec.pem import Reader

    document = read_document(path, text)
    suggester = Suggester()
    spec, problems = check_shape(Spec, document, suggester)
    draft, certificates = Draft(document, suggester), Reader(path.parent)
    told = {problem.path for problem in problems}
    for problem in [*check(draft), *certificates.problems(draft)]:
        if problem.path not in told:
            problems.append(problem)
    if problems or spec is None:
        raise SpecError(problems)
    return certificates.filled(spec)


def load_model(model: type[T], path: Path, text: str | None = None) -> T:
    """Load the YAML file ``path`` (or ``text``, named ``path``) as ``model``. Raises SpecError with every problem.

    The model's words come from its types: ``bigip_sm.spec.forms.Form`` beside a pattern, descriptions for missing keys,
    and ValueErrors of validators worded ``what is wrong; what would be right``. Values of fields with ``repr=False``,
    and of what they contain, are never shown.
    """
    from bigip_sm.spec.forms import Suggester

    loaded, problems = check_shape(model, read_document(path, text), Suggester())
    if problems or loaded is None:
        raise SpecError(problems)
    return loaded


def check_shape(model: type[T], document: Document, suggester: Suggester) -> tuple[T | None, list[Problem]]:
    """Validate ``document`` as ``model``: the instance, or None, and every problem of YAML and shape."""
    from pydantic import ValidationError

    from bigip_sm.spec.shapes import shape_problems

    try:
        # JSON and strict: "443" is not a number and 1 is not true, yet lists, dates and addresses are read from text.
        return model.model_validate_json(json.dumps(document.root.value), strict=True), list(document.problems)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        return None, [*document.problems, *shape_problems(document, model, errors, suggester)]


def read_document(path: Path, text: str | None = None) -> Document:
    """Read and parse a YAML file. Raises SpecError if it cannot be read or is not the YAML that is accepted."""
    from bigip_sm.spec.positions import parse

    return parse(str(path), _read(path) if text is None else text)


def _read(path: Path) -> str:
    from bigip_sm.spec.positions import MAX_CHARACTERS

    try:
        with path.open("rb") as file:
            content = file.read(4 * MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it cannot be opened"
        raise SpecError([Problem(str(path), 1, "", f"cannot be read: {reason}", "name a readable YAML file")]) from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte {content[error.start]:#04x} is not UTF-8"
        raise SpecError([Problem(str(path), line, "", message, "save the file as UTF-8 text")]) from None
