"""Cryptography: ``CRYPTO::`` and ``AES::``.

clouddocs.f5.com, iRules API "CRYPTO::encrypt" and its relatives, "AES::key". Keys and data never reach a log or the
text of an error.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Callable
from functools import lru_cache, partial

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from bigip_sm.lab.tcl.algorithms import AES_CIPHERS, DIGESTS
from bigip_sm.lab.tmm.session import Command, CommandError, Result, wire
from bigip_sm.lab.tmm.words import number, options

_BLOCK = 16
_SIGN = {"-alg": 1, "-key": 1, "-keyhex": 1}
_VERIFY = {**_SIGN, "-signature": 1}
_CIPHER = {**_SIGN, "-iv": 1, "-ivhex": 1, "-padding": 1}
_KEYGEN = {"-alg": 1, "-len": 1, "-passphrase": 1, "-salt": 1, "-salthex": 1, "-rounds": 1}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),  # noqa: S303 - F5's choice
    "sha1": hashes.SHA1(),  # noqa: S303 - F5's choice
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_AES_KEY = re.compile(r"AES (128|192|256) ([0-9a-f]+)")


def commands() -> dict[str, Command]:
    """The commands; they belong to no connection."""
    return {
        "CRYPTO::hash": _hash,
        "CRYPTO::sign": _sign,
        "CRYPTO::verify": _verify,
        "CRYPTO::encrypt": lambda *words: _crypt("CRYPTO::encrypt", words),
        "CRYPTO::decrypt": lambda *words: _crypt("CRYPTO::decrypt", words),
        "CRYPTO::keygen": _keygen,
        "AES::key": _aes_key,
        "AES::encrypt": _aes_encrypt,
        "AES::decrypt": _aes_decrypt,
    }


def _hash(*words: str) -> Result:
    return _hashing(words[:-1])(wire(words[-1])).digest()


@lru_cache(maxsize=64)
def _hashing(leading: tuple[str, ...]) -> Callable[[bytes], hashlib._Hash]:
    """The hash function that the arguments before the data ask for. Raises CommandError."""
    match leading:
        case ("-alg", "sha256") | ("-alg", "sha256", "--"):
            return hashlib.sha256
        case ("-alg", algorithm) | ("-alg", algorithm, "--") if algorithm in DIGESTS:
            return partial(hashlib.new, algorithm, usedforsecurity=False)
        case _:
            raise CommandError("CRYPTO::hash -alg name data")


def _sign(*words: str) -> Result:
    return _signing(words[:-1])(wire(words[-1]))


@lru_cache(maxsize=64)
def _signing(leading: tuple[str, ...]) -> Callable[[bytes], bytes]:
    """The HMAC that the arguments before the data ask for. Raises CommandError."""
    given, rest = options(leading, _SIGN, "CRYPTO::sign")
    if rest:
        raise CommandError("CRYPTO::sign -alg name -key key data")
    return _keyed(given.get("-alg", ""), _secret(given, "-key"), "CRYPTO::sign")


def _verify(*words: str) -> Result:
    given, data = _split(words, _VERIFY, "CRYPTO::verify")
    expected = _keyed(given.get("-alg", ""), _secret(given, "-key"), "CRYPTO::verify")(data)
    return int(hmac.compare_digest(expected, _secret(given, "-signature")))


def _split(words: tuple[str, ...], known: dict[str, int], command: str) -> tuple[dict[str, str], bytes]:
    """Options, and the data after them: always the last word, even if it begins with a dash."""
    given, _ = options(words[:-1], known, command)
    return given, wire(words[-1])


def _keyed(algorithm: str, key: bytes, command: str) -> Callable[[bytes], bytes]:
    """Data to its HMAC with that key, which is worked in once. Raises CommandError."""
    digest = algorithm.removeprefix("hmac-")
    if digest == algorithm or digest not in DIGESTS:
        raise CommandError(f'bad algorithm "{algorithm}" in {command}')
    known = _HASHES.get(digest)
    if known is None:
        return partial(hmac.digest, key, digest=digest)
    made = HMAC(key, known)

    def keyed(data: bytes) -> bytes:
        signing = made.copy()
        signing.update(data)
        return signing.finalize()

    return keyed


def _secret(given: dict[str, str], option: str) -> bytes:
    """The value of an option, or of its form in hexadecimal digits. Raises CommandError."""
    if option in given:
        return wire(given[option])
    if option + "hex" in given:
        return _hex(given[option + "hex"])
    raise CommandError(f"one of {option} and {option}hex is needed")


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise CommandError("a value in hexadecimal digits has other characters") from None


def _crypt(command: str, words: tuple[str, ...]) -> Result:
    """``-alg aes-128-cbc -key k ?-iv v? data`` or ``-alg rsa-pub|rsa-priv -key pem ?-padding pkcs|oaep|none? data``."""
    given, data = _split(words, _CIPHER, command)
    algorithm = given.get("-alg", "")
    encrypting = command == "CRYPTO::encrypt"
    if algorithm in ("rsa-pub", "rsa-priv"):
        return _rsa(algorithm, encrypting, _secret(given, "-key"), given.get("-padding", "pkcs"), data)
    if algorithm not in AES_CIPHERS:
        raise CommandError(f'bad algorithm "{algorithm}" in {command}')
    iv = _secret(given, "-iv") if "-iv" in given or "-ivhex" in given else bytes(_BLOCK)
    return _aes(algorithm, encrypting, _secret(given, "-key"), iv, data)


def _aes(algorithm: str, encrypting: bool, key: bytes, iv: bytes, data: bytes) -> bytes:
    _, bits, mode = algorithm.split("-")
    if len(key) * 8 != int(bits):
        raise CommandError(f"the key of {algorithm} has {len(key) * 8} bits")
    if mode == "cbc" and len(iv) != _BLOCK:
        raise CommandError(f"the initialization vector of {algorithm} has {len(iv)} bytes")
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv) if mode == "cbc" else modes.ECB())  # noqa: S305 - F5's choice
    if encrypting:
        padder = padding.PKCS7(8 * _BLOCK).padder()
        encryptor = cipher.encryptor()
        return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()
    decryptor = cipher.decryptor()
    unpadder = padding.PKCS7(8 * _BLOCK).unpadder()
    try:
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        raise CommandError(f"{algorithm}: the data cannot be decrypted") from None


def _rsa(algorithm: str, encrypting: bool, pem: bytes, form: str, data: bytes) -> bytes:
    """RSA with the public key (encrypt for its owner, or recover what he signed) or the private one."""
    try:
        if algorithm == "rsa-pub":
            public = _public_key(pem)
            if encrypting:
                return public.encrypt(data, _rsa_padding(form))
            if form != "pkcs":
                raise CommandError("CRYPTO::decrypt -alg rsa-pub is emulated with -padding pkcs only")
            return public.recover_data_from_signature(data, rsa_padding.PKCS1v15(), None)
        private = load_pem_private_key(pem, None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise CommandError("not an RSA key")
        if encrypting:
            raise CommandError("CRYPTO::encrypt -alg rsa-priv is not emulated")
        return private.decrypt(data, _rsa_padding(form))
    except CommandError:
        raise
    except Exception:
        raise CommandError(f"{algorithm}: the key or the data is unusable") from None


def _public_key(pem: bytes) -> rsa.RSAPublicKey:
    certificate = pem.lstrip().startswith(b"-----BEGIN CERTIFICATE")
    key = load_pem_x509_certificate(pem).public_key() if certificate else load_pem_public_key(pem)
    if not isinstance(key, rsa.RSAPublicKey):
        raise CommandError("not an RSA key")
    return key


def _rsa_padding(form: str) -> rsa_padding.AsymmetricPadding:
    if form == "oaep":
        digest = hashes.SHA1()  # noqa: S303 - OpenSSL's default for OAEP
        return rsa_padding.OAEP(rsa_padding.MGF1(digest), digest, None)
    if form != "pkcs":
        raise CommandError(f'bad padding "{form}": must be oaep or pkcs')
    return rsa_padding.PKCS1v15()


def _keygen(*words: str) -> Result:
    """``-alg random -len bits``: random bytes. A passphrase or salt changes nothing in that."""
    given, _ = options(words, _KEYGEN, "CRYPTO::keygen")
    if given.get("-alg") != "random":
        raise CommandError("CRYPTO::keygen is emulated with -alg random only")
    bits = number(given.get("-len", ""))
    if not bits or bits % 8 or bits > 1 << 16:
        raise CommandError("the length of CRYPTO::keygen is in bits, a multiple of 8")
    return os.urandom(bits // 8)


def _aes_key(text: str = "128") -> Result:
    """A key for ``AES::encrypt``: random of that many bits, or made from a passphrase (F5's way is not documented)."""
    if text in ("128", "192", "256"):
        return f"AES {text} {os.urandom(int(text) // 8).hex()}"
    return _passphrase_key(text)


def _passphrase_key(text: str) -> str:
    return f"AES 128 {hashlib.sha256(wire(text)).hexdigest()[:32]}"


def _aes_secret(key: str) -> tuple[str, bytes]:
    """The cipher and the key behind the text of ``AES::key``; other text is a passphrase."""
    found = _AES_KEY.fullmatch(key) or _AES_KEY.fullmatch(_passphrase_key(key))
    if found is None or len(found[2]) * 4 != int(found[1]):
        raise CommandError("AES: not a key of AES::key")
    return f"aes-{found[1]}-cbc", bytes.fromhex(found[2])


def _aes_encrypt(key: str, data: str) -> Result:
    """CBC behind a random initialization vector; only ``AES::decrypt`` of the lab reads it."""
    algorithm, secret = _aes_secret(key)
    iv = os.urandom(_BLOCK)
    return iv + _aes(algorithm, True, secret, iv, wire(data))


def _aes_decrypt(key: str, data: str) -> Result:
    """Empty if the data cannot be decrypted with that key, as documented."""
    algorithm, secret = _aes_secret(key)
    raw = wire(data)
    try:
        return _aes(algorithm, False, secret, raw[:_BLOCK], raw[_BLOCK:])
    except CommandError:
        return b""
