"""Reading of certificates and keys that a declaration carries as text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any


def plain_text(value: Any) -> str | None:
    """The text of an AS3 value that is a string, ``{"text": ...}`` or ``{"base64": ...}``; ``None`` if it holds none.

    Base64 may use either alphabet. Bytes become characters one by one (latin-1), so that nothing fails to decode.
    """
    if isinstance(value, Mapping):
        encoded = value.get("base64")
        if isinstance(encoded, str):
            return _decoded(encoded)
        value = value.get("text")
    return value if isinstance(value, str) else None


def _decoded(encoded: str) -> str | None:
    standard = encoded.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4)).decode("latin-1")
    except (binascii.Error, ValueError):
        return None


def is_encrypted_key(text: str) -> bool:
    """Whether a PEM private key needs a passphrase (RFC 7468, section 11; RFC 1421, section 4.6.1.1)."""
    return "ENCRYPTED PRIVATE KEY-----" in text or "Proc-Type: 4,ENCRYPTED" in text


def certificate_error(text: str) -> str:
    """Why ``text`` is not one or more PEM certificates, or ``""``."""
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return "not a PEM certificate; paste the text from BEGIN CERTIFICATE to END CERTIFICATE"
    return "" if certificates else "there is no certificate in it"
