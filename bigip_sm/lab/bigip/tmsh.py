"""The bits of TMSH's syntax that iControl REST lets through in a query: ``options=records modify { k { data v } }``.

Facts: DevCentral article 285113 (adding, modifying and deleting single records of a data group), "tmsh reference"
(``ltm data-group internal``, quoting).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from bigip_sm.lab.bigip.replies import icrd_refusal

Verb = Literal["add", "modify", "delete"]
Record = tuple[str, str | None]
"""A record's name and its data; None where no data is given."""


@dataclass(frozen=True)
class _Token:
    """A word, or a brace that stands for itself."""

    text: str
    brace: bool = False


_OPEN, _CLOSE = _Token("{", brace=True), _Token("}", brace=True)
_VERBS = ("add", "modify", "delete")


def records_option(option: str) -> tuple[Verb, tuple[Record, ...]]:
    """The verb and the records of an ``options`` parameter. Raises Refusal (400) for a syntax error."""
    try:
        return _parse(iter(_tokens(option)))
    except ValueError:
        raise icrd_refusal(400, f'Syntax Error: unexpected argument in "{option[:60]}"', 1) from None


def _parse(tokens: Iterator[_Token]) -> tuple[Verb, tuple[Record, ...]]:
    """``records VERB { ... }`` and nothing more. Raises ValueError."""
    if next(tokens, None) != _Token("records"):
        raise ValueError("not the records")
    verb = next(tokens, _OPEN).text
    if verb not in _VERBS or next(tokens, None) != _OPEN:
        raise ValueError("not a verb")
    entries = tuple(_entries(tokens))
    if not entries or next(tokens, None) is not None:
        raise ValueError("nothing, or something behind it")
    if verb == "delete" and any(data is not None for _, data in entries):
        raise ValueError("delete takes names only")
    return cast(Verb, verb), entries


def _entries(tokens: Iterator[_Token]) -> Iterator[Record]:
    """``name { data value }``, ``name { }`` or ``name``, up to the closing brace. Raises ValueError."""
    name: str | None = None
    for token in tokens:
        if token == _OPEN:
            if name is None:
                raise ValueError("data without a name")
            yield name, _data(tokens)
            name = None
            continue
        if name is not None:
            yield name, None
        if token == _CLOSE:
            return
        name = token.text
    raise ValueError("no closing brace")


def _data(tokens: Iterator[_Token]) -> str:
    """``data value }`` or ``}``, after the opening brace. Raises ValueError."""
    first = next(tokens, None)
    if first == _CLOSE:
        return ""
    value = next(tokens, None)
    if first != _Token("data") or value is None or value.brace or next(tokens, None) != _CLOSE:
        raise ValueError("not data")
    return value.text


def _tokens(option: str) -> Iterator[_Token]:
    """Words, quoted or not, and braces; a backslash takes the next character as it is. Raises ValueError."""
    word: str | None = None
    quoted = False
    characters = iter(option)
    for character in characters:
        if character == "\\":
            word = (word or "") + _escaped(characters)
        elif quoted and character != '"':
            word = (word or "") + character
        elif quoted:
            yield _Token(word or "")
            word, quoted = None, False
        elif character == '"' and word is None:
            quoted = True
        elif character.isspace() or character in "{}":
            if word is not None:
                yield _Token(word)
                word = None
            if character in "{}":
                yield _Token(character, brace=True)
        else:
            word = (word or "") + character
    if quoted:
        raise ValueError("no closing quote")
    if word is not None:
        yield _Token(word)


def _escaped(characters: Iterator[str]) -> str:
    for character in characters:
        return character
    raise ValueError("a backslash at the end")
