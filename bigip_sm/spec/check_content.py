"""Rules about what requests and answers may contain."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.content import Validation, is_json
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.positions import quoted

READ_BY_EVERY_ROUTE = ("host", "accept", "content-type", "content-length", "transfer-encoding")
"""Headers that the gateway has its own rules for."""

OF_THE_MESSAGE = (
    *("connection", "content-encoding", "content-length", "content-type", "keep-alive", "transfer-encoding"),
    *("trailer", "upgrade", "x-gateway-reason", "x-request-id"),
)
"""Headers that say what an answer is: a fixed value would make it unreadable, or hide the gateway's own."""


def check_validation(draft: Draft) -> Iterator[Problem]:
    """Lists with repetitions; rules about JSON on routes that take something else as well."""
    for route in draft.names("routes"):
        path = ("routes", route, "validation")
        for key in ("content_types", "headers", "fields"):
            yield from draft.repeated(draft.texts(*path, key))
        yield from draft.repeated(draft.texts("routes", route, "match", "models"))
        for key in ("fields", "keep_headers"):
            yield from draft.repeated(draft.texts("routes", route, "shape", key))
        for where, header in draft.texts(*path, "headers"):
            if header in READ_BY_EVERY_ROUTE:
                yield draft.problem(where, f"every request may have {header}", "list other headers; see content_types")
        for header in draft.names("routes", route, "shape", "headers"):
            if header in OF_THE_MESSAGE:
                message = f"{header} follows from the answer and cannot be set"
                yield draft.problem(("routes", route, "shape", "headers", header), message, "remove it")
        yield from _other_than_json(draft, route)


def check_fields(draft: Draft) -> Iterator[Problem]:
    """Lists of allowed members without those that the route itself asks for."""
    for route in draft.names("routes"):
        path = ("routes", route, "validation")
        fields = [text for _, text in draft.texts(*path, "fields")]
        if not fields:
            continue
        wanted = {"model"} if draft.items("routes", route, "match", "models") else set()
        shape = draft.text(*path, "shape")
        wanted |= {"messages"} if shape == "openai-chat" else set()
        for name in sorted(wanted - set(fields)):
            message = f"{name} is not among the fields, but no request is accepted without it"
            yield draft.problem((*path, "fields"), message, f"add {name}")
        if shape == "tensorflow" and not {"instances", "inputs", "examples"} & set(fields):
            message = "no request with these fields has the shape tensorflow"
            yield draft.problem((*path, "fields"), message, "add instances, inputs or examples")


def check_guards(draft: Draft) -> Iterator[Problem]:
    """Guards that do not exist, and lists with repetitions."""
    known = dict.fromkeys(draft.names("guards"))
    for route in draft.names("routes"):
        named = draft.texts("routes", route, "guards")
        yield from draft.repeated(named)
        for path, name in named:
            if name not in known:
                advice = draft.suggester.advice(name, known.keys(), "guards")
                yield draft.problem(path, f"there is no guard {quoted(name)}", advice)
    for guard in known:
        for step in draft.items("guards", guard, "chain"):
            path = ("guards", guard, "chain", step)
            yield from draft.repeated(draft.texts(*path, "find"))
            empty = draft.has(*path, "find") and not draft.items(*path, "find")
            if empty and draft.text(*path, "type") == "dlp" and not draft.names(*path, "patterns"):
                yield draft.problem((*path, "find"), "it looks for nothing", "list what to find, or add patterns")


def _other_than_json(draft: Draft, route: str) -> Iterator[Problem]:
    """Where a body may be something else, what is asked of JSON could be walked around."""
    path = ("routes", route, "validation")
    default: tuple[str, ...] = Validation.model_fields["content_types"].default
    types = [text for _, text in draft.texts(*path, "content_types")] or list(default)
    other = [one for one in types if re.fullmatch(r"[^;/ ]+/[^;/ ]+", one) and not is_json(one)]
    if not draft.has(*path) or not other:
        return
    for key in (("match", "models"), ("validation", "fields"), ("validation", "shape"), ("guards",)):
        if draft.has("routes", route, *key):
            message = f"{key[-1]} can be read in JSON only, and the route takes {other[0]}"
            fix = f"remove {other[0]} from content_types, or give it a route of its own"
            yield draft.problem(("routes", route, *key), message, fix)
