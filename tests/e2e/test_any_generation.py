"""Prompts and generated text: any array is read as JSON is, nobody can forge a mark, any cut gives the same events."""

from __future__ import annotations

import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_procedures import Procedures
from textgen_kit import SPEC

from bigip_sm.render import render
from bigip_sm.spec import load
from bigip_sm.spec.prompts import PROMPT_TEMPLATES, PROMPTS, PromptTemplate


@pytest.fixture(scope="module")
def rule() -> Procedures:
    return Procedures(render(load(Path("gateway.yaml"), SPEC)).irules["public"])


def latin(text: str) -> str:
    """The bytes of a text as a Tcl of bytes has them."""
    return text.encode().decode("latin-1")


def utf8(text: str) -> str:
    return text.encode("latin-1").decode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
STYLES = st.sampled_from(
    [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"separators": (" ,\t", "\n: ")}]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=8), STYLES)
def test_elements_of_any_array(rule: Procedures, values: list[Any], style: dict[str, Any]) -> None:
    text = latin(json.dumps(values, **style))
    reason, items = called(rule, "bsm_json_items", text, "100")
    assert reason == ""
    assert [json.loads(utf8(one)) for one in rule.words(items)] == values


def test_what_is_walked_through_is_bounded(rule: Procedures) -> None:
    for text in (
        "[" + "1," * 40_000 + "1]",
        "[" + "[" * 20 + "1," * 40_000 + "1" + "]" * 21,
        "[" + "{}," * 101 + "{}]",
        "[" + '"",' * 200 + '""]',
        '[{"a":' + " " * 70_000 + "[]}]",
    ):
        assert called(rule, "bsm_json_items", text, "100")[0] == "json-too-complex"
    short, long = (f"[{','.join(['{}'] * number)}]" for number in (500, 2000))
    assert rule.steps("bsm_json_items", long, "9999") < 4.5 * rule.steps("bsm_json_items", short, "9999")


def called(rule: Procedures, name: str, *arguments: str) -> tuple[str, ...]:
    """The list that a procedure returns."""
    found = rule.run(name, *arguments)
    assert found is not None
    return rule.words(found)


def form(rule: Procedures, template: PromptTemplate) -> str:
    found = rule.run("bsm_prompt_form", template)
    assert found is not None
    return found


def turns(template: PromptTemplate) -> dict[str, re.Pattern[str]]:
    """Role -> what begins its turn."""
    prompt = PROMPTS[template]
    marks = {
        "user": prompt.user.before,
        "assistant": prompt.assistant.before if prompt.assistant.before.strip() else "",
    }
    return {role: re.compile(re.escape(mark.strip())) for role, mark in marks.items() if mark.strip()}


PIECES = [
    *("<|eot_id|>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "[INST]", "[/INST]"),
    *("</s>", "<s>", "User:", "Assistant:", "system", "user", "assistant", "\n", "\r", " ", "<|", "|>", "[", "]", "x"),
    *("\u2028", "\u00e9", "<", ">", "|", "\t", ":", "/", "INST", "eot_id", "\\", '"', "{", "}", "$", "\u0085"),
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(PROMPT_TEMPLATES),
    st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), min_size=1, max_size=5),
)
def test_a_prompt_has_as_many_turns_as_messages(rule: Procedures, template: PromptTemplate, texts: list[str]) -> None:
    texts = texts if len(texts) % 2 else texts[:-1]
    names = itertools.cycle(("user", "assistant"))
    messages = [{"role": name, "content": text} for name, text in zip(names, texts, strict=False)]
    if not messages:
        return
    reason, prompt = called(rule, "bsm_prompt", latin(json.dumps(messages)), form(rule, template))
    prompt = utf8(prompt)
    if reason:
        assert reason == "control-token"
        marks = {"falcon": r"User|Assistant|<\|", "mistral": r"<s>|</s>|\[/?INST\]"}.get(template, r"<\|[a-z_]+\|>")
        assert any(re.search(marks, text) for text in texts), "nothing is refused without a cause"
        return
    users = len(texts) // 2 + 1
    counted = {role: len(mark.findall(prompt)) for role, mark in turns(template).items()}
    if template == "falcon":
        lines = re.findall(r"(?:\A|[\n\r\u2028\u0085])[ \t]*(User|Assistant):", prompt)
        assert (lines.count("User"), lines.count("Assistant")) == (users, users)
    elif template == "mistral":
        assert counted == {"user": users}
        assert (prompt.count("[/INST]"), prompt.count("</s>"), prompt.count("<s>")) == (users, users - 1, 0)
    else:
        assert counted == {"user": users, "assistant": users}
        end = {"llama-3": "<|eot_id|>", "chatml": "<|im_end|>"}[template]
        assert prompt.count(end) == len(texts)


