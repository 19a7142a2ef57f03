"""What a file is, by its content, and the findings in it: iRule text, tmsh configuration, or an AS3 declaration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from bigip_sm.lint import pem
from bigip_sm.lint.declaration import items, lint_declaration
from bigip_sm.lint.findings import Finding
from bigip_sm.lint.irule import lint_irule
from bigip_sm.lint.schema import find_schema, validate_schema
from bigip_sm.lint.services import lint_services
from bigip_sm.tcl.faults import Fault
from bigip_sm.tcl.parser import Parser

Kind = Literal["irule", "tmsh", "declaration", "gateway", "unknown"]

_IRULE = re.compile(r"(?:^|[;\n])[ \t]*(?:when[ \t]+[A-Za-z][A-Za-z0-9_]*|proc[ \t]+[\w:]+)(?![\w:=])")
_TMSH = re.compile(r"(?m)^[ \t]*ltm rule[ \t]+(\S+)[ \t]*(?=\{)")
_GATEWAY = re.compile(r"(?m)^(?:gateway|listeners)[ \t]*:")

UNKNOWN = "neither an iRule (it has no when and no proc), nor an AS3 declaration, nor a gateway.yaml"


class Unreadable(ValueError):
    """A file is nothing that can be linted; the message says why in one line."""


def decode(content: bytes) -> str:
    """The text of a file. What is not UTF-8 becomes characters one by one, so that a rule can say where it is."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def kind_of(text: str) -> Kind:
    """What a text is."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return "declaration"
    if _TMSH.search(text):
        return "tmsh"
    if _IRULE.search(text):
        return "irule"
    return "gateway" if _GATEWAY.search(text) else "unknown"


def lint_file(text: str, name: str) -> list[Finding]:
    """Every finding in a text that is no gateway.yaml; ``where`` begins with ``name``. Raises Unreadable."""
    kind = kind_of(text)
    if kind == "declaration":
        return list(_declaration(text, name))
    if kind == "tmsh":
        return [found for path, rule in _tmsh_rules(text) for found in lint_irule(rule, f"{name}:{path}")]
    if kind == "irule":
        return lint_irule(text, name)
    raise Unreadable(UNKNOWN)


def _tmsh_rules(text: str) -> Iterator[tuple[str, str]]:
    """(path, text) of each ``ltm rule``, with as many lines before the text as there are in the file."""
    parser = Parser(text)
    for found in _TMSH.finditer(text):
        try:
            end = parser.brace(found.end(), len(text)).end - 1
        except Fault:
            end = len(text)
        body = text[found.end() + 1 : end].rstrip(" \t")
        yield found[1], "\n" * text.count("\n", 0, found.end()) + body


def _declaration(text: str, name: str) -> Iterator[Finding]:
    try:
        document = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        place = (
            f"line {error.lineno}: {error.msg}"
            if isinstance(error, json.JSONDecodeError)
            else "it is nested too deeply"
        )
        raise Unreadable(f"begins like JSON and is none: {place}") from None
    if isinstance(document, dict) and document.get("class") == "AS3":
        document = document.get("declaration")
    if not isinstance(document, dict) or document.get("class") != "ADC":
        raise Unreadable("JSON, but no AS3 declaration: class is neither ADC nor AS3 with an ADC in it")
    found = lint_declaration(document) + lint_services(document)
    schema = find_schema()
    if schema is not None:
        found += validate_schema(document, schema)
    yield from (replace(one, where=f"{name}:{one.where}") for one in found)
    for pointer, rule in _rules(document):
        for one in lint_irule(rule, f"{name}:{pointer}"):
            # The line is one of the rule, not of this file.
            yield replace(one, line=0)


def _rules(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for item in items(document):
        text = pem.plain_text(item.properties.get("iRule")) if item.kind == "iRule" else None
        if text is not None:
            yield item.path, text
