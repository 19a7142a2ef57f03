"""The keys that verify tokens: from an issuer's JWKS (RFC 7517) to records of ``/bigip_sm/<gateway>.jwks``.

A record is ``<identity>/<base64url of the key id>`` -> ``1|RS256|<not after>|<public key, DER in base64>``. The name of
the identity is in it, so that no issuer's key verifies the tokens of another. Keys are public; what has to be protected
is where they come from, so they are fetched over verified TLS only, and nothing but RSA keys for signatures is taken.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bigip_sm.bigip.device import Record
from bigip_sm.errors import SourceError
from bigip_sm.spec.identities import JwtIdentity
from bigip_sm.spec.model import Spec

MAX_DOCUMENT = 256 * 1024
"""Largest key set, bytes."""

MAX_KEYS = 64
"""Most keys of one issuer."""

TIMEOUT = 10.0
"""Seconds that fetching a key set may take, from the first byte sent to the last one read."""

LIFE = 24 * 3600
"""How long a key is used after it was last seen at its issuer, seconds: an issuer may be out of reach for a day."""

STEP = 3600
"""Ends are whole multiples of this, seconds, so that a fetch that brings nothing new changes no record."""

_KEY_ID = re.compile(r"[\x21-\x7e]{1,128}")
_DATA = re.compile(r"1\|RS256\|([1-9][0-9]{9})\|[A-Za-z0-9+/=]+")
_BITS = range(2048, 8193)


def identities(spec: Spec) -> dict[str, JwtIdentity]:
    """The identities of a gateway that need keys, by name."""
    return {name: one for name, one in spec.identities.items() if isinstance(one, JwtIdentity)}


def jwks_records(spec: Spec, identity: str, document: bytes, now: float) -> tuple[Record, ...]:
    """The records of every usable key in an issuer's key set, sorted; ``now`` is in epoch seconds.

    Keys for encryption, of other types or for other algorithms are passed over. Raises SourceError if the document is
    not a key set, names one key id twice, or has no usable key: an empty set would lock out every caller.
    """
    if not isinstance(spec.identities.get(identity), JwtIdentity):
        raise SourceError(f"{identity} is no identity of type jwt")
    where = f"identity {identity}: the issuer's key set"
    end = (int(now) // STEP + 1) * STEP + LIFE
    found: dict[str, Record] = {}
    for key_id, der in _usable(_keys(where, document)):
        name = f"{identity}/{base64.urlsafe_b64encode(key_id.encode()).decode().rstrip('=')}"
        record = Record(name, f"1|RS256|{end}|{base64.b64encode(der).decode()}")
        if found.setdefault(name, record) != record:
            raise SourceError(f"{where} has two keys with the id {key_id!r}")
    if not found:
        raise SourceError(f"{where} has no RSA key of {_BITS.start} bits or more for signatures with RS256")
    return tuple(sorted(found.values()))


def _keys(where: str, document: bytes) -> list[Any]:
    if len(document) > MAX_DOCUMENT:
        raise SourceError(f"{where} is larger than {MAX_DOCUMENT} bytes")
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        raise SourceError(f"{where} is not JSON") from None
    keys = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(keys, list):
        raise SourceError(f"{where} has no list of keys")
    if len(keys) > MAX_KEYS:
        raise SourceError(f"{where} has {len(keys)} keys, {MAX_KEYS} are accepted")
    return keys


def _usable(keys: Iterable[Any]) -> Iterator[tuple[str, bytes]]:
    """(key id, DER of the public key) of RSA keys that sign with RS256 and are long enough."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    for key in keys:
        if not isinstance(key, dict) or key.get("kty") != "RSA":
            continue
        if key.get("use", "sig") != "sig" or key.get("alg", "RS256") != "RS256":
            continue
        operations = key.get("key_ops", ["verify"])
        if not isinstance(operations, list) or "verify" not in operations:
            continue
        key_id, modulus, exponent = key.get("kid"), _number(key.get("n")), _number(key.get("e"))
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            continue
        if modulus.bit_length() not in _BITS or exponent < 65537 or exponent.bit_length() > 32:
            continue
        try:
            public = RSAPublicNumbers(exponent, modulus).public_key()
        except ValueError:
            continue
        yield key_id, public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _number(text: object) -> int:
    """A number in base64url (RFC 7518, section 2); 0 if it is none."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,2048}", text):
        return 0
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
    except binascii.Error:
        return 0


def fetch(
    url: str,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = TIMEOUT,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """Get a key set; ``tls`` is what to trust, by default the machine's authorities (or SSL_CERT_FILE).

    Redirects are not followed. Raises SourceError if there is no answer 200 of at most MAX_DOCUMENT bytes in time.
    """
    import httpx

    if not url.startswith("https://"):
        raise SourceError(f"{url}: key sets are fetched over https only")
    deadline = clock() + timeout
    document = bytearray()
    try:
        with (
            httpx.Client(verify=tls if tls is not None else True, timeout=timeout) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.status_code != 200:
                raise SourceError(f"{url}: answered {answer.status_code}")
            for piece in answer.iter_raw():
                document += piece
                if len(document) > MAX_DOCUMENT:
                    raise SourceError(f"{url}: the answer is larger than {MAX_DOCUMENT} bytes")
                if clock() > deadline:
                    raise SourceError(f"{url}: no complete answer within {timeout:.0f} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise SourceError(f"{url}: {error or type(error).__name__}") from None
    return bytes(document)


class KeySets:
    """The keys of every issuer of a gateway, each as it was last fetched well.

    ``problems`` has, by identity, what went wrong with the last attempt. For one thread at a time.
    """

    def __init__(self, spec: Spec, get: Callable[[str], bytes] = fetch) -> None:
        self.problems: dict[str, str] = {}
        self._spec = spec
        self._get = get
        self._good: dict[str, tuple[Record, ...]] = {}

    def refresh(self, now: float) -> Mapping[str, tuple[Record, ...]]:
        """Ask every issuer; returns the last good records by identity. An issuer that never answered is not in it."""
        for name, identity in identities(self._spec).items():
            url = identity.settings.jwks
            try:
                if url is None:
                    raise SourceError(f"identity {name}: nothing says where its keys are; add jwks")
                self._good[name] = jwks_records(self._spec, name, self._get(url), now)
            except SourceError as error:
                self.problems[name] = str(error)
            else:
                self.problems.pop(name, None)
        return dict(self._good)


def merged(
    spec: Spec, present: Iterable[Record], fetched: Mapping[str, tuple[Record, ...]], now: float
) -> tuple[Record, ...]:
    """What the data group should hold, sorted: the keys fetched, and for issuers that did not answer what is there.

    What is there is kept as long as it is in the format, not expired, and its identity still in the spec.
    """
    known = identities(spec)
    kept = {
        record
        for record in present
        if (name := record.name.partition("/")[0]) in known and name not in fetched and not_after(record) > now
    }
    return tuple(sorted(kept | {record for name, records in fetched.items() if name in known for record in records}))


def not_after(record: Record) -> int:
    """Until when a key is used, epoch seconds; 0 if the record is not in the format."""
    found = _DATA.fullmatch(record.data)
    return int(found[1]) if found else 0
