"""What a caller may do, by subject, group, scope and class; with which role; and whom certificates and keys name."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from callers_kit import AGENT_KEY, API_KEY, NEXT_API_KEY, Callers, bearing
from cryptography import x509

OPEN = "/open"


def signing_role(callers: Callers) -> str:
    """Whose session signed the last request at AWS."""
    (authorization,) = callers.seen()[-1].values("authorization")
    access_key = authorization.decode().partition("Credential=")[2].partition("/")[0]
    found = [
        path.rpartition(".")[2]
        for path, group in callers.stage.credentials().items()
        if any(access_key in record.data for record in group.records)
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("path", "claims", "allowed"),
    [
        ("/groups", {"groups": ["data-science"]}, True),
        ("/groups", {"groups": ["Data Science"]}, True),
        ("/groups", {"groups": "Data Science"}, True),
        ("/groups", {"groups": [f"group-{number}" for number in range(200)] + ["data-science"]}, True),
        ("/groups", {"sub": "dora"}, True),
        ("/groups", {}, False),
        ("/groups", {"groups": []}, False),
        ("/groups", {"groups": ["DATA-SCIENCE", "data", "Data", "science", "data-science "]}, False),
        ("/groups", {"groups": ["gold"]}, False),
        ("/groups", {"groups": {"data-science": True}}, False),
        ("/groups", {"groups": [["data-science"]]}, False),
        ("/groups", {"groups": [1, "data-science"]}, False),
        ("/groups", {"scp": ["data-science"]}, False),
        ("/groups", {"sub": "group/data-science"}, False),
        ("/groups", {"sub": "cloud:group/data-science"}, False),
        ("/scopes", {"scp": ["models.invoke"]}, True),
        ("/scopes", {"scp": "openid models.invoke email"}, True),
        ("/scopes", {"scp": "models.invoke.not"}, False),
        ("/scopes", {"groups": ["models.invoke"]}, False),
        ("/scopes", {"sub": "scope/models.invoke"}, False),
        ("/agents", {"kind": "bot"}, True),
        ("/agents", {"kind": "app"}, False),
        ("/agents", {"kind": ["bot"]}, False),
        ("/agents", {"kind": "other"}, False),
        ("/agents", {}, False),
        ("/agents", {"sub": "class/agent"}, False),
    ],
    ids=str,
)
def test_what_a_token_brings_along(callers: Callers, path: str, claims: dict[str, Any], allowed: bool) -> None:
    answer = callers.bearing(callers.cloud.token(**claims), path)
    assert answer.verdict == ("200" if allowed else "403 not-allowed")


def test_another_issuer_does_not_speak_for_this_one(callers: Callers) -> None:
    token = callers.realm.token(groups=["data-science"], scope="models.invoke", kind="bot")
    assert callers.bearing(token, "/groups").verdict == "403 not-allowed"
    assert callers.bearing(token, "/scopes").status == 200
    assert callers.bearing(token, "/agents").status == 200, "its callers are human, which is allowed there"


def test_the_role_follows_the_group(callers: Callers) -> None:
    for groups, role in (
        (["data-science"], "plain"),
        (["data-science", "gold"], "premium"),
        (["gold", "data-science"], "premium"),
    ):
        assert callers.bearing(callers.cloud.token(groups=groups), "/groups").status == 200
        assert signing_role(callers) == role
    assert callers.bearing(callers.cloud.token(sub="dora", groups=["gold"]), "/groups").status == 200
    assert signing_role(callers) == "premium"
    assert callers.bearing(callers.cloud.token(groups=["gold"])).status == 200
    assert signing_role(callers) == "plain", "another route"


def test_nothing_in_a_request_chooses_the_role(callers: Callers) -> None:
    with callers.client(None) as client:
        headers = [("Authorization", f"Bearer {callers.cloud.token(groups=['data-science'])}"), ("X-Role", "premium")]
        assert client.request("/groups?role=premium", b'{"role": "premium"}', headers).status == 200
    assert signing_role(callers) == "plain"


def test_access_takes_two_look_ups_at_most(callers: Callers) -> None:
    token = callers.cloud.token(groups=[f"group-{number}" for number in range(100)] + ["data-science"])
    with callers.client(None) as client:
        assert bearing(client, token, "/groups").status == 200
        with callers.counted() as counters:
            assert bearing(client, token, "/groups").status == 200
            assert counters["class"] == 5, "key, route, subject, identity, credentials"
            assert bearing(client, token, "/scopes").verdict == "403 not-allowed"
            assert counters["class"] == 9


# API keys


@pytest.mark.parametrize(("key", "subject"), [(API_KEY, "acme"), (NEXT_API_KEY, "acme"), (AGENT_KEY, "crawler")])
def test_a_key_names_its_holder(callers: Callers, key: str, subject: str) -> None:
    assert callers.with_key(key).status == 200
    assert callers.principal() == f"principal=partner%3A{subject},route=open"
    sent = b"".join(value for _, value in callers.seen()[-1].headers)
    assert key.encode() not in sent


@pytest.mark.parametrize(
    "key", ["", "x", API_KEY[:-1], API_KEY + "x", API_KEY.upper(), "{", "[exit]", "a b", "a" * 8000]
)
def test_an_unknown_key_is_refused_by_name(callers: Callers, key: str) -> None:
    assert callers.with_key(key).verdict == "401 api-key-unknown"


def test_the_hash_of_a_key_is_no_key(callers: Callers) -> None:
    assert callers.with_key(hashlib.sha256(API_KEY.encode()).hexdigest()).verdict == "401 api-key-unknown"


def test_two_keys_are_refused(callers: Callers) -> None:
    with callers.client(None) as client:
        headers = [("X-Api-Key", API_KEY), ("x-api-key", AGENT_KEY)]
        assert client.request(OPEN, b"{}", headers).verdict == "400 header-invalid"


def test_groups_and_classes_of_keys(callers: Callers) -> None:
    assert callers.with_key(API_KEY, "/groups").status == 200
    assert signing_role(callers) == "premium"
    assert callers.with_key(AGENT_KEY, "/groups").verdict == "403 not-allowed"
    assert callers.with_key(AGENT_KEY, "/agents").status == 200
    assert callers.with_key(API_KEY, "/agents").verdict == "403 not-allowed"


def test_a_key_of_one_request_is_not_that_of_the_next(callers: Callers) -> None:
    with callers.client(None) as client:
        assert client.request(OPEN, b"{}", [("X-Api-Key", API_KEY)]).status == 200
        assert client.request(OPEN, b"", method="GET").verdict == "401 unauthenticated"
        assert client.request(OPEN, b"{}", [("X-Api-Key", AGENT_KEY)]).status == 200
    assert callers.principal() == "principal=partner%3Acrawler,route=open"


def test_a_bad_key_does_not_fall_through_to_the_network(callers: Callers) -> None:
    callers.lab.data_plane.client_addresses = lambda peer: "10.30.7.9"
    try:
        assert callers.with_key("wrong").verdict == "401 api-key-unknown"
    finally:
        callers.lab.data_plane.client_addresses = lambda peer: peer[0]


# Certificates


SPIFFE = "spiffe://acme.example/ns/ml/sa/scorer"


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def test_a_certificate_goes_to_the_identity_that_takes_its_issuer(callers: Callers) -> None:
    with callers.certified(callers.workloads, x509.DNSName("scorer.example.com"), uri(SPIFFE)) as client:
        assert client.request(OPEN, b"{}").status == 200
    assert callers.principal() == f"principal=workload%3A{SPIFFE.replace(':', '%3A').replace('/', '%2F')},route=open"
    with callers.certified(callers.lab.authorities.clients, uri(SPIFFE)) as client:
        assert client.request(OPEN, b"{}").status == 200
    assert callers.principal() == "principal=staff%3Acarol,route=open"


@pytest.mark.parametrize(
    "names",
    [
        [],
        [x509.DNSName("carol")],
        [uri(SPIFFE), uri(SPIFFE)],
        [uri("spiffe://acme.example/a;b")],
        [uri("spiffe://acme.example/" + "a" * 128)],
        [x509.DNSName(f"x, URI:{SPIFFE}")],
        [x509.RFC822Name(f"x@y, URI:{SPIFFE}")],
    ],
    ids=["none", "dns only", "two", "semicolon", "long", "uri in a dns name", "uri in an e-mail"],
)
def test_a_certificate_without_a_usable_name_does_not_go_to_the_next_identity(
    callers: Callers, names: list[x509.GeneralName]
) -> None:
    with callers.certified(callers.workloads, *names) as client:
        assert client.request(OPEN, b"{}").verdict == "401 client-certificate-unusable"


def test_groups_of_certificates_are_those_of_the_spec(callers: Callers) -> None:
    with callers.client("carol") as client:
        assert client.request("/groups", b"{}").status == 200
    assert signing_role(callers) == "premium"
    for subject in ("dave", "group/gold"):
        with callers.client(subject) as client:
            assert client.request("/groups", b"{}").verdict == "403 not-allowed"


def test_a_resumed_session_keeps_the_identity_of_its_certificate_with_issuers(callers: Callers) -> None:
    with callers.certified(callers.workloads, uri(SPIFFE)) as first:
        assert first.request(OPEN, b"{}").status == 200
        assert first.socket.session is not None
        while not first.socket.session.has_ticket:
            assert first.request(OPEN, b"{}").status == 200
        before = callers.principal()
        with callers.client(None) as other:
            other.socket.close()
            other.context = first.context
            other._open(callers.lab, first.socket.session)
            assert other.socket.session_reused
            assert other.request(OPEN, b"{}").status == 200
    assert callers.principal() == before
