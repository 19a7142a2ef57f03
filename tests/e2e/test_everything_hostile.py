"""A gateway that uses every stage at once, and whatever callers send it: no error in the rule, nobody but the true
caller, nothing that AWS refuses, and one true record of each request."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gateway_kit import ROOT, Answer, Gateway, message, running_gateway
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigip_sm.audit.record import AuditRecord
from bigip_sm.lab.aws.runtime import ACCEPTED, SeenRequest
from bigip_sm.render.reasons import REASONS

CHAT, PRICES, JOBS = "/v1/chat/completions", "/prices", "/"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
PARTNER_KEY = "demonstration-key-of-acme-not-a-secret"
MODEL = "jumpstart-llama-3-3-70b"


@dataclass(frozen=True)
class Caller:
    """Who sends on a connection: what proves it, and as whom the gateway must know him; None for nobody."""

    principal: str | None
    certificate: str | None = None
    key: str | None = None
    scopes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    broken: bool = False


CALLERS = [
    Caller("workload:quote.example.com", certificate="quote.example.com"),
    Caller("workload:billing.example.com", certificate="billing.example.com"),
    Caller("okta:ada", groups=("data-science",)),
    Caller("okta:trainer", scopes=("train.read", "prices.read")),
    Caller("partner:acme", key=PARTNER_KEY),
    Caller(None, key="not-a-key"),
    Caller(None, groups=("data-science",), broken=True),
    Caller(None),
]

scalar = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["[exit]", "$bsm_id", "{", "\\", "\x00", "078-05-1120", "AKIAIOSFODNN7EXAMPLE", "\ud800"]),
)
shape = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
chat_body = st.fixed_dictionaries(
    {"model": st.just(MODEL) | shape, "messages": shape | st.just([{"role": "user", "content": "Hello"}])},
    optional={
        "stream": st.booleans() | shape,
        "max_tokens": st.integers(-5, 5000) | shape,
        "stream_options": st.just({"include_usage": True}) | shape,
        "temperature": shape,
        "user": shape,
    },
)
tensor_body = st.fixed_dictionaries({"instances": st.just([[1, 2]]) | shape}, optional={"signature_name": shape})
valid = st.one_of(chat_body, tensor_body, shape).map(lambda value: json.dumps(value).encode())


@st.composite
def mutated(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with a few places overwritten, cut out or doubled."""
    data = bytearray(draw(source))
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(data)))
        last = min(len(data), first + draw(st.integers(0, 3)))
        data[first:last] = draw(st.binary(max_size=3) | st.just(bytes(data[first:last]) * 2))
    return bytes(data)


body = st.one_of(
    st.just(json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}).encode()),
    st.just(b'{"instances": [[1, 2]]}'),
    valid,
    mutated(valid),
    st.binary(max_size=80),
    st.just(b"[" * 5000),
)
target = st.one_of(
    st.sampled_from([CHAT, PRICES, JOBS]).map(str.encode),
    st.tuples(st.sampled_from([CHAT, PRICES, JOBS]), st.binary(max_size=20)).map(lambda p: p[0].encode() + b"?" + p[1]),
    st.text("/.%2eE0[]{}$\\;\"'?&=+ aZ", max_size=30).map(lambda text: f"/{text}".encode()),
    st.binary(max_size=40).map(lambda raw: b"/" + raw),
)
forged = st.sampled_from(
    [
        (ATTRIBUTES, b"principal=the-boss"),
        ("X-Amz-Security-Token", b"forged"),
        ("X-Amz-Target", b"SageMaker.DeleteEndpoint"),
        ("X-Gateway-Retry", b"0000000000000000"),
        ("X-Forwarded-For", b"10.30.0.1"),
        ("Host", b"runtime.sagemaker.us-east-1.amazonaws.com"),
        ("Transfer-Encoding", b"chunked"),
        ("Content-Encoding", b"gzip"),
        ("Expect", b"100-continue"),
        ("X-Api-Key", b"[exit]"),
        ("Authorization", b"AWS4-HMAC-SHA256 Credential=x"),
    ]
)
header = st.one_of(
    forged,
    st.tuples(st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=12), st.binary(max_size=40)),
    st.tuples(st.sampled_from(["Accept", "Content-Type", "Authorization", "X-Api-Key"]), st.binary(max_size=40)),
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes, list[tuple[str, bytes]], bytes]:
    """Method, target, headers, body; often one that could be allowed."""
    method = draw(st.sampled_from(["POST", "POST", "POST", "POST", "GET", "PUT", "OPTIONS"]))
    headers = draw(st.lists(header, max_size=draw(st.sampled_from([0, 0, 4]))))
    if "content-type" not in {name.lower() for name, _ in headers}:
        headers = [("Content-Type", b"application/json"), *headers]
    return method, draw(target), headers, draw(body)


