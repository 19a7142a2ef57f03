"""Who may do what on a route: answers that stream and answers that do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_kit import Answer, Gateway, running_gateway

NOT_GRANTED = "403 operation-not-granted"
STREAM = b'{"model": "m", "messages": [], "stream": true}'
WHOLE = b'{"model": "m", "messages": []}'
SPEC = """
version: 1
gateway: operations
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.41
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {ca: /Common/clients-ca.crt}
identities:
  staff: {type: client-certificate, groups: {gold: [alice]}}
roles:
  plain: {arn: "arn:aws:iam::123456789012:role/plain", source: {type: secrets-manager, secret: plain}}
upstreams:
  chat:
    kind: sagemaker-openai
    endpoint: chat-v1
    role: plain
    regions: [{name: eu-central-1, private_dns: true}]
routes:
""" + "".join(
    f"""
  {name}:
    listener: public
    match: {{path: /{name}, methods: [POST, GET]}}
    upstream: chat
    allow: ["staff:*"]
    approved_by: {{name: tests, ticket: T-1, date: 2026-01-01}}
    {more}
"""
    for name, more in (
        ("any", ""),
        ("whole", "operations: [infer]"),
        ("stream", "operations: [infer:stream]"),
        ("some", "grants: {infer:stream: [staff:group/gold, staff:bob]}"),
        ("each", "grants: {infer:stream: [staff:bob], infer: [staff:carol]}"),
    )
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("operations")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder) as made:
        yield made


def ask(gateway: Gateway, subject: str, path: str, body: bytes) -> Answer:
    before = len(gateway.seen())
    with gateway.client(subject) as client:
        answer = client.request(path, body)
    assert len(gateway.seen()) - before == (0 if answer.reason else 1), "what is refused does not reach AWS"
    return answer


@pytest.mark.parametrize(
    ("subject", "path", "whole", "stream"),
    [
        ("dora", "/any", "200", "200"),
        ("dora", "/whole", "200", NOT_GRANTED),
        ("dora", "/stream", NOT_GRANTED, "200"),
        ("alice", "/some", "200", "200"),
        ("bob", "/some", "200", "200"),
        ("dora", "/some", "200", NOT_GRANTED),
        ("bob", "/each", NOT_GRANTED, "200"),
        ("carol", "/each", "200", NOT_GRANTED),
        ("dora", "/each", NOT_GRANTED, NOT_GRANTED),
    ],
)
def test_operations_of_a_caller(gateway: Gateway, subject: str, path: str, whole: str, stream: str) -> None:
    assert ask(gateway, subject, path, WHOLE).verdict == whole
    assert ask(gateway, subject, path, STREAM).verdict == stream


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages": [], "stream" : true }',
        b'{"str\\u0065am": true, "messages": []}',
        b'{"messages": [], "stream": 1}',
        b'{"messages": [], "stream": "true"}',
        b'{"messages": [], "stream": [false]}',
    ],
)
def test_whatever_a_model_may_take_for_a_stream_is_one(gateway: Gateway, body: bytes) -> None:
    assert ask(gateway, "dora", "/whole", body).verdict == NOT_GRANTED


@pytest.mark.parametrize(
    "body",
    [b'{"messages": [], "stream": false}', b'{"messages": [], "stream": null}', b'{"messages": [{"stream": true}]}'],
)
def test_what_is_no_stream_is_none(gateway: Gateway, body: bytes) -> None:
    assert ask(gateway, "dora", "/whole", body).status == 200
    assert ask(gateway, "dora", "/stream", body).verdict == NOT_GRANTED


def test_a_body_that_could_be_read_in_two_ways_is_refused(gateway: Gateway) -> None:
    body = b'{"messages": [], "stream": false, "stream": true}'
    assert ask(gateway, "dora", "/whole", body).verdict == "400 json-invalid"
    assert ask(gateway, "dora", "/whole", b"stream=true").verdict == "400 json-invalid"


def test_a_grant_of_one_request_is_not_that_of_the_next(gateway: Gateway) -> None:
    with gateway.client("dora") as client:
        for body, verdict in ((WHOLE, "200"), (STREAM, NOT_GRANTED), (WHOLE, "200")):
            assert client.request("/some", body).verdict == verdict


ALONE = (
    SPEC.partition("routes:\n")[0]
    + """routes:
  only:
    listener: public
    match: {path: /only}
    upstream: chat
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    limits: {LIMIT}
"""
)


@pytest.mark.parametrize(
    "limit", ["concurrency: 1", "tokens: 100000/day", "requests: 9/day", "context_tokens: 99", "max_tokens: 9"]
)
def test_a_limit_works_without_any_other(tmp_path_factory: pytest.TempPathFactory, limit: str) -> None:
    folder = tmp_path_factory.mktemp("alone")
    (folder / "gateway.yaml").write_text(ALONE.replace("LIMIT", limit))
    with running_gateway(folder / "gateway.yaml", folder) as made, made.client("alice") as client:
        for body in (WHOLE, STREAM, WHOLE):
            answer = client.request("/only", body)
            assert answer.status == 200
            assert b"internal-error" not in answer.body
        assert not [line for line in made.lab.log_lines if "failed" in line or "TCL error" in line]
