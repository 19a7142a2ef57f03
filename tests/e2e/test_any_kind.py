"""Paths, queries and headers of any shape, of every kind: what is signed is what botocore would sign."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from gateway_kit import Client, Gateway
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kinds_kit import CLAUDE

from bigip_sm.lab.aws.runtime import ACCEPTED, SeenRequest

HOST = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
# Escaped slashes, backslashes and control characters are refused by the gateway.
ordinary = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\")
segments = st.text(ordinary, min_size=1, max_size=20).filter(lambda text: text not in (".", ".."))
names = st.text(max_size=12).filter(lambda text: not text.lower().startswith("x-amz-"))
queries = st.lists(st.tuples(names, st.text(max_size=20)), max_size=5)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60).map(str.strip)
NORMAL = "!$&'()*+,;=:@-._~"
"""What a normal path has unescaped."""

calm = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])


def signature_of_botocore(gateway: Gateway, seen: SeenRequest) -> str:
    """What botocore computes for a request that arrived: same session, time, scope and headers."""
    (authorization,) = (value.decode() for value in seen.values("authorization"))
    fields = dict(part.strip().split("=", 1) for part in authorization.partition(" ")[2].split(","))
    access_key, _, region, service, _ = fields["Credential"].split("/")
    session = gateway.lab.cloud.sessions.find(access_key)
    assert session is not None
    host = seen.values("host")[0].decode()
    request = AWSRequest(seen.method, f"https://{host}{seen.target.decode()}", data=seen.body)
    for name in fields["SignedHeaders"].split(";"):
        for value in seen.values(name):
            request.headers[name] = value.decode("latin-1")
    signer = SigV4Auth(Credentials(session.access_key_id, session.secret_access_key), service, region)
    request.context["timestamp"] = seen.values("x-amz-date")[0].decode()
    made: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert made == fields["Signature"], signer.canonical_request(request)
    return made


def asked(
    gateway: Gateway, client: Client, target: str, headers: Sequence[tuple[str, str]], body: bytes
) -> SeenRequest:
    before = len(gateway.seen())
    answer = client.request(target, body, headers)
    assert answer.status == 200, (target, answer.verdict, answer.body)
    (seen,) = gateway.seen()[before:]
    assert seen.verdict == ACCEPTED
    return seen


def test_a_rest_api_gets_what_botocore_would_have_signed(kinds: Gateway) -> None:
    with kinds.client() as client:

        @calm
        @given(st.lists(segments, max_size=4), queries, values, st.binary(max_size=300))
        def check(parts: list[str], pairs: list[tuple[str, str]], tenant: str, body: bytes) -> None:
            path = "/".join(quote(part, safe=NORMAL) for part in parts)
            query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
            headers = [("X-Tenant", tenant), ("Content-Type", "application/octet-stream")]
            seen = asked(kinds, client, f"/scores/{path}" + (f"?{query}" if query else ""), headers, body)
            assert seen.target.partition(b"?")[0].decode() == f"/prod/score/{path}"
            signature_of_botocore(kinds, seen)

        check()


def test_every_kind_signs_as_botocore_does(kinds: Gateway) -> None:
    requests: list[tuple[str, list[tuple[str, str]]]] = [
        ("/endpoints/churn-v7/invocations", [("X-Amzn-SageMaker-Target-Model", "team/x")]),
        ("/endpoints/words-v1/invocations-response-stream", []),
        ("/endpoints/churn-v7/async-invocations", [("X-Amzn-SageMaker-Accept", "a  b")]),
        ("/v1/models/churn/versions/3:predict", [("Content-Type", "application/json")]),
        (f"/model/{quote(CLAUDE, safe='')}/invoke", []),
        (f"/model/{CLAUDE}/invoke", []),
        ("/2015-03-31/functions/score/invocations?x=y", []),
    ]
    signatures = set()
    with kinds.client() as client:
        for target, headers in requests:
            before = len(kinds.seen())
            assert client.request(target, b"{}", headers).status < 300, unquote(target)
            (seen,) = kinds.seen()[before:]
            signatures.add(signature_of_botocore(kinds, seen))
    assert len(signatures) >= len(requests) - 1
