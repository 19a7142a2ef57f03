"""Limits on tokens: what an answer has cost, by whatever way it ended; caps and estimates."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from gateway_kit import Answer, message
from limits_kit import Limited, wait_for

USED_UP = "429 too-many-tokens"
WORDS = 80
"""Tokens that the model says for an answer; the prompt of ``chat`` has one more."""


@pytest.fixture(autouse=True)
def talkative(limited: Limited) -> Any:
    """A model whose answers cost 80 tokens."""
    model = limited.lab.chat("chat-v1")
    before = model.tokens, model.pause
    model.tokens, model.pause = ("word ",) * WORDS, None
    yield
    model.tokens, model.pause = before


def chat(**changes: Any) -> bytes:
    """A request with a prompt of a few tokens."""
    return json.dumps({"model": "m", "messages": [{"role": "user"}], **changes}).encode()


def spent(limited: Limited, subject: str = "alice") -> int:
    """What the gateway says is spent, asked by a request that costs nothing; -1 while another one is under way."""
    answer = limited.ask_as(subject, "/both", b'{"model": "m"}')
    if answer.status == 429:
        return -1
    assert answer.status == 400
    return 1000 - int(answer.headers["x-ratelimit-remaining-tokens"])


def events(answer: Answer) -> list[str]:
    """The data of a stream's events."""
    return [line.removeprefix("data: ") for line in answer.body.decode().split("\n") if line.startswith("data: ")]


def cost(limited: Limited) -> int:
    """What the model says that an answer to ``chat()`` costs."""
    body = json.loads(limited.ask_as("zoe", "/capped", chat(max_tokens=60)).body)
    total = body["usage"]["total_tokens"]
    assert isinstance(total, int)
    return total


def test_tokens_of_an_answer_are_what_it_says(limited: Limited) -> None:
    total = cost(limited)
    for number in range(1, 4):
        assert limited.ask_as("alice", "/both", chat()).status == 200
        assert spent(limited) == number * total
    assert spent(limited, "bob") == 0


def test_used_up_tokens_are_refused_until_the_window_ends(limited: Limited) -> None:
    answer = limited.ask_as("alice", "/metered", chat())
    assert answer.headers["x-ratelimit-limit-tokens"] == "100"
    assert answer.headers["x-ratelimit-remaining-tokens"] == "100"
    answer = limited.ask_as("alice", "/metered", chat())
    assert answer.status == 200, "the answer that goes beyond is given"
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) == 100 - cost(limited)
    before = len(limited.seen())
    answer = limited.ask_as("alice", "/metered", chat())
    assert answer.verdict == USED_UP
    assert answer.headers["x-ratelimit-remaining-tokens"] == "0"
    assert answer.headers["x-ratelimit-reset-tokens"] == answer.headers["retry-after"] + "s"
    assert len(limited.seen()) == before
    assert limited.ask_as("bob", "/metered", chat()).status == 200


def test_a_shadow_limit_on_tokens_records_once(limited: Limited) -> None:
    before = len(limited.lab.log_lines)
    for subject in ("alice", "bob", "carol"):
        assert limited.ask_as(subject, "/metered", chat()).status == 200
    lines = [line for line in list(limited.lab.log_lines)[before:] if "shadow" in line]
    assert len(lines) == 1
    assert "tokens-route-day" in lines[0]


def test_a_stream_tells_its_usage_whether_or_not_the_caller_asked(limited: Limited) -> None:
    total = cost(limited)
    answer = limited.ask_as("alice", "/both", chat(stream=True))
    assert answer.status == 200
    assert json.loads(limited.seen()[-1].body)["stream_options"] == {"include_usage": True}
    found = events(answer)
    assert found[-1] == "[DONE]"
    assert len(found) == WORDS + 2, "every token, the end, and nothing that was not asked for"
    assert all(json.loads(one)["choices"] for one in found[:-1])
    assert spent(limited) == total


@pytest.mark.parametrize(
    ("options", "sent", "told"),
    [
        ({"include_usage": True}, {"include_usage": True}, True),
        ({"include_usage": False}, {"include_usage": True}, False),
        ({"continuous": 1, "include_usage": None}, {"continuous": 1, "include_usage": True}, False),
        ({"more": [{"include_usage": True}]}, {"more": [{"include_usage": True}], "include_usage": True}, False),
        (None, {"include_usage": True}, False),
        ("include_usage", {"include_usage": True}, False),
    ],
    ids=str,
)
def test_options_of_a_stream_are_kept(limited: Limited, options: Any, sent: Any, told: bool) -> None:
    answer = limited.ask_as("alice", "/both", chat(stream=True, stream_options=options))
    assert answer.status == 200
    assert json.loads(limited.seen()[-1].body) == json.loads(chat(stream=True, stream_options=sent))
    assert bool([one for one in events(answer) if '"usage"' in one]) == told
    assert spent(limited) > WORDS


