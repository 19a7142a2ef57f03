"""What identities become: records of access and keys, and the parts of the rule that are there only when needed."""

from __future__ import annotations

import hashlib
from ipaddress import ip_address
from typing import Any

import pytest
from callers_kit import certificate_for
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_procedures import Procedures
from specs import document, route, spec

from bigip_sm.lab.pki import Authority
from bigip_sm.render import render
from bigip_sm.render.irule import render_irule

DIGEST = hashlib.sha256(b"key").hexdigest()
ROLES = {
    name: {**document()["roles"]["models"], "arn": f"arn:aws:iam::123456789012:role/{name}"}
    for name in ("models", "gold", "silver")
}
IDENTITIES: dict[str, Any] = {
    "staff": {"type": "client-certificate", "class": "human", "groups": {"gold": ["alice", "bob"], "empty": []}},
    "batch": {"type": "network", "networks": {"10.0.0.0/8": "nightly"}, "class": "service"},
    "okta": {"type": "jwt", "provider": "okta", "issuer": "https://acme.okta.com/oauth2/x", "audience": "models"},
    "entra": {
        "type": "jwt",
        "provider": "entra",
        "issuer": "https://login.microsoftonline.com/t/v2.0",
        "audience": "models",
    },
    "bots": {
        "type": "api-key",
        "class": "service",
        "keys": {
            DIGEST: {"subject": "crawler", "groups": ["gold"]},
            "0" * 64: {"subject": "crawler", "groups": ["gold"]},
            "1" * 64: {"subject": "agent", "class": "agent"},
        },
    },
}


def item(name: str, **changes: Any) -> dict[str, str]:
    made = render(spec(identities=IDENTITIES, roles=ROLES, **changes)).declaration["sample"]["gateway"][name]
    return {record["key"]: record["value"] for record in made["records"]}


def access(*allow: str, **changes: Any) -> dict[str, str]:
    return item("access", routes={"churn": route(allow=list(allow), **changes)})


@pytest.mark.parametrize(
    ("allow", "wanted"),
    [
        (["staff:*"], {"churn|staff:": "1"}),
        (["staff:group/gold", "staff:bob"], {"churn|staff:alice": "1", "churn|staff:bob": "1"}),
        (["staff:group/empty"], {}),
        (["staff:class/human"], {"churn|staff:": "1"}),
        (["staff:class/agent"], {}),
        (["batch:class/service", "batch:nightly"], {"churn|batch:": "1", "churn|batch:nightly": "1"}),
        (["bots:group/gold"], {"churn|bots:crawler": "1"}),
        (["bots:class/service"], {"churn|bots:crawler": "1"}),
        (["bots:class/agent"], {"churn|bots:agent": "1"}),
        (
            ["okta:group/gold", "okta:scope/a.b", "okta:x"],
            {"churn|okta:": "0|group/gold|scope/a.b", "churn|okta:x": "1"},
        ),
        (["okta:*", "okta:group/gold"], {"churn|okta:": "1|group/gold"}),
        (["okta:class/human"], {"churn|okta:": "1"}),
        (["okta:class/agent"], {}),
        (["entra:class/agent"], {"churn|entra:": "0|class/agent"}),
    ],
    ids=str,
)
def test_access_records(allow: list[str], wanted: dict[str, str]) -> None:
    assert access(*allow) == wanted


def test_roles_by_group() -> None:
    by_group = {
        "okta:group/a": "gold",
        "okta:group/b": "silver",
        "staff:group/gold": "gold",
        "bots:group/gold": "silver",
    }
    assert access("okta:*", "staff:*", "bots:agent", role_by_group=by_group) == {
        "churn|okta:": "1|role/gold/a|role/silver/b",
        "churn|staff:": "1",
        "churn|staff:alice": "1|role/gold/",
        "churn|staff:bob": "1|role/gold/",
        "churn|bots:agent": "1",
    }, "a group gives a role, and never access"


