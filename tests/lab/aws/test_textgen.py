"""The lab's text generation is as strict as Text Generation Inference, and where a mistake would hide stricter."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bigip_sm.lab.aws.endpoints import ContainerRequest
from bigip_sm.lab.aws.textgen import TextGeneration


def asked(body: object, **values: Any) -> tuple[int, str]:
    """Status and text of the answer to a body, which is JSON unless it is bytes."""
    container = TextGeneration(("one", " two", " three"))
    for name, value in values.items():
        setattr(container, name, value)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def run() -> tuple[int, str]:
        response = await container(ContainerRequest("words", "us-east-1", "/invocations", (), raw))
        pieces = [response.body] if isinstance(response.body, bytes) else [piece async for piece in response.body]
        return response.status, b"".join(pieces).decode()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"x", 400, "JSON"),
        ([], 422, "did not match any variant"),
        ({"messages": []}, 422, "did not match any variant"),
        ({"inputs": ["a"]}, 422, "did not match any variant"),
        ({"inputs": ""}, 422, "`inputs` cannot be empty"),
        ({"inputs": "a", "stream": 1}, 422, "invalid type"),
        ({"inputs": "a", "parameters": []}, 422, "invalid type"),
        ({"inputs": "a", "model": "x"}, 422, "unknown field `model`"),
        ({"inputs": "a", "parameters": {"max_tokens": 1}}, 422, "unknown field `max_tokens`"),
        ({"inputs": "a", "parameters": {"temperature": 0}}, 422, "`temperature` must be strictly positive"),
        ({"inputs": "a", "parameters": {"temperature": "1"}}, 422, "invalid type"),
        ({"inputs": "a", "parameters": {"top_p": 1}}, 422, "`top_p` must be > 0.0 and < 1.0"),
        ({"inputs": "a", "parameters": {"top_p": 0.0}}, 422, "`top_p` must be > 0.0 and < 1.0"),
        ({"inputs": "a", "parameters": {"max_new_tokens": 0}}, 422, "`max_new_tokens` must be strictly positive"),
        ({"inputs": "a", "parameters": {"max_new_tokens": -1}}, 422, "invalid type"),
        ({"inputs": "a", "parameters": {"frequency_penalty": 3}}, 422, "`frequency_penalty`"),
        ({"inputs": "a", "parameters": {"seed": -1}}, 422, "invalid type"),
        ({"inputs": "a", "parameters": {"stop": "x"}}, 422, "invalid type"),
        ({"inputs": "a", "parameters": {"stop": list("abcde")}}, 422, "up to 4 stop sequences"),
        ({"inputs": "<s>[INST] a [/INST]"}, 422, "is there already"),
        ({"inputs": "<|begin_of_text|>a"}, 422, "is there already"),
    ],
    ids=str,
)
def test_refusals(body: object, status: int, words: str) -> None:
    code, text = asked(body)
    assert code == status
    assert words in json.loads(text)["error"]


def test_an_answer_has_the_prompt_unless_it_is_told_not_to() -> None:
    assert json.loads(asked({"inputs": "zero "})[1]) == [{"generated_text": "zero one two three"}]
    body = {"inputs": "zero ", "parameters": {"return_full_text": False, "details": True, "max_new_tokens": 2}}
    answer = json.loads(asked(body)[1])[0]
    assert answer["generated_text"] == "one two"
    assert (answer["details"]["finish_reason"], answer["details"]["generated_tokens"]) == ("length", 2)


def test_what_ends_an_answer_stays_in_it_but_not_with_lmi() -> None:
    parameters = {"stop": ["two"], "stop_sequences": ["two"], "return_full_text": False, "details": True}
    body = {"inputs": "zero", "parameters": parameters}
    answer = json.loads(asked(body)[1])[0]
    assert (answer["generated_text"], answer["details"]["finish_reason"]) == ("one two", "stop_sequence")
    assert json.loads(asked(body, lmi=True)[1])["generated_text"] == "one "


def test_streams() -> None:
    text = asked({"inputs": "zero", "stream": True})[1]
    events = [json.loads(event.removeprefix("data:")) for event in text.split("\n\n") if event]
    assert [event["token"]["text"] for event in events] == ["one", " two", " three", "</s>"]
    assert [event["token"]["special"] for event in events] == [False, False, False, True]
    assert [event["generated_text"] for event in events] == [None, None, None, "one two three"]
    assert events[-1]["details"] == {"finish_reason": "eos_token", "generated_tokens": 3}
    lines = asked({"inputs": "zero", "stream": True}, lmi=True)[1].splitlines()
    assert [json.loads(line)["token"]["text"] for line in lines] == ["one", " two", " three", "</s>"]
