"""Who the gateway takes a caller for, on connections that live on, are resumed, or lie."""

from __future__ import annotations

import contextlib
import ssl

from gateway_kit import INVOKE, Gateway, message

FORGED = "principal=staff%3Aroot"


def principal(gateway: Gateway) -> list[bytes]:
    return gateway.seen()[-1].values("X-Amzn-SageMaker-Custom-Attributes")


def test_forged_headers_never_arrive(quickstart: Gateway) -> None:
    forged = [
        ("Authorization", "Bearer forged"),
        ("authorization", "Basic forged"),
        ("X-AMZ-Security-Token", "forged"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("X-Amzn-SageMaker-Custom-Attributes", FORGED),
        ("x-amzn-sagemaker-custom-attributes", FORGED),
        ("X-Amzn-SageMaker-Target-Variant", "forged"),
        ("X-Forwarded-For", "10.30.0.1"),
        ("Forwarded", "for=forged"),
        ("Connection", "X-Amz-Date"),
        ("-x", "forged"),
        ("Cookie", "forged"),
    ]
    assert quickstart.ask(INVOKE, b"{}", forged).status == 200
    request = quickstart.seen()[-1]
    assert principal(quickstart) == [b"principal=staff%3Aalice,route=churn"]
    assert not [value for _, value in request.headers if b"forged" in value or b"root" in value]
    assert {name.lower() for name, _ in request.headers} == {
        b"host",
        b"content-length",
        b"x-amz-date",
        b"x-amz-security-token",
        b"x-amzn-sagemaker-custom-attributes",
        b"x-amzn-sagemaker-inference-id",
        b"authorization",
    }


def test_the_second_request_of_a_connection_inherits_nothing(quickstart: Gateway) -> None:
    with quickstart.client() as client:
        assert client.request(INVOKE, b"{}", [("Content-Type", "text/csv")]).status == 200
        first = quickstart.seen()[-1]
        assert client.request("/nothing/here", method="GET").verdict == "404 no-route"
        assert client.request(INVOKE, b"[]").status == 200
        second = quickstart.seen()[-1]
    assert second.values("content-type") == []
    assert first.values("authorization") != second.values("authorization")
    assert first.values("x-amzn-sagemaker-inference-id") != second.values("x-amzn-sagemaker-inference-id")


def test_a_resumed_session_keeps_the_identity_of_its_certificate(quickstart: Gateway) -> None:
    with quickstart.client("alice") as first:
        assert first.request(INVOKE, b"{}").status == 200
        session, context = first.socket.session, first.context
    with quickstart.client(None) as other:
        other.socket.close()
        other.context = context
        other._open(quickstart.lab, session)
        assert other.socket.session_reused
        assert other.request(INVOKE, b"{}").status == 200
    assert principal(quickstart) == [b"principal=staff%3Aalice,route=churn"]


def test_a_caller_without_certificate_is_known_by_its_network(quickstart: Gateway) -> None:
    quickstart.lab.data_plane.client_addresses = lambda peer: "10.30.7.9"
    try:
        with quickstart.client(None) as client:
            assert client.request(INVOKE, b"{}").status == 200
        assert principal(quickstart) == [b"principal=batch%3Anightly-batch,route=churn"]
        with quickstart.client("mallory") as client:
            assert client.request(INVOKE, b"{}").verdict == "403 not-allowed", "the certificate goes first"
    finally:
        quickstart.lab.data_plane.client_addresses = lambda peer: peer[0]


def test_expect_100_continue_is_answered_before_the_body(quickstart: Gateway) -> None:
    with quickstart.client() as client:
        head = message(INVOKE, b"", [("Expect", "100-continue"), ("Content-Length", "4")])
        client.send(head)
        assert client.socket.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"null")
        assert client.receive().status == 200
    assert quickstart.seen()[-1].body == b"null"


def test_a_chunked_body_is_collected_and_signed(quickstart: Gateway) -> None:
    chunks = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    assert quickstart.ask(INVOKE, chunks, [("Transfer-Encoding", "chunked")]).status == 200
    assert quickstart.seen()[-1].body == b"abcdefg"
    assert quickstart.ask(INVOKE, b"0\r\n\r\n", [("Transfer-Encoding", "chunked")]).status == 200
    assert quickstart.seen()[-1].body == b""


def test_a_chunked_body_over_the_limit_is_refused(quickstart: Gateway) -> None:
    size = 1024**2 + 1
    body = b"%x\r\n" % size + b"a" * size + b"\r\n0\r\n\r\n"
    before = len(quickstart.seen())
    with quickstart.client() as client:
        with contextlib.suppress(ssl.SSLError, ConnectionError):  # the gateway may close once it has seen too much
            client.send(message(INVOKE, body, [("Transfer-Encoding", "chunked")]))
        assert client.receive().verdict == "413 body-too-large"
    assert len(quickstart.seen()) == before
