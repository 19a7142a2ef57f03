"""The identity providers of a gateway's ``jwt`` identities: their key sets over HTTPS, and tokens for callers.

A token has the claims that the identity reads, so it is good until a test makes it bad.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.network import Network
from bigip_sm.lab.pki import Authority, server_context
from bigip_sm.spec.identities import JwtIdentity, principal_class
from bigip_sm.spec.model import Spec
from bigip_sm.spec.principals import Principals

ANYBODY = "someone"
"""Subject of a token where any will do."""

KEY_ID = "lab-1"
LIFE = 3600
"""Seconds that a token is good for."""


@dataclass(frozen=True)
class Issuer:
    """The issuer of one identity, with one RSA key."""

    identity: JwtIdentity
    key: rsa.RSAPrivateKey = field(repr=False)

    def key_set(self) -> bytes:
        """Its JWKS (RFC 7517)."""
        numbers = self.key.public_key().public_numbers()
        modulus, exponent = _text(numbers.n.to_bytes(256, "big")), _text(numbers.e.to_bytes(3, "big"))
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": modulus, "e": exponent}
        return json.dumps({"keys": [key]}).encode()

    def token(
        self,
        subject: str,
        *,
        groups: Collection[str] = (),
        scopes: Collection[str] = (),
        principal: str | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """A token for ``subject``; ``principal`` is its class, ``claims`` replace or add what else it says."""
        settings, now = self.identity.settings, int(time.time())
        body: dict[str, Any] = {"iss": self.identity.issuer, "iat": now, "nbf": now, "exp": now + LIFE}
        body |= {settings.audience_claim: self.identity.audiences[0], settings.subject: subject}
        if groups and settings.groups is not None:
            body[settings.groups] = list(groups)
        if scopes and settings.scopes is not None:
            body[settings.scopes] = " ".join(scopes)
        if settings.class_by is not None:
            wanted = principal or principal_class(self.identity)
            value = next((text for text, one in settings.class_by.values.items() if one == wanted), None)
            body |= {} if value is None else {settings.class_by.claim: value}
        head = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
        text = f"{_text(json.dumps(head).encode())}.{_text(json.dumps({**body, **(claims or {})}).encode())}"
        return f"{text}.{_text(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class Issuers:
    """Every issuer of a spec, by name of the identity; each serves its key set where the identity says that it is.

    Identities with one key set have one key.
    """

    def __init__(self, spec: Spec) -> None:
        keys: dict[str, rsa.RSAPrivateKey] = {}
        self.by_name: dict[str, Issuer] = {}
        for name, identity in spec.identities.items():
            if isinstance(identity, JwtIdentity):
                place = identity.settings.jwks or name
                if place not in keys:
                    keys[place] = rsa.generate_private_key(65537, 2048)
                self.by_name[name] = Issuer(identity, keys[place])
        self._stack = AsyncExitStack()

    def token_for(self, entry: Principals) -> str:
        """A token of a caller that an entry of ``allow`` means."""
        issuer = self.by_name[entry.identity]
        named = {entry.name}
        return issuer.token(
            entry.name if entry.kind == "subject" else ANYBODY,
            groups=named if entry.kind == "group" else (),
            scopes=named if entry.kind == "scope" else (),
            principal=entry.name if entry.kind == "class" else None,
        )

    async def start(self, network: Network, authority: Authority) -> None:
        """Serve. An identity that does not say where its keys are has none."""
        hosts: dict[tuple[str, int], dict[str, bytes]] = {}
        for issuer in self.by_name.values():
            if issuer.identity.settings.jwks is not None:
                url = urlsplit(issuer.identity.settings.jwks)
                hosts.setdefault((url.hostname or "", url.port or 443), {})[url.path] = issuer.key_set()
        for place, documents in hosts.items():
            await self._serve(place, documents, network, authority)

    async def stop(self) -> None:
        """Stop serving."""
        await self._stack.aclose()

    async def _serve(
        self, place: tuple[str, int], documents: Mapping[str, bytes], network: Network, authority: Authority
    ) -> None:
        async def handle(request: Request) -> Response:
            document = documents.get(request.path)
            if request.method != "GET" or document is None:
                return Response(404)
            return Response(200, [("Content-Type", "application/json")], document)

        server = HttpsServer(handle, server_context(authority.issue(place[0], hosts=[place[0]])))
        port = await server.start()
        self._stack.push_async_callback(server.stop)
        network.publish(*place, port)
        self._stack.callback(network.withdraw, *place)


def _text(data: bytes) -> str:
    """base64url without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
