"""Signing keys and bearer tokens, with botocore as the oracle."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.aws.bearer import MAX_LIFE, PREFIX, mint
from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.aws.sigv4 import signing_key
from bigip_sm.errors import CredentialError

NOW = 1_790_000_000.75
SESSION = SessionCredentials("ASIAEXAMPLE", "se/cr+et=", "to/ke+n==", expiration=NOW + 3600, issued_at=NOW)
secrets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)


@settings(deadline=None)
@given(secret=secrets, date=st.dates(), region=st.sampled_from(["us-east-1", "eu-west-3"]), service=secrets)
def test_signing_key_signs_what_botocore_signs(secret: str, date: datetime.date, region: str, service: str) -> None:
    stamp = f"{date.year:04d}{date:%m%d}"
    request = AWSRequest("POST", "https://host/")
    request.context["timestamp"] = f"{stamp}T000000Z"
    expected = SigV4Auth(Credentials("A", secret), service, region).signature("string to sign", request)
    key = signing_key(secret, stamp, region, service)
    assert hmac.new(key, b"string to sign", hashlib.sha256).hexdigest() == expected


def botocore_token(session: SessionCredentials, region: str, expires: int, monkeypatch: Any) -> str:
    """The recipe of AWS's token generator, at NOW."""
    moment = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    url, host = "https://sagemaker.amazonaws.com/", {"host": "sagemaker.amazonaws.com"}
    request = AWSRequest("POST", url, headers=host, params={"Action": "CallWithBearerToken"})
    credentials = Credentials(session.access_key_id, session.secret_access_key, session.session_token)
    SigV4QueryAuth(credentials, "sagemaker", region, expires=expires).add_auth(request)
    presigned = str(request.url).removeprefix("https://") + "&Version=1"
    return "sagemaker-api-key-" + base64.b64encode(presigned.encode()).decode()


@pytest.mark.parametrize("expires", [1, 900, 3600, MAX_LIFE])
@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1"])
def test_token_is_byte_for_byte_that_of_the_recipe(expires: int, region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mint(SESSION, region, now=NOW, expires=expires) == botocore_token(SESSION, region, expires, monkeypatch)


@settings(deadline=None)
@given(token=st.binary(min_size=1, max_size=900))
def test_any_session_token_gives_a_token_that_fits_a_header(token: bytes) -> None:
    session = SessionCredentials("ASIA", "s", base64.b64encode(token).decode(), NOW + 60, NOW)
    minted = mint(session, "us-east-1", now=NOW, expires=60)
    assert minted.startswith(PREFIX)
    assert minted.isascii()
    assert minted.isprintable()


@pytest.mark.parametrize("expires", [0, -1, MAX_LIFE + 1])
def test_a_life_that_aws_refuses_is_refused_here(expires: int) -> None:
    with pytest.raises(CredentialError, match="43200"):
        mint(SESSION, "us-east-1", now=NOW, expires=expires)


def test_no_token_for_a_session_that_is_over() -> None:
    with pytest.raises(CredentialError, match="ASIAEXAMPLE has expired") as error:
        mint(SESSION, "us-east-1", now=SESSION.expiration, expires=60)
    assert "se/cr" not in str(error.value)


def test_secrets_stay_out_of_the_repr() -> None:
    assert "se/cr+et=" not in repr(SESSION)
    assert "to/ke+n==" not in repr(SESSION)
    assert "ASIAEXAMPLE" in repr(SESSION)
