"""The lab's certificate authority: what its certificates may be used for, and that verification is real."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from bigip_sm.lab.pki import Authority, Issued, client_context, server_context


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Run a TLS handshake in memory; raises what the side that refuses raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    left = client.wrap_bio(to_client, to_server, server_hostname=host)
    right = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [left, right]
    for _ in range(20):
        for side in list(pending):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            pending.remove(side)
        if not pending:
            return left, right
    raise AssertionError("the handshake does not end")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Lab CA")


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("bigip.lab", hosts=["bigip.lab", "127.0.0.1"])


@pytest.mark.parametrize("host", ["bigip.lab", "127.0.0.1"])
def test_server_is_verified_by_name_and_by_address(authority: Authority, issued: Issued, host: str) -> None:
    client, _ = handshake(server_context(issued), client_context(authority.certificate_pem), host)
    assert client.version() in ("TLSv1.2", "TLSv1.3")


def test_another_name_is_refused(authority: Authority, issued: Issued) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(server_context(issued), client_context(authority.certificate_pem), "other.lab")


def test_another_authority_is_refused(issued: Issued) -> None:
    stranger = client_context(Authority.create("Lab CA").certificate_pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_context(issued), stranger, "bigip.lab")


def test_expired_certificate_is_refused(authority: Authority) -> None:
    expired = authority.issue("bigip.lab", hosts=["bigip.lab"], days=-1)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(server_context(expired), client_context(authority.certificate_pem), "bigip.lab")


def test_lowest_tls_version_is_1_2(authority: Authority, issued: Issued) -> None:
    assert server_context(issued).minimum_version is ssl.TLSVersion.TLSv1_2
    assert client_context(authority.certificate_pem).minimum_version is ssl.TLSVersion.TLSv1_2


def test_client_certificate_reaches_the_server(authority: Authority, issued: Issued) -> None:
    server = server_context(issued)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=authority.certificate_pem)
    alice = authority.issue("alice", client=True)
    _, seen = handshake(server, client_context(authority.certificate_pem, alice), "bigip.lab")
    assert dict(seen.getpeercert() or {})["subject"] == ((("commonName", "alice"),),)


def test_server_certificate_does_not_serve_as_client_certificate(authority: Authority, issued: Issued) -> None:
    server = server_context(issued)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=authority.certificate_pem)
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        handshake(server, client_context(authority.certificate_pem, issued), "bigip.lab")


def test_extensions(authority: Authority) -> None:
    ca = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    leaf = x509.load_pem_x509_certificate(authority.issue("alice", client=True).certificate_pem.encode())
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_chain_is_leaf_then_authority(authority: Authority, issued: Issued) -> None:
    assert issued.chain_pem == issued.certificate_pem + authority.certificate_pem


def test_private_key_stays_out_of_repr_and_off_the_disk(
    authority: Authority, issued: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server_context(issued)
    assert list(tmp_path.iterdir()) == []
    assert "PRIVATE KEY" not in repr(issued)
    assert "PRIVATE KEY" not in repr(authority)