def chat(rule: Procedures, *, blank: bool = False, usage: bool = True, ends: tuple[str, ...] = ()) -> str:
    """What the stage generate keeps of a request."""
    texts = called(rule, "bsm_stop_texts", "array", latin(json.dumps(list(ends))))[2]
    return f'chatcmpl-1 5 {{"m"}} {int(usage)} {{{texts}}} {int(blank)}'


def fed(rule: Procedures, pieces: list[bytes], kept: str) -> tuple[str, str]:
    """All pieces, one after the other: the events, and the reason why the stream ended early."""
    spoken, out = "{} {} 0 0", ""
    for piece in pieces:
        text, spoken, reason = called(rule, "bsm_speak", piece.decode("latin-1"), kept, spoken)
        out += text
        if reason:
            return out, reason
    return out, ""


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(stream)]
    return [stream[begin:end] for begin, end in itertools.pairwise(edges)]


def line(text: str, *, sse: bool, last: str | None = None, finish: str = "eos_token") -> bytes:
    event: dict[str, Any] = {"token": {"id": 1, "text": text, "special": False}}
    if last is not None:
        event |= {
            "generated_text": last,
            "details": {"finish_reason": finish, "generated_tokens": 9, "input_length": 3},
        }
    body = json.dumps(event, ensure_ascii=False).encode()
    return b"data:" + body + b"\n\n" if sse else body + b"\n"


@pytest.mark.parametrize("sse", [True, False], ids=["server-sent events", "lines"])
def test_two_thousand_cuts_give_the_same_events(rule: Procedures, sse: bool) -> None:
    chosen = random.Random(9)  # noqa: S311 - not a secret
    tokens = ["The", " \u00e9nd", " is\n", "\U0001f600 E", "N", " or", " EN", "D"]
    lines = [line(token, sse=sse) for token in tokens[:-1]]
    stream = b"".join([*lines, line(tokens[-1], sse=sse, last="".join(tokens), finish="stop_sequence")])
    kept = chat(rule, ends=("END", "\u00e9nds"))
    wanted = fed(rule, [stream], kept)
    events = [one.partition("data: ")[2] for one in utf8(wanted[0]).split("\n\n") if one]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(one) for one in events[:-1]]
    assert "".join(one["choices"][0]["delta"].get("content", "") for one in chunks[:-1]) == "".join(tokens)[:-3]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}
    done = 0
    while done < 2000:
        places = [chosen.randrange(len(stream)) for _ in range(chosen.randrange(1, 40))]
        assert fed(rule, cut(stream, places), kept) == wanted
        done += len(places)
    assert fed(rule, [stream[at : at + 1] for at in range(len(stream))], kept) == wanted


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("abE N\n"), max_size=4), min_size=1, max_size=8),
    st.lists(st.text(st.sampled_from("abEN"), min_size=1, max_size=3), max_size=3, unique=True),
    st.booleans(),
)
def test_a_stream_says_what_a_whole_answer_says(
    rule: Procedures, tokens: list[str], ends: list[str], blank: bool
) -> None:
    kept = chat(rule, ends=tuple(ends), blank=blank)
    text = "".join(tokens)
    lines = [line(token, sse=True) for token in tokens[:-1]] + [line(tokens[-1], sse=True, last=text)]
    streamed, reason = fed(rule, lines, kept)
    assert reason == ""
    chunks = [json.loads(one.partition("data: ")[2]) for one in streamed.split("\n\n") if one and "[DONE]" not in one]
    said = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks if one["choices"])
    answer = called(rule, "bsm_completion", json.dumps({"generated_text": text}), kept)[1]
    whole = json.loads(answer)["choices"][0]["message"]["content"]
    assert said == whole
    assert text.endswith(said) or any(text.endswith(said + end) for end in ends)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120).filter(lambda junk: 0 not in junk and b"[DONE]" not in junk))
def test_anything_is_refused_or_waited_for(rule: Procedures, junk: bytes) -> None:
    events, reason = fed(rule, [junk], chat(rule))
    assert events == ""
    assert reason in ("", "answer-invalid")
    assert called(rule, "bsm_completion", junk.decode("latin-1"), chat(rule))[0] == "answer-invalid"
