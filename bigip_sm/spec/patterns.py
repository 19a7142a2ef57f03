"""Regular expressions in gateway.yaml: the part of Tcl's that is matched in linear time and cannot mean two things.

Tcl's engine (8.4 and later) runs an automaton as long as there are no backreferences. What would still be expensive is
refused: lookahead, repetitions within repetitions, and bounds that multiply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_STATES = 1000
"""Characters and classes, bounds multiplied out."""

_ATOM = re.compile(
    r"\\[dswDSWmMy]|\\[.*+?()\[\]|^$/\\-]"
    r"|\[\^?(?:[A-Za-z0-9 _.,:;/@#%=+!'<>*?()$-]|\\[\]\[\\^dsw-])+\]"
    r"|[A-Za-z0-9 _,:;/@#%&=!~'<>.-]"
)
_REPEAT = re.compile(r"[*+?]|\{([0-9]{1,3})(,?)([0-9]{0,3})\}")
_WORD_EDGES = ("\\m", "\\M", "\\y")


@dataclass(frozen=True)
class _Part:
    """A part of a pattern: its states, the length of its shortest match, whether a repetition in it has no fixed count.

    ``end`` is where it ends in the text.
    """

    end: int
    states: int
    shortest: int
    repeats: bool


def linear_pattern(value: str) -> str:
    """The pattern, if it is one of these. Raises ValueError with what is wrong and what would be right."""
    whole = _alternatives(value, 0, 0)
    if whole.end < len(value):
        raise ValueError(f"{value[whole.end]} closes nothing; write it as \\{value[whole.end]}")
    if whole.shortest == 0:
        raise ValueError("it matches nothing at all as well; let it begin or end with something that must be there")
    try:
        re.compile(re.sub(r"\\[mMy]", r"\\b", value))
    except re.error as error:
        raise ValueError(f"{error}; check its ranges and bounds") from None
    return value


def _alternatives(text: str, at: int, level: int) -> _Part:
    """Branches with ``|`` between them, up to a closing parenthesis or the end."""
    if level > 8:
        raise ValueError("more than 8 parentheses in one another; write it flatter")
    parts = [_branch(text, at, level)]
    while text[parts[-1].end : parts[-1].end + 1] == "|":
        parts.append(_branch(text, parts[-1].end + 1, level))
    states = sum(part.states for part in parts)
    return _Part(parts[-1].end, states, min(part.shortest for part in parts), any(part.repeats for part in parts))


def _branch(text: str, at: int, level: int) -> _Part:
    found = _Part(at, 0, 0, False)
    while found.end < len(text) and text[found.end] not in "|)":
        piece = _repeated(text, _piece(text, found.end, level))
        states = found.states + piece.states
        if states > MAX_STATES:
            raise ValueError(f"its bounds multiply to more than {MAX_STATES} steps; make them smaller")
        found = _Part(piece.end, states, found.shortest + piece.shortest, found.repeats or piece.repeats)
    if found.end == at:
        raise ValueError("nothing stands beside a | or between parentheses; remove them, or write \\| or \\(")
    return found


def _piece(text: str, at: int, level: int) -> _Part:
    """A character, a class, or a group."""
    if text[at] == "(":
        start = at + 3 if text.startswith("(?:", at) else at + 1
        if text.startswith("?", start):
            raise ValueError("(? begins lookahead or options, which are not taken; write (?: for a group")
        inner = _alternatives(text, start, level + 1)
        if text[inner.end : inner.end + 1] != ")":
            raise ValueError("a ( is never closed; write it as \\(")
        return _Part(inner.end + 1, inner.states, inner.shortest, inner.repeats)
    atom = _ATOM.match(text, at)
    if atom is None:
        if _REPEAT.match(text, at):
            raise ValueError(f"{text[at]} repeats nothing; write it as \\{text[at]} if it stands for itself")
        shown = text[at : at + 2] if text[at] == "\\" else text[at]
        raise ValueError(
            f"{shown} is not taken here; write letters, digits, [...], \\d \\s \\w \\m \\M \\y, or \\ before a sign"
        )
    edge = atom[0] in _WORD_EDGES
    return _Part(atom.end(), 1, 0 if edge else 1, False)


def _repeated(text: str, piece: _Part) -> _Part:
    """A piece with the repetition that follows it, if there is one."""
    repeat = _REPEAT.match(text, piece.end)
    if repeat is None:
        return piece
    low, comma, high = repeat.groups()
    least = int(low) if low else int(repeat[0] == "+")
    most = int(high) if high else least + 1 if low is None or comma else least
    fixed = low is not None and not comma
    if most > 255 or most < max(least, 1):
        raise ValueError(f"{repeat[0]} is no bound; write {{2}}, {{2,}} or {{2,9}}, up to 255")
    if piece.repeats or _REPEAT.match(text, repeat.end()):
        raise ValueError(f"{repeat[0]} repeats what repeats already; repeat single characters or plain groups")
    return _Part(repeat.end(), piece.states * max(most, 1), piece.shortest * least, not fixed)
