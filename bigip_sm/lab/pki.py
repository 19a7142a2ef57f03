"""A throw-away certificate authority for the lab, and TLS contexts made from what it issues.

Keys are EC P-256. Everything is PEM text, because that is also what seeds the emulated BIG-IP's certificate
and key objects; nothing is kept on disk.
"""

from __future__ import annotations

import datetime
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CLOCK_SKEW = datetime.timedelta(minutes=5)
_AUTHORITY_LIFE = datetime.timedelta(days=365)


@dataclass(frozen=True)
class Issued:
    """A certificate with its private key.

    ``certificate_pem`` is the leaf alone, ``chain_pem`` the leaf followed by the CA, ``key_pem`` unencrypted
    PKCS #8.
    """

    certificate_pem: str
    key_pem: str = field(repr=False)
    chain_pem: str = field(repr=False)


@dataclass(frozen=True)
class Authority:
    """A self-signed root CA. Its private key stays in memory."""

    certificate_pem: str
    _certificate: x509.Certificate = field(repr=False)
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, common_name: str) -> Authority:
        """Make a new root CA that is valid for a year."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        builder = (
            _builder(name, name, key.public_key(), _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        certificate = builder.sign(key, hashes.SHA256())
        return cls(_pem(certificate), certificate, key)

    def issue(self, common_name: str, *, hosts: Sequence[str] = (), client: bool = False, days: int = 30) -> Issued:
        """Issue a certificate for a TLS server, or with ``client`` for a TLS client.

        ``hosts`` are its subject alternative names: DNS names or IP addresses. A negative ``days`` makes a
        certificate that has already expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        life = datetime.timedelta(days=days)
        authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(_name(common_name), self._certificate.subject, key.public_key(), life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(authority_id, critical=False)
        )
        if hosts:
            alternatives = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(alternatives, critical=False)
        leaf = _pem(builder.sign(self._key, hashes.SHA256()))
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Issued(leaf, key_pem.decode("ascii"), leaf + self.certificate_pem)


def server_context(issued: Issued) -> ssl.SSLContext:
    """A server-side context with that certificate: TLS 1.2 or newer, no client certificate asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, issued)
    return context


def client_context(ca_pem: str, issued: Issued | None = None) -> ssl.SSLContext:
    """A client-side context that trusts only ``ca_pem``, checks host names, presents ``issued`` if given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_pem)
    if issued is not None:
        _load(context, issued)
    return context


def _load(context: ssl.SSLContext, issued: Issued) -> None:
    """Give the context its certificate; ``ssl`` reads it from files only, so one exists for that moment."""
    descriptor, path = tempfile.mkstemp(suffix=".pem")  # mkstemp makes it readable by this user only
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(issued.key_pem + issued.chain_pem)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    end = now + life
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - _CLOCK_SKEW)
        .not_valid_after(end)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    """RFC 5280 section 4.2.1.3: a CA signs certificates and CRLs, an EC leaf signs handshakes."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
