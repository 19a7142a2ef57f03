"""OpenAI clients of SageMaker: aliases, defaults, the list of models, and streams that come in AWS's frames."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from gateway_kit import Gateway
from kinds_kit import base_url, resolve_here

from bigip_sm.lab.aws.endpoints import StreamFailure
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import ACCEPTED, Fault, SeenRequest, model_error, throttled, unavailable
from bigip_sm.lab.http import Response


@pytest.fixture(autouse=True)
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_here(monkeypatch)


def arrived(gateway: Gateway) -> SeenRequest:
    """The last request at AWS, which accepted it."""
    seen = gateway.seen()[-1]
    assert seen.verdict == ACCEPTED
    return seen


@pytest.fixture
def openai_client(kinds: Gateway) -> Iterator[Any]:
    """Makes an OpenAI client for a base path."""
    tls = ssl.create_default_context(cafile=str(kinds.lab.ca_file))
    files = kinds.lab.client("alice")
    tls.load_cert_chain(files.certificate, files.key)
    http = openai.DefaultHttpxClient(verify=tls, trust_env=False)

    def make(path: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{base_url(kinds)}{path}", api_key="unused", http_client=http, max_retries=0)

    yield make
    http.close()


HELLO: Any = [{"role": "user", "content": "Hello"}]
SAID = "This answer comes from the lab, one token at a time."


@pytest.mark.parametrize("path", ["/llama/v1", "/v1"])
@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (throttled(), openai.BadRequestError, "throttling"),
        (unavailable(), openai.InternalServerError, "service_unavailable"),
        (Fault(Refusal(429, "ModelNotReadyException", "no")), openai.RateLimitError, "model_not_ready"),
        (Fault(Refusal(400, "ValidationError", "no capacity")), openai.BadRequestError, "validation_error"),
        (Fault(Refusal(403, "AccessDeniedException", "arn:aws:x")), openai.InternalServerError, "aws-refused"),
        (model_error(422, "too long"), openai.UnprocessableEntityError, "model_error"),
    ],
    ids=["throttled", "unavailable", "not ready", "validation", "denied", "model"],
)
def test_errors_of_the_openai_path(
    kinds: Gateway, openai_client: Any, path: str, fault: Fault, error: type[openai.APIStatusError], code: str
) -> None:
    kinds.lab.cloud.runtime.faults.append(fault)
    model = "jumpstart-llama-3-3-70b" if path == "/llama/v1" else ""
    with pytest.raises(error) as caught:
        openai_client(path).chat.completions.create(model=model, messages=HELLO)
    assert caught.value.code == code
    assert "arn:aws" not in str(caught.value)


def test_an_alias_becomes_the_served_model_and_defaults_are_added(kinds: Gateway, openai_client: Any) -> None:
    chat = openai_client("/llama/v1").chat.completions
    assert chat.create(model="jumpstart-llama-3-3-70b", messages=HELLO).choices[0].message.content == SAID
    asked = json.loads(arrived(kinds).body)
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("meta/llama", 0.2, 512)
    chat.create(model="jumpstart-llama-3-3-70b", messages=HELLO, temperature=0, max_tokens=7)
    asked = json.loads(arrived(kinds).body)
    assert (asked["temperature"], asked["max_tokens"]) == (0, 7)
    chat.create(model="jumpstart-llama-3-3-70b", messages=HELLO, max_completion_tokens=9)
    assert "max_tokens" not in json.loads(arrived(kinds).body)


def test_a_stream_with_an_alias(kinds: Gateway, openai_client: Any) -> None:
    chat = openai_client("/llama/v1").chat.completions
    chunks = list(chat.create(model="jumpstart-llama-3-3-70b", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID


@pytest.mark.parametrize("model", ["gpt-4o", "", "jumpstart-llama-3-3-70b ", "JUMPSTART-LLAMA-3-3-70B", "llama-70b"])
def test_another_model_is_refused(openai_client: Any, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client("/llama/v1").chat.completions.create(model=model, messages=HELLO)
    assert caught.value.code == "model-not-served"


def test_no_model_or_two_are_refused(kinds: Gateway) -> None:
    for body, verdict in (
        (b'{"messages": []}', "404 model-not-served"),
        (b'{"model": 1, "messages": []}', "404 model-not-served"),
        (b'{"model": "jumpstart-llama-3-3-70b", "model": "x", "messages": []}', "400 json-invalid"),
        (b'{"model": "jumpstart\\u002dllama-3-3-70b", "messages": []}', "200"),
    ):
        assert kinds.ask("/llama/v1/chat/completions", body).verdict == verdict


def test_invocations_for_openai_clients(kinds: Gateway, openai_client: Any) -> None:
    chat = openai_client("/mistral/v1").chat.completions
    assert chat.create(model="jumpstart-mistral-7b", messages=HELLO).choices[0].message.content == SAID
    seen = arrived(kinds)
    assert seen.target == b"/endpoints/mistral-7b/invocations"
    assert json.loads(seen.body)["model"] == "", "vLLM takes an empty name"


def test_a_response_stream_for_openai_clients(kinds: Gateway, openai_client: Any) -> None:
    produced = kinds.lab.chat("mistral-7b").produced
    already = len(produced)
    chat = openai_client("/mistral/v1").chat.completions
    times = []
    words = []
    for chunk in chat.create(model="jumpstart-mistral-7b", messages=HELLO, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            times.append(time.time())
            words.append(chunk.choices[0].delta.content)
    assert "".join(words) == SAID
    assert arrived(kinds).target == b"/endpoints/mistral-7b/invocations-response-stream"
    made = produced[already:]
    assert all(seen < after for seen, after in zip(times, made[1:], strict=False)), "each before the next was made"


def streamed(kinds: Gateway, *pieces: bytes | Exception) -> tuple[str, str]:
    """Content type and text of a streamed answer whose container sends these pieces."""

    async def body() -> Any:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    kinds.lab.cloud.runtime.faults.append(Fault(answer=Response(200, [("Content-Type", "text/event-stream")], body())))
    asked = json.dumps({"model": "jumpstart-mistral-7b", "messages": HELLO, "stream": True}).encode()
    answer = kinds.ask("/mistral/v1/chat/completions", asked)
    assert answer.status == 200
    return answer.headers["content-type"], answer.body.decode()


def test_a_stream_that_breaks_ends_with_a_clean_event(kinds: Gateway) -> None:
    failure = StreamFailure("ModelStreamError", "arn:aws:sagemaker", ErrorCode="StreamBroken")
    kind, text = streamed(kinds, b'data: {"a": 1}\n\nda', b'ta: {"b"', failure)
    assert kind == "text/event-stream"
    first, error, done = (part for part in text.split("\n\n") if part.strip(":\n"))
    assert first.endswith('data: {"a": 1}')
    assert json.loads(error.partition("data: ")[2])["error"]["code"] == "model-stream-failed"
    assert done == "data: [DONE]"
    assert "arn:" not in text


def test_a_damaged_frame_ends_the_stream_with_a_clean_event(kinds: Gateway) -> None:
    kinds.lab.cloud.runtime.faults.append(Fault(damage=700))
    asked = json.dumps({"model": "jumpstart-mistral-7b", "messages": HELLO, "stream": True}).encode()
    answer = kinds.ask("/mistral/v1/chat/completions", asked)
    *events, error, done = (part.strip(":\n") for part in answer.body.decode().split("\n\n") if part.strip(":\n"))
    assert events
    assert all(json.loads(one.partition("data: ")[2])["object"] == "chat.completion.chunk" for one in events)
    assert json.loads(error.partition("data: ")[2])["error"]["code"] == "stream-invalid"
    assert done == "data: [DONE]"


def test_an_error_before_the_stream_keeps_its_status(kinds: Gateway, openai_client: Any) -> None:
    kinds.lab.cloud.runtime.faults.append(model_error(500, "out of memory"))
    with pytest.raises(openai.APIStatusError) as caught:
        openai_client("/mistral/v1").chat.completions.create(model="jumpstart-mistral-7b", messages=HELLO, stream=True)
    assert caught.value.status_code == 424


def test_the_list_of_models_is_what_the_caller_may_use(kinds: Gateway, openai_client: Any) -> None:
    before = len(kinds.seen())
    models = {model.id: model for model in openai_client("/openai/v1").models.list()}
    assert set(models) == {"jumpstart-llama-3-3-70b", "jumpstart-mistral-7b"}
    assert models["jumpstart-mistral-7b"].to_dict()["max_model_len"] == 32_768
    assert len(kinds.seen()) == before, "the gateway itself answers"
    with kinds.client("bob") as client:
        assert client.request("/openai/v1/models", b"", method="GET").verdict == "200"
        assert json.loads(client.request("/openai/v1/models", b"", method="GET").body)["data"] == []
    with kinds.client(None) as client:
        assert client.request("/openai/v1/models", b"", method="GET").verdict == "401 unauthenticated"


def test_a_prompt_beyond_the_window_of_the_alias_is_refused(kinds: Gateway) -> None:
    before = len(kinds.seen())
    body = json.dumps({"model": "jumpstart-mistral-7b", "messages": [{"role": "user", "content": "x" * 132_000}]})
    answer = kinds.ask("/mistral/v1/chat/completions", body.encode())
    assert answer.reason == "context-too-long", "32,768 tokens of 4 bytes"
    assert len(kinds.seen()) == before
    assert kinds.ask("/mistral/v1/chat/completions", body.replace("x" * 2000, "").encode()).status == 200
