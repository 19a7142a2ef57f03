"""Derivation of AWS Signature Version 4 signing keys.

The key depends on the secret key, the UTC date, the region and the service only, so it can be derived away from
the BIG-IP and is worth nothing outside that day, region and service. Source: IAM User Guide, "Create a signed AWS
API request", step 4.
"""

from __future__ import annotations

import hashlib
import hmac

ALGORITHM = "AWS4-HMAC-SHA256"
"""Name of the algorithm in Authorization headers, presigned URLs and strings to sign."""

TERMINATOR = "aws4_request"
"""Last element of every credential scope."""


def hmac_sha256(key: bytes, message: str) -> bytes:
    """HMAC-SHA-256 of ``message`` as UTF-8: 32 bytes."""
    return hmac.digest(key, message.encode("utf-8"), hashlib.sha256)


def signing_key(secret_access_key: str, date: str, region: str, service: str) -> bytes:
    """The 32 bytes that sign requests of one UTC day (``date`` as ``yyyymmdd``), region and service."""
    key = hmac_sha256(f"AWS4{secret_access_key}".encode(), date)
    for part in (region, service, TERMINATOR):
        key = hmac_sha256(key, part)
    return key
