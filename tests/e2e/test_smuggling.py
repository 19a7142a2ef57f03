"""Requests that two readers could frame in two ways: AWS never sees anything but what was checked and signed.

What each case hides is a second request for a route that the caller may not use, or a second reading of the first.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl

import pytest
from gateway_kit import HOSTNAME, INVOKE, Gateway

from bigip_sm.lab.aws.runtime import ACCEPTED

HOST = f"Host: {HOSTNAME}\r\n".encode()
START = f"POST {INVOKE} HTTP/1.1\r\n".encode() + HOST
HIDDEN = b"POST /endpoints/hidden/invocations HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}"
LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
WHOLE = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)

CASES = {
    "CL.TE: a length and chunks that end before it": START + LENGTH + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "TE.CL: chunks and a length that ends before them": START + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n" + WHOLE,
    "two transfer encodings, one hidden by its case": START + CHUNKED + b"TRANSFER-ENCODING: x\r\n\r\n" + WHOLE,
    "a transfer encoding behind a list": START + b"Transfer-Encoding: identity, chunked\r\n\r\n" + WHOLE,
    "a transfer encoding with a vertical tab": START
    + b"Transfer-Encoding: \x0bchunked\r\n"
    + LENGTH
    + b"\r\n"
    + HIDDEN,
    "a transfer encoding with a blank before the colon": START + b"Transfer-Encoding : chunked\r\n\r\n" + WHOLE,
    "a folded transfer encoding": START + b"Transfer-Encoding:\r\n chunked\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "a folded header": START + b"X: a\r\n Content-Length: 0\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "two lengths that differ": START + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "two lengths in one header": START + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "a length with a sign": START + b"Content-Length: +%d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "a length in hexadecimal": START + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "two hosts": START + b"Host: other.example.com\r\nContent-Length: 0\r\n\r\n",
    "two hosts, one of them in the target": f"POST https://other.example.com{INVOKE} HTTP/1.1\r\n".encode()
    + HOST
    + b"Content-Length: 0\r\n\r\n",
    "a bare line feed that ends the head": START.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n" + HIDDEN,
    "a bare line feed inside a header": START + b"X: a\nContent-Length: 0\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "a bare carriage return inside a header": START + b"X: a\rContent-Length: 0\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "a chunk extension with a line feed": START + CHUNKED + b"\r\n2;\n0\r\n{}\r\n0\r\n\r\n",
    "a chunk size with a blank": START + CHUNKED + b"\r\n2 \r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk size that overflows": START + CHUNKED + b"\r\n100000000000000002\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a second request on the heels of the first": START + b"Content-Length: 2\r\n\r\n{}" + HIDDEN,
    "an old version with chunks": START.replace(b"HTTP/1.1", b"HTTP/1.0") + CHUNKED + b"\r\n" + WHOLE,
    "a body on an upgrade": START
    + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    + LENGTH
    + b"\r\n"
    + HIDDEN,
    "headers that Connection takes away": START + b"Connection: Content-Length, Host\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "a trailer that is a header": START + CHUNKED + b"\r\n2\r\n{}\r\n0\r\nX-Amz-Date: 20200101T000000Z\r\n\r\n",
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES.keys())
def test_what_aws_sees_is_what_was_checked(quickstart: Gateway, data: bytes) -> None:
    before = len(quickstart.seen())
    with quickstart.client() as client:
        client.socket.settimeout(0.5)
        with contextlib.suppress(OSError, http.client.HTTPException, ssl.SSLError):
            client.send(data)
            while client.receive().status:
                pass
    arrived = quickstart.seen()[before:]
    assert len(arrived) <= 1, "one request became two"
    for request in arrived:
        assert request.verdict == ACCEPTED
        assert request.target == INVOKE.encode()
        assert request.body in (b"{}", HIDDEN)  # as the body of the one request, where it can do nothing
        framing = (request.values("Content-Length"), request.values("Transfer-Encoding"))
        assert framing in (([b"%d" % len(request.body)], []), ([], [b"chunked"]))
        assert request.values("Host") == [b"runtime.sagemaker.us-east-1.amazonaws.com"]
        assert len(request.values("X-Amz-Date")) == 1
        assert request.values("X-Amzn-SageMaker-Custom-Attributes") == [b"principal=staff%3Aalice,route=churn"]


def test_the_cases_are_told_apart_from_an_honest_request(quickstart: Gateway) -> None:
    before = len(quickstart.seen())
    with quickstart.client() as client:
        client.send(START + LENGTH + b"\r\n" + HIDDEN)
        assert client.receive().status == 200
    assert [request.body for request in quickstart.seen()[before:]] == [HIDDEN]
