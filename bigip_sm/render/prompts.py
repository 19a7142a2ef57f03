"""The prompt templates of a listener, as Tcl that the iRule builds prompts with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bigip_sm.spec.model import Spec
from bigip_sm.spec.prompts import PROMPTS, Prompt
from bigip_sm.spec.upstreams import SageMaker

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", **{sign: f"\\{sign}" for sign in '\\"$[]{}'}}


class TextChat(NamedTuple):
    """Bounds of what a conversation may have where it becomes a prompt."""

    messages: int = 1000
    escapes: int = 32_768
    signs: int = 65_536
    stops: int = 4
    stop_bytes: int = 256


TEXT_CHAT = TextChat()
"""``messages``: how many there may be, and parts in one; ``escapes``: characters in them that are written as a
backslash, u and four digits; ``signs``: bytes outside strings that are walked through one by one; ``stops``: texts that
end an answer (OpenAI takes 4, TGI's ``--max-stop-sequences`` is 4), of ``stop_bytes``."""


def prompts_of(spec: Spec, upstreams: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Each template that one of the upstreams uses: its name and its fields, as Tcl words in double quotes; sorted."""
    used = {one.prompt for name in upstreams if isinstance(one := spec.upstreams[name], SageMaker) and one.prompt}
    return [(name, _fields(PROMPTS[name])) for name in sorted(used)]


def _fields(prompt: Prompt) -> list[str]:
    flags = (prompt.alternates, prompt.joined, prompt.trims, prompt.single_lines, prompt.blank)
    return [
        *(_word(text) for turn in (prompt.system, prompt.user, prompt.assistant) for text in (turn.before, turn.after)),
        _word(prompt.answer),
        _word(prompt.control),
        _word(prompt.stop),
        *(str(int(flag)) for flag in flags),
    ]


def _word(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(sign, sign) for sign in text) + '"'