def test_options_that_could_be_read_in_two_ways_are_replaced(limited: Limited) -> None:
    body = chat(stream=True)[:-1] + b', "stream_options": {"include_usage": true, "include_usage": false}}'
    assert limited.ask_as("alice", "/both", body).status == 200
    assert json.loads(limited.seen()[-1].body)["stream_options"] == {"include_usage": True}


def test_a_request_that_does_not_stream_goes_on_as_it_is(limited: Limited) -> None:
    for body in (chat(), chat(stream=False), b' {"messages" :[ ], "model":"m"}\n'):
        assert limited.ask_as("alice", "/both", body).status == 200
        assert limited.seen()[-1].body == body


def test_a_caller_who_leaves_a_stream_pays_for_what_he_got(limited: Limited) -> None:
    model = limited.lab.chat("chat-v1")

    async def stop(index: int) -> None:
        if index >= 50:
            await asyncio.sleep(0.1)

    model.tokens, model.pause = ("word ",) * 10_000, stop
    body = chat(stream=True)
    estimate = (len(body) + 3) // 4
    with limited.client("alice") as client:
        client.send(message("/both", body))
        received = b""
        while received.count(b"word") < 50:
            received += client.socket.recv(65536)
    wait_for(lambda: spent(limited) >= estimate + 50)
    assert spent(limited) < estimate + 200, "and not for what the model would have said"


def test_a_stream_gives_its_place_back_when_it_is_done(limited: Limited) -> None:
    with limited.client("alice") as client:
        assert client.request("/both", chat(stream=True)).status == 200
        assert limited.ask_as("alice", "/both", chat()).status == 200, "the first connection is still open"


def test_an_error_costs_nothing(limited: Limited) -> None:
    assert limited.ask_as("alice", "/both", b'{"model": "m"}').status == 400
    assert spent(limited) == 0


def test_an_answer_without_usage_is_estimated(limited: Limited) -> None:
    """The classifier's answers have none: a token for each four bytes."""
    answer = limited.ask_as("alice", "/measured", b'{"x": 1}')
    left = int(limited.ask_as("alice", "/measured", b'{"x": 1}').headers["ratelimit"].partition("r=")[2].split(";")[0])
    assert 100 - left == 2 + (len(answer.body) + 3) // 4


def test_a_prompt_that_is_too_long_is_refused(limited: Limited) -> None:
    assert limited.ask_as("alice", "/measured", b"x" * 200).status == 200
    before = len(limited.seen())
    assert limited.ask_as("bob", "/measured", b"x" * 201).verdict == "400 context-too-long"
    assert len(limited.seen()) == before


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, 60),
        ({"max_tokens": None}, 60),
        ({"max_tokens": 60}, 60),
        ({"max_tokens": 1}, 1),
        ({"n": 4}, 15),
        ({"n": 4, "max_tokens": 15}, 15),
        ({"max_completion_tokens": 60}, None),
    ],
    ids=str,
)
def test_answers_have_a_cap(limited: Limited, asked: dict[str, Any], sent: int | None) -> None:
    assert limited.ask_as("alice", "/capped", chat(**asked)).status == 200
    wanted = {**asked, "max_tokens": sent} if sent is not None else asked
    assert json.loads(limited.seen()[-1].body) == json.loads(chat(**wanted))


@pytest.mark.parametrize(
    "asked",
    [
        {"max_tokens": 61},
        {"max_completion_tokens": 61},
        {"max_tokens": 1, "max_completion_tokens": 61},
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"max_tokens": 1e2},
        {"max_tokens": 10**20},
        {"max_tokens": "1"},
        {"max_tokens": [1]},
        {"max_tokens": 31, "n": 2},
        {"max_tokens": 31, "best_of": 2},
        {"n": 61},
        {"n": 10**7, "max_tokens": 10**7},
    ],
    ids=str,
)
def test_more_than_the_cap_is_refused(limited: Limited, asked: dict[str, Any]) -> None:
    before = len(limited.seen())
    assert limited.ask_as("alice", "/capped", chat(**asked)).verdict == "400 max-tokens-exceeded"
    assert len(limited.seen()) == before


def test_a_cap_in_an_inner_object_is_none(limited: Limited) -> None:
    body = b'{"messages": [{"max_tokens": 1}], "model": "m", "max\\u005ftokens": 600}'
    assert limited.ask_as("alice", "/capped", body).verdict == "400 max-tokens-exceeded"
    assert limited.ask_as("alice", "/capped", b'{"max_tokens": 1, "max_tokens": 600}').verdict == "400 json-invalid"