@pytest.fixture(scope="module")
def enterprise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The example with everything in it; limits are so high that they count without ending the test."""
    folder = tmp_path_factory.mktemp("everything")
    text = (ROOT / "declarations" / "enterprise" / "gateway.yaml").read_text()
    for few, many in [("5/minute", "100000/minute"), ("100/minute", "100000/minute"), ("10/minute", "100000/minute")]:
        assert few in text
        text = text.replace(few, many)
    (folder / "gateway.yaml").write_text(text)
    with running_gateway(Path(folder / "gateway.yaml"), folder) as gateway:
        yield gateway


def proof(gateway: Gateway, caller: Caller, noise: bytes) -> list[tuple[str, bytes]]:
    """The header that proves a caller; a broken token differs from a good one in a byte that counts."""
    if caller.key is not None:
        return [("X-Api-Key", caller.key.encode())]
    if not (caller.groups or caller.scopes):
        return []
    subject = (caller.principal or "okta:ada").partition(":")[2]
    issuer = gateway.lab.issuers.by_name["okta"]
    token = issuer.token(subject, groups=list(caller.groups), scopes=list(caller.scopes)).encode()
    if caller.broken:
        at = int.from_bytes(noise[:2], "big") % (len(token) - 4)  # the last characters may have unused bits
        byte = noise[2:3] or b"!"
        byte = b"!" if byte == token[at : at + 1] or byte in b"\r\n" else byte
        token = token[:at] + byte + token[at + 1 :]
    return [("Authorization", b"Bearer " + token)]


def exchange(gateway: Gateway, caller: Caller, sent: list[bytes], methods: list[str]) -> list[Answer]:
    """The answers to requests on one connection, as far as it goes."""
    answers: list[Answer] = []
    with gateway.client(caller.certificate) as client:
        client.socket.settimeout(0.5)
        for data, method in zip(sent, methods, strict=True):
            try:
                client.send(data)
                answers.append(client.receive(method))
            except (OSError, http.client.HTTPException, ssl.SSLError):
                break  # refused below the rule, ended after a refusal, or waiting for a body that does not come
            if answers[-1].headers.get("connection", "").lower() == "close":
                break
    return answers


def records_since(gateway: Gateway, before: int, wanted: set[str]) -> list[dict[str, Any]]:
    """The records that came, once those of all answers are there and no more come."""
    deadline = time.monotonic() + 5
    while True:
        found = [json.loads(line) for line in list(gateway.lab.collector.lines)[before:]]
        if wanted <= {record["request_id"] for record in found} or time.monotonic() > deadline:
            return found
        time.sleep(0.005)


def check_record(record: dict[str, Any], answer: Answer, caller: Caller) -> None:
    """A record says of its request what its caller saw."""
    AuditRecord.model_validate(record)
    assert record["status"] == answer.status
    assert (record["reason"] or "") == answer.reason
    if answer.reason:
        assert answer.status == REASONS[answer.reason].status
        assert answer.reason != "internal-error"
        assert record["decision"] in ("refused", "failed")
    else:
        assert record["decision"] == "allowed"
    known = None if record["identity"] is None else f"{record['identity']}:{record['subject']}"
    assert known in (None, caller.principal)


def check_arrived(request: SeenRequest, caller: Caller) -> None:
    """What is at AWS was signed, and names the true caller."""
    assert request.verdict == ACCEPTED
    assert caller.principal is not None
    name = caller.principal.replace(":", "%3A").encode()
    for attributes in request.values(ATTRIBUTES):
        assert attributes.startswith(b"principal=" + name + b",")


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    caller=st.sampled_from(CALLERS),
    asked=st.lists(requests(), min_size=1, max_size=4),
    noise=st.binary(min_size=3, max_size=3),
)
def test_anything_from_anybody(
    enterprise: Gateway, caller: Caller, asked: list[tuple[str, bytes, list[tuple[str, bytes]], bytes]], noise: bytes
) -> None:
    plane = enterprise.lab.data_plane
    logged, arrived, recorded = len(plane.log_lines), len(enterprise.seen()), len(enterprise.lab.collector.lines)
    proven = proof(enterprise, caller, noise)
    sent = [message(t, b, [*proven, *headers], method=m) for m, t, headers, b in asked]
    answers = exchange(enterprise, caller, sent, [one[0] for one in asked])
    ours = [answer for answer in answers if "x-request-id" in answer.headers]
    found = records_since(enterprise, recorded, {answer.headers["x-request-id"] for answer in ours})
    ids = [record["request_id"] for record in found]
    assert len(ids) == len(set(ids))
    by_id = {record["request_id"]: record for record in found}
    for answer in ours:
        check_record(by_id[answer.headers["x-request-id"]], answer, caller)
    assert not [line for line in list(plane.log_lines)[logged:] if "TCL error" in line or "failed in stage" in line]
    for request in enterprise.seen()[arrived:]:
        check_arrived(request, caller)
