"""Reading the arguments of iRule commands: numbers and options."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from bigip_sm.lab.tmm.session import CommandError, wire


def number(text: str) -> int:
    """A decimal number, 0 or more. Raises CommandError."""
    if not (text.isascii() and text.isdigit()):
        raise CommandError(f'expected non-negative integer but got "{text}"')
    return int(text)


def integer(text: str) -> int:
    """A decimal number with an optional sign. Raises CommandError."""
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise CommandError(f'expected integer but got "{text}"')
    return int(text)


def options(words: Sequence[str], known: Mapping[str, int], command: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Leading options and what follows them.

    ``known`` maps an option to the number of values after it, 0 or 1; ``--`` ends them. Raises CommandError.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        at += 1
        if word == "--":
            break
        if word not in known:
            raise CommandError(f'bad option "{word}" in {command}: must be {either(known)}')
        if known[word] and at >= len(words):
            raise CommandError(f"wrong # args: {word} of {command} needs a value")
        found[word] = words[at] if known[word] else ""
        at += known[word]
    return found, tuple(words[at:])


def either(names: Collection[str]) -> str:
    """``a, b or c``."""
    ordered = sorted(names)
    return " or ".join([", ".join(ordered[:-1]), ordered[-1]] if len(ordered) > 1 else ordered)


def latin(text: str) -> str:
    """Tcl text as TMM's byte string sees it: characters above 255 keep their low byte."""
    return wire(text).decode("latin-1")
