"""Where the rotator gets a role's session from, and how often: the models of ``source`` and ``rotation`` of a role."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bigip_sm.spec.forms import Form
from bigip_sm.spec.scalars import Model, Region, RoleArn, Seconds

MAX_CHAINED = 3600
"""Longest session of a role that is assumed with another role's session, seconds (IAM User Guide, role chaining)."""

SessionName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_+=,.@-]{2,64}$"),
    Form("a session name", "2 to 64 letters, digits and _+=,.@-", "bigip-sm"),
]
TagKey = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9 _.:/=+@-]{1,128}$"),
    Form("the key of a session tag", "1 to 128 letters, digits, blanks and _.:/=+@-", "team"),
]
TagValue = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9 _.:/=+@-]{0,256}$"),
    Form("the value of a session tag", "at most 256 letters, digits, blanks and _.:/=+@-", "ml-platform"),
]
PolicyArn = Annotated[
    str,
    Field(pattern=r"^arn:aws(-cn|-us-gov)?:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,512}$"),
    Form("the ARN of a managed policy", "a policy ARN", "arn:aws:iam::123456789012:policy/bigip-sm"),
]
TrustAnchorArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws(-cn|-us-gov)?:rolesanywhere:[a-z0-9-]+:[0-9]{12}:trust-anchor/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    ),
    Form(
        "the ARN of a trust anchor",
        "its ARN",
        "arn:aws:rolesanywhere:us-east-1:123456789012:trust-anchor/0a1b2c3d-0a1b-4c2d-8e3f-0a1b2c3d4e5f",
    ),
]
AnywhereProfileArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws(-cn|-us-gov)?:rolesanywhere:[a-z0-9-]+:[0-9]{12}:profile/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    ),
    Form(
        "the ARN of a Roles Anywhere profile",
        "its ARN",
        "arn:aws:rolesanywhere:us-east-1:123456789012:profile/0a1b2c3d-0a1b-4c2d-8e3f-0a1b2c3d4e5f",
    ),
]
FilePath = Annotated[
    str,
    Field(pattern=r"^/[^\x00-\x1f\x7f]{1,4095}$"),
    Form("the absolute path of a file", "a path that begins with /", "/etc/bigip-sm/rotator.pem"),
]
Duration = Annotated[Seconds, Field(ge=900, le=43200)]
SessionPolicy = Literal["generated", "none"]


class SecretsManagerSource(Model):
    """A secret that holds an STS session as JSON (AccessKeyId, SecretAccessKey, SessionToken, Expiration)."""

    type: Literal["secrets-manager"] = Field(description="Something else assumes the role and keeps a secret fresh")
    secret: Annotated[
        str, Form("the name of a secret", "the name or ARN of a Secrets Manager secret", "bigip/chat")
    ] = Field(pattern=r"^[A-Za-z0-9/_+=.@:-]{1,512}$", description="Name or ARN of the secret")
    region: Region | None = Field(
        default=None, description="Region of the secret; default: the role's first upstream region"
    )


class _Assumed(Model):
    """What the sources that ask STS have in common."""

    type: str = Field(description="Type of the source")
    session_name: SessionName = Field(default="bigip-sm", description="Name of the session in CloudTrail")
    duration: Duration = Field(default=3600, description="Life of the session, 15 minutes to 12 hours")
    region: Region | None = Field(
        default=None, description="Region of the STS endpoint; default: the role's first upstream region"
    )
    session_policy: SessionPolicy = Field(
        default="generated",
        description="generated: the session may do only what the gateway's upstreams need; none: all the role may",
    )
    policy_arns: tuple[PolicyArn, ...] = Field(
        default=(),
        max_length=10,
        description="Managed policies that the session may use as well, as far as the role itself may",
    )


class StsSource(_Assumed):
    """The rotator assumes the role itself."""

    type: Literal["sts"] = Field(description="The rotator assumes the role itself")
    external_id: Annotated[
        str | None, Form("an external id", "2 to 1224 letters, digits and _+=,.@:/-", "bigip-sm")
    ] = Field(
        default=None, pattern=r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$", description="sts:ExternalId that the role asks for"
    )
    source_identity: SessionName | None = Field(
        default=None, description="sts:SourceIdentity, which stays with the session in CloudTrail; default: none"
    )
    tags: dict[TagKey, TagValue] = Field(
        default={}, max_length=50, description="Session tags; the role must allow sts:TagSession"
    )
    transitive_tags: tuple[TagKey, ...] = Field(
        default=(), max_length=50, description="Keys among tags that are kept when this session assumes a role"
    )
    chain: tuple[RoleArn, ...] = Field(
        default=(),
        max_length=5,
        description="Roles to assume one after the other before this one; a chained session lives 1 hour at most",
    )


