"""The query parameters of ``/mgmt/shared/appsvcs/declare``.

Facts: AS3's ``src/lib/declareHandler.js`` (parseQueryStrings, parseAsyncParam) and its words for what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl

from bigip_sm.lab.bigip.replies import Json, Refusal, not_emulated

_LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_FLAGS = {"controls.dryRun": "dryRun", "controls.traceResponse": "traceResponse", "controls.trace": "trace"}


@dataclass(frozen=True)
class Query:
    """What a query asks for; ``age`` counts stored declarations from the newest, ``controls`` win over a body's."""

    show: str = "base"
    age: int | Literal["list"] = 0
    filter_class: str | None = None
    show_hash: bool = False
    unchecked: bool = False
    asynchronous: bool = False
    controls: Json = field(default_factory=dict)


def parse_query(method: str, query: str) -> Query:
    """The query of a request. Raises Refusal (400) for what AS3 refuses."""
    found: Json = {"controls": {}}
    for name, value in parse_qsl(query, keep_blank_values=True):
        match name:
            case "show":
                found["show"] = _one_of(value.lower() or "base", ("base", "full", "expanded"), _SHOW)
            case "age":
                _only_for(name, method, "GET")
                found["age"] = _age(value)
            case "filterClass" | "showHash" if method == "DELETE":
                raise Refusal(400, f'query param "{name}" is not allowed for method Delete')
            case "filterClass":
                found["filter_class"] = value
            case "showHash":
                found["show_hash"] = _flag(name, value)
            case "async":
                if method == "GET":
                    raise Refusal(400, 'query param "async" is not allowed for method=GET or action=retrieve.')
                found["asynchronous"] = _flag(name, value)
            case "unsafe" | "unchecked":
                found["unchecked"] = _flag("unchecked", value)
            case "controls.logLevel":
                found["controls"]["logLevel"] = _one_of(value.lower(), _LEVELS, _LEVEL)
            case "controls.userAgent":
                found["controls"]["userAgent"] = value
            case _ if name in _FLAGS:
                found["controls"][_FLAGS[name]] = _flag(_FLAGS[name], value)
            case _:
                raise Refusal(400, f'unrecognized URL query parameter "{name}"')
    asked = Query(**found)
    if method != "GET" and asked.show != "base":
        raise not_emulated(f"show={asked.show} with {method}")
    return asked


_SHOW = 'show must be "base", "full", or "expanded"'
_LEVEL = 'logLevel must be "emergency", "alert", "critical", "error", "warning", "notice", "info", or "debug"'


def _only_for(name: str, method: str, wanted: str) -> None:
    if method != wanted:
        raise Refusal(400, f'query param "{name}" is not allowed for method {method.capitalize()}')


def _age(value: str) -> int | Literal["list"]:
    if value == "list":
        return "list"
    if not re.fullmatch(r"[0-9]{1,2}", value):
        raise Refusal(400, f'invalid age value "{value}" - must be a number between 0-15 or "list"')
    if int(value) > 15:
        raise Refusal(400, f'invalid age value "{value}" - must be between 0-15 or "list"')
    return int(value)


def _flag(name: str, value: str) -> bool:
    """A flag; without a value it says nothing."""
    return _one_of(value.lower() or "false", ("false", "true"), f'{name} must be "true" or "false"') == "true"


def _one_of(value: str, allowed: tuple[str, ...], message: str) -> str:
    if value not in allowed:
        raise Refusal(400, message)
    return value
