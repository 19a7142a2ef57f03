"""IAM Roles Anywhere for tests: CreateSession with the checks of the real one, the X.509 signature among them.

Written from the service's API reference and its guide ("Signing process"), apart from the library under test.
"""

from __future__ import annotations

import base64
import calendar
import datetime
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.http import Request, Response

REGION = "us-east-1"
ANCHOR = f"arn:aws:rolesanywhere:{REGION}:123456789012:trust-anchor/0a1b2c3d-0a1b-4c2d-8e3f-0a1b2c3d4e5f"
PROFILE = f"arn:aws:rolesanywhere:{REGION}:123456789012:profile/1a1b2c3d-0a1b-4c2d-8e3f-0a1b2c3d4e5f"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_AUTHORIZATION = re.compile(
    r"AWS4-X509-(RSA|ECDSA)-SHA256 Credential=(\d+)/(\d{8})/([a-z0-9-]+)/rolesanywhere/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]+)"
)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        """The certificate in PEM form."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write NAME.pem and NAME.key, the latter for its owner only."""
        files = folder / f"{name}.pem", folder / f"{name}.key"
        files[0].write_bytes(self.pem)
        files[1].write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        files[1].chmod(0o600)
        return files


def make(
    name: str,
    issuer: Certificate | None = None,
    *,
    key: Key | None = None,
    authority: bool = False,
    days: int = 30,
    algorithm: hashes.SHA256 | hashes.SHA384 | None = None,
) -> Certificate:
    """A certificate, signed by ``issuer`` or by itself. Negative ``days``: it is over."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=40))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return Certificate(builder.sign(issuer.key if issuer else own, algorithm or hashes.SHA256()), own)


class Refused(Exception):
    """An answer that refuses."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass
class FakeRolesAnywhere:
    """One trust anchor and one profile. ``requests`` are the bodies that were signed right."""

    sessions: SessionStore
    anchor: x509.Certificate
    roles: set[str] = field(default_factory=set)
    profile_duration: int = 43200
    accepts_session_name: bool = False
    clock: Callable[[], float] = time.time
    requests: list[dict[str, Any]] = field(default_factory=list)
    algorithms: list[str] = field(default_factory=list)
    answer: Response | None = None

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        if self.answer is not None:
            return self.answer
        try:
            return self._create_session(request)
        except Refused as refused:
            body = json.dumps({"message": str(refused)}).encode()
            return Response(refused.status, [("Content-Type", "application/json")], body)

    def _create_session(self, request: Request) -> Response:
        if (request.method, request.target) != ("POST", b"/sessions"):
            raise Refused(404, "no such operation")
        self._verify(request)
        body = json.loads(request.body)
        self.requests.append(body)
        known = {"durationSeconds", "profileArn", "roleArn", "trustAnchorArn", "roleSessionName", "instanceProperties"}
        duration = body.get("durationSeconds", 3600)
        if set(body) - known or not 900 <= duration <= 43200:
            raise Refused(400, "Input parameter is not valid")
        if (body["trustAnchorArn"], body["profileArn"]) != (ANCHOR, PROFILE):
            raise Refused(404, "Resource not found")
        if "roleSessionName" in body and not self.accepts_session_name:
            raise Refused(403, "Profile does not accept a role session name")
        if body["roleArn"] not in self.roles:
            raise Refused(403, "Unable to assume role, verify the role's trust policy and the profile's roles")
        made = self.sessions.issue(body["roleArn"], min(duration, self.profile_duration))
        expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made.expiration))
        credentials = {
            "accessKeyId": made.access_key_id,
            "secretAccessKey": made.secret_access_key,
            "sessionToken": made.session_token,
            "expiration": expiration,
        }
        answer = {"credentialSet": [{"credentials": credentials, "roleArn": body["roleArn"]}], "subjectArn": ANCHOR}
        return Response(201, [("Content-Type", "application/json")], json.dumps(answer).encode())

    def _verify(self, request: Request) -> None:
        """Certificate, chain, date, and the signature over the canonical request."""
        match = _AUTHORIZATION.fullmatch(request.header("Authorization") or "")
        if match is None:
            raise Refused(400, "Authorization header is not as it should be")
        kind, serial, date, region, signed, signature = match.groups()
        certificate = self._certificate(request)
        stamp = request.header("X-Amz-Date") or ""
        if serial != str(certificate.serial_number) or region != REGION or not stamp.startswith(date):
            raise Refused(403, "Credential does not fit")
        if abs(calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - self.clock()) > 300:
            raise Refused(403, "Signature expired")
        names = signed.split(";")
        wanted = {"content-type", "host", "x-amz-date", "x-amz-x509"}
        if request.header("X-Amz-X509-Chain"):
            wanted.add("x-amz-x509-chain")
        if names != sorted(names) or not wanted <= set(names):
            raise Refused(403, "a header that must be signed is not")
        headers = "".join(f"{name}:{(request.header(name) or '').strip()}\n" for name in names)
        body = hashlib.sha256(request.body).hexdigest()
        canonical = "\n".join((request.method, request.path, request.query, headers, signed, body))
        scope = f"{date}/{region}/rolesanywhere/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        algorithm = f"AWS4-X509-{kind}-SHA256"
        to_sign = "\n".join((algorithm, stamp, scope, digest)).encode()
        public = certificate.public_key()
        try:
            if isinstance(public, rsa.RSAPublicKey) and kind == "RSA":
                public.verify(bytes.fromhex(signature), to_sign, padding.PKCS1v15(), hashes.SHA256())
            elif isinstance(public, ec.EllipticCurvePublicKey) and kind == "ECDSA":
                public.verify(bytes.fromhex(signature), to_sign, ec.ECDSA(hashes.SHA256()))
            else:
                raise Refused(403, "the algorithm is not that of the key")
        except InvalidSignature:
            raise Refused(403, "The request signature does not match") from None
        self.algorithms.append(algorithm)

    def _certificate(self, request: Request) -> x509.Certificate:
        """The certificate shown, which chains to the trust anchor."""
        shown = x509.load_der_x509_certificate(base64.b64decode(request.header("X-Amz-X509") or ""))
        between = (request.header("X-Amz-X509-Chain") or "").split(",")
        chain = [x509.load_der_x509_certificate(base64.b64decode(one)) for one in between if one]
        try:
            for lower, upper in zip([shown, *chain], [*chain, self.anchor], strict=True):
                lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature):
            raise Refused(403, "Untrusted certificate. Insufficient certificate") from None
        return shown
