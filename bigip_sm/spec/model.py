"""The typed models of gateway.yaml (design section 5).

Only shapes and single-value rules live here; rules that need two places of the file are in ``checks``.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bigip_sm.spec.audit import Audit, Tags
from bigip_sm.spec.content import ModelName, Shape, Validation
from bigip_sm.spec.forms import Form
from bigip_sm.spec.guards import Guard, Inspection
from bigip_sm.spec.identities import Identity
from bigip_sm.spec.limits import Limits
from bigip_sm.spec.names import PATH_PATTERN
from bigip_sm.spec.operations import Operation
from bigip_sm.spec.pem_file import PemFile
from bigip_sm.spec.regions import WeightedUpstream
from bigip_sm.spec.scalars import (
    Address,
    DeviceObject,
    GatewayName,
    Hostname,
    Line,
    Method,
    Model,
    Name,
    RoleArn,
    Seconds,
    device_key,
    reachable_path,
)
from bigip_sm.spec.sources import Rotation, Source
from bigip_sm.spec.upstreams import Upstream


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
    key: Annotated[DeviceObject, BeforeValidator(device_key)] = Field(
        description="Private key: always a device object, AS3 would keep an inline key in clear"
    )
    chain: DeviceObject | PemFile | None = Field(default=None, description="Intermediate certificates")
    minimum_version: Literal["1.2", "1.3"] = Field(default="1.2", description="Lowest TLS version accepted")
    client_certificate: ClientCertificate | None = Field(
        default=None, description="Ask callers for a certificate; default: they are not asked"
    )


class Hsts(Model):
    """Strict-Transport-Security: the HTTP profile adds it to answers of servers, the iRule to its own (RFC 6797)."""

    max_age: Seconds = Field(
        default=31_536_000, ge=1, le=63_072_000, description="How long a browser is to use https only; up to two years"
    )
    include_subdomains: bool = Field(default=False, description="For all names below the listener's too")
    preload: bool = Field(default=False, description="Consent to be in the lists that browsers bring along")


class Listener(Model):
    """One virtual server."""

    address: Address = Field(description="Address of the virtual server")
    port: int = Field(default=443, ge=1, le=65535, description="TCP port of the virtual server")
    hostnames: tuple[Hostname, ...] = Field(min_length=1, description="Host names served; any other is refused")
    tls: Tls = Field(description="Certificate, key and TLS version towards the callers")
    connect_timeout: Seconds | None = Field(
        default=None,
        ge=1,
        le=60,
        description="How long a server may leave the start of a TCP connection unanswered, for every upstream of the "
        "listener; default: 3.5 s",
    )
    redirect_http: bool = Field(
        default=False,
        description="Send callers of port 80 of the address to https on port 443; nothing of theirs goes further",
    )
    hsts: Hsts | None = Field(default=None, description="Tell browsers to use https only; default: nothing is told")
    waf: DeviceObject | None = Field(default=None, description="WAF policy of the BIG-IP (module asm)")
    bot_defense: DeviceObject | None = Field(default=None, description="Bot defense profile of the BIG-IP (module asm)")
    dos: DeviceObject | None = Field(default=None, description="DoS profile of the BIG-IP (module asm or afm)")
    analytics: DeviceObject | None = Field(default=None, description="Analytics profile of the BIG-IP (module avr)")


class Role(Model):
    """An IAM role that requests are signed with, and where the rotator gets its session from."""

    arn: RoleArn = Field(description="ARN of the role")
    source: Source = Field(description="Where the rotator gets a session of the role from")
    rotation: Rotation = Field(default_factory=Rotation, description="When the session is replaced")


class Match(Model):
    """Which requests a route takes."""

    path: Annotated[
        str,
        Field(pattern=PATH_PATTERN, max_length=512),
        AfterValidator(reachable_path),
        Form(
            "a path", "a path of letters, digits and ._~:@/-, with /* at its end for a prefix", "/v1/chat/completions"
        ),
    ] = Field(description="Exact path, or a prefix that ends in /*")
    methods: tuple[Method, ...] = Field(default=("POST",), min_length=1, description="HTTP methods")
    models: tuple[ModelName, ...] = Field(
        default=(),
        max_length=64,
        description="What the member model of the JSON body may be; any other request is refused. Default: not read",
    )


Principals = Annotated[
    str,
    Field(max_length=180),
    Form("identity:subject", "identity:subject", "staff:alice"),
]


class Approval(Model):
    """Who approved that this route exists."""

    name: Line = Field(description="Person or team that approved")
    ticket: Line = Field(description="Where the approval is recorded")
    date: Annotated[datetime.date, Form("a date", "year-month-day", "2026-10-02")] = Field(
        description="Day of the approval"
    )


class Route(Model):
    """Which callers reach which upstream on which path."""

    listener: Name = Field(description="Listener, by its name under listeners")
    match: Match = Field(description="Which requests the route takes")
    # Filled in from ``upstreams`` where these are given: the first of them stands for all, since they are of one kind.
    upstream: Name = Field(default="", description="Upstream, by its name under upstreams; or else upstreams")
    upstreams: tuple[WeightedUpstream, ...] = Field(
        default=(),
        max_length=8,
        description="Several versions of one model, in place of upstream; a caller always gets the same one",
    )
    version_header: tuple[Principals, ...] = Field(
        default=(),
        max_length=32,
        description="identity:subject of testers, who may choose one of upstreams with the header X-Gateway-Version",
    )
    allow: tuple[Principals, ...] = Field(
        min_length=1,
        description="Who may use it: identity:subject, identity:* for every subject of that identity, "
        "identity:group/NAME, identity:scope/NAME or identity:class/NAME",
    )
    operations: tuple[Operation, ...] = Field(
        default=(),
        description="What they may do with the model; default: all that the kind of the upstream has, but never train",
    )
    grants: dict[Operation, tuple[Principals, ...]] = Field(
        default={},
        description="Operation -> who of those in allow may do it; default: all of them",
    )
    role_by_group: dict[Principals, Name] = Field(
        default={},
        max_length=32,
        description="identity:group/NAME -> role that requests are signed with; the first that fits counts, "
        "the upstream's role if none does",
    )
    tags: Tags = Field(default={}, description="Tags in the records of its requests, on top of those of audit")
    approved_by: Approval = Field(description="Who approved that these callers reach this model")
    limits: Limits = Field(default_factory=Limits, description="What one request may cost, and how much may be asked")
    guards: tuple[Name, ...] = Field(
        default=(),
        max_length=8,
        description="Guards, by their names under guards, that inspect requests and answers, in order",
    )
    validation: Validation | None = Field(
        default=None,
        description="What a request must look like; {} for the defaults; default: its content is not read",
    )
    shape: Shape | None = Field(
        default=None,
        description="What answers may tell their caller; {} for the defaults; default: they go on as they are",
    )

    @model_validator(mode="after")
    def _first_upstream(self) -> Route:
        """Let the first of ``upstreams`` be ``upstream``; that exactly one is written is checked on the file."""
        if self.upstreams and not self.upstream:
            object.__setattr__(self, "upstream", self.upstreams[0].name)  # the model is frozen, but not made yet
        return self

    @property
    def all_upstreams(self) -> tuple[str, ...]:
        """Every upstream that a request may go to, by name."""
        return tuple(one.name for one in self.upstreams) or (self.upstream,)


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
    guards: dict[Name, Guard] = Field(default={}, max_length=32, description="Chains of inspections, for routes to use")
    inspection: Inspection = Field(default_factory=Inspection, description="What all guards share")
    audit: Audit | None = Field(default=None, description="Where the record of each request goes; default: nowhere")
    routes: dict[Name, Route] = Field(min_length=1, description="Who reaches which upstream on which path")
