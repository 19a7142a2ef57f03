"""What a request must look like: every check, each with its own reason, and nothing that fails one reaches AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest
from content_kit import JSON, Content
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigip_sm.lab.aws.runtime import ACCEPTED
from bigip_sm.render.reasons import REASONS

TEAM = ("X-Team", "fraud")
GOOD: dict[str, Any] = {"instances": [[1.0, 2.0]], "signature_name": "serving_default"}
CHAT: dict[str, Any] = {"model": "llama-3", "messages": [{"role": "user", "content": "hi"}]}


def test_a_request_that_keeps_the_rules_arrives_as_it_was_sent(content: Content) -> None:
    body = json.dumps(GOOD, indent=2).encode()
    answer = content.ask("/strict", body, [("Content-Type", 'Application/JSON; charset="UTF-8"'), TEAM])
    assert answer.status == 200
    assert content.last_body() == body
    assert content.seen()[-1].values("x-team") == []


WRONG: list[tuple[str, Any, list[tuple[str, str]], str]] = [
    ("/strict", GOOD, [("Content-Type", "text/csv"), TEAM], "content-type-refused"),
    ("/strict", GOOD, [TEAM], "content-type-refused"),
    ("/strict", GOOD, [("Content-Type", "application/json; charset=utf-16"), TEAM], "content-type-refused"),
    ("/strict", GOOD, [("Content-Type", "application/json; charset=utf-8; x=y"), TEAM], "content-type-refused"),
    ("/strict", GOOD, [("Content-Type", "application/jsonx"), TEAM], "content-type-refused"),
    ("/strict", GOOD, [("Content-Type", "*"), TEAM], "content-type-refused"),
    ("/strict", GOOD, JSON, "header-missing"),
    ("/strict", GOOD, [*JSON, ("X-Teams", "a")], "header-missing"),
    ("/strict", b"", [*JSON, TEAM], "json-invalid"),
    ("/strict", b"[1]", [*JSON, TEAM], "json-invalid"),
    ("/strict", b'{"instances": [1], "instances": [2]}', [*JSON, TEAM], "json-invalid"),
    ("/strict", b'{"instances": [1], "inst\\u0061nces": [2]}', [*JSON, TEAM], "json-invalid"),
    ("/strict", {"instances": [[[[1]]]]}, [*JSON, TEAM], "json-too-complex"),
    ("/strict", {"instances": [], "a": 1, "b": 2, "c": 3}, [*JSON, TEAM], "json-too-complex"),
    ("/strict", {"instances": ["x" * 101]}, [*JSON, TEAM], "json-too-complex"),
    ("/strict", {"instances": [1], "debug": True}, [*JSON, TEAM], "field-not-allowed"),
    ("/strict", {"signature_name": "x"}, [*JSON, TEAM], "shape-invalid"),
    ("/strict", {"instances": [1], "inputs": [1]}, [*JSON, TEAM], "shape-invalid"),
    ("/strict", {"instances": {"a": 1}}, [*JSON, TEAM], "shape-invalid"),
    ("/strict", {"inputs": "x"}, [*JSON, TEAM], "shape-invalid"),
    ("/strict", {"examples": {}}, [*JSON, TEAM], "shape-invalid"),
    ("/strict", {"instances": [1], "signature_name": 1}, [*JSON, TEAM], "shape-invalid"),
    ("/mixed", b"{", JSON, "json-invalid"),
    ("/mixed", b"1,2", [("Content-Type", "text/plain")], "content-type-refused"),
    ("/v1/chat/completions", {"messages": [1]}, JSON, "model-missing"),
    ("/v1/chat/completions", {**CHAT, "model": None}, JSON, "model-missing"),
    ("/v1/chat/completions", {**CHAT, "model": ["llama-3"]}, JSON, "model-missing"),
    ("/v1/chat/completions", {**CHAT, "model": "llama"}, JSON, "model-not-allowed"),
    ("/v1/chat/completions", {**CHAT, "model": "llama-3 meta/llama:3"}, JSON, "model-not-allowed"),
    ("/v1/chat/completions", {**CHAT, "model": ""}, JSON, "model-not-allowed"),
    ("/v1/chat/completions", {**CHAT, "model": "Llama-3"}, JSON, "model-not-allowed"),
    ("/v1/chat/completions", {**CHAT, "model": "*"}, JSON, "model-not-allowed"),
    ("/v1/chat/completions", {"model": "llama-3"}, JSON, "shape-invalid"),
    ("/v1/chat/completions", {**CHAT, "messages": []}, JSON, "shape-invalid"),
    ("/v1/chat/completions", {**CHAT, "messages": "hi"}, JSON, "shape-invalid"),
]


@pytest.mark.parametrize(("path", "body", "headers", "reason"), WRONG)
def test_what_breaks_a_rule_is_refused(
    content: Content, path: str, body: Any, headers: list[tuple[str, str]], reason: str
) -> None:
    before = len(content.seen())
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert content.ask(path, raw, headers).verdict == f"{REASONS[reason].status} {reason}"
    assert len(content.seen()) == before
    assert content.faultless()


def test_every_reason_of_these_stages_is_made_to_happen() -> None:
    stages = ("content", "json", "validate")
    assert {reason for *_, reason in WRONG} == {code for code, reason in REASONS.items() if reason.stage in stages}


@pytest.mark.parametrize("body", [{"inputs": [1]}, {"inputs": {"a": [1]}}, {"examples": [{"a": 1}]}, {"instances": []}])
def test_every_form_of_tensorflow_serving_is_taken(content: Content, body: Any) -> None:
    with content.answering(b'{"predictions": [1]}'):
        answer = content.post("/strict", body, [TEAM])
    assert (answer.status, json.loads(answer.body)) == (200, {"predictions": [1]})


def test_models_are_compared_with_what_a_name_stands_for(content: Content) -> None:
    for model in (b'"llama-3"', b'"meta/llama:3"', b'"meta\\/llama:3"', b'"\\u006clama-3"'):
        body = b'{"messages": [{"role": "user", "content": "hi"}], "model": ' + model + b"}"
        answer = content.post("/v1/chat/completions", body)
        assert answer.status == 200, model
        assert content.last_body() == body


def test_what_is_not_json_passes_where_it_may(content: Content) -> None:
    answer = content.ask("/mixed", b"1,2\n3,4", [("Content-Type", "text/csv")])
    assert answer.status == 200
    assert content.last_body() == b"1,2\n3,4"


def test_a_request_without_a_body_needs_no_content_type(content: Content) -> None:
    with content.client() as client:
        answer = client.request("/strict", headers=[TEAM], method="GET")
    assert answer.verdict == "400 shape-invalid"


def test_bearer_routes_collect_only_where_the_body_is_read(content: Content) -> None:
    chunked = [*JSON, ("Transfer-Encoding", "chunked")]
    body = json.dumps(CHAT).encode()
    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    with content.client() as client:
        answer = client.request("/v1/chat/completions", framed, chunked)
    assert answer.status == 200
    assert content.last_body() == body
    with content.client() as client:
        assert client.request("/plain/chat", framed, chunked).verdict == "411 length-required"


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10), st.sampled_from(["llama-3", "[exit]"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
bodies = st.one_of(
    st.binary(max_size=60),
    st.text('{}[]:,"\\u0aeE+-. \n1tn', max_size=40).map(str.encode),
    st.dictionaries(st.sampled_from(["model", "messages", "a", "mod\u00e9l"]), values).map(
        lambda value: json.dumps(value).encode()
    ),
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies, path=st.sampled_from(["/strict", "/v1/chat/completions", "/mixed"]))
def test_whatever_the_body_is_nothing_unsigned_and_nothing_unread_reaches_aws(
    content: Content, body: bytes, path: str
) -> None:
    before = len(content.seen())
    answer = content.post(path, body, [TEAM])
    assert content.faultless()
    seen = content.seen()[before:]
    assert [request.verdict for request in seen] in ([], [ACCEPTED])
    if not seen:
        assert answer.status == REASONS[answer.reason].status
        assert answer.reason != "internal-error"
        return
    assert seen[0].body == body
    found = json.loads(body)
    assert isinstance(found, dict)
    if path == "/v1/chat/completions":
        assert found["model"] in ("llama-3", "meta/llama:3")
        assert isinstance(found["messages"], list)
    elif path == "/strict":
        assert {"instances", "inputs", "examples"} & set(found)
