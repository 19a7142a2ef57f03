"""Who a caller can be: the models of ``identities``, and the settings that a provider's preset fills in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model

from bigip_sm.spec.forms import Form
from bigip_sm.spec.names import GROUP_PATTERN
from bigip_sm.spec.scalars import Bytes, Model, Network, Seconds, Subject

PrincipalClass = Literal["human", "service", "agent"]
Provider = Literal["okta", "cognito", "entra", "keycloak"]
CertificateSubject = Literal["common-name", "san-uri", "san-dns", "san-email", "sha256"]

Group = Annotated[
    str,
    Field(pattern=GROUP_PATTERN),
    Form("the name of a group", "1 to 64 letters, digits, blanks and ._@+=,:/-", "data-science"),
]
Claim = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.:/#-]{1,128}$"),
    Form("the name of a claim", "1 to 128 letters, digits and _.:/#-", "groups"),
]
Issuer = Annotated[
    str,
    Field(pattern=r"^https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%:@+=,-]*)*$", max_length=256),
    Form(
        "the issuer of tokens",
        "the value of the claim iss, a URL that begins with https://",
        "https://acme.okta.com/oauth2/default",
    ),
]
Audience = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._~%:@+=,/-]{1,256}$"),
    Form("an audience", "the value of the claim aud, 1 to 256 letters, digits and ._~%:@+=,/-", "models"),
]
JwksUrl = Annotated[
    str,
    Field(pattern=r"^https://[a-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~%:@+=,/-]*$", max_length=512),
    Form("the URL of a key set", "a URL that begins with https://", "https://idp.example.com/jwks.json"),
]
KeyHash = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{64}$"),
    Form(
        "the SHA-256 of a key",
        "its 64 hexadecimal digits in lower case, in quotes",
        '"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
        secret=True,  # a key in the place of its hash
    ),
]
HeaderName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9-]{1,62}[a-z0-9]$"),
    Form("the name of a header", "lower-case letters, digits and -", "x-api-key"),
]
CommonName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9 ._@+=,:/-]{1,64}$"),
    Form("a common name", "1 to 64 letters, digits, blanks and ._@+=,:/-", "Partner CA"),
]

if TYPE_CHECKING:

    class _Identity(Model):
        """What all identities have in common; see ``principal_class`` for the field that mypy cannot be told of."""

        type: str

else:
    # A field called "class" cannot be written in a class statement.
    _Identity = create_model(
        "_Identity",
        __base__=Model,
        __doc__="What all identities have in common.",
        type=(str, Field(description="How the caller is known")),
        **{"class": (PrincipalClass, Field(default="human", description="What its callers are"))},
    )


class _Listed(_Identity):
    """An identity whose groups are written in the spec."""

    groups: dict[Group, tuple[Subject, ...]] = Field(
        default={}, description="Group -> its members, by subject; for allow and role_by_group"
    )


class ClientCertificateIdentity(_Listed):
    """The caller is the subject of a verified client certificate."""

    type: Literal["client-certificate"] = Field(description="Known by a verified client certificate")
    subject: CertificateSubject = Field(
        default="common-name",
        description="Part of the certificate that names the caller; san-*: its only SAN of that type; "
        "sha256: the thumbprint of the whole certificate, in lower-case hex",
    )
    issuer: CommonName | None = Field(
        default=None, description="Common name of the CA that must have issued it; default: any CA of the listener"
    )


class NetworkIdentity(_Listed):
    """The caller is who owns the network that the connection comes from."""

    type: Literal["network"] = Field(description="Known by the address that the connection comes from")
    networks: dict[Network, Subject] = Field(min_length=1, description="Network in CIDR form -> subject")


if TYPE_CHECKING:

    class _KeyOwner(Model):
        subject: str

else:
    _KeyOwner = create_model(
        "_KeyOwner",
        __base__=Model,
        subject=(Subject, Field(description="Who calls with this key")),
        **{
            "class": (
                PrincipalClass | None,
                Field(default=None, description="What this caller is; default: the identity's class"),
            )
        },
    )


class ApiKey(_KeyOwner):
    """Who holds an API key."""

    groups: tuple[Group, ...] = Field(default=(), max_length=32, description="Groups of this caller")


class ApiKeyIdentity(_Identity):
    """The caller is who holds a secret key; the spec and the BIG-IP have only its SHA-256."""

    type: Literal["api-key"] = Field(description="Known by a secret key in a header")
    header: HeaderName = Field(
        default="x-api-key", description="Header with the key; authorization: after the word Bearer, as OpenAI's SDKs"
    )
    keys: dict[KeyHash, ApiKey] = Field(min_length=1, description="SHA-256 of a key, hex -> who holds it")


class ClassBy(Model):
    """Which claim of a token says what its caller is."""

    claim: Claim = Field(description="Name of the claim")
    values: dict[Audience, PrincipalClass] = Field(
        default={"human": "human", "service": "service", "agent": "agent"},
        min_length=1,
        description="Value of the claim -> class; any other value leaves the identity's class",
    )


class JwtIdentity(_Identity):
    """The caller is the subject of a token (OpenID Connect, OAuth 2.0) that the issuer signed with RS256."""

    type: Literal["jwt"] = Field(description="Known by a signed token: Authorization: Bearer")
    provider: Provider | None = Field(default=None, description="Fills in the keys below that are left out")
    issuer: Issuer = Field(description="The claim iss, exactly")
    audience: Audience | Annotated[tuple[Audience, ...], Field(min_length=1, max_length=16)] = Field(
        description="Value of the claim aud, or several, one of which the token must have"
    )
    audience_claim: Claim | None = Field(default=None, description="Claim with the audience; default: aud")
    subject: Claim | None = Field(default=None, description="Claim that names the caller; default: sub")
    groups: Claim | None = Field(default=None, description="Claim with the caller's groups; default: none is read")
    scopes: Claim | None = Field(default=None, description="Claim with the token's scopes; default: none is read")
    class_by: ClassBy | None = Field(default=None, description="Claim that says what the caller is; default: none")
    leeway: Seconds = Field(default=60, ge=0, le=300, description="How far the clocks of issuer and BIG-IP may differ")
    max_size: Bytes = Field(default=8192, ge=512, le=16384, description="Longest token; refused before it is decoded")
    jwks: JwksUrl | None = Field(default=None, description="Where the rotator gets the issuer's keys")

    @property
    def audiences(self) -> tuple[str, ...]:
        """The audiences, one or more."""
        return (self.audience,) if isinstance(self.audience, str) else self.audience

    @property
    def settings(self) -> JwtSettings:
        """The settings with those of the provider filled in."""
        preset = PRESETS[self.provider]
        return JwtSettings(
            audience_claim=self.audience_claim or preset.audience_claim,
            subject=self.subject or preset.subject,
            groups=self.groups or preset.groups,
            scopes=self.scopes or preset.scopes,
            class_by=self.class_by or preset.class_by,
            jwks=self.jwks or jwks_url(self.provider, self.issuer),
        )


Identity = Annotated[
    ClientCertificateIdentity | NetworkIdentity | JwtIdentity | ApiKeyIdentity, Field(discriminator="type")
]


@dataclass(frozen=True)
class JwtSettings:
    """Names of the claims that are read, None where none is, and the URL of the issuer's keys, None if unknown."""

    audience_claim: str = "aud"
    subject: str = "sub"
    groups: str | None = None
    scopes: str | None = None
    class_by: ClassBy | None = None
    jwks: str | None = None


