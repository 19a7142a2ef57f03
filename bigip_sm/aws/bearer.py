"""Bearer tokens for SageMaker's OpenAI-compatible path.

A token is a presigned request for the action CallWithBearerToken, without its scheme, in base64. It is made locally
and covers neither path nor body. The recipe is the one of the ``token_generator`` in the Python package
sagemaker-core 3.12.0, and the result is the same byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
import time
from urllib.parse import quote

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.aws.sigv4 import ALGORITHM, TERMINATOR, hmac_sha256, signing_key
from bigip_sm.errors import CredentialError

PREFIX = "sagemaker-api-key-"
"""What every token begins with."""

MAX_LIFE = 43200
"""Longest life of a token that AWS accepts, in seconds."""

_HOST = "sagemaker.amazonaws.com"  # the same for every region; the region is in the credential scope
_SERVICE = "sagemaker"


def mint(credentials: SessionCredentials, region: str, *, now: float, expires: int) -> str:
    """Make a token for ``region`` that is valid from ``now`` (epoch seconds) for ``expires`` seconds.

    It dies with the session, whatever ``expires`` says. Raises CredentialError if ``expires`` is not within
    1 and 43200 or the session is over.
    """
    if not 1 <= expires <= MAX_LIFE:
        raise CredentialError(f"a bearer token lives 1 to {MAX_LIFE} seconds, not {expires}")
    if credentials.expiration <= now:
        raise CredentialError(f"the session of {credentials.access_key_id} has expired; refresh it first")
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    date = timestamp[:8]
    scope = f"{date}/{region}/{_SERVICE}/{TERMINATOR}"
    parameters = {  # in the order in which botocore writes them; the signature is over the sorted ones
        "Action": "CallWithBearerToken",
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Security-Token": credentials.session_token,
    }
    query = [f"{name}={quote(value, safe='-_.~')}" for name, value in parameters.items()]
    payload = hashlib.sha256(b"").hexdigest()
    canonical = "\n".join(("POST", "/", "&".join(sorted(query)), f"host:{_HOST}", "", "host", payload))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = signing_key(credentials.secret_access_key, date, region, _SERVICE)
    signature = hmac_sha256(key, "\n".join((ALGORITHM, timestamp, scope, digest))).hex()
    # Version is not part of what is signed; it comes last.
    presigned = f"{_HOST}/?{'&'.join(query)}&X-Amz-Signature={signature}&Version=1"
    return PREFIX + base64.b64encode(presigned.encode()).decode("ascii")
