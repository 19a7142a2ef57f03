"""What answers tell: the members that a route lists, errors without AWS's names and numbers; streams too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from content_kit import DONE, Content, event, events

ACCOUNT = b"123456789012"
CHAT: dict[str, Any] = {"model": "llama-3", "messages": [{"role": "user", "content": "hi"}]}
TEAM = [("X-Team", "fraud")]
GOOD = {"instances": [1]}


def test_only_listed_members_go_on(content: Content) -> None:
    with content.answering(b'{"debug": {"host": "10.0.0.1"}, "predictions": [1, {"a": "}"}], "b": 1}'):
        answer = content.post("/strict", GOOD, TEAM)
    assert (answer.status, answer.body) == (200, b'{"predictions":[1, {"a": "}"}]}')
    assert answer.headers["content-length"] == str(len(answer.body))


def test_an_answer_of_unknown_length_is_read_whole(content: Content) -> None:
    with content.answering([b'{"id": "1", "cho', b'ices": [], "x": ', b"1}"]):
        answer = content.post("/v1/chat/completions", CHAT)
    assert (answer.status, answer.body) == (200, b'{"id":"1","choices":[]}')


def test_of_every_event_only_listed_members_go_on(content: Content) -> None:
    pieces = [event({"id": str(n), "choices": [n], "system_fingerprint": "fp"}) for n in range(5)] + [DONE]
    stream = b": hello\r\n\r\n" + b"".join(pieces)
    for size in (1, 7, 1000):
        cut = [stream[at : at + size] for at in range(0, len(stream), size)]
        with content.answering(cut, content_type="text/event-stream"):
            answer = content.post("/v1/chat/completions", CHAT)
        assert answer.status == 200
        assert events(answer.body) == [*({"id": str(n), "choices": [n]} for n in range(5)), "[DONE]"]
        assert b"system_fingerprint" not in answer.body
    assert content.faultless()


def test_what_cannot_be_filtered_does_not_go_on(content: Content) -> None:
    for body in (b"[1]", b"{", b'{"predictions": 1, "predictions": 2}', b"text"):
        with content.answering(body):
            assert content.post("/strict", GOOD, TEAM).verdict == "502 answer-invalid"
    with content.answering(
        event({"id": "1"}) + b"data: {broken\n\n" + event({"id": "2"}), content_type="text/event-stream"
    ):
        answer = content.post("/v1/chat/completions", CHAT)
    first, error, done = events(answer.body)
    assert (first, error["error"]["code"], done) == ({"id": "1"}, "answer-invalid", "[DONE]")


def test_an_answer_beyond_the_limit_does_not_go_on(content: Content) -> None:
    large = b'{"id": "' + b"x" * 1024**2 + b'"}'
    for body in (large, [large[:500_000], large[500_000:]]):
        with content.answering(body):
            assert content.post("/v1/chat/completions", CHAT).verdict == "502 answer-too-large"
    with content.answering([b"data: ", large, b"\n\n", DONE], content_type="text/event-stream"):
        answer = content.post("/v1/chat/completions", CHAT)
    error, done = events(answer.body)
    assert (error["error"]["code"], done) == ("answer-too-large", "[DONE]")
    with content.answering(large):
        assert content.post("/plain/chat", CHAT).body == large, "nothing reads it there"


@pytest.mark.parametrize(
    ("path", "status", "text", "expected"),
    [
        ("/strict", 400, 'bad "shape"\n\x07', (400, "invalid_request_error", 'bad "shape"\n\x07')),
        ("/strict", 500, "boom at arn:aws:s3:::bucket/x of 123456789012", (500, "server_error", "boom at  of ")),
        ("/strict", 403, "who?", (502, "server_error", "who?")),
        ("/strict", 503, "", (503, "server_error", "the model's endpoint answered with an error")),
        ("/v1/chat/completions", 422, 'say "hi"', (422, "invalid_request_error", 'say "hi"')),
        ("/plain/chat", 500, "CUDA out of memory", (500, "server_error", "CUDA out of memory")),
    ],
)
def test_of_a_models_error_its_own_words_remain(
    content: Content, path: str, status: int, text: str, expected: tuple[int, str, str]
) -> None:
    with content.answering(text.encode(), status):
        answer = content.post(path, GOOD if path == "/strict" else CHAT, TEAM)
    assert answer.status == expected[0]
    error = json.loads(answer.body)["error"]
    assert (error["type"], error["message"], error["code"]) == (*expected[1:], "model_error")
    assert error["request_id"] == answer.headers["x-request-id"]
    assert ACCOUNT not in answer.body
    assert b"console" not in answer.body
    assert answer.reason == ""
    assert content.faultless()


def test_without_shape_an_error_goes_on_as_it_is(content: Content) -> None:
    with content.answering(b"boom", 500):
        answer = content.post("/open", {})
    assert answer.status == 424
    assert ACCOUNT in answer.body


def test_heads_do_not_speak_of_aws(content: Content) -> None:
    with content.answering(b'{"id": "1", "choices": []}', x_amzn_sagemaker_custom_attributes="secret"):
        answer = content.post("/v1/chat/completions", CHAT)
    assert not [name for name in answer.headers if name.startswith("x-amz")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    answer = content.post("/plain/chat", CHAT)
    assert [name for name in answer.headers if name.startswith("x-amz")] == ["x-amzn-invoked-production-variant"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "private; x=[exit]:$y"
    assert "content-security-policy" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    answer = content.post("/open", {})
    assert "x-amzn-requestid" in answer.headers


def test_a_stream_that_nothing_reads_is_not_touched(content: Content) -> None:
    stream = b": x\n\n" + event({"id": "1"}) + b"data: {broken"
    with content.answering([stream[:9], stream[9:]], content_type="text/event-stream"):
        assert content.post("/plain/chat", CHAT).body == stream


def test_each_answer_on_a_connection_is_judged_by_itself(content: Content) -> None:
    with content.client() as client:
        for path, body, wanted in (
            ("/v1/chat/completions", CHAT, {"id", "choices"}),
            ("/plain/chat", CHAT, {"id", "object", "created", "model", "choices", "usage"}),
            ("/v1/chat/completions", CHAT, {"id", "choices"}),
        ):
            answer = client.request(path, json.dumps(body).encode(), [("Content-Type", "application/json")])
            assert set(json.loads(answer.body)) == wanted
