"""CRYPTO:: and AES::, against the cryptography library and published vectors."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tcl_bench import Tcl, tcl

DIGEST_INFO = "3031300d060960864801650304020105000420"
"""What stands before a SHA-256 in a PKCS #1 signature (RFC 8017, section 9.2)."""


@pytest.fixture(scope="module")
def run() -> Iterator[Tcl]:
    with tcl() as made:
        yield made


@dataclass(frozen=True)
class Pair:
    """An RSA key pair in PEM."""

    private: rsa.RSAPrivateKey
    private_pem: str
    public_pem: str


@pytest.fixture(scope="module")
def pair() -> Pair:
    private = rsa.generate_private_key(65537, 2048)
    return Pair(
        private,
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    )


def hexadecimal(run: Tcl, script: str) -> str:
    return run(f"binary scan [{script}] H* hex; set hex")


def test_a_signature_of_rs256_is_recovered_with_the_public_key(run: Tcl, pair: Pair) -> None:
    signature = pair.private.sign(b"header.payload", padding.PKCS1v15(), hashes.SHA256())
    run(f"set key {{{pair.public_pem}}}; set signature [binary format H* {signature.hex()}]")
    recovered = hexadecimal(run, "CRYPTO::decrypt -alg rsa-pub -key $key $signature")
    assert recovered == DIGEST_INFO + hashlib.sha256(b"header.payload").hexdigest()
    broken = bytes([signature[0] ^ 1]) + signature[1:]
    run(f"set signature [binary format H* {broken.hex()}]")
    assert "unusable" in run.fails("CRYPTO::decrypt -alg rsa-pub -key $key $signature")


@pytest.mark.parametrize("form", ["pkcs", "oaep"])
def test_what_the_public_key_encrypts_the_private_one_decrypts(run: Tcl, pair: Pair, form: str) -> None:
    run(f"set public {{{pair.public_pem}}}; set private {{{pair.private_pem}}}")
    run(f"set secret [CRYPTO::encrypt -alg rsa-pub -key $public -padding {form} {{for you}}]")
    assert run(f"CRYPTO::decrypt -alg rsa-priv -key $private -padding {form} $secret") == "for you"


@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize("mode", ["cbc", "ecb"])
def test_aes_agrees_with_the_library(run: Tcl, bits: int, mode: str) -> None:
    key, iv = bytes(range(bits // 8)), bytes(range(16, 32))
    words = f"-alg aes-{bits}-{mode} -keyhex {key.hex()} -ivhex {iv.hex()}"
    found = bytes.fromhex(hexadecimal(run, f"CRYPTO::encrypt {words} {{fifteen bytes..}}"))
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv) if mode == "cbc" else modes.ECB()).decryptor()  # noqa: S305
    assert decryptor.update(found) + decryptor.finalize() == b"fifteen bytes..\x01"
    assert run(f"CRYPTO::decrypt {words} [binary format H* {found.hex()}]") == "fifteen bytes.."


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("CRYPTO::encrypt -alg aes-128-cbc -key short x", "the key of aes-128-cbc has 40 bits"),
        ("CRYPTO::encrypt -alg aes-128-cbc -keyhex xy x", "a value in hexadecimal digits has other characters"),
        (
            "CRYPTO::encrypt -alg aes-128-cbc -key 0123456789abcdef -iv x y",
            "the initialization vector of aes-128-cbc has 1 bytes",
        ),
        (
            "CRYPTO::decrypt -alg aes-128-cbc -key 0123456789abcdef garbage",
            "aes-128-cbc: the data cannot be decrypted",
        ),
        ("CRYPTO::decrypt -alg rsa-pub -key nonsense x", "rsa-pub: the key or the data is unusable"),
        ("CRYPTO::decrypt -alg des -key k x", 'bad algorithm "des" in CRYPTO::decrypt'),
        ("CRYPTO::keygen -alg random -len 7", "the length of CRYPTO::keygen is in bits, a multiple of 8"),
        ("CRYPTO::sign -alg sha256 -key k x", 'bad algorithm "sha256" in CRYPTO::sign'),
        ("AES::encrypt {AES 128 00} x", "AES: not a key of AES::key"),
    ],
)
def test_what_cannot_be_done(run: Tcl, script: str, message: str) -> None:
    assert run.fails(script) == message


def test_verify_compares(run: Tcl) -> None:
    signature = hmac.digest(b"key", b"data", "sha256").hex()
    run(f"set s [binary format H* {signature}]")
    assert run("CRYPTO::verify -alg hmac-sha256 -key key -signature $s data") == "1"
    assert run("CRYPTO::verify -alg hmac-sha256 -key key -signature $s Data") == "0"
    assert run("CRYPTO::verify -alg hmac-sha256 -keyhex 6b6579 -signature $s -- data") == "1"


def test_data_may_begin_with_a_dash(run: Tcl) -> None:
    run("set secret [CRYPTO::encrypt -alg aes-128-cbc -key 0123456789abcdef -- -alg]")
    assert run("CRYPTO::decrypt -alg aes-128-cbc -key 0123456789abcdef $secret") == "-alg"
    expected = hmac.digest(b"k", b"-key", "sha256").hex()
    assert hexadecimal(run, "CRYPTO::sign -key k -alg hmac-sha256 -key") == expected


def test_options_come_in_any_order(run: Tcl) -> None:
    assert hexadecimal(run, "CRYPTO::sign -key k -alg hmac-sha1 x") == hmac.digest(b"k", b"x", "sha1").hex()


def test_keys_of_aes_are_random_and_work(run: Tcl) -> None:
    keys = {run("AES::key 256") for _ in range(3)}
    assert len(keys) == 3
    assert all(key.startswith("AES 256 ") for key in keys)
    run("set key [AES::key 192]; set secret [AES::encrypt $key {some text}]")
    assert run("AES::decrypt $key $secret") == "some text"
    assert run("AES::decrypt [AES::key 192] $secret") != "some text"
    assert run("AES::decrypt $key short") == ""


def test_a_passphrase_is_a_key(run: Tcl) -> None:
    run("set secret [AES::encrypt {my phrase} text]")
    assert run("AES::decrypt {my phrase} $secret") == "text"


def test_random_bytes_have_the_length_asked_for(run: Tcl) -> None:
    assert run("string length [CRYPTO::keygen -alg random -len 256]") == "32"
    assert run("CRYPTO::keygen -alg random -len 256") != run("CRYPTO::keygen -alg random -len 256")
