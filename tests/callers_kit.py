"""A gateway with every type of identity, issuers whose keys it has, and tokens: right ones, and all kinds of wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from gateway_kit import Answer, Client, Gateway

from bigip_sm.bigip.device import Record
from bigip_sm.lab.bigip.objects import SslCertificate
from bigip_sm.lab.files import private_file
from bigip_sm.lab.lab import ClientFiles
from bigip_sm.lab.pki import Authority
from bigip_sm.spec.names import jwks_group
from rotator.jwks import jwks_records

DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
API_KEY = "a-key-that-is-long-enough-to-be-one"
NEXT_API_KEY = "the-key-that-will-replace-it-one-day"
AGENT_KEY = "the-key-of-an-agent-that-works-by-night"
CLOUD = "https://idp.example.com/oauth2/default"
REALM = "https://sso.example.com/realms/acme"
SPEC = f"""
version: 1
gateway: callers
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.30
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {{ca: /Common/clients-ca.crt}}
identities:
  workload: {{type: client-certificate, issuer: Workload CA, subject: san-uri, class: service}}
  staff: {{type: client-certificate, groups: {{gold: [carol]}}}}
  cloud:
    type: jwt
    provider: okta
    issuer: {CLOUD}
    audience: [models, api://models]
    class_by: {{claim: kind, values: {{bot: agent, app: service}}}}
  realm: {{type: jwt, provider: keycloak, issuer: "{REALM}", audience: models, leeway: 0s, max_size: 2KiB}}
  partner:
    type: api-key
    class: service
    keys:
      "{hashlib.sha256(API_KEY.encode()).hexdigest()}": {{subject: acme, groups: [gold]}}
      "{hashlib.sha256(NEXT_API_KEY.encode()).hexdigest()}": {{subject: acme, groups: [gold]}}
      "{hashlib.sha256(AGENT_KEY.encode()).hexdigest()}": {{subject: crawler, class: agent}}
  batch: {{type: network, networks: {{10.30.0.0/16: nightly-batch}}}}
roles:
  plain: {{arn: "arn:aws:iam::123456789012:role/plain", source: {{type: secrets-manager, secret: plain}}}}
  premium: {{arn: "arn:aws:iam::123456789012:role/premium", source: {{type: secrets-manager, secret: premium}}}}
upstreams:
  echo:
    kind: sagemaker
    endpoint: echo-v1
    role: plain
    regions: [{{name: eu-central-1, private_dns: true}}]
routes:
  open:
    listener: public
    match: {{path: /open, methods: [POST, GET]}}
    upstream: echo
    allow: ["workload:*", "staff:*", "cloud:*", "realm:*", "partner:*", "batch:*"]
    approved_by: {{name: tests, ticket: T-1, date: 2026-01-01}}
  groups:
    listener: public
    match: {{path: /groups}}
    upstream: echo
    allow: ["cloud:group/data-science", "cloud:group/Data Science", cloud:dora, partner:group/gold, staff:group/gold]
    role_by_group: {{"cloud:group/gold": premium, partner:group/gold: premium, "staff:group/gold": premium}}
    approved_by: {{name: tests, ticket: T-2, date: 2026-01-01}}
  scopes:
    listener: public
    match: {{path: /scopes}}
    upstream: echo
    allow: ["cloud:scope/models.invoke", "realm:scope/models.invoke"]
    approved_by: {{name: tests, ticket: T-3, date: 2026-01-01}}
  agents:
    listener: public
    match: {{path: /agents}}
    upstream: echo
    allow: ["cloud:class/agent", "realm:class/human", "partner:class/agent"]
    approved_by: {{name: tests, ticket: T-4, date: 2026-01-01}}
"""


def text64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class Issuer:
    """An issuer with one RSA key."""

    identity: str
    issuer: str
    key_id: str = "key-1"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)

    @cached_property
    def jwk(self) -> dict[str, Any]:
        """Its public key."""
        numbers = self.key.public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        modulus, exponent = text64(numbers.n.to_bytes(size, "big")), text64(numbers.e.to_bytes(3, "big"))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id, "n": modulus, "e": exponent}

    def document(self) -> bytes:
        """Its key set."""
        return json.dumps({"keys": [self.jwk]}).encode()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims of a token that is good now; None takes a claim away."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "models", "sub": "alice", "iat": now, "nbf": now, "exp": now + 600}
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(self, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A token by PyJWT; ``headers`` are added to its header."""
        headers = {"kid": self.key_id, **(headers or {})}
        return jwt.encode(self.claims(**changes), self.key, algorithm="RS256", headers=headers)

    def signed(self, head: bytes, body: bytes) -> str:
        """A token of any bytes as header and payload, with a right signature over them."""
        text = f"{text64(head)}.{text64(body)}"
        return f"{text}.{self.raw_signature(DIGEST_INFO + hashlib.sha256(text.encode()).digest())}"

    def with_payload(self, body: bytes) -> str:
        """A token with a right header and signature, and any payload."""
        return self.signed(json.dumps({"alg": "RS256", "kid": self.key_id}).encode(), body)

    def raw_signature(self, content: bytes, *, start: bytes = b"\x00\x01", fill: bytes | None = None) -> str:
        """The RSA operation on a padded content, however wrong the padding is (RFC 8017, section 9.2)."""
        numbers = self.key.private_numbers()
        size = self.key.key_size // 8
        filling = b"\xff" * (size - len(start) - 1 - len(content)) if fill is None else fill
        block = start + filling + b"\x00" + content
        block += bytes(size - len(block))
        return text64(pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(size, "big"))

    def public_pem(self) -> bytes:
        """Its public key as PEM, which some verifiers can be made to take for a shared secret."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Callers(Gateway):
    """The gateway in the lab, with the keys of its issuers."""

    cloud: Issuer
    realm: Issuer
    workloads: Authority

    def prepare(self) -> None:
        """Rotate, write the keys of both issuers, which nobody can ask over the network here, and trust a second CA."""
        for role in ("plain", "premium"):
            code, report = self.stage.rotate(role)
            assert code == 0, json.dumps(report)
        self.cloud, self.realm = Issuer("cloud", CLOUD), Issuer("realm", REALM)
        self.replace_keys(self.records())
        self.workloads = Authority.create("Workload CA")
        self.lab.call(self._trust(self.lab.authorities.clients, self.workloads))

    async def _trust(self, *authorities: Authority) -> None:
        bundle = "".join(one.certificate_pem for one in authorities)
        self.lab.config.commit(put=[SslCertificate("/Common/clients-ca.crt", bundle)])

    @contextmanager
    def counted(self) -> Iterator[dict[str, int]]:
        """Calls of iRule commands, as they happen."""
        plane = self.lab.data_plane

        async def count(enabled: bool) -> None:
            plane.count_commands(enabled)

        self.lab.call(count(True))
        try:
            yield plane.counters
        finally:
            self.lab.call(count(False))

    def records(self) -> list[Record]:
        """The keys of both issuers, as records."""
        spec, now = self.stage.spec, time.time()
        return [
            record
            for one in (self.cloud, self.realm)
            for record in jwks_records(spec, one.identity, one.document(), now)
        ]

    def replace_keys(self, records: Sequence[Record]) -> None:
        """Replace every key in the data group."""
        with self.stage.device.connect("rotator") as device:
            device.replace_records(jwks_group("callers"), records)
        self.lab.settle()

    def bearing(self, token: str | bytes, path: str = "/open") -> Answer:
        """One request with a token on a connection of its own, without a certificate."""
        with self.client(None) as client:
            return bearing(client, token, path)

    def with_key(self, key: str, path: str = "/open") -> Answer:
        """One request with an API key."""
        with self.client(None) as client:
            return client.request(path, b"{}", [("X-Api-Key", key)])

    def principal(self) -> str:
        """Who the last request at AWS came from."""
        (attributes,) = self.seen()[-1].values("X-Amzn-SageMaker-Custom-Attributes")
        return attributes.decode()

    def certified(self, authority: Authority, *names: x509.GeneralName, common_name: str = "carol") -> Client:
        """A connection with a certificate of an authority that has these subject alternative names."""
        certificate, key = certificate_for(authority, *names, common_name=common_name)
        stem = self.lab.directory / f"made-{secrets.token_hex(4)}"
        files = ClientFiles(Path(f"{stem}.crt"), Path(f"{stem}.key"))
        private_file(files.certificate, certificate.public_bytes(Encoding.PEM).decode())
        private_file(files.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
        return Client(self.lab, files)


def certificate_for(
    authority: Authority, *names: x509.GeneralName, common_name: str | None = "carol"
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A client certificate with these subject alternative names, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    template = x509.load_pem_x509_certificate(authority.issue(common_name or "x", client=True).certificate_pem.encode())
    subject = template.subject if common_name is not None else x509.Name([])
    builder = (
        x509.CertificateBuilder(template.issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(template.not_valid_before_utc)
        .not_valid_after(template.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority._key, hashes.SHA256()), key


def bearing(client: Client, token: str | bytes, path: str = "/open", body: bytes = b"{}") -> Answer:
    """One request with a token on a connection. With a body, a refusal ends the connection."""
    value = b"Bearer " + (token if isinstance(token, bytes) else token.encode())
    return client.request(path, body, [("Authorization", value)])
