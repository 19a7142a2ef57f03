"""The verifier: what botocore signs is accepted, every alteration of it is refused as AWS refuses it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from aws_signing import REGION, ROLE, edited, sign, signed_at, with_header
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.aws.verify import Verified, verify
from bigip_sm.lab.http import Request

STORE = SessionStore()
SESSION = STORE.issue(ROLE, 3600)
OTHER = STORE.issue(ROLE, 3600)
USER = STORE.add_user("arn:aws:iam::123456789012:user/someone")
ENDED = STORE.issue(ROLE, -1)
UNKNOWN = SessionCredentials("ASIAUNKNOWN000000000", "secret", "token", 9e9, 0)

segments = st.text("abcXYZ019-._~!$&'()*+,;=:@", min_size=1, max_size=8) | st.sampled_from(
    ["%3A", "a%20b", "%e2", ".", ".."]
)
paths = st.lists(segments, max_size=5).map(lambda parts: "/".join(["", *parts, "end"]))
texts = st.text(st.characters(codec="utf-8"), max_size=8).map(lambda text: quote(text, safe="-_.~"))
queries = st.lists(st.tuples(texts.filter(bool), texts), max_size=5)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t"), max_size=30)
names = st.sampled_from(["Accept", "X-Amz-Meta-One", "X-Amzn-SageMaker-Custom-Attributes", "X-Other", "Via"])


def check(request: Request, now: float | None = None) -> Verified:
    moment = signed_at(request) if now is None else now
    return verify(request, STORE, now=moment, services=("sagemaker",), regions=(REGION,))


@settings(deadline=None)
@given(
    path=paths,
    query=queries,
    headers=st.dictionaries(names, values, max_size=4),
    body=st.binary(max_size=200),
)
def test_what_botocore_signs_is_accepted(
    path: str, query: list[tuple[str, str]], headers: dict[str, str], body: bytes
) -> None:
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")
    verified = check(sign(SESSION, target=target, headers=list(headers.items()), body=body))
    assert verified.session.principal == ROLE
    assert (verified.region, verified.service) == (REGION, "sagemaker")


def test_the_signature_covers_a_megabyte() -> None:
    check(sign(SESSION, body=b"\x00\xff" * 500_000))


def test_repeated_headers_are_joined_in_order() -> None:
    request = sign(SESSION, headers=[("X-Amz-Meta-One", "b"), ("X-Amz-Meta-One", "a")])
    check(request)
    with pytest.raises(Refusal, match="does not match"):
        check(dataclasses.replace(request, headers=request.headers[::-1]))


def test_a_long_lived_key_has_no_token() -> None:
    assert check(sign(USER)).session.principal.endswith("user/someone")
    with pytest.raises(Refusal, match="token included in the request is invalid"):
        check(with_header(sign(USER), "X-Amz-Security-Token", "made-up"))


def test_presigned_form_is_understood() -> None:
    now = time.time()
    request = sign(SESSION, presign=60, headers=(), body=b"")
    verify(request, STORE, now=now, services=("sagemaker",), regions=(REGION,))
    with pytest.raises(Refusal, match="Signature expired") as late:
        check(request, now + 70)
    assert late.value.kind == "InvalidSignatureException"
    with pytest.raises(Refusal, match="does not match"):
        check(dataclasses.replace(request, body=b"x"), now)
    with pytest.raises(Refusal, match="does not match"):
        check(dataclasses.replace(request, target=request.target.replace(b"Expires=60", b"Expires=61")), now)
    with pytest.raises(Refusal, match="X-Amz-Expires"):
        check(dataclasses.replace(request, target=request.target.replace(b"Expires=60", b"Expires=999999")), now)
    with pytest.raises(Refusal, match="'X-Amz-Date' once"):
        check(dataclasses.replace(request, target=request.target + b"&X-Amz-Date=1"), now)
    with pytest.raises(Refusal, match="must include 'X-Amz-Expires'"):
        check(dataclasses.replace(request, target=request.target.replace(b"X-Amz-Expires=60&", b"")), now)


def scope(old: str, new: str) -> Callable[[Request], Request]:
    return lambda request: edited(request, "Authorization", old, new)


def resigned(**changes: str) -> Callable[[Request], Request]:
    """Signed anew, correctly, but for something else."""
    return lambda _: sign(SESSION, **changes)  # type: ignore[arg-type]  # only text arguments are changed here


def body(data: bytes) -> Callable[[Request], Request]:
    return lambda request: dataclasses.replace(request, body=data)


def target(data: bytes) -> Callable[[Request], Request]:
    return lambda request: dataclasses.replace(request, target=data)


def header(name: str, value: str | None, *, add: bool = False) -> Callable[[Request], Request]:
    return lambda request: with_header(request, name, value, add=add)


def unsigned_payload(_: Request) -> Request:
    return sign(SESSION, headers=[("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")])


def claimed_hash(_: Request) -> Request:
    """The hash of another body in X-Amz-Content-SHA256: moto believes it."""
    request = sign(SESSION, headers=[("X-Amz-Content-SHA256", "0" * 64)])
    return dataclasses.replace(request, body=b"something else")


def today(request: Request) -> str:
    return (request.header("x-amz-date") or "")[:8]


def yesterday(request: Request) -> Request:
    return edited(request, "Authorization", f"/{today(request)}/", "/20200101/")


def wrong_secret(_: Request) -> Request:
    return sign(dataclasses.replace(SESSION, secret_access_key="wrong"))


def wrong_token(_: Request) -> Request:
    return sign(dataclasses.replace(SESSION, session_token=OTHER.session_token))


MISMATCH = (403, "InvalidSignatureException", "does not match the signature you provided")
SCOPE = (403, "InvalidSignatureException", "Credential should be scoped")
INCOMPLETE = (403, "IncompleteSignatureException", "")
UNRECOGNIZED = (403, "UnrecognizedClientException", "The security token included in the request is invalid.")

MUTATIONS: dict[str, tuple[Callable[[Request], Request], tuple[int, str, str]]] = {
    "altered body": (body(b'{"a": 2}'), MISMATCH),
    "emptied body": (body(b""), MISMATCH),
    "grown body": (body(b'{"a": 1} '), MISMATCH),
    "another endpoint": (target(b"/endpoints/other/invocations"), MISMATCH),
    "query added": (target(b"/endpoints/churn-v7/invocations?x=1"), MISMATCH),
    "escape in the path": (target(b"/endpoints/churn%2Dv7/invocations"), MISMATCH),
    "trailing slash": (target(b"/endpoints/churn-v7/invocations/"), MISMATCH),
    "absolute target": (
        target(b"https://x/endpoints/churn-v7/invocations"),
        (400, "MalformedHttpRequestException", ""),
    ),
    "broken escape in the query": (target(b"/endpoints/churn-v7/invocations?a=%zz"), (400, "MalformedQueryString", "")),
    "another method": (lambda request: dataclasses.replace(request, method="PUT"), MISMATCH),
    "another host": (header("Host", "runtime.sagemaker.eu-west-1.amazonaws.com"), MISMATCH),
    "content type altered": (header("Content-Type", "text/csv"), MISMATCH),
    "content type removed": (header("Content-Type", None), MISMATCH),
    "content type there twice": (header("Content-Type", "application/json", add=True), MISMATCH),
    "new x-amz header": (
        header("X-Amz-Target", "x"),
        (403, "InvalidSignatureException", "'x-amz-target' must be a 'SignedHeader'"),
    ),
    "host not signed": (
        scope("SignedHeaders=content-type;host;", "SignedHeaders=content-type;"),
        (403, "InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader'"),
    ),
    "token not signed": (
        scope(";x-amz-security-token", ""),
        (403, "InvalidSignatureException", "'x-amz-security-token' must be a 'SignedHeader'"),
    ),
    "signed headers not sorted": (scope("content-type;host", "host;content-type"), INCOMPLETE),
    "signed headers in capitals": (scope("content-type;host", "Content-Type;host"), INCOMPLETE),
    "signature altered": (lambda r: edited(r, "Authorization", "Signature=", "Signature=0"), MISMATCH),
    "signature empty": (
        lambda r: with_header(
            r, "Authorization", (r.header("authorization") or "").split("Signature=")[0] + "Signature="
        ),
        (403, "IncompleteSignatureException", "requires 'Signature' parameter"),
    ),
    "signature missing": (
        lambda r: with_header(r, "Authorization", (r.header("authorization") or "").split(", Signature=")[0]),
        (403, "IncompleteSignatureException", "requires 'Signature' parameter"),
    ),
    "credential of four parts": (scope("/aws4_request", ""), (403, "IncompleteSignatureException", "exactly 5")),
    "another terminator": (scope("/aws4_request", "/aws5_request"), SCOPE),
    "another algorithm": (scope("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), INCOMPLETE),
    "field there twice": (scope("Credential=", "Credential=x, Credential="), INCOMPLETE),
    "unknown field": (scope("Credential=", "Debug=1, Credential="), INCOMPLETE),
    "bearer token": (header("Authorization", "Bearer sagemaker-api-key-abc"), INCOMPLETE),
    "basic": (header("Authorization", "Basic dXNlcjpwYXNz"), INCOMPLETE),
    "no authorization": (
        header("Authorization", None),
        (403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    ),
    "two authorizations": (header("Authorization", "AWS4-HMAC-SHA256 x", add=True), INCOMPLETE),
    "header and query": (
        target(b"/endpoints/churn-v7/invocations?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0"),
        (403, "IncompleteSignatureException", "signed once"),
    ),
    "signed for another region": (resigned(region="eu-west-1"), SCOPE),
    "signed for another service": (
        resigned(service="execute-api"),
        (403, "InvalidSignatureException", "scoped to correct service: 'sagemaker'"),
    ),
    "scope rewritten to this region": (
        lambda _: edited(sign(SESSION, region="eu-west-1"), "Authorization", "eu-west-1", REGION),
        MISMATCH,
    ),
    "scope of another day": (yesterday, (403, "InvalidSignatureException", "Date in Credential scope does not match")),
    "no date": (header("X-Amz-Date", None), (403, "IncompleteSignatureException", "'X-Amz-Date' or a 'Date' header")),
    "date in words": (header("X-Amz-Date", "yesterday"), (403, "IncompleteSignatureException", "ISO-8601")),
    "thirteenth month": (header("X-Amz-Date", "20261301T000000Z"), (403, "IncompleteSignatureException", "ISO-8601")),
    "two dates": (header("X-Amz-Date", "20260101T000000Z", add=True), INCOMPLETE),
    "unsigned payload": (unsigned_payload, MISMATCH),
    "hash of another body": (claimed_hash, MISMATCH),
    "unknown key": (lambda _: sign(UNKNOWN), UNRECOGNIZED),
    "no token": (header("X-Amz-Security-Token", None), UNRECOGNIZED),
    "token of another session": (wrong_token, UNRECOGNIZED),
    "wrong secret": (wrong_secret, MISMATCH),
    "session over": (lambda _: sign(ENDED), (403, "ExpiredTokenException", "token included in the request is expired")),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_alteration_is_refused(name: str) -> None:
    original = sign(SESSION)
    check(original)
    mutate, (status, kind, message) = MUTATIONS[name]
    with pytest.raises(Refusal) as refused:
        check(mutate(original), signed_at(original))
    assert (refused.value.status, refused.value.kind) == (status, kind)
    assert message in (refused.value.message or "")


def test_the_answer_quotes_the_canonical_request_and_the_exception_no_token() -> None:
    with pytest.raises(Refusal) as refused:
        check(dataclasses.replace(sign(SESSION), body=b"x"))
    assert f"x-amz-security-token:{SESSION.session_token}\n" in refused.value.detail
    assert SESSION.session_token not in str(refused.value)
    assert SESSION.session_token not in repr(sign(SESSION))


@settings(deadline=None)
@given(index=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_of_the_body_is_refused(index: int, bit: int) -> None:
    request = sign(SESSION, body=bytes(10_001))
    altered = bytearray(request.body)
    altered[index] ^= 1 << bit
    with pytest.raises(Refusal, match="does not match"):
        check(dataclasses.replace(request, body=bytes(altered)))


@pytest.mark.parametrize(
    ("skew", "message"), [(301, "Signature expired: .* - 5 min"), (-301, "not yet current: .* 5 min")]
)
def test_clock_off_by_more_than_five_minutes(skew: int, message: str) -> None:
    request = sign(SESSION)
    check(request, signed_at(request) + (300 if skew > 0 else -300))
    with pytest.raises(Refusal, match=message) as refused:
        check(request, signed_at(request) + skew)
    assert (refused.value.status, refused.value.kind) == (403, "InvalidSignatureException")


@settings(deadline=None)
@given(authorization=st.text(st.characters(max_codepoint=0xFF), max_size=80), target=st.binary(max_size=40))
def test_nothing_but_a_refusal_comes_of_noise(authorization: str, target: bytes) -> None:
    request = Request("POST", target, [(b"authorization", authorization.encode("latin-1"))], b"", None, ("", 0))
    with pytest.raises(Refusal):
        verify(request, STORE, now=0, services=("sagemaker",), regions=(REGION,))


@settings(deadline=None)
@given(
    extra=st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n"), max_size=40), where=st.integers(0, 400)
)
def test_noise_inside_the_authorization_is_never_accepted(extra: str, where: int) -> None:
    request = sign(SESSION)
    text = request.header("authorization") or ""
    altered = text[: where % len(text)] + extra + text[where % len(text) :]
    if altered.replace(" ", "") != text.replace(" ", ""):
        with pytest.raises(Refusal):
            check(with_header(request, "Authorization", altered), signed_at(request))
