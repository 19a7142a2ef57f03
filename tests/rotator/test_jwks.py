"""Key sets: which keys are taken, in which format, from whom; and what is kept when an issuer does not answer."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from background_loop import BackgroundLoop
from callers_kit import CLOUD, REALM, SPEC, Issuer, text64
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.bigip.device import Record
from bigip_sm.errors import SourceError
from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.pki import Authority, client_context, server_context
from bigip_sm.spec import load
from rotator import jwks
from rotator.jwks import KeySets, fetch, jwks_records, merged, not_after

NOW = 1_800_000_000.0
GATEWAY = load(Path("gateway.yaml"), SPEC)
ISSUER = Issuer("cloud", CLOUD)


def records(*keys: Any, now: float = NOW) -> tuple[Record, ...]:
    return jwks_records(GATEWAY, "cloud", json.dumps({"keys": keys}).encode(), now)


def test_a_key_becomes_a_record() -> None:
    (record,) = records({**ISSUER.jwk, "kid": "a/b+c ~".replace(" ", "_"), "x5c": ["ignored"]})
    identity, _, key_id = record.name.partition("/")
    assert (identity, base64.urlsafe_b64decode(key_id + "=" * (-len(key_id) % 4))) == ("cloud", b"a/b+c_~")
    version, algorithm, end, key = record.data.split("|")
    assert (version, algorithm) == ("1", "RS256")
    public = load_der_public_key(base64.b64decode(key, validate=True))
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.public_numbers() == ISSUER.key.public_key().public_numbers()
    assert 24 * 3600 <= int(end) - NOW <= 25 * 3600
    assert not_after(record) == int(end)


def test_records_stay_the_same_for_an_hour() -> None:
    hour = NOW - NOW % 3600
    assert records(ISSUER.jwk, now=hour) == records(ISSUER.jwk, now=hour + 3599)
    assert records(ISSUER.jwk, now=hour) != records(ISSUER.jwk, now=hour + 3600)


def changed(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ISSUER.jwk, "kid": "other", **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "other",
    [
        changed(kty="EC"),
        changed(use="enc"),
        changed(alg="RS512"),
        changed(alg="PS256"),
        changed(key_ops=["encrypt"]),
        changed(key_ops=7),
        changed(kid=None),
        changed(kid=7),
        changed(kid=""),
        changed(kid="k" * 129),
        changed(kid="a b"),
        changed(kid="é"),
        changed(n=None),
        changed(n="AAAA"),
        changed(n=7),
        changed(n="+/=="),
        changed(n=text64(b"\xff" * 2049)),
        changed(e="AQ"),
        changed(e="Aw"),
        changed(e=text64(b"\x01\x00\x00\x00\x00\x01")),
        changed(e=text64((65538).to_bytes(3, "big"))),
        "text",
        None,
        [],
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_keys_are_passed_over(other: Any) -> None:
    assert records(other, ISSUER.jwk) == records(ISSUER.jwk)
    with pytest.raises(SourceError, match="no RSA key of 2048 bits or more"):
        records(other)


def test_keys_without_use_and_algorithm_are_taken() -> None:
    assert len(records(changed(use=None, alg=None), changed(kid="third", key_ops=["verify"]))) == 2


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "has no list of keys"),
        (b'{"keys": {}}', "has no list of keys"),
        (b'{"keys": []}', "no RSA key"),
        (json.dumps({"keys": [None] * 65}).encode(), "has 65 keys"),
        (b" " * (256 * 1024 + 1), "is larger than"),
        (json.dumps({"keys": [ISSUER.jwk, Issuer("cloud", CLOUD).jwk]}).encode(), "two keys with the id 'key-1'"),
    ],
)
def test_a_document_that_is_no_key_set_is_refused(document: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=f"identity cloud: the issuer's key set.*{said}"):
        jwks_records(GATEWAY, "cloud", document, NOW)


@given(st.binary(max_size=200) | st.text('{}[]:,"keysnAQAB01', max_size=80).map(str.encode))
def test_no_document_is_an_error_that_nobody_expects(document: bytes) -> None:
    with pytest.raises(SourceError):
        jwks_records(GATEWAY, "cloud", document, NOW)


def test_other_identities_have_no_keys() -> None:
    for name in ("staff", "nobody"):
        with pytest.raises(SourceError, match=f"{name} is no identity of type jwt"):
            jwks_records(GATEWAY, name, ISSUER.document(), NOW)


# Fetching


class IssuerServer:
    """An issuer on loopback; ``answer`` is what it says next."""

    def __init__(self, background: BackgroundLoop) -> None:
        self.authority = Authority.create("Issuer CA")
        self.answer = Response(200, [], ISSUER.document())
        self.requests: list[Request] = []
        self.server = HttpsServer(self._handle, server_context(self.authority.issue("idp", hosts=["localhost"])))
        self.port = background.run(self.server.start())

    async def _handle(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answer

    def get(self, *, trusting: str | None = None, host: str = "localhost", timeout: float = 5.0) -> bytes:
        tls = client_context(self.authority.certificate_pem if trusting is None else trusting)
        return fetch(f"https://{host}:{self.port}/keys", tls=tls, timeout=timeout)


@pytest.fixture
def issuer(background: BackgroundLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[IssuerServer]:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = IssuerServer(background)
    yield server
    background.run(server.server.stop())


def test_a_key_set_is_fetched(issuer: IssuerServer) -> None:
    assert issuer.get() == ISSUER.document()
    assert issuer.requests[0].path == "/keys"


def test_an_issuer_that_cannot_prove_its_name_is_not_believed(issuer: IssuerServer) -> None:
    with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
        issuer.get(trusting=Authority.create("another").certificate_pem)
    with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
        issuer.get(host="127.0.0.1")
    assert issuer.requests == []


def test_by_default_the_machines_authorities_are_trusted(issuer: IssuerServer) -> None:
    with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(f"https://localhost:{issuer.port}/keys")


@pytest.mark.parametrize("status", [301, 404, 500])
def test_any_answer_but_200_is_none(issuer: IssuerServer, status: int) -> None:
    issuer.answer = Response(status, [("Location", f"https://localhost:{issuer.port}/other")], ISSUER.document())
    with pytest.raises(SourceError, match=f"answered {status}"):
        issuer.get()
    assert len(issuer.requests) == 1


def test_a_large_answer_is_not_read_to_its_end(issuer: IssuerServer) -> None:
    sent = []

    async def endless() -> Any:
        while True:
            sent.append(1)
            yield b" " * 65536
            await asyncio.sleep(0)  # the server must get to see that nobody listens any more

    issuer.answer = Response(200, [], endless())
    with pytest.raises(SourceError, match="larger than 262144 bytes"):
        issuer.get()
    assert len(sent) < 1000


def test_a_slow_answer_is_not_waited_for(issuer: IssuerServer) -> None:
    async def drops() -> Any:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    issuer.answer = Response(200, [], drops())
    began = time.monotonic()
    with pytest.raises(SourceError, match="no complete answer"):
        issuer.get(timeout=0.3)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("url", ["http://localhost/keys", "file:///etc/passwd", "", "https://", "https://localhost:1/"])
def test_other_urls_are_not_asked(url: str) -> None:
    with pytest.raises(SourceError):
        fetch(url, tls=ssl.create_default_context(), timeout=1.0)


# What is kept


class Answers:
    """What issuers answer, by URL; a SourceError is raised."""

    def __init__(self) -> None:
        self.by_url: dict[str, bytes | SourceError] = {}

    def __call__(self, url: str) -> bytes:
        answer = self.by_url.get(url, SourceError(f"{url}: nobody there"))
        if isinstance(answer, SourceError):
            raise answer
        return answer


CLOUD_KEYS, REALM_KEYS = f"{CLOUD}/v1/keys", f"{REALM}/protocol/openid-connect/certs"


def test_the_last_good_keys_are_kept() -> None:
    answers = Answers()
    answers.by_url[CLOUD_KEYS] = ISSUER.document()
    sets = KeySets(GATEWAY, answers)
    first = sets.refresh(NOW)
    assert set(first) == {"cloud"}
    assert "nobody there" in sets.problems["realm"]
    answers.by_url = {CLOUD_KEYS: b"garbage", REALM_KEYS: Issuer("realm", REALM).document()}
    second = sets.refresh(NOW + 7200)
    assert second["cloud"] == first["cloud"], "with the end that they had: an issuer is believed for a day"
    assert set(second) == {"cloud", "realm"}
    assert set(sets.problems) == {"cloud"}


def test_a_key_that_an_issuer_withdraws_is_gone() -> None:
    answers, other = Answers(), Issuer("cloud", CLOUD, "key-2")
    answers.by_url[CLOUD_KEYS] = json.dumps({"keys": [ISSUER.jwk, other.jwk]}).encode()
    sets = KeySets(GATEWAY, answers)
    assert len(sets.refresh(NOW)["cloud"]) == 2
    answers.by_url[CLOUD_KEYS] = other.document()
    assert len(sets.refresh(NOW)["cloud"]) == 1


def test_what_a_device_has_of_a_silent_issuer_stays() -> None:
    fresh, old = records(ISSUER.jwk), records(changed(kid="old"))
    realm = Record(f"realm/{text64(b'key-1')}", fresh[0].data)
    past = Record(f"realm/{text64(b'key-0')}", f"1|RS256|{int(NOW)}|AAAA")
    strange = Record(f"realm/{text64(b'key-2')}", "garbage")
    gone = Record(f"former/{text64(b'key-1')}", fresh[0].data)
    assert merged(GATEWAY, [*old, realm, past, strange, gone], {"cloud": fresh}, NOW) == tuple(sorted([*fresh, realm]))
    assert merged(GATEWAY, [*old, realm], {}, NOW) == tuple(sorted([*old, realm]))
    assert merged(GATEWAY, [], {"cloud": fresh, "former": (gone,)}, NOW) == fresh


def test_the_place_of_the_keys_can_be_named() -> None:
    instead = "    groups: groups\n    scopes: scp\n    jwks: https://idp.example.com/k\n"
    spec = load(Path("gateway.yaml"), SPEC.replace("    provider: okta\n", instead))
    assert jwks.identities(spec)["cloud"].settings.jwks == "https://idp.example.com/k"