def test_the_first_role_counts() -> None:
    groups = {"gold": ["alice"], "silver": ["alice", "bob"]}
    by_group = {"staff:group/silver": "silver", "staff:group/gold": "gold"}
    identities = {"staff": {"type": "client-certificate", "groups": groups}}
    changes = {"roles": ROLES, "routes": {"churn": route(allow=["staff:*"], role_by_group=by_group)}}
    made = render(spec(identities=identities, **changes)).declaration["sample"]["gateway"]["access"]
    values = {record["key"]: record["value"] for record in made["records"]}
    assert values == {
        "churn|staff:": "1",
        "churn|staff:alice": "1|role/silver/",
        "churn|staff:bob": "1|role/silver/",
    }


def test_key_records() -> None:
    assert item("keys_bots") == {
        DIGEST: "1|service|crawler|gold",
        "0" * 64: "1|service|crawler|gold",
        "1" * 64: "1|agent|agent",
    }


def rule(identities: dict[str, Any], *, asked: bool = True, **changes: Any) -> str:
    listeners = document()["listeners"]
    if asked:
        listeners["public"]["tls"]["client_certificate"] = {"ca": "/Common/ca.crt"}
    return render_irule(spec(identities=identities, listeners=listeners, **changes), "public")


def only(*names: str) -> dict[str, Any]:
    return {name: IDENTITIES[name] for name in names}


@pytest.mark.parametrize(
    ("identities", "present"),
    [
        (only("batch"), set()),
        (only("staff", "batch"), {"CLIENTSSL_HANDSHAKE"}),
        (only("bots"), {"keys_bots"}),
        (only("okta"), {"bsm_jwt", "bsm_bearer", "WWW-Authenticate", "sample.jwks"}),
    ],
    ids=["network", "certificate", "api-key", "jwt"],
)
def test_stages_that_are_not_used_are_not_there(identities: dict[str, Any], present: set[str]) -> None:
    everything = {"CLIENTSSL_HANDSHAKE", "bsm_der", "bsm_jwt", "bsm_bearer", "WWW-Authenticate", "sample.jwks"}
    everything |= {"keys_bots", "bsm_access", "bsm_names"}
    text = rule(identities, routes={"churn": route(allow=[f"{name}:*" for name in identities])})
    assert {name for name in everything if name in text} == present


def test_claims_that_nobody_asks_for_are_not_read() -> None:
    routes = {"churn": route(allow=["okta:*"])}
    assert "{scp}" not in rule(only("okta", "entra"), routes=routes)
    routes = {"churn": route(allow=["okta:scope/x"])}
    text = rule(only("okta", "entra"), routes=routes)
    assert text.count("{scp}") == 1
    assert "{groups}" not in text
    assert "{idtyp}" not in text
    assert "bsm_access" in text


def test_long_heads_are_read_only_where_tokens_are() -> None:
    sizes = {
        name: render(spec(identities=only(name), routes={"churn": route(allow=[f"{name}:*"])})).declaration["sample"][
            "gateway"
        ]["http"]["maxHeaderSize"]
        for name in ("batch", "okta")
    }
    assert sizes == {"batch": 32768, "okta": 131072}


# Certificates, read from their bytes

AUTHORITY = Authority.create("Partner CA")
OTHER = Authority.create("Another CA")
NAMES = [
    x509.UniformResourceIdentifier("spiffe://acme.example/scorer"),
    x509.DNSName("Scorer.Example.com"),
    x509.RFC822Name("scorer@example.com"),
]


def holder(subject: str, issuer: str | None = None) -> Procedures:
    identity = {"type": "client-certificate", "subject": subject, "issuer": issuer}
    if subject == "common-name" and issuer is None:
        identity["issuer"] = "Partner CA"
    text = rule({"caller": identity}, routes={"churn": route(allow=["caller:*"])})
    return Procedures(text, {"CRYPTO::hash": lambda _alg, _name, data: hashlib.sha256(_bytes(data)).digest()})


