r"""How AS3 rewrites text on its way to the device: iRules, values of records, strings of monitors.

Facts: AS3's ``src/lib/map_as3.js`` (trim, line ends, continuations), ``map_cli.js`` (the braces around an iRule),
``src/lib/util/expandUtil.js`` (back-quotes).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from bigip_sm.lab.bigip.as3.invalid import invalid, lab_gap

_BASE64 = re.compile(r"[0-9A-Za-z/+_-]*={0,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ODD_ESCAPE = re.compile(r"\\(?![rn.\[\]()*+?|^$])")


def decoded(value: Any, where: str) -> str:
    """The text of an F5 string: a string, ``{text}`` or ``{base64}``. Raises Refusal (422)."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        kind, text = next(iter(value.items()))
        if kind == "text" and isinstance(text, str):
            return text
        if kind == "base64" and isinstance(text, str):
            return _from_base64(text, where)
        if kind in ("url", "copyFrom"):
            raise lab_gap(f"{where}/{kind}")
    raise invalid(
        where, "must be a string or an object with a single property of 'text', 'base64', 'url', or 'copyFrom'"
    )


def _from_base64(text: str, where: str) -> str:
    try:
        if not _BASE64.fullmatch(text):
            raise ValueError(text)
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded.translate(str.maketrans("-_", "+/"))).decode()
    except (ValueError, binascii.Error):
        raise invalid(f"{where}/base64", "should be base64 of UTF-8 text") from None


def rule_text(text: str) -> str:
    """An iRule as it ends up on the device: trimmed, LF, no blanks at line ends, continuations joined."""
    text = text.strip().replace("\r\n", "\n")
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"(?<=[^\n])\\\n[ \t]*", "", text)


def in_script(text: str) -> str:
    """A rewritten iRule as Tcl hands it to ``tmsh::create ltm rule``: a continuation that is left becomes a blank.

    AS3 leaves the ones at the beginning of a line. It compares with its own text, so it sees a change at each POST.
    """
    return re.sub(r"\\\n[ \t]*", " ", text)


def braces_balance(text: str) -> bool:
    """Whether TMSH finds the end of ``ltm rule X { text }``: every brace counts unless a backslash is before it."""
    depth = 0
    for character in re.sub(r"\\.", "", text, flags=re.DOTALL):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def record_text(text: str, where: str) -> str:
    """A key or value of a record as it ends up on the device: without its backslashes. Raises Refusal (422)."""
    if _CONTROL.search(text) or not text.isascii():
        raise lab_gap(where, "control characters and non-ASCII text in records are")
    return text.replace("\\", "")


def refuse_expansion(text: str, where: str) -> None:
    """Raises Refusal (422) for a back-quote, which AS3 would expand."""
    if "`" in text:
        raise lab_gap(where, "expansion of back-quotes is")


def monitor_text(text: str, where: str) -> str:
    """A monitor's string as TMOS stores it. Raises Refusal (422) for what AS3 would expand, or TMOS reads otherwise."""
    refuse_expansion(text, where)
    if _CONTROL.search(text) or not text.isascii() or _ODD_ESCAPE.search(text):
        raise lab_gap(where, "control characters, non-ASCII text and escapes other than \\r and \\n are")
    return text
