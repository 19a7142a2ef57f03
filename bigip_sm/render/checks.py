"""The last look at a declaration before it leaves ``render``: what AS3 and TMOS would refuse or rewrite in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bigip_sm.errors import RenderError
from bigip_sm.lint import lint_declaration


def check(declaration: Mapping[str, Any]) -> None:
    """Raise RenderError, naming the first place, if a string is not ASCII or a lint rule of level error is broken."""
    problems = [f"{where}: not ASCII; write it in ASCII" for where in _not_ascii(declaration)]
    problems += [
        f"{finding.where}: {finding.message} ({finding.rule})"
        for finding in lint_declaration(declaration)
        if finding.level == "error"
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise RenderError(problems[0] + more)


def _not_ascii(value: Any, where: str = "") -> list[str]:
    if isinstance(value, str):
        return [] if value.isascii() else [where]
    if isinstance(value, Mapping):
        return [found for key, inner in value.items() for found in _not_ascii(inner, f"{where}/{key}")]
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in _not_ascii(inner, f"{where}/{index}")]
    return []