def _bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode("latin-1")


def named(procedures: Procedures, certificate: x509.Certificate) -> tuple[str, ...]:
    found = procedures.run("bsm_holder", certificate.public_bytes(Encoding.DER))
    assert found is not None
    return procedures.words(found)


@pytest.mark.parametrize(
    ("subject", "wanted"),
    [
        ("common-name", "carol"),
        ("san-uri", "spiffe://acme.example/scorer"),
        ("san-dns", "scorer.example.com"),
        ("san-email", "scorer@example.com"),
        ("sha256", None),
    ],
)
def test_a_certificate_names_its_holder(subject: str, wanted: str | None) -> None:
    certificate, _ = certificate_for(AUTHORITY, *NAMES)
    expected = wanted or certificate.fingerprint(hashes.SHA256()).hex()
    assert named(holder(subject), certificate) == ("caller", expected)
    assert named(holder(subject, "Partner CA"), certificate) == ("caller", expected)
    other, _ = certificate_for(OTHER, *NAMES)
    assert named(holder(subject, "Partner CA"), other) == ()


@pytest.mark.parametrize("subject", ["san-uri", "san-dns", "san-email"])
@pytest.mark.parametrize(
    "names",
    [
        [],
        NAMES + NAMES,
        [x509.IPAddress(ip_address("::1"))],
        [x509.DNSName("*.example.com"), x509.UniformResourceIdentifier("x|y"), x509.RFC822Name("a;b")],
        [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")]))],
        [x509.RegisteredID(ObjectIdentifier("1.2.3.4"))],
        [x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x04root")],
    ],
    ids=["none", "twice", "address", "other characters", "directory name", "registered id", "other name"],
)
def test_a_certificate_without_one_usable_name_names_nobody(subject: str, names: list[x509.GeneralName]) -> None:
    certificate, _ = certificate_for(AUTHORITY, *names)
    assert named(holder(subject), certificate) == ()


def test_what_looks_like_more_names_in_a_text_is_one_name() -> None:
    certificate, _ = certificate_for(AUTHORITY, x509.UniformResourceIdentifier("a, DNS:b, email:c"))
    assert named(holder("san-uri"), certificate) == ("caller", "a, DNS:b, email:c")
    assert named(holder("san-dns"), certificate) == named(holder("san-email"), certificate) == ()


def test_a_distinguished_name_has_one_common_name() -> None:
    procedures = holder("common-name")
    key = ec.generate_private_key(ec.SECP256R1())
    template, _ = certificate_for(AUTHORITY)
    for attributes, wanted in (
        ([], ()),
        ([(NameOID.ORGANIZATION_NAME, "carol")], ()),
        ([(NameOID.COMMON_NAME, "carol"), (NameOID.COMMON_NAME, "root")], ()),
        ([(NameOID.COMMON_NAME, "zoë")], ()),
        ([(NameOID.ORGANIZATION_NAME, "x, CN=root"), (NameOID.COMMON_NAME, "carol")], ("caller", "carol")),
    ):
        subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
        builder = (
            x509.CertificateBuilder(template.issuer, subject, key.public_key(), 1)
            .not_valid_before(template.not_valid_before_utc)
            .not_valid_after(template.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        assert named(procedures, builder.sign(AUTHORITY._key, hashes.SHA256())) == wanted


GOOD = certificate_for(AUTHORITY, *NAMES)[0].public_bytes(Encoding.DER)
PROCEDURES = holder("san-uri")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=4), st.integers(0, 8))
def test_broken_certificates_name_the_same_holder_or_nobody(at: int, put: bytes, gone: int) -> None:
    """Such a certificate would not be verified either; here only the reading must not fail in an unexpected way."""
    PROCEDURES.run("bsm_holder", GOOD[:at] + put + GOOD[at + gone :])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_bytes_that_are_no_certificate_name_nobody(content: bytes) -> None:
    assert PROCEDURES.run("bsm_holder", content) in (None, "")
