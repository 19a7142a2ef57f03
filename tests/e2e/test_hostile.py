"""Whatever bytes a caller sends: no error in the rule, no identity but the true one, nothing unsigned to AWS."""

from __future__ import annotations

import http.client
import ssl

from gateway_kit import HOSTNAME, INVOKE, Gateway
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigip_sm.lab.aws.runtime import ACCEPTED
from bigip_sm.render.reasons import REASONS

TRUE_IDENTITY = b"principal=staff%3Aalice,route=churn"

token = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=12)
known = st.sampled_from(
    [
        "Host",
        "host",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "Content-Encoding",
        "Accept",
        "Authorization",
        "X-Amz-Date",
        "X-Amzn-SageMaker-Custom-Attributes",
        "X-Gateway-Reason",
        "X-Request-Id",
        "Connection",
        "-value",
        "names",
        "[exit]",
        "$x",
        "{",
    ]
)
value = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"0",
            b"07",
            b"1e3",
            b"-1",
            b"99999999999",
            b"chunked",
            b"gzip, chunked",
            b"100-continue",
            b"[exit]",
            b"$bsm_id",
        ]
    ),
    st.just(b"a" * 2000),
)
header = st.tuples(st.one_of(token, known), value)
method = st.sampled_from(["POST", "GET", "PUT", "OPTIONS", "HEAD", "post", "TRACE"])
target = st.one_of(
    st.just(INVOKE.encode()),
    st.just(b"/v1/chat/completions"),
    st.binary(max_size=60).map(lambda raw: b"/" + raw),
    st.text("/.%2eE0[]{}$\\;\"'?&=+ aZ", max_size=30).map(lambda text: f"/{text}".encode()),
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(method=method, target=target, headers=st.lists(header, max_size=6), body=st.binary(max_size=60))
def test_hostile_requests(
    quickstart: Gateway, method: str, target: bytes, headers: list[tuple[str, bytes]], body: bytes
) -> None:
    log = quickstart.lab.data_plane.log_lines
    lines, before = len(log), len(quickstart.seen())
    head = b"\r\n".join(
        [method.encode() + b" " + target + b" HTTP/1.1", b"Host: " + HOSTNAME.encode()]
        + [name.encode("latin-1") + b": " + content for name, content in headers]
    )
    with quickstart.client() as client:
        client.send(head + b"\r\nConnection: close\r\n\r\n" + body)
        client.socket.settimeout(0.3)
        try:
            answer = client.receive(method)
        except (OSError, http.client.HTTPException, ssl.SSLError):
            answer = None  # refused below the rule, or it waits for a body that does not come
    if answer is not None and answer.reason:
        assert answer.status == REASONS[answer.reason].status
        assert answer.reason != "internal-error"
    assert not [line for line in list(log)[lines:] if "TCL error" in line or "failed in stage" in line]
    for request in quickstart.seen()[before:]:
        assert request.verdict == ACCEPTED
        if not request.target.startswith(b"/endpoints/llama"):
            assert request.values("X-Amzn-SageMaker-Custom-Attributes") == [TRUE_IDENTITY]
