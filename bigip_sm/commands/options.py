"""The argument FILE of the verbs: a gateway.yaml, or stdin."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bigip_sm.spec.model import Spec

F = TypeVar("F", bound=Callable[..., Any])


def spec_argument(function: F) -> F:
    """Add the argument FILE: a path of a gateway.yaml, or ``-`` for stdin. Read it with ``read_spec``."""
    return click.argument("file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True))(function)


def read_spec(file: Path) -> Spec:
    """Load ``file``, or stdin when it is ``-`` (PEM files are then relative to the working directory).

    Raises SpecError with every problem.
    """
    from bigip_sm.spec import load

    if str(file) != "-":
        return load(file)
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"stdin: not UTF-8 at byte {error.start}; gateway.yaml is UTF-8 text") from None
    return load(Path("stdin"), text)
