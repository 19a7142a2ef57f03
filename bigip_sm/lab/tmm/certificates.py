"""Client certificates as iRules see them; a certificate's handle is its DER."""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from bigip_sm.lab.tmm.session import CommandError


@lru_cache(maxsize=1024)
def parse(der: bytes) -> x509.Certificate:
    """The certificate behind a handle. Raises CommandError."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise CommandError("not a certificate") from None


def subject(der: bytes, field: str | None) -> bytes:
    """The subject, or its common name, as UTF-8 bytes; empty if it has none. Raises CommandError."""
    try:
        name = parse(der).subject
        if field is None:
            return name.rfc4514_string().encode()
        if field != "commonName":
            raise CommandError(f'bad field "{field}": must be commonName')
        return b"".join(_text(value.value) for value in name.get_attributes_for_oid(NameOID.COMMON_NAME)[-1:])
    except ValueError:
        raise CommandError("the certificate's subject cannot be read") from None


def _text(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
