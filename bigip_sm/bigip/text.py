"""Making what a device says fit to be shown: on one line, of bounded length, without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_MESSAGE = 400
"""Longest message of a device that is shown, characters."""

_RUN = 8
_WORD = re.compile(rf"[^\s\"'{{}}()\[\],;|<>]{{{_RUN},}}")
_HIDDEN = "(hidden)"


def masked(text: str, secrets: Iterable[str]) -> str:
    """``text`` without any of ``secrets``, nor any word that has 8 characters in a row in common with one.

    Devices quote what they refuse, whole or cut short or with dots after it; hence the words.
    """
    hidden = sorted((secret for secret in secrets if secret), key=len, reverse=True)
    for secret in hidden:
        text = text.replace(secret, _HIDDEN)
    runs = {secret[start : start + _RUN] for secret in hidden for start in range(len(secret) - _RUN + 1)}

    def replacement(match: re.Match[str]) -> str:
        word = match.group()
        return _HIDDEN if any(word[at : at + _RUN] in runs for at in range(len(word) - _RUN + 1)) else word

    return _WORD.sub(replacement, text)


def one_line(text: str, limit: int = MAX_MESSAGE) -> str:
    """``text`` as one line of printable characters, cut at ``limit``."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
