"""Certificates in files beside gateway.yaml: what is taken, what is refused and why."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bigip_sm.errors import SpecError
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from bigip_sm.spec.pem_file import PemFile
from bigip_sm.spec.upstreams import Http

BASE = (Path(__file__).parent / "cases" / "unused_is_fine.yaml").read_text("utf-8")


def issue(name: str, *, days: int = 1) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, both as PEM; with negative days it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now - datetime.timedelta(days=9))
    certificate = builder.not_valid_after(now + datetime.timedelta(days=days)).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


ONE, KEY = issue("one")
TWO, _ = issue("two", days=-1)


def gateway(folder: Path, name: str = "a.pem") -> Path:
    """A gateway.yaml in ``folder`` whose server certificate is the file ``name``."""
    path = folder / "gateway.yaml"
    path.write_text(BASE.replace("certificate: /Common/models.crt", f"certificate: {{file: {name!r}}}"))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(SpecError) as raised:
        load(path)
    (problem,) = raised.value.problems
    assert problem.path == "listeners.public.tls.certificate.file"
    assert problem.line == 9
    return problem.message


def certificate(spec: Spec) -> str:
    source = spec.listeners["public"].tls.certificate
    assert isinstance(source, PemFile)
    return source.text


OWN = """
  own:
    kind: http
    host: tf.example.internal
    ca: {file: own.pem}
    path: /
routes:
"""


def test_the_ca_of_a_server_of_one_s_own_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(BASE.replace("\nroutes:\n", OWN))
    with pytest.raises(SpecError) as raised:
        load(path)
    assert [problem.path for problem in raised.value.problems] == ["upstreams.own.ca.file"]
    (tmp_path / "own.pem").write_bytes(b"explanation\n" + ONE)
    own = load(path).upstreams["own"]
    assert isinstance(own, Http)
    assert isinstance(own.ca, PemFile)
    assert own.ca.text.encode() == ONE


def test_every_place_for_a_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "pem").mkdir()
    for name, content in {"one": ONE, "two": TWO, "both": ONE + TWO}.items():
        (tmp_path / "pem" / f"{name}.pem").write_bytes(content)
    text = BASE.replace("certificate: /Common/models.crt", "certificate: {file: pem/one.pem}")
    text = text.replace("      key:", "      chain: {file: pem/both.pem}\n      key:")
    text = text.replace("ca: /Common/clients-ca.crt", "ca: {file: pem/two.pem}")
    (tmp_path / "gateway.yaml").write_text(text)
    tls = load(tmp_path / "gateway.yaml").listeners["public"].tls
    assert tls.client_certificate is not None
    assert [tls.certificate, tls.chain, tls.client_certificate.ca] == [
        PemFile(file="pem/one.pem", text=ONE.decode()),
        PemFile(file="pem/both.pem", text=(ONE + TWO).decode()),
        PemFile(file="pem/two.pem", text=TWO.decode()),
    ]


def test_only_the_certificates_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(b"subject=CN = one\r\n" + ONE.replace(b"\n", b"\r\n") + b"\r\ntrailing words\r\n")
    assert certificate(load(gateway(tmp_path))) == ONE.decode()


def test_paths_are_relative_to_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pem").write_bytes(ONE)
    path = gateway(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert certificate(load(Path("<stdin>"), path.read_text())) == ONE.decode()
    monkeypatch.chdir("/")
    assert certificate(load(path)) == ONE.decode()
    assert certificate(load(gateway(tmp_path, str(tmp_path / "a.pem")))) == ONE.decode()


def test_a_private_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(ONE + KEY)
    message = refusal(gateway(tmp_path))
    assert message == '"a.pem" cannot be used: it contains a private key'
    with pytest.raises(SpecError) as raised:
        load(tmp_path / "gateway.yaml")
    assert KEY.decode().splitlines()[1] not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not a certificate in PEM form"),
        (b"hello", "it is not a certificate in PEM form"),
        (bytes(range(256)), "it is not a certificate in PEM form"),
        (ONE + "é".encode(), "it is not a certificate in PEM form"),
        (ONE.replace(b"CERTIFICATE", b"CERTIFICATE REQUEST"), "it is not a certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "a certificate in it cannot be parsed"),
        (ONE[: len(ONE) // 2], "a certificate in it cannot be parsed"),
        (ONE + TWO.replace(b"M", b"!"), "a certificate in it cannot be parsed"),
        (ONE + b" " * 1024**2, "it has more than 1 MiB"),
    ],
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.pem").write_bytes(content)
    assert refusal(gateway(tmp_path)) == f'"a.pem" cannot be used: {reason}'


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal(gateway(tmp_path)) == '"a.pem" cannot be used: No such file or directory'
    assert "not a regular file" in refusal(gateway(tmp_path, "."))
    assert "File name too long" in refusal(gateway(tmp_path, "x" * 300))
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(gateway(tmp_path, "pipe"))
    if os.geteuid() != 0:  # root reads everything
        (tmp_path / "a.pem").write_bytes(ONE)
        (tmp_path / "a.pem").chmod(0)
        assert refusal(gateway(tmp_path)) == '"a.pem" cannot be used: Permission denied'


def test_pem_problems_are_told_together_with_others(tmp_path: Path) -> None:
    path = gateway(tmp_path)
    path.write_text(path.read_text().replace("role: chat", "role: chatt").replace("2026-10-02", "soon"))
    with pytest.raises(SpecError) as raised:
        load(path)
    assert [problem.path for problem in raised.value.problems] == [
        "listeners.public.tls.certificate.file",
        "upstreams.llama.role",
        "routes.chat.approved_by.date",
    ]
