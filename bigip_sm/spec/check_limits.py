"""Rules about ``limits`` that need more than one place of the file."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.forms import choices
from bigip_sm.spec.positions import Path
from bigip_sm.spec.principals import parse

_KINDS = ("requests", "tokens", "concurrency")
_OPENAI = ("openai", "text-generation")
"""Formats of kind sagemaker whose callers are OpenAI clients."""


def check_limits(draft: Draft) -> Iterator[Problem]:
    """Counts that are there twice or count nothing, groups that no caller is in."""
    for route in draft.names("routes"):
        seen: dict[tuple[str, str, str], Path] = {}
        for path in _quotas(draft, route):
            found = [key for key in _KINDS if draft.has(*path, key)]
            if not found and len(path) > 3:
                yield draft.problem(path, "this limits nothing", f"add {choices(_KINDS)}")
            if not found and len(path) == 3:
                for key in ("per", "shadow"):
                    if draft.has(*path, key):
                        fix = f"add {choices(_KINDS)} beside it, or remove it"
                        yield draft.problem((*path, key), "there is nothing here that it could apply to", fix)
            yield from _check_group(draft, route, path)
            yield from _check_twice(draft, path, found, seen)
        yield from _check_cap(draft, route)


def _quotas(draft: Draft, route: str) -> Iterator[Path]:
    limits = ("routes", route, "limits")
    yield limits
    for index in draft.items(*limits, "also"):
        yield (*limits, "also", index)


def _check_group(draft: Draft, route: str, path: Path) -> Iterator[Problem]:
    if draft.text(*path, "per") == "group" and not any(parse(entry).kind == "group" for entry in draft.entries(route)):
        message = "no entry of allow is a group, so no caller of this route is counted by one"
        yield draft.problem((*path, "per"), message, "write principal or route, or allow identity:group/NAME")


def _check_twice(
    draft: Draft, path: Path, found: list[str], seen: dict[tuple[str, str, str], Path]
) -> Iterator[Problem]:
    per = draft.text(*path, "per") or "principal"
    for kind in found:
        unit = (draft.text(*path, kind) or "").partition("/")[2]
        first = seen.setdefault((kind, unit, per), path)
        if first != path:
            window = f" in a {unit}" if unit else ""
            message = f"{kind}{window} per {per} are limited already (line {draft.line(*first, kind)})"
            yield draft.problem((*path, kind), message, "remove one of the two, or give it another window or per")


def _check_cap(draft: Draft, route: str) -> Iterator[Problem]:
    upstream = draft.text("routes", route, "upstream") or ""
    kind = draft.text("upstreams", upstream, "kind")
    openai = kind == "sagemaker-openai" or (
        kind == "sagemaker" and draft.text("upstreams", upstream, "format") in _OPENAI
    )
    path = ("routes", route, "limits", "max_tokens")
    if draft.has(*path) and kind is not None and not openai:
        message = f"requests to upstreams of kind {kind} have no max_tokens that is the same for every model"
        yield draft.problem(
            path, message, f"remove it; it is for sagemaker-openai, and sagemaker with format: {choices(_OPENAI)}"
        )
