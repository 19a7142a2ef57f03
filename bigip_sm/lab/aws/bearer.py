"""Verification of the bearer tokens of SageMaker's OpenAI-compatible path (AWS sheet, section 1.7).

The type and text of AWS's refusals of a bad token are not known; these are those of the signature it holds.
"""

from __future__ import annotations

import base64
import binascii

from bigip_sm.lab.aws import canonical, refusal
from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.aws.verify import Verified, check_scope, check_session, check_signature, check_time, presigned_claim
from bigip_sm.lab.http import Request

MAX_LIFE = 43200
"""Longest life of a token, in seconds."""

_PREFIX = "sagemaker-api-key-"
_HOST = b"sagemaker.amazonaws.com"
_VERSION = b"&Version=1"


def verify_bearer(token: str, sessions: SessionStore, *, now: float, region: str) -> Verified:
    """Verify a token for ``region`` at ``now`` (epoch seconds); raises Refusal.

    A token is the base64 of a presigned ``POST https://sagemaker.amazonaws.com/?Action=CallWithBearerToken``
    without its scheme, followed by ``&Version=1``, which is not signed.
    """
    request = Request("POST", _presigned_target(token), [(b"host", _HOST)], b"", None, ("", 0))
    try:
        parameters = canonical.query_parameters(request.target.partition(b"?")[2])
    except canonical.NotCanonical:
        raise _malformed() from None
    claim = presigned_claim(parameters)
    if [value for name, value in parameters if name == b"Action"] != [b"CallWithBearerToken"]:
        raise _malformed()
    if claim.expires is None or claim.expires > MAX_LIFE:
        raise refusal.incomplete(f"X-Amz-Expires must be between 1 and {MAX_LIFE} seconds.")
    check_time(claim, now)
    check_scope(claim, ("sagemaker",), (region,))
    session = check_session(claim, sessions, now)
    check_signature(claim, session, request)
    return Verified(session, region, "sagemaker")


def _presigned_target(token: str) -> bytes:
    """Path and query of the presigned request that the token holds."""
    encoded = token.removeprefix(_PREFIX)
    if encoded == token or not encoded.isascii():
        raise _malformed()
    try:
        presigned = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise _malformed() from None
    if not presigned.startswith(_HOST + b"/?") or not presigned.endswith(_VERSION):
        raise _malformed()
    return presigned.removeprefix(_HOST).removesuffix(_VERSION)


def _malformed() -> refusal.Refusal:
    return refusal.unrecognized()
