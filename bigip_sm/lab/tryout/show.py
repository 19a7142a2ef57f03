"""A record of a try as text for people, and as a document for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from bigip_sm.lab.tryout.record import (
    Answered,
    Asked,
    CommandRun,
    Created,
    Event,
    Failed,
    LogLine,
    Record,
    Sent,
    Step,
)

MAX_WORD = 100
"""Characters of an argument or a result in the text form."""

MAX_BINARY = 32
"""Bytes of a binary value in the text form."""

MAX_BODY = 2000
"""Characters of a body in the text form."""

KINDS: dict[type, str] = {
    Asked: "client-request",
    Event: "event",
    CommandRun: "command",
    LogLine: "log",
    Sent: "upstream-request",
    Answered: "response",
    Failed: "no-response",
}


def text(record: Record) -> str:
    """Every step on a line or several, in order; commands are indented below their event."""
    lines = [f"rule {record.rule}"]
    lines += [f"made up for it: {created.kind} {created.path} ({created.what})" for created in record.created]
    for step in record.steps:
        lines += _lines(step)
    return "\n".join(lines)


def document(record: Record) -> dict[str, Any]:
    """The record as JSON values; text from the wire is one character a byte (latin-1)."""
    return {
        "rule": record.rule,
        "created": [dataclasses.asdict(created) for created in record.created],
        "steps": [{"step": KINDS[type(step)], **_fields(step)} for step in record.steps],
    }


def _fields(step: Step | Created) -> dict[str, Any]:
    values = dataclasses.asdict(step)
    return {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in values.items()}


def _lines(step: Step) -> Iterator[str]:
    match step:
        case Asked(method, target):
            yield f"\n==> {method} {printable(target)}"
        case Event(name, handled):
            yield name if handled else f"{name}   (no handler)"
        case CommandRun(words, result, failed):
            arrow = "  error: " if failed else "  -> " if result else ""
            yield "    " + " ".join(word(one) for one in words) + arrow + (short(result) if result else "")
        case LogLine(line):
            yield f"    log: {printable(line)}"
        case Sent():
            yield f"    request to pool {step.pool}, member {step.member}:"
            yield from _message(f"{step.method} {printable(step.target)} HTTP/1.1", step.headers, step.body)
        case Answered():
            yield f"<== {step.status} {printable(step.reason)}".rstrip()
            yield from _message("", step.headers, step.body)
        case Failed(reason):
            yield f"<== no response: {reason}"


def _message(first: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Iterator[str]:
    if first:
        yield f"        {first}"
    for name, value in headers:
        yield f"        {printable(name)}: {printable(value)}"
    if body:
        yield ""
        shown = body[:MAX_BODY].decode("latin-1")
        for line in shown.splitlines():
            yield f"        {printable(line)}"
        if len(body) > MAX_BODY:
            yield f"        ... {len(body)} bytes in all"


def word(text: str) -> str:
    """An argument of a command, in braces where Tcl would need them."""
    shown = short(text)
    return shown if shown and not any(mark in shown for mark in ' "{}[]$;') else f"{{{shown}}}"


def short(text: str) -> str:
    """A value on one line of at most MAX_WORD characters; what looks binary in hex."""
    strange = sum(not " " <= one <= "~" and one not in "\r\n\t" for one in text)
    if strange > len(text) / 4:
        data = bytes(ord(one) & 255 for one in text)
        return f"<{len(data)} bytes: {data[:MAX_BINARY].hex()}{'...' if len(data) > MAX_BINARY else ''}>"
    shown = printable(text)
    return shown if len(shown) <= MAX_WORD else f"{shown[:MAX_WORD]}... ({len(text)} characters)"


def printable(text: str) -> str:
    """``text`` with everything that is not printable ASCII as an escape."""
    return "".join(one if " " <= one <= "~" else one.encode("unicode_escape").decode("ascii") for one in text)
