"""The typed models of gateway.yaml (design section 5).

Only shapes and single-value rules live here; rules that need two places of the file are in ``checks``.
"""

from __future__ import annotations

import datetime
import re
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from bigip_sm.spec.forms import Form
from bigip_sm.spec.names import NAME_PATTERN, PATH_PATTERN, SUBJECT_PATTERN

_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2}
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _quantity(value: Any, units: dict[str, int], noun: str, example: str) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"([0-9]{1,9})([A-Za-z]+)", value) if isinstance(value, str) else None
    if match is None or match.group(2) not in units:
        raise ValueError(f"this is not {noun}; write a number with a unit ({', '.join(units)}), such as {example}")
    return int(match.group(1)) * units[match.group(2)]


def _size(value: Any) -> Any:
    return _quantity(value, _SIZES, "a size", "1MiB")


def _seconds(value: Any) -> Any:
    return _quantity(value, _SECONDS, "a time", "60s")


def _quantity_schema(units: dict[str, int], example: str) -> WithJsonSchema:
    pattern = f"^[0-9]{{1,9}}({'|'.join(units)})$"
    return WithJsonSchema(
        {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": pattern}], "examples": [example]},
        mode="validation",
    )


def _reserved(value: str) -> str:
    if value in ("common", "bigip_sm"):
        raise ValueError(f"{value} is a partition that is not the gateway's; choose another name")
    return value


def _virtual_address(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if value.is_multicast or value.is_unspecified or getattr(value, "scope_id", None):
        raise ValueError(f"{value} is not the address of one host; write the address that callers connect to")
    return value


def _network(value: Any) -> Any:
    """Let only the one canonical spelling through: two spellings of a network would be one key of the mapping."""
    if not isinstance(value, str):
        return value
    try:
        network = ip_network(value, strict=False)
        ip_network(value)
    except ValueError as error:
        if "host bits" not in str(error):
            raise
        raise ValueError(f"{value} has bits set beyond its prefix; write {network}") from None
    if str(network) != value or "%" in value:
        raise ValueError(f"{value} is not how this network is written; write {re.sub('%[^/]*', '', str(network))}")
    return value


def _device_key(value: Any) -> Any:
    if isinstance(value, dict) or (isinstance(value, str) and "-----BEGIN" in value):
        raise ValueError(
            "a private key cannot come from outside the BIG-IP, as AS3 would keep it in clear; "
            "import the key into the BIG-IP and write its name, such as /Common/models.key"
        )
    return value


def _reachable_path(value: str) -> str:
    """Refuse paths that no accepted request has: the gateway refuses a path that normalization would change."""
    if value.endswith("*") and not value.endswith("/*"):
        raise ValueError(f"{value} ends in * within a segment; end a prefix in /*, such as /v1/*")
    if any(segment in ("", ".", "..") for segment in value.split("/")[1:-1]) or value.endswith(("/.", "/..")):
        raise ValueError(f"no request has the path {value}; write it without //, /./ and /../")
    return value


Name = Annotated[
    str,
    Field(pattern=NAME_PATTERN),
    Form("a name", "2 to 41 lower-case letters, digits and _, a letter first", "public"),
]
GatewayName = Annotated[Name, AfterValidator(_reserved)]
Subject = Annotated[
    str,
    Field(pattern=SUBJECT_PATTERN),
    Form("a subject", "1 to 128 letters, digits, blanks and ._@+=,:/-", "nightly-batch"),
]
Bytes = Annotated[
    int, BeforeValidator(_size), _quantity_schema(_SIZES, "1MiB"), Form("a size", "a size", "1MiB", "bytes")
]
Seconds = Annotated[
    int, BeforeValidator(_seconds), _quantity_schema(_SECONDS, "60s"), Form("a time", "a time", "60s", "seconds")
]
Hostname = Annotated[
    str,
    Field(max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$"),
    Form("a host name", "a full host name in lower case", "models.example.com"),
]
Address = Annotated[
    IPv4Address | IPv6Address,
    AfterValidator(_virtual_address),
    Form("an IP address", "an IPv4 or IPv6 address", "10.20.0.10"),
]
Network = Annotated[
    IPvAnyNetwork, BeforeValidator(_network), Form("a network", "a network in CIDR form", "10.30.0.0/16")
]
DeviceObject = Annotated[
    str,
    Field(pattern=r"^/Common/[A-Za-z0-9_.-]{2,180}$"),
    Form("the name of an object in /Common", "the full name of an object on the BIG-IP", "/Common/models.crt"),
]
Region = Annotated[
    str,
    Field(pattern=r"^[a-z]{2}(-[a-z]{2,4})?-[a-z]+-[1-9]$"),
    Form("an AWS region", "the code of a region", "us-east-1"),
]
RoleArn = Annotated[
    str,
    Field(pattern=r"^arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$"),
    Form("the ARN of an IAM role", "a role ARN", "arn:aws:iam::123456789012:role/bigip-chat"),
]
EndpointName = Annotated[
    str,
    Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", max_length=63),
    Form("the name of a SageMaker endpoint", "1 to 63 letters, digits and inner hyphens", "churn-v7"),
]
Line = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$"),
    Form("a line of text", "1 to 64 printable ASCII characters", "SEC-1412"),
]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Model(BaseModel):
    """Base of every model: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PemFile(Model):
    """A file with certificates in PEM form."""

    file: str = Field(description="Path of a PEM file, relative to gateway.yaml")
    # Filled in by the loader: the certificates in the file.
    text: SkipJsonSchema[str] = Field(default="", exclude=True, repr=False)

    @field_validator("text", mode="before")
    @classmethod
    def _only_the_loader(cls, value: Any, info: ValidationInfo) -> Any:
        if info.mode == "json":  # files are validated as JSON; code may set the text
            raise PydanticCustomError("extra_forbidden", "Extra inputs are not permitted")
        return value


class ClientCertificate(Model):
    """How client certificates are asked for."""

    mode: Literal["request", "require"] = Field(
        default="request",
        description="request: callers without one reach the routes' own rules; require: they do not",
    )
    ca: DeviceObject | PemFile = Field(description="CA bundle that client certificates must chain to")


class Tls(Model):
    """TLS towards the callers."""

    certificate: DeviceObject | PemFile = Field(description="Server certificate: a device object or a PEM file")
    key: Annotated[DeviceObject, BeforeValidator(_device_key)] = Field(
        description="Private key: always a device object, AS3 would keep an inline key in clear"
    )
    chain: DeviceObject | PemFile | None = Field(default=None, description="Intermediate certificates")
    minimum_version: Literal["1.2", "1.3"] = Field(default="1.2", description="Lowest TLS version accepted")
    client_certificate: ClientCertificate | None = Field(
        default=None, description="Ask callers for a certificate; default: they are not asked"
    )


class Listener(Model):
    """One virtual server."""

    address: Address = Field(description="Address of the virtual server")
    port: int = Field(default=443, ge=1, le=65535, description="TCP port of the virtual server")
    hostnames: tuple[Hostname, ...] = Field(min_length=1, description="Host names served; any other is refused")
    tls: Tls = Field(description="Certificate, key and TLS version towards the callers")


class ClientCertificateIdentity(Model):
    """The caller is the subject of a verified client certificate."""

    type: Literal["client-certificate"] = Field(description="Known by a verified client certificate")
    subject: Literal["common-name"] = Field(
        default="common-name", description="Part of the certificate that names the caller"
    )


class NetworkIdentity(Model):
    """The caller is who owns the network that the connection comes from."""

    type: Literal["network"] = Field(description="Known by the address that the connection comes from")
    networks: dict[Network, Subject] = Field(min_length=1, description="Network in CIDR form -> subject")


Identity = Annotated[ClientCertificateIdentity | NetworkIdentity, Field(discriminator="type")]


class SecretsManagerSource(Model):
    """A secret that holds an STS session as JSON (AccessKeyId, SecretAccessKey, SessionToken, Expiration)."""

    type: Literal["secrets-manager"] = Field(description="Something else assumes the role and keeps a secret fresh")
    secret: Annotated[
        str, Form("the name of a secret", "the name or ARN of a Secrets Manager secret", "bigip/chat")
    ] = Field(pattern=r"^[A-Za-z0-9/_+=.@:-]{1,512}$", description="Name or ARN of the secret")
    region: Region | None = Field(
        default=None, description="Region of the secret; default: the role's first upstream region"
    )


class StsSource(Model):
    """The rotator assumes the role itself."""

    type: Literal["sts"] = Field(description="The rotator assumes the role itself")
    external_id: Annotated[
        str | None, Form("an external id", "2 to 1224 letters, digits and _+=,.@:/-", "bigip-sm")
    ] = Field(
        default=None, pattern=r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$", description="sts:ExternalId that the role asks for"
    )
    session_name: Annotated[str, Form("a session name", "2 to 64 letters, digits and _+=,.@-", "bigip-sm")] = Field(
        default="bigip-sm", pattern=r"^[A-Za-z0-9_+=,.@-]{2,64}$", description="Name of the session in CloudTrail"
    )
    duration: Seconds = Field(default=3600, ge=900, le=43200, description="Life of the session")
    region: Region | None = Field(
        default=None, description="Region of the STS endpoint; default: the role's first upstream region"
    )


Source = Annotated[SecretsManagerSource | StsSource, Field(discriminator="type")]


class Role(Model):
    """An IAM role that requests are signed with, and where the rotator gets its session from."""

    arn: RoleArn = Field(description="ARN of the role")
    source: Source = Field(description="Where the rotator gets a session of the role from")


class UpstreamRegion(Model):
    """One region of an upstream; the first one whose pool has an available member is used."""

    name: Region = Field(description="AWS region of the endpoint; requests are signed for it")
    vpc_endpoint: Hostname | None = Field(
        default=None, description="DNS name of the interface VPC endpoint to connect to"
    )
    private_dns: bool = Field(default=False, description="The public runtime name resolves to the VPC endpoint")


class Upstream(Model):
    """One SageMaker endpoint."""

    kind: Literal["sagemaker", "sagemaker-openai"] = Field(
        description="sagemaker: SigV4, invocations; sagemaker-openai: bearer token, /openai/v1/chat/completions"
    )
    endpoint: EndpointName = Field(description="Name of the SageMaker endpoint, exactly as in AWS")
    role: Name = Field(description="Role, by its name under roles, that requests are signed with")
    regions: tuple[UpstreamRegion, ...] = Field(
        min_length=1, description="Regions in order of preference; the first available one is used"
    )
    timeout: Seconds = Field(default=70, ge=1, le=3600, description="How long a silent upstream connection is kept")


class Match(Model):
    """Which requests a route takes."""

    path: Annotated[
        str,
        Field(pattern=PATH_PATTERN, max_length=512),
        AfterValidator(_reachable_path),
        Form(
            "a path", "a path of letters, digits and ._~:@/-, with /* at its end for a prefix", "/v1/chat/completions"
        ),
    ] = Field(description="Exact path, or a prefix that ends in /*")
    methods: tuple[Method, ...] = Field(default=("POST",), min_length=1, description="HTTP methods")


class Approval(Model):
    """Who approved that this route exists."""

    name: Line = Field(description="Person or team that approved")
    ticket: Line = Field(description="Where the approval is recorded")
    date: Annotated[datetime.date, Form("a date", "year-month-day", "2026-10-02")] = Field(
        description="Day of the approval"
    )


class Limits(Model):
    """What one request may cost."""

    body: Bytes = Field(default=1024**2, ge=1, le=8 * 1024**2, description="Largest request body; more is answered 413")


class Route(Model):
    """Which callers reach which upstream on which path."""

    listener: Name = Field(description="Listener, by its name under listeners")
    match: Match = Field(description="Which requests the route takes")
    upstream: Name = Field(description="Upstream, by its name under upstreams")
    allow: tuple[
        Annotated[str, Field(max_length=180), Form("identity:subject", "identity:subject", "staff:alice")], ...
    ] = Field(min_length=1, description="identity:subject, or identity:* for every subject of that identity")
    approved_by: Approval = Field(description="Who approved that these callers reach this model")
    limits: Limits = Field(default_factory=Limits, description="What one request may cost")


class Spec(Model):
    """The whole of gateway.yaml."""

    version: Literal[1] = Field(description="Version of this format")
    gateway: GatewayName = Field(description="AS3 tenant; every object of the gateway lives below it")
    owner: Annotated[str, Form("an owner", '3 to 64 characters without "#&*<>?[\\]`', "ml-platform@example.com")] = (
        Field(
            min_length=3,
            max_length=64,
            pattern=r"^[^\x00-\x1f\x22#&*<>?\x5b-\x5d`\x7f]*$",
            description="Who answers for the gateway; the label of the AS3 declaration",
        )
    )
    listeners: dict[Name, Listener] = Field(min_length=1, description="Virtual servers that callers connect to")
    identities: dict[Name, Identity] = Field(min_length=1, description="Tried in the order in which they are written")
    roles: dict[Name, Role] = Field(min_length=1, description="IAM roles that requests are signed with")
    upstreams: dict[Name, Upstream] = Field(min_length=1, description="SageMaker endpoints")
    routes: dict[Name, Route] = Field(min_length=1, description="Who reaches which upstream on which path")
