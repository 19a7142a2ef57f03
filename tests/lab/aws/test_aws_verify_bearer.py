"""Bearer tokens: what the product mints is accepted, alterations are refused."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable

import pytest
from aws_signing import REGION, ROLE
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.aws.bearer import MAX_LIFE, PREFIX, mint
from bigip_sm.lab.aws.bearer import verify_bearer
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.sessions import SessionStore

NOW = 1_790_000_000.0
STORE = SessionStore(lambda: NOW)
SESSION = STORE.issue(ROLE, 7200)
TOKEN = mint(SESSION, REGION, now=NOW, expires=3600)


def check(token: str, *, now: float = NOW, region: str = REGION) -> None:
    assert verify_bearer(token, STORE, now=now, region=region).session.principal == ROLE


def inside(old: bytes, new: bytes) -> Callable[[str], str]:
    """An edit of the presigned request that the token holds."""

    def edit(token: str) -> str:
        presigned = base64.b64decode(token.removeprefix(PREFIX))
        assert old in presigned
        return PREFIX + base64.b64encode(presigned.replace(old, new, 1)).decode()

    return edit


def minted(**changes: str) -> Callable[[str], str]:
    return lambda _: mint(dataclasses.replace(SESSION, **changes), REGION, now=NOW, expires=3600)  # type: ignore[arg-type]  # text fields only


UNRECOGNIZED, INVALID, INCOMPLETE = (
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
)
MUTATIONS: dict[str, tuple[Callable[[str], str], str]] = {
    "no prefix": (lambda token: token.removeprefix(PREFIX), UNRECOGNIZED),
    "prefix of another service": (lambda token: token.replace("sagemaker-", "bedrock-"), UNRECOGNIZED),
    "not base64": (lambda token: token[:-4] + "!!!!", UNRECOGNIZED),
    "base64 cut": (lambda token: token[:-1], UNRECOGNIZED),
    "blank in the middle": (lambda token: token[:90] + " " + token[90:], UNRECOGNIZED),
    "empty": (lambda token: PREFIX, UNRECOGNIZED),
    "no version": (inside(b"&Version=1", b""), UNRECOGNIZED),
    "another host": (inside(b"sagemaker.amazonaws.com", b"sagemaker.amazonaws.org"), UNRECOGNIZED),
    "another path": (inside(b"amazonaws.com/?", b"amazonaws.com/x?"), UNRECOGNIZED),
    "another action": (inside(b"Action=CallWithBearerToken", b"Action=Other"), UNRECOGNIZED),
    "no action": (inside(b"Action=CallWithBearerToken&", b""), UNRECOGNIZED),
    "broken escape": (inside(b"Action=", b"A=%zz&Action="), UNRECOGNIZED),
    "parameter added": (inside(b"?Action", b"?a=1&Action"), INVALID),
    "longer life": (inside(b"X-Amz-Expires=3600", b"X-Amz-Expires=7200"), INVALID),
    "life beyond AWS's": (inside(b"X-Amz-Expires=3600", b"X-Amz-Expires=43201"), INCOMPLETE),
    "no life": (inside(b"X-Amz-Expires=3600", b"X-Amz-Expires="), INCOMPLETE),
    "later date": (inside(b"X-Amz-Date=20260921T", b"X-Amz-Date=20260922T"), INVALID),
    "more signed headers": (inside(b"SignedHeaders=host", b"SignedHeaders=host%3Bx"), INVALID),
    "no signature": (inside(b"&X-Amz-Signature=", b"&X-Amz-Other="), INCOMPLETE),
    "signature altered": (inside(b"&X-Amz-Signature=", b"&X-Amz-Signature=0"), INVALID),
    "another region": (inside(b"us-east-1", b"eu-west-1"), INVALID),
    "another service": (inside(b"%2Fsagemaker%2F", b"%2Fbedrock%2F"), INVALID),
    "wrong secret": (minted(secret_access_key="x"), INVALID),
    "wrong session token": (minted(session_token="x"), UNRECOGNIZED),
    "unknown key": (minted(access_key_id="ASIAX"), UNRECOGNIZED),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_alteration_is_refused(name: str) -> None:
    check(TOKEN)
    mutate, kind = MUTATIONS[name]
    with pytest.raises(Refusal) as refused:
        check(mutate(TOKEN))
    assert (refused.value.status, refused.value.kind) == (403, kind)


@pytest.mark.parametrize("expires", [1, 3600, MAX_LIFE])
@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "cn-north-1"])
def test_what_is_minted_is_accepted_until_its_end_there_only(region: str, expires: int) -> None:
    session = STORE.issue(ROLE, 2 * MAX_LIFE)
    token = mint(session, region, now=NOW, expires=expires)
    check(token, region=region)
    check(token, region=region, now=NOW + expires)
    with pytest.raises(Refusal, match="Signature expired"):
        check(token, region=region, now=NOW + expires + 1)
    with pytest.raises(Refusal, match="not yet current"):
        check(token, region=region, now=NOW - 301)
    with pytest.raises(Refusal, match="valid region"):
        check(token, region="eu-west-3")


def test_a_token_dies_with_its_session() -> None:
    session = STORE.issue(ROLE, 600)
    token = mint(session, REGION, now=NOW, expires=3600)
    check(token, now=NOW + 599)
    with pytest.raises(Refusal) as refused:
        check(token, now=NOW + 600)
    assert refused.value.kind == "ExpiredTokenException"


@settings(deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda noise: PREFIX + base64.b64encode(noise).decode()))
def test_nothing_but_a_refusal_comes_of_noise(token: str) -> None:
    with pytest.raises(Refusal):
        check(token)


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 300))
def test_noise_inside_a_token_is_never_accepted(noise: bytes, where: int) -> None:
    presigned = base64.b64decode(TOKEN.removeprefix(PREFIX))
    altered = presigned[:where] + noise + presigned[where:]
    if noise.strip(b"&") != b"":  # empty parts of a query mean nothing
        with pytest.raises(Refusal):
            check(PREFIX + base64.b64encode(altered).decode())
