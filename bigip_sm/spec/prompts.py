"""How the prompts of chat models are written, for containers that take text and no messages.

Each model was trained with marks of its own around the turns of a conversation. What begins the whole text, such as
``<s>`` or ``<|begin_of_text|>``, is in none of the templates: the container's tokenizer puts it there, as Text
Generation Inference and LMI have it do, and twice would be once too often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

PromptTemplate = Literal["llama-3", "mistral", "falcon", "chatml"]
"""Names of the templates that the gateway knows."""

PROMPT_TEMPLATES: tuple[PromptTemplate, ...] = get_args(PromptTemplate)


@dataclass(frozen=True)
class Turn:
    """What stands before and after a message of one role."""

    before: str
    after: str


@dataclass(frozen=True)
class Prompt:
    """How a conversation becomes one text.

    ``answer`` ends the text: the model goes on from there. ``control`` matches what the model could take for one of
    its marks; it is a regular expression of Tcl over the bytes of UTF-8. ``stop`` ends an answer where the container
    does not know the model's own mark. With ``alternates`` users and the model take turns, from a user to a user, with
    one system message before them, which with ``joined`` becomes a part of what the first user says. ``trims`` takes
    blanks off both ends of a message, ``single_lines`` makes one line break of several. With ``blank`` a blank that
    begins an answer belongs to the mark before it.
    """

    system: Turn
    user: Turn
    assistant: Turn
    answer: str
    control: str
    stop: str = ""
    alternates: bool = False
    joined: bool = False
    trims: bool = False
    single_lines: bool = False
    blank: bool = False


_ANY_MARK = r"<\|[A-Za-z0-9_]+\|>"
"""What is a token of its own to Llama 3 and to models with ChatML, those that are reserved included."""


def _header(role: str) -> Turn:
    return Turn(f"<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>")


def _im(role: str) -> Turn:
    return Turn(f"<|im_start|>{role}\n", "<|im_end|>\n")


PROMPTS: dict[PromptTemplate, Prompt] = {
    # Meta, "Model cards and prompt formats", Llama 3 to 3.3; without the dates that their own template writes.
    "llama-3": Prompt(
        system=_header("system"),
        user=_header("user"),
        assistant=_header("assistant"),
        answer=_header("assistant").before,
        control=_ANY_MARK,
        stop="<|eot_id|>",
        trims=True,
    ),
    # Model cards of Mistral-7B-Instruct and Mixtral-8x7B-Instruct, and the template in the former's tokenizer.
    "mistral": Prompt(
        system=Turn("", "\n\n"),
        user=Turn("[INST] ", " [/INST]"),
        assistant=Turn(" ", "</s>"),
        answer="",
        control=r"</?s>|<unk>|<pad>|\[/?(?:INST|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|TOOL_CONTENT|SYSTEM_PROMPT|"
        r"IMG|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|control_[0-9]+)\]",
        alternates=True,
        joined=True,
        blank=True,
    ),
    # Template in the tokenizer of tiiuae/falcon-7b-instruct and falcon-40b. Its marks are words, so a line that begins
    # with one of them could be taken for a turn.
    "falcon": Prompt(
        system=Turn("", ""),
        user=Turn("\n\nUser: ", ""),
        assistant=Turn("\n\nAssistant: ", ""),
        answer="\n\nAssistant:",
        control=r"<\|endoftext\|>|>>[A-Z]+<<|"
        r"(?:\A|[\n\v\f\r]|\xc2\x85|\xe2\x80[\xa8\xa9])[ \t]*(?:User|Assistant|System|Falcon)[ \t]*:",
        stop="\nUser:",
        alternates=True,
        trims=True,
        single_lines=True,
        blank=True,
    ),
    # OpenAI's ChatML, as Qwen and others use it (template in the tokenizer of Qwen/Qwen2-7B-Instruct).
    "chatml": Prompt(
        system=_im("system"),
        user=_im("user"),
        assistant=_im("assistant"),
        answer=_im("assistant").before,
        control=_ANY_MARK,
        stop="<|im_end|>",
    ),
}
"""Name -> template."""
