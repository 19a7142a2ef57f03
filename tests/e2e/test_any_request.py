"""Requests of any shape: what is forwarded, AWS accepts; what is not, is refused for a documented reason."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from gateway_kit import Gateway, running_gateway
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bigip_sm.lab.aws.runtime import ACCEPTED
from bigip_sm.render.reasons import REASONS

SPEC = """
version: 1
gateway: anything
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.20
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {ca: /Common/clients-ca.crt}
identities:
  staff: {type: client-certificate}
roles:
  signer: {arn: "arn:aws:iam::123456789012:role/signer", source: {type: secrets-manager, secret: signer}}
upstreams:
  echo:
    kind: sagemaker
    endpoint: echo-v1
    role: signer
    regions: [{name: eu-central-1, private_dns: true}]
routes:
  any:
    listener: public
    match: {path: /any/*}
    upstream: echo
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    limits: {body: 2MiB}
"""
EXAMPLES = 200
FORWARDED = 0.95

# Escaped slashes, backslashes and control characters are refused, so only one path in forty may have them.
ordinary = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\")
wild = st.integers(0, 39).flatmap(lambda number: st.text(max_size=20) if number == 0 else st.just(""))
segments = st.text(ordinary, min_size=1, max_size=20).filter(lambda text: text not in (".", ".."))
paths = st.tuples(st.lists(segments, max_size=4), wild).map(
    lambda made: "/any/" + "/".join(quote(part, safe="") for part in made[0]) + quote(made[1], safe="")
)
names = st.text(max_size=12).filter(lambda text: not text.lower().startswith("x-amz-"))
queries = st.lists(st.tuples(names, st.text(max_size=20), st.sampled_from([quote, quote_plus])), max_size=5).map(
    lambda pairs: "&".join(f"{encode(name)}={encode(value)}" for name, value, encode in pairs)
)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60).map(str.strip)
bodies = st.one_of(
    st.just(b""),
    st.binary(max_size=2000),
    st.text(max_size=500).map(str.encode),
    st.sampled_from([b"\x00\xff" * 2**19, "é".encode() * 2**19]),
)


@pytest.fixture(scope="module")
def anything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("anything")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        yield gateway


def test_what_is_forwarded_is_accepted(anything: Gateway) -> None:
    verdicts: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(path=paths, query=queries, content_type=values, accept=values, other=values, body=bodies)
    def send(path: str, query: str, content_type: str, accept: str, other: str, body: bytes) -> None:
        headers = [("Content-Type", content_type), ("Accept", accept), ("X-Other", other)]
        before = len(anything.seen())
        answer = anything.ask(f"{path}?{query}" if query else path, body, headers)
        arrived = anything.seen()[before:]
        if answer.reason:
            assert answer.status == REASONS[answer.reason].status
            assert arrived == []
        else:
            assert [request.verdict for request in arrived] == [ACCEPTED], arrived
            assert arrived[0].body == body
            assert answer.status == 200
        verdicts.append(answer.reason)

    send()
    refused = [reason for reason in verdicts if reason]
    assert len(verdicts) >= EXAMPLES
    assert len(refused) <= (1 - FORWARDED) * len(verdicts), sorted(refused)


def test_a_query_arrives_with_its_meaning(anything: Gateway) -> None:
    assert anything.ask("/any/x?b=2&a=%7e+1&a-b=%c3%a9&a=&c").status == 200
    target = anything.seen()[-1].target
    assert target == b"/endpoints/echo-v1/invocations?a=&a=~%201&a-b=%C3%A9&b=2&c="


@pytest.mark.parametrize(
    "path", ["/any", "/any//x", "/any/../x", "/any/%2e/x", "/any/%2F", "/any/%5C", "/any/%c3", "/any/%0A", "/any/{}"]
)
def test_other_spellings_of_a_path_are_not_forwarded(anything: Gateway, path: str) -> None:
    before = len(anything.seen())
    assert anything.ask(path).status in (400, 404)
    assert len(anything.seen()) == before


def test_a_subject_cannot_add_an_attribute(anything: Gateway) -> None:
    with anything.client("eve,route=chat @x+y:/=") as client:
        assert client.request("/any/x", b"{}").status == 200
    attributes = anything.seen()[-1].values("X-Amzn-SageMaker-Custom-Attributes")
    assert attributes == [b"principal=staff%3Aeve%2Croute%3Dchat%20%40x%2By%3A%2F%3D,route=any"]
