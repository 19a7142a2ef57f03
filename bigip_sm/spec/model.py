"""The typed models of gateway.yaml (design section 5).

Only shapes and single-value rules live here; rules that need two places of the file are in ``checks``.
"""

from __future__ import annotations

import datetime
import re
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyNetwork

from bigip_sm.spec.names import NAME_PATTERN, PATH_PATTERN, SUBJECT_PATTERN

_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2}
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _quantity(value: Any, units: dict[str, int], example: str) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"(\d{1,9})([A-Za-z]+)", value) if isinstance(value, str) else None
    if match is None or match.group(2) not in units:
        raise ValueError(f"write a number with a unit ({', '.join(units)}), such as {example}")
    return int(match.group(1)) * units[match.group(2)]


def _size(value: Any) -> Any:
    return _quantity(value, _SIZES, "1MiB")


def _seconds(value: Any) -> Any:
    return _quantity(value, _SECONDS, "60s")


def _reserved(value: str) -> str:
    if value in ("common", "bigip_sm"):
        raise ValueError("this name belongs to a partition that is not the gateway's; choose another")
    return value


Name = Annotated[str, Field(pattern=NAME_PATTERN)]
GatewayName = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(_reserved)]
Subject = Annotated[str, Field(pattern=SUBJECT_PATTERN)]
Bytes = Annotated[int, BeforeValidator(_size)]
Seconds = Annotated[int, BeforeValidator(_seconds)]
Hostname = Annotated[
    str, Field(max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$")
]
DeviceObject = Annotated[str, Field(pattern=r"^/Common/[A-Za-z0-9_.-]{2,180}$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]{2,4})?-[a-z]+-[1-9]$")]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$")]
EndpointName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", max_length=63)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Model(BaseModel):
    """Base of every model: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PemFile(Model):
    """A PEM file beside gateway.yaml; ``text`` is filled in by the loader."""

    file: str = Field(description="Path of a PEM file, relative to gateway.yaml")
    text: str = Field(default="", exclude=True, repr=False, json_schema_extra={"readOnly": True})


class ClientCertificate(Model):
    """How client certificates are asked for."""

    mode: Literal["request", "require"] = Field(
        default="request", description="request: callers without one reach the routes' own rules; require: they do not"
    )
    ca: DeviceObject | PemFile = Field(description="CA bundle that client certificates must chain to")


class Tls(Model):
    """TLS towards the callers."""

    certificate: DeviceObject | PemFile = Field(description="Server certificate: a device object or a PEM file")
    key: DeviceObject = Field(description="Private key: always a device object, AS3 would keep an inline key in clear")
    chain: DeviceObject | PemFile | None = Field(default=None, description="Intermediate certificates")
    minimum_version: Literal["1.2", "1.3"] = Field(default="1.2", description="Lowest TLS version accepted")
    client_certificate: ClientCertificate | None = Field(default=None)


class Listener(Model):
    """One virtual server."""

    address: IPv4Address | IPv6Address = Field(description="Address of the virtual server")
    port: int = Field(default=443, ge=1, le=65535)
    hostnames: tuple[Hostname, ...] = Field(min_length=1, description="Host names served; any other is refused")
    tls: Tls


class ClientCertificateIdentity(Model):
    """The caller is the subject of a verified client certificate."""

    type: Literal["client-certificate"]
    subject: Literal["common-name"] = Field(default="common-name", description="Part of the certificate that names the caller")


class NetworkIdentity(Model):
    """The caller is who owns the network that the connection comes from."""

    type: Literal["network"]
    networks: dict[IPvAnyNetwork, Subject] = Field(min_length=1, description="Network in CIDR form -> subject")


Identity = Annotated[ClientCertificateIdentity | NetworkIdentity, Field(discriminator="type")]


class SecretsManagerSource(Model):
    """A secret that holds an STS session as JSON (AccessKeyId, SecretAccessKey, SessionToken, Expiration)."""

    type: Literal["secrets-manager"]
    secret: str = Field(pattern=r"^[A-Za-z0-9/_+=.@:-]{1,512}$", description="Name or ARN of the secret")
    region: Region | None = Field(default=None, description="Region of the secret; default: the role's first upstream region")


class StsSource(Model):
    """The rotator assumes the role itself."""

    type: Literal["sts"]
    external_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$")
    session_name: str = Field(default="bigip-sm", pattern=r"^[A-Za-z0-9_+=,.@-]{2,64}$")
    duration: Seconds = Field(default=3600, ge=900, le=43200, description="Life of the session")
    region: Region | None = Field(default=None, description="Region of the STS endpoint; default: the role's first upstream region")


Source = Annotated[SecretsManagerSource | StsSource, Field(discriminator="type")]


class Role(Model):
    """An IAM role that requests are signed with, and where the rotator gets its session from."""

    arn: RoleArn
    source: Source


class UpstreamRegion(Model):
    """One region of an upstream; the first one whose pool has an available member is used."""

    name: Region
    vpc_endpoint: Hostname | None = Field(default=None, description="DNS name of the interface VPC endpoint to connect to")
    private_dns: bool = Field(default=False, description="The public runtime name resolves to the VPC endpoint")


class Upstream(Model):
    """One SageMaker endpoint."""

    kind: Literal["sagemaker", "sagemaker-openai"] = Field(
        description="sagemaker: SigV4, invocations; sagemaker-openai: bearer token, /openai/v1/chat/completions"
    )
    endpoint: EndpointName = Field(description="Name of the SageMaker endpoint, exactly as in AWS")
    role: Name
    regions: tuple[UpstreamRegion, ...] = Field(min_length=1)
    timeout: Seconds = Field(default=70, ge=1, le=3600, description="How long a silent upstream connection is kept")


class Match(Model):
    """Which requests a route takes."""

    path: Annotated[str, Field(pattern=PATH_PATTERN, max_length=512)] = Field(
        description="Exact path, or a prefix that ends in /*"
    )
    methods: tuple[Method, ...] = Field(default=("POST",), min_length=1)


class Approval(Model):
    """Who approved that this route exists."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")
    ticket: str = Field(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")
    date: datetime.date


class Limits(Model):
    """What one request may cost."""

    body: Bytes = Field(default=1024**2, ge=1, le=8 * 1024**2, description="Largest request body; more is answered 413")


class Route(Model):
    """Which callers reach which upstream on which path."""

    listener: Name
    match: Match
    upstream: Name
    allow: tuple[Annotated[str, Field(max_length=180)], ...] = Field(
        min_length=1, description="identity:subject, or identity:* for every subject of that identity"
    )
    approved_by: Approval
    limits: Limits = Field(default_factory=Limits)


class Spec(Model):
    """The whole of gateway.yaml."""

    version: Literal[1]
    gateway: GatewayName = Field(description="AS3 tenant; every object of the gateway lives below it")
    owner: str = Field(min_length=3, max_length=64, pattern=r"^[^\x00-\x1f\x22#&*<>?\x5b-\x5d`\x7f]*$")
    listeners: dict[Name, Listener] = Field(min_length=1)
    identities: dict[Name, Identity] = Field(min_length=1, description="Tried in the order in which they are written")
    roles: dict[Name, Role] = Field(min_length=1)
    upstreams: dict[Name, Upstream] = Field(min_length=1)
    routes: dict[Name, Route] = Field(min_length=1)
