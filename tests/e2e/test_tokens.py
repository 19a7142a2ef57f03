"""Tokens: who is let in, and every way to be wrong, each with its reason; what is remembered, and for how long."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest
from callers_kit import CLOUD, DIGEST_INFO, REALM, Callers, Issuer, bearing, text64
from cryptography.hazmat.primitives.asymmetric import rsa

from bigip_sm.bigip.device import Record
from bigip_sm.render.reasons import REASONS

HOUR = 3600
HEAD = {"alg": "RS256", "kid": "key-1"}


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def alg_none(callers: Callers) -> str:
    return jwt.encode(callers.cloud.claims(), "", algorithm="none", headers={"kid": "key-1"})


def alg_none_in_other_case(callers: Callers) -> str:
    return f"{text64(as_json({**HEAD, 'alg': 'nOnE'}))}.{text64(as_json(callers.cloud.claims()))}."


def hs256_with_the_public_key(callers: Callers) -> str:
    text = f"{text64(as_json({**HEAD, 'alg': 'HS256'}))}.{text64(as_json(callers.cloud.claims()))}"
    return f"{text}.{text64(hmac.digest(callers.cloud.public_pem(), text.encode(), 'sha256'))}"


def rs512(callers: Callers) -> str:
    return jwt.encode(callers.cloud.claims(), callers.cloud.key, algorithm="RS512", headers={"kid": "key-1"})


def ps256(callers: Callers) -> str:
    return jwt.encode(callers.cloud.claims(), callers.cloud.key, algorithm="PS256", headers={"kid": "key-1"})


def alg_in_a_list(callers: Callers) -> str:
    return callers.cloud.signed(as_json({**HEAD, "alg": ["RS256"]}), as_json(callers.cloud.claims()))


def critical_extension(callers: Callers) -> str:
    return callers.cloud.signed(as_json({**HEAD, "crit": ["exp"]}), as_json(callers.cloud.claims()))


def unknown_kid(callers: Callers) -> str:
    return callers.cloud.token(headers={"kid": "another"})


def no_kid(callers: Callers) -> str:
    return jwt.encode(callers.cloud.claims(), callers.cloud.key, algorithm="RS256")


def kid_of_another_identity(callers: Callers) -> str:
    return callers.cloud.token(headers={"kid": "../realm/key-1"})


def long_kid(callers: Callers) -> str:
    return callers.cloud.token(headers={"kid": "k" * 129})


def kid_with_a_newline(callers: Callers) -> str:
    return callers.cloud.token(headers={"kid": "key-1\n"})


def kid_with_a_tcl_command(callers: Callers) -> str:
    return callers.cloud.token(headers={"kid": "[exit]$x{"})


def wrong_issuer(callers: Callers) -> str:
    return callers.cloud.token(iss=CLOUD + "/")


def no_issuer(callers: Callers) -> str:
    return callers.cloud.token(iss=None)


def issuer_in_a_list(callers: Callers) -> str:
    return callers.cloud.with_payload(as_json(callers.cloud.claims(iss=[CLOUD])))


def signed_by_another_issuer(callers: Callers) -> str:
    return Issuer("cloud", REALM, key=callers.cloud.key).token()


def signed_by_nobody(callers: Callers) -> str:
    return Issuer("cloud", CLOUD).token()


def truncated_signature(callers: Callers) -> str:
    return callers.cloud.token()[:-4]


def halved_signature(callers: Callers) -> str:
    return callers.cloud.token()[:-200]


def no_signature(callers: Callers) -> str:
    return callers.cloud.token().rpartition(".")[0] + "."


def extended_signature(callers: Callers) -> str:
    return callers.cloud.token() + "AAAA"


def altered_payload(callers: Callers) -> str:
    head, _, tail = callers.cloud.token().split(".")
    return f"{head}.{text64(as_json(callers.cloud.claims(sub='root')))}.{tail}"


def altered_header(callers: Callers) -> str:
    _, body, tail = callers.cloud.token().split(".")
    return f"{text64(as_json({**HEAD, 'typ': 'at+jwt'}))}.{body}.{tail}"


def wrong_audience(callers: Callers) -> str:
    return callers.cloud.token(aud="others")


def no_audience(callers: Callers) -> str:
    return callers.cloud.token(aud=None)


def audience_of_another_identity(callers: Callers) -> str:
    return callers.realm.token(aud="api://models")


def audience_beside_it(callers: Callers) -> str:
    return callers.cloud.token(aud=["modelsx", "xmodels", "MODELS", "models api://models"])


def expired(callers: Callers) -> str:
    return callers.cloud.token(exp=int(time.time()) - 61)


def expired_now(callers: Callers) -> str:
    return callers.realm.token(exp=int(time.time()))


def future_nbf(callers: Callers) -> str:
    return callers.cloud.token(nbf=int(time.time()) + HOUR)


def future_iat(callers: Callers) -> str:
    return callers.cloud.token(iat=int(time.time()) + HOUR)


def no_exp(callers: Callers) -> str:
    return callers.cloud.token(exp=None)


def exp_as_text(callers: Callers) -> str:
    return callers.cloud.with_payload(as_json(callers.cloud.claims(exp=str(int(time.time()) + 600))))


def exp_with_an_exponent(callers: Callers) -> str:
    return callers.cloud.with_payload(as_json(callers.cloud.claims(exp=0)).replace(b'"exp": 0', b'"exp": 9e9'))


def exp_in_milliseconds(callers: Callers) -> str:
    return callers.cloud.token(exp=int(time.time() + 600) * 1000)


def negative_nbf(callers: Callers) -> str:
    return callers.cloud.token(nbf=-1)


def duplicate_claim(callers: Callers) -> str:
    body = as_json(callers.cloud.claims())
    return callers.cloud.with_payload(body[:-1] + b', "sub": "root"}')


def duplicate_claim_in_disguise(callers: Callers) -> str:
    body = as_json(callers.cloud.claims())
    return callers.cloud.with_payload(body[:-1] + rb', "\u0073u\u0062": "root"}')


def duplicate_alg(callers: Callers) -> str:
    return callers.cloud.signed(b'{"alg":"none","alg":"RS256","kid":"key-1"}', as_json(callers.cloud.claims()))


def nul_in_the_payload(callers: Callers) -> str:
    return callers.cloud.with_payload(as_json(callers.cloud.claims(sub="ali\0ce")))


def raw_nul_in_the_payload(callers: Callers) -> str:
    return callers.cloud.with_payload(as_json(callers.cloud.claims(sub="XX")).replace(b"XX", b"ali\0ce"))


def payload_after_the_payload(callers: Callers) -> str:
    body = as_json(callers.cloud.claims())
    return callers.cloud.with_payload(body + body)


def payload_in_a_list(callers: Callers) -> str:
    return callers.cloud.with_payload(as_json([callers.cloud.claims()]))


def payload_with_a_trailing_comma(callers: Callers) -> str:
    return callers.cloud.with_payload(as_json(callers.cloud.claims())[:-1] + b",}")


def deep_payload(callers: Callers) -> str:
    return callers.cloud.with_payload(
        as_json(callers.cloud.claims(x=0)).replace(b'"x": 0', b'"x": ' + b"[" * 8 + b"]" * 8)
    )


def byte_order_mark(callers: Callers) -> str:
    return callers.cloud.with_payload(b"\xef\xbb\xbf" + as_json(callers.cloud.claims()))


def empty_token(callers: Callers) -> str:
    return ""


def two_parts(callers: Callers) -> str:
    return callers.cloud.token().rpartition(".")[0]


def five_parts(callers: Callers) -> str:
    return callers.cloud.token() + ".a.b"


def standard_base64(callers: Callers) -> str:
    head, _, rest = callers.cloud.token().partition(".")
    return f"{head}==.{rest}"


def impossible_base64(callers: Callers) -> str:
    head, body, tail = callers.cloud.token().split(".")
    return f"{head}.{body}{'A' * (1 - len(body) % 4 + 4)}.{tail}"


def two_tokens(callers: Callers) -> str:
    return f"{callers.cloud.token()} {callers.cloud.token()}"


def token_of_100_kilobytes(callers: Callers) -> str:
    return callers.cloud.token(x="x" * 75_000)


def longer_than_its_identity_takes(callers: Callers) -> str:
    return callers.realm.token(x="x" * 2000)


def no_subject(callers: Callers) -> str:
    return callers.cloud.token(sub=None)


def empty_subject(callers: Callers) -> str:
    return callers.cloud.token(sub="")


def subject_with_a_bar(callers: Callers) -> str:
    return callers.cloud.token(sub="auth0|1234")


def subject_outside_ascii(callers: Callers) -> str:
    return callers.cloud.token(sub="zoë")


def subject_as_a_number(callers: Callers) -> str:
    return callers.cloud.with_payload(as_json(callers.cloud.claims(sub=12)))


def long_subject(callers: Callers) -> str:
    return callers.cloud.token(sub="a" * 129)


WRONG: dict[str, list[Callable[[Callers], str]]] = {
    "jwt-algorithm": [
        alg_none,
        alg_none_in_other_case,
        hs256_with_the_public_key,
        rs512,
        ps256,
        alg_in_a_list,
        critical_extension,
    ],
    "jwt-unknown-key": [
        unknown_kid,
        no_kid,
        kid_of_another_identity,
        long_kid,
        kid_with_a_newline,
        kid_with_a_tcl_command,
    ],
    "jwt-issuer": [wrong_issuer, no_issuer, issuer_in_a_list],
    "jwt-signature": [
        signed_by_another_issuer,
        signed_by_nobody,
        truncated_signature,
        halved_signature,
        no_signature,
        extended_signature,
        altered_payload,
        altered_header,
    ],
    "jwt-audience": [wrong_audience, no_audience, audience_of_another_identity, audience_beside_it],
    "jwt-expired": [expired, expired_now],
    "jwt-not-yet": [future_nbf, future_iat],
    "jwt-malformed": [
        no_exp,
        exp_as_text,
        exp_with_an_exponent,
        exp_in_milliseconds,
        negative_nbf,
        duplicate_claim,
        duplicate_claim_in_disguise,
        duplicate_alg,
        nul_in_the_payload,
        raw_nul_in_the_payload,
        payload_after_the_payload,
        payload_in_a_list,
        payload_with_a_trailing_comma,
        deep_payload,
        byte_order_mark,
        empty_token,
        two_parts,
        five_parts,
        standard_base64,
        impossible_base64,
        two_tokens,
    ],
    "jwt-too-large": [token_of_100_kilobytes, longer_than_its_identity_takes],
    "jwt-subject": [
        no_subject,
        empty_subject,
        subject_with_a_bar,
        subject_outside_ascii,
        subject_as_a_number,
        long_subject,
    ],
}


@pytest.mark.parametrize(
    ("reason", "make"),
    [(reason, make) for reason, makers in WRONG.items() for make in makers],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_wrong_token_is_refused_with_its_reason(
    callers: Callers, reason: str, make: Callable[[Callers], str]
) -> None:
    lines, before = len(callers.lab.data_plane.log_lines), len(callers.seen())
    answer = callers.bearing(make(callers))
    assert answer.verdict == f"401 {reason}"
    assert REASONS[reason].message.encode() in answer.body
    assert answer.headers["www-authenticate"] == "Bearer"
    assert len(callers.seen()) == before
    assert list(callers.lab.data_plane.log_lines)[lines:] == []


def test_every_reason_about_tokens_is_made_to_happen() -> None:
    assert set(WRONG) == {reason for reason, one in REASONS.items() if one.stage == "jwt"}


def padding_games(callers: Callers, text: bytes) -> dict[str, str]:
    """Signatures with the right key whose content is not exactly the DigestInfo of the hash (RFC 8017, 9.2)."""
    digest, made = hashlib.sha256(text).digest(), callers.cloud.raw_signature
    return {
        "garbage behind the hash": made(DIGEST_INFO + digest, fill=b"\xff" * 8),
        "garbage inside": made(DIGEST_INFO + digest + b"\x00"),
        "garbage before": made(b"\x00" + DIGEST_INFO + digest),
        "no parameters": made(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest),
        "other parameters": made(bytes.fromhex("3033300f060960864801650304020102020000") + b"\x04\x20" + digest),
        "hash alone": made(digest),
        "half a hash": made(DIGEST_INFO + digest[:16]),
        "hash of SHA-1": made(bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(text).digest()),  # noqa: S324
        "hash of SHA-512": made(
            bytes.fromhex("3051300d060960864801650304020305000440") + hashlib.sha512(text).digest()
        ),
        "another hash": made(DIGEST_INFO + hashlib.sha256(b"").digest()),
        "block type 2": made(DIGEST_INFO + digest, start=b"\x00\x02", fill=b"\xaa" * 202),
        "block type 0": made(DIGEST_INFO + digest, start=b"\x00\x00", fill=b"\x00" * 202),
        "fill of other bytes": made(DIGEST_INFO + digest, fill=b"\xff" * 201 + b"\xfe"),
        "no leading zero": made(DIGEST_INFO + digest, start=b"\x01", fill=b"\xff" * 203),
        "empty": made(b""),
        "one": text64(b"\x00" * 255 + b"\x01"),
        "zero": text64(bytes(256)),
        "the modulus": text64(callers.cloud.key.public_key().public_numbers().n.to_bytes(256, "big")),
    }


def test_the_whole_digest_info_is_compared(callers: Callers) -> None:
    head, body, _ = callers.cloud.token().split(".")
    games = padding_games(callers, f"{head}.{body}".encode())
    assert len(games) == 18
    for name, signature in games.items():
        assert callers.bearing(f"{head}.{body}.{signature}").verdict == "401 jwt-signature", name
    right = callers.cloud.raw_signature(DIGEST_INFO + hashlib.sha256(f"{head}.{body}".encode()).digest())
    assert callers.bearing(f"{head}.{body}.{right}").status == 200, "the games differ from this in one thing each"


def _from_now(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    now = time.time()
    return int(now) + seconds if isinstance(seconds, int) else now + seconds


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["others", "api://models"]},
        {"nbf": None, "iat": None},
        {"exp": 900.75},
        {"exp": -30},
        {"iat": 30},
        {"realm_access": {"roles": ["a", {"b": [1, 2.5e3, None, True]}]}, "name": 'Zoë "Z" \\ O\u2019Neil', "x": []},
        {"name": "/slashes\t", "empty": {}, "text": ""},
        {"groups": ["a|b", "zoë", "x" * 65, "ok"], "scp": "one two"},
    ],
    ids=str,
)
def test_a_right_token_is_let_in(callers: Callers, changes: dict[str, Any]) -> None:
    # Times are given from now, the time of the test: collecting may be minutes ago.
    changes = {name: _from_now(value) if name in ("exp", "iat") else value for name, value in changes.items()}
    assert callers.bearing(callers.cloud.token(**changes)).status == 200
    assert callers.principal() == "principal=cloud%3Aalice,route=open"


def test_escapes_in_claims_mean_what_they_say(callers: Callers) -> None:
    body = as_json(callers.cloud.claims()).replace(b"alice", rb"\u0061l\u0069ce").replace(b"/", rb"\/")
    assert callers.bearing(callers.cloud.with_payload(b" \n\t" + body + b"\r\n")).status == 200
    assert callers.principal() == "principal=cloud%3Aalice,route=open"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_without_case(callers: Callers, scheme: str) -> None:
    with callers.client(None) as client:
        value = f"{scheme} {callers.cloud.token()}"
        assert client.request("/open", b"{}", [("authorization", value)]).status == 200


@pytest.mark.parametrize("value", ["Basic YTpi", "AWS4-HMAC-SHA256 Credential=x", "Bearerx y", "", "token"])
def test_other_schemes_mean_nothing(callers: Callers, value: str) -> None:
    with callers.client(None) as client:
        assert client.request("/open", b"{}", [("Authorization", value)]).verdict == "401 unauthenticated"


def test_two_authorization_headers_are_refused(callers: Callers) -> None:
    good, bad = f"Bearer {callers.cloud.token()}", "Bearer x"
    for pair in ((good, bad), (bad, good), (good, good)):
        with callers.client(None) as client:
            headers = [("Authorization", pair[0]), ("authorization", pair[1])]
            assert client.request("/open", b"{}", headers).verdict == "400 header-invalid"


def test_equal_key_ids_of_two_issuers_are_two_keys(callers: Callers) -> None:
    assert callers.cloud.key_id == callers.realm.key_id
    assert callers.bearing(callers.realm.token(sub="bob")).status == 200
    assert callers.principal() == "principal=realm%3Abob,route=open"
    impostor = Issuer("realm", REALM, key=callers.cloud.key)
    assert callers.bearing(impostor.token(sub="bob")).verdict == "401 jwt-signature"


def test_a_bad_token_does_not_fall_through_to_the_network(callers: Callers) -> None:
    callers.lab.data_plane.client_addresses = lambda peer: "10.30.7.9"
    try:
        assert callers.bearing("x.y.z").verdict == "401 jwt-malformed"
        with callers.client(None) as client:
            assert client.request("/open", b"{}").status == 200
        assert callers.principal() == "principal=batch%3Anightly-batch,route=open"
    finally:
        callers.lab.data_plane.client_addresses = lambda peer: peer[0]


def test_the_certificate_goes_first_where_it_is_written_first(callers: Callers) -> None:
    with callers.client("carol") as client:
        assert bearing(client, callers.cloud.token()).status == 200
        assert callers.principal() == "principal=staff%3Acarol,route=open"
        assert bearing(client, "unused-key-of-an-sdk").status == 200


# What is remembered on a connection


def test_the_second_request_never_has_the_first_requests_principal(callers: Callers) -> None:
    alice, bob = callers.cloud.token(), callers.cloud.token(sub="bob")
    with callers.client(None) as client:
        assert bearing(client, alice).status == 200
        assert callers.principal() == "principal=cloud%3Aalice,route=open"
        assert bearing(client, bob).status == 200
        assert callers.principal() == "principal=cloud%3Abob,route=open"
        assert bearing(client, alice).status == 200
        assert callers.principal() == "principal=cloud%3Aalice,route=open"
    for then in ([], [("Authorization", "Basic YTpi")], [("Authorization", "Bearer x.y.z")], [("X-Api-Key", "x" * 20)]):
        with callers.client(None) as client:
            assert bearing(client, alice).status == 200
            assert client.request("/open", b"", then, method="GET").status == 401
            assert bearing(client, alice).status == 200


def test_groups_of_one_token_are_not_those_of_the_next(callers: Callers) -> None:
    member, other = callers.cloud.token(groups=["data-science"]), callers.cloud.token()
    with callers.client(None) as client:
        assert bearing(client, member, "/groups").status == 200
    with callers.client(None) as client:
        assert bearing(client, member).status == 200
        assert bearing(client, other, "/groups").verdict == "403 not-allowed"


def test_a_token_is_verified_once_a_connection(callers: Callers) -> None:
    token = callers.cloud.token()
    with callers.counted() as counters:
        with callers.client(None) as client:
            for number in range(1, 4):
                assert bearing(client, token).status == 200
                assert counters["CRYPTO::decrypt"] == 1
                assert counters["CRYPTO::hash"] == 4 + 3 * (number - 1), "of these two belong to the signature for AWS"
        with callers.client(None) as client:
            assert bearing(client, token).status == 200
            assert counters["CRYPTO::decrypt"] == 2, "another connection remembers nothing"


def test_what_is_remembered_ends_after_five_minutes(callers: Callers) -> None:
    with callers.counted() as counters, callers.client(None) as client:
        token = callers.cloud.token(exp=int(time.time()) + HOUR)
        assert bearing(client, token).status == 200
        with later(callers, 299):
            assert bearing(client, token, "/groups", b"").verdict == "403 not-allowed"
            assert counters["CRYPTO::decrypt"] == 1
        with later(callers, 301):
            assert bearing(client, token, "/groups", b"").verdict == "403 not-allowed"
            assert counters["CRYPTO::decrypt"] == 2


def test_what_is_remembered_ends_with_the_token(callers: Callers) -> None:
    with callers.client(None) as client:
        token = callers.cloud.token(exp=int(time.time()) + 60)
        assert bearing(client, token).status == 200
        with later(callers, 121):
            assert bearing(client, token).verdict == "401 jwt-expired"


@contextmanager
def later(callers: Callers, seconds: float) -> Iterator[None]:
    callers.lab.clock_offset = seconds
    try:
        yield
    finally:
        callers.lab.clock_offset = 0.0


@contextmanager
def keys(callers: Callers, records: list[Record]) -> Iterator[None]:
    callers.replace_keys(records)
    try:
        yield
    finally:
        callers.replace_keys(callers.records())


def test_what_is_remembered_ends_with_its_key(callers: Callers) -> None:
    token = callers.cloud.token()
    with callers.client(None) as client:
        assert bearing(client, token).status == 200
        with keys(callers, [record for record in callers.records() if record.name.startswith("realm/")]):
            assert bearing(client, token).verdict == "401 jwt-unknown-key"


def test_a_new_key_is_used_at_once_and_the_old_one_is_not(callers: Callers) -> None:
    old, new = callers.cloud, Issuer("cloud", CLOUD, "key-2", rsa.generate_private_key(65537, 3072))
    callers.cloud = new
    try:
        with keys(callers, callers.records()):
            assert callers.bearing(new.token()).status == 200
            assert callers.bearing(old.token()).verdict == "401 jwt-unknown-key"
    finally:
        callers.cloud = old
        callers.replace_keys(callers.records())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace("1|", "2|", 1),
        lambda data: data.replace("RS256", "HS256"),
        lambda data: f"1|RS256|{int(time.time()) - 1}|{data.rpartition('|')[2]}",
        lambda data: data + "|more",
        lambda data: data.rpartition("|")[0],
        lambda data: "",
    ],
)
def test_a_key_that_is_not_in_the_format_or_too_old_is_none(callers: Callers, spoil: Callable[[str], str]) -> None:
    with keys(callers, [Record(record.name, spoil(record.data)) for record in callers.records()]):
        assert callers.bearing(callers.cloud.token()).verdict == "401 jwt-unknown-key"


def test_a_key_that_is_no_key_verifies_nothing(callers: Callers) -> None:
    with keys(callers, [Record(one.name, one.data[:200]) for one in callers.records()]):
        assert callers.bearing(callers.cloud.token()).verdict == "401 jwt-signature"
