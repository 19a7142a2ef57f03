"""IAM Roles Anywhere: a session for whoever holds a certificate of a CA that the account trusts.

The request is made and signed by AWS's own library, iam-rolesanywhere-session (extra ``roles-anywhere``). Here are the
checks that it leaves to AWS, so that a wrong file has a clear message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlsplit

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.text import one_line
from bigip_sm.errors import SourceError
from bigip_sm.spec.sources import RolesAnywhereSource
from rotator import clocks
from rotator.sources.clients import aws_session, client, explained
from rotator.sources.files import read
from rotator.sources.sessions import checked, issue_time, resolved

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from iam_rolesanywhere_session import ProxyConfig

LARGEST_FILE = 64 * 1024
"""Largest PEM file that is read, bytes."""


@dataclass(frozen=True)
class RolesAnywhere:
    """Asks Roles Anywhere in ``region`` for a session of ``arn``. ``clock`` gives epoch seconds."""

    role: str
    arn: str
    region: str
    settings: RolesAnywhereSource
    clock: Callable[[], float] = clocks.now

    polled: ClassVar[bool] = False

    def fetch(self) -> SessionCredentials:
        """A new session. Certificate and key are read anew, since they are renewed too. Raises SourceError."""
        doing = f"CreateSession for {self.arn} in {self.region}"
        with explained(self.role, doing):
            asked, failed = self._library()
            try:
                access_key_id, secret, token, end = resolved(asked.get_refreshable_credentials())
            except failed as error:
                raise SourceError(one_line(f"role {self.role}: {doing}: {error}")) from None
        if not (access_key_id and secret and token and end is not None):
            raise SourceError(f"role {self.role}: {doing}: the answer holds no session")
        # A profile may make it shorter than it was asked for, so only the end is certain.
        now = self.clock()
        issued_at = issue_time(end, self.settings.duration, now)
        return checked(self.role, SessionCredentials(access_key_id, secret, token, end, issued_at), now)

    def _library(self) -> tuple[Any, type[Exception]]:
        """The library's session object, with the files checked, and its exception; nothing is sent yet."""
        try:
            from iam_rolesanywhere_session import IAMRolesAnywhereError, IAMRolesAnywhereSession
        except ImportError:
            raise SourceError(
                f"role {self.role}: the source roles-anywhere needs a library: pip install 'bigip-sm[roles-anywhere]'"
            ) from None
        from botocore.utils import get_environ_proxies

        certificate, key, intermediates = self._files()
        # botocore knows the endpoint of the region, and what the environment says about endpoint, CA and proxy.
        session = aws_session(self.region)
        url = str(client(self.role, "rolesanywhere", self.region, session=session, unsigned=True).meta.endpoint_url)
        asked = IAMRolesAnywhereSession(
            profile_arn=self.settings.profile,
            role_arn=self.arn,
            trust_anchor_arn=self.settings.trust_anchor,
            certificate=certificate,
            private_key=key,
            certificate_chain=intermediates,
            session_duration=self.settings.duration,
            role_session_name=self.settings.session_name,
            region=self.region,
            endpoint=urlsplit(url).netloc,
            verify=session._session.get_config_variable("ca_bundle") or True,
            proxies=cast("ProxyConfig", get_environ_proxies(url)),
        )
        return asked, IAMRolesAnywhereError

    def _files(self) -> tuple[bytes, bytes, bytes | None]:
        """Certificate, key and intermediate certificates in PEM form. Raises SourceError."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        settings = self.settings
        certificate = read(self.role, "certificate", Path(settings.certificate), LARGEST_FILE)
        key = read(self.role, "key", Path(settings.key), LARGEST_FILE, private=True)
        intermediates = None
        try:
            about = f"certificate {settings.certificate}"
            self._check(about, parsed := x509.load_pem_x509_certificate(certificate))
            if settings.intermediates is not None:
                about = f"intermediates {settings.intermediates}"
                intermediates = read(self.role, "intermediates", Path(settings.intermediates), LARGEST_FILE)
                x509.load_pem_x509_certificates(intermediates)
            about = f"key {settings.key}"
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError):  # TypeError: the key has a passphrase
            raise SourceError(f"role {self.role}: {about}: it is not in PEM form, or has a passphrase") from None
        if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
            raise SourceError(f"role {self.role}: {about}: it is neither an RSA nor an EC key")
        if private.public_key() != parsed.public_key():
            raise SourceError(f"role {self.role}: {about}: it is not the key of certificate {settings.certificate}")
        return certificate, key, intermediates

    def _check(self, about: str, certificate: Certificate) -> None:
        """Raise SourceError if the certificate is not valid now, or not signed in the way that the library assumes."""
        now = datetime.fromtimestamp(self.clock(), timezone.utc)
        if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
            raise SourceError(
                f"role {self.role}: {about}: it is valid from {certificate.not_valid_before_utc:%Y-%m-%dT%H:%MZ} "
                f"to {certificate.not_valid_after_utc:%Y-%m-%dT%H:%MZ} only"
            )
        algorithm = certificate.signature_hash_algorithm
        # The library signs with SHA-256, but announces the hash that the certificate itself is signed with.
        if algorithm is None or algorithm.name != "sha256":
            raise SourceError(
                f"role {self.role}: {about}: its CA signed it with {algorithm.name if algorithm else 'no hash'}; "
                "iam-rolesanywhere-session works with certificates that are signed with SHA-256 only"
            )