class WebIdentitySource(_Assumed):
    """The rotator shows STS a token of an identity provider that the role trusts."""

    type: Literal["web-identity"] = Field(description="An identity provider's token (OpenID Connect) is shown to STS")
    token_file: FilePath | None = Field(
        default=None, description="File with the token, read anew each time; default: AWS_WEB_IDENTITY_TOKEN_FILE"
    )


class RolesAnywhereSource(Model):
    """The rotator shows IAM Roles Anywhere a certificate; for places without any other AWS identity."""

    type: Literal["roles-anywhere"] = Field(description="A certificate is shown to IAM Roles Anywhere")
    trust_anchor: TrustAnchorArn = Field(description="ARN of the trust anchor that the certificate chains to")
    profile: AnywhereProfileArn = Field(description="ARN of the Roles Anywhere profile that lists the role")
    certificate: FilePath = Field(description="PEM file with the certificate")
    key: FilePath = Field(description="PEM file with its private key, without a passphrase, readable by its owner only")
    intermediates: FilePath | None = Field(
        default=None, description="PEM file with the certificates between it and the trust anchor; default: none"
    )
    duration: Duration = Field(default=3600, description="Life of the session; the profile may make it shorter")
    session_name: SessionName | None = Field(
        default=None, description="Name of the session, if the profile accepts one; default: the certificate's serial"
    )
    region: Region | None = Field(default=None, description="Region to ask in; default: that of the trust anchor")


class ProfileSource(_Assumed):
    """The rotator uses what AWS SDKs find by themselves: a profile, the environment, a container or an instance.

    A session of the role is used as it is, without a session policy. With anything else, a long-lived access key
    included, the role is assumed.
    """

    type: Literal["profile"] = Field(description="Credentials that AWS SDKs find: a profile, the environment, the host")
    profile: Annotated[str | None, Form("the name of a profile", "1 to 64 letters, digits and _.@/+=-", "bigip-sm")] = (
        Field(
            default=None,
            pattern=r"^[A-Za-z0-9_.@/+=-]{1,64}$",
            description="Profile in ~/.aws/config; default: the SDK's own order, beginning with the environment",
        )
    )


Source = Annotated[
    SecretsManagerSource | StsSource | WebIdentitySource | RolesAnywhereSource | ProfileSource,
    Field(discriminator="type"),
]


class Rotation(Model):
    """When a role's session is replaced: by default after two thirds of its life."""

    maximum_age: Annotated[Seconds, Field(ge=300, le=43200)] | None = Field(
        default=None, description="Replace the session when it is this old; default: at two thirds of its life"
    )
    renew_before: Annotated[Seconds, Field(ge=60, le=39600)] | None = Field(
        default=None, description="Replace the session when it has this long to live; default: a third of its life"
    )
    grace: Annotated[Seconds, Field(ge=0, le=39600)] = Field(
        default=0, description="How late a replacement may be before it is reported as stale"
    )

    def due(self, issued_at: float, expires_at: float) -> float:
        """When a session is to be replaced. All times are epoch seconds.

        Two thirds through its life if nothing is set; else at ``maximum_age`` or ``renew_before`` its end, whichever
        comes first. Never before it was issued nor after its end.
        """
        set_ = [
            *([issued_at + self.maximum_age] if self.maximum_age is not None else []),
            *([expires_at - self.renew_before] if self.renew_before is not None else []),
        ]
        moment = min(set_) if set_ else issued_at + (expires_at - issued_at) * 2 / 3
        return min(max(moment, issued_at), expires_at)

    def late(self, issued_at: float, expires_at: float) -> float:
        """When a session that was not replaced is stale: ``grace`` after it was due, at its end at the latest."""
        return min(self.due(issued_at, expires_at) + self.grace, expires_at)
