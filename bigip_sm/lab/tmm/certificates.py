"""Certificates as iRules see them; a certificate's handle is its DER.

The layout of names, times and extensions is OpenSSL's (``openssl x509 -text``), which TMM's is documented to follow.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from OpenSSL import crypto

from bigip_sm.lab.tmm.session import CommandError

_INDENT = " " * 16
_USAGES = {
    "digital_signature": "Digital Signature",
    "content_commitment": "Non Repudiation",
    "key_encipherment": "Key Encipherment",
    "data_encipherment": "Data Encipherment",
    "key_agreement": "Key Agreement",
    "key_cert_sign": "Certificate Sign",
    "crl_sign": "CRL Sign",
}
_EXTENDED = {
    ExtendedKeyUsageOID.SERVER_AUTH: "TLS Web Server Authentication",
    ExtendedKeyUsageOID.CLIENT_AUTH: "TLS Web Client Authentication",
    ExtendedKeyUsageOID.CODE_SIGNING: "Code Signing",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "E-mail Protection",
    ExtendedKeyUsageOID.TIME_STAMPING: "Time Stamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSP Signing",
}
_TITLES: dict[type[x509.ExtensionType], str] = {
    x509.SubjectAlternativeName: "X509v3 Subject Alternative Name",
    x509.BasicConstraints: "X509v3 Basic Constraints",
    x509.KeyUsage: "X509v3 Key Usage",
    x509.ExtendedKeyUsage: "X509v3 Extended Key Usage",
    x509.SubjectKeyIdentifier: "X509v3 Subject Key Identifier",
    x509.AuthorityKeyIdentifier: "X509v3 Authority Key Identifier",
}


@lru_cache(maxsize=1024)
def parse(der: bytes) -> x509.Certificate:
    """The certificate behind a handle. Raises CommandError."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise CommandError("not a certificate") from None


def subject(der: bytes, field: str | None = None) -> bytes:
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


def issuer(der: bytes) -> bytes:
    """The issuer as UTF-8 bytes. Raises CommandError."""
    try:
        return parse(der).issuer.rfc4514_string().encode()
    except ValueError:
        raise CommandError("the certificate's issuer cannot be read") from None


def serial_number(der: bytes) -> str:
    """The serial number in hexadecimal digits, bytes separated by colons."""
    value = parse(der).serial_number
    digits = f"{value:x}"
    return _colons(bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2)))


def fingerprint(der: bytes) -> str:
    """The MD5 fingerprint (that is F5's choice), bytes separated by colons."""
    parse(der)
    return _colons(hashlib.md5(der, usedforsecurity=False).digest())


def pem(der: bytes) -> bytes:
    """The certificate in PEM."""
    return parse(der).public_bytes(Encoding.PEM)


def from_pem(text: bytes) -> bytes:
    """The DER of a certificate in PEM. Raises CommandError."""
    try:
        return x509.load_pem_x509_certificate(text).public_bytes(Encoding.DER)
    except ValueError:
        raise CommandError("not a certificate in PEM") from None


def validity(der: bytes) -> tuple[str, str]:
    """From and until when it is valid, as ``Jan  2 03:04:05 2026 GMT``."""
    certificate = parse(der)
    return _time(certificate.not_valid_before_utc), _time(certificate.not_valid_after_utc)


def signature_algorithm(der: bytes) -> str:
    """OpenSSL's name of it, such as ``sha256WithRSAEncryption``."""
    return crypto.X509.from_cryptography(parse(der)).get_signature_algorithm().decode("ascii")


def key_type(der: bytes) -> str:
    """``RSA``, ``EC`` or ``unknown``."""
    key = parse(der).public_key()
    return (
        "RSA"
        if isinstance(key, rsa.RSAPublicKey)
        else "EC"
        if isinstance(key, ec.EllipticCurvePublicKey)
        else "unknown"
    )


def rsa_bits(der: bytes) -> int:
    """The size of an RSA key. Raises CommandError for other keys."""
    key = parse(der).public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise CommandError("the certificate's key is not an RSA key")
    return key.key_size


def error_text(code: int) -> str:
    """OpenSSL's words for a verify result. Raises CommandError for a code that it has none for."""
    try:
        return _ERRORS[code]
    except KeyError:
        raise CommandError(f"error number {code}") from None


def extensions(der: bytes) -> bytes:
    """The extensions as OpenSSL prints them. Raises CommandError for one whose layout is not emulated."""
    lines = []
    try:
        for extension in parse(der).extensions:
            title = _TITLES.get(type(extension.value))
            if title is None:
                raise CommandError(f"extension {extension.oid.dotted_string} is not emulated")
            critical = " critical" if extension.critical else ""
            lines += [f"{title}:{critical}", f"{_INDENT}{_value(extension.value)}"]
    except ValueError:
        raise CommandError("the certificate's extensions cannot be read") from None
    return "\n".join(lines).encode()


def _value(value: x509.ExtensionType) -> str:
    match value:
        case x509.SubjectAlternativeName():
            return ", ".join(_general_name(name) for name in value)
        case x509.BasicConstraints():
            length = f", pathlen:{value.path_length}" if value.path_length is not None else ""
            return f"CA:{str(value.ca).upper()}{length}"
        case x509.KeyUsage():
            return ", ".join(text for name, text in _USAGES.items() if getattr(value, name))
        case x509.ExtendedKeyUsage():
            return ", ".join(_EXTENDED.get(oid, oid.dotted_string) for oid in value)
        case x509.SubjectKeyIdentifier():
            return _colons(value.digest).upper()
        case x509.AuthorityKeyIdentifier():
            return f"keyid:{_colons(value.key_identifier or b'').upper()}"
        case _:
            raise CommandError("an extension is not emulated")


def _general_name(name: x509.GeneralName) -> str:
    kinds: dict[type[x509.GeneralName], tuple[str, Callable[[object], str]]] = {
        x509.DNSName: ("DNS:", str),
        x509.UniformResourceIdentifier: ("URI:", str),
        x509.RFC822Name: ("email:", str),
        x509.IPAddress: ("IP Address:", str),
        x509.RegisteredID: ("Registered ID:", _dotted),
    }
    if type(name) not in kinds:
        return "othername:<unsupported>"
    prefix, show = kinds[type(name)]
    return prefix + show(name.value)


def _dotted(value: object) -> str:
    return value.dotted_string if isinstance(value, ObjectIdentifier) else str(value)


def _time(moment: datetime.datetime) -> str:
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][moment.month - 1]
    return f"{month} {moment.day:2} {moment:%H:%M:%S %Y} GMT"


def _colons(data: bytes) -> str:
    return data.hex(":")


def _text(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


_ERRORS = {
    0: "ok",
    2: "unable to get issuer certificate",
    3: "unable to get certificate CRL",
    7: "certificate signature failure",
    9: "certificate is not yet valid",
    10: "certificate has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    21: "unable to verify the first certificate",
    22: "certificate chain too long",
    23: "certificate revoked",
    24: "invalid CA certificate",
    26: "unsuitable certificate purpose",
    27: "certificate not trusted",
    28: "certificate rejected",
    50: "application verification failure",
}
"""X509_verify_cert_error_string of OpenSSL 1.1 and 3, the results that a client's certificate can have."""