# Okta, "Validate access tokens": scp is a list. Cognito, "Using the access token": it has client_id, and no aud. Entra,
# "Access token claims reference": oid is the same for all applications, sub is not. Keycloak, "Securing applications".
PRESETS: dict[str | None, JwtSettings] = {
    None: JwtSettings(),
    "okta": JwtSettings(groups="groups", scopes="scp"),
    "cognito": JwtSettings(audience_claim="client_id", groups="cognito:groups", scopes="scope"),
    "entra": JwtSettings(
        subject="oid",
        groups="groups",
        scopes="scp",
        class_by=ClassBy(claim="idtyp", values={"app": "service", "user": "human"}),
    ),
    "keycloak": JwtSettings(groups="groups", scopes="scope"),
}
_ENTRA_VERSION = "/v2.0"


def jwks_url(provider: str | None, issuer: str) -> str | None:
    """Where a provider publishes the keys of an issuer; None if that does not follow from its name."""
    if provider == "entra":
        if not issuer.endswith(_ENTRA_VERSION):
            return None
        return f"{issuer.removesuffix(_ENTRA_VERSION)}/discovery{_ENTRA_VERSION}/keys"
    path = {
        "okta": "/v1/keys",
        "cognito": "/.well-known/jwks.json",
        "keycloak": "/protocol/openid-connect/certs",
    }.get(provider or "")
    return None if path is None or (provider == "okta" and "/oauth2/" not in issuer) else issuer + path


def principal_class(identity: Identity) -> PrincipalClass:
    """What the callers of an identity are, unless a key or a claim says otherwise."""
    found: PrincipalClass = getattr(identity, "class")
    return found


def key_class(identity: ApiKeyIdentity, key: ApiKey) -> PrincipalClass:
    """What the holder of an API key is."""
    found: PrincipalClass | None = getattr(key, "class")
    return found or principal_class(identity)
