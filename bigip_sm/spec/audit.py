"""What of gateway.yaml says how requests are recorded."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bigip_sm.spec.forms import Form
from bigip_sm.spec.scalars import DeviceObject, Hostname, Model

LOCAL = "255.255.255.254:6514"
"""Where the records of a gateway enter its internal virtual server: an address that is never routed."""


def _socket(value: str) -> str:
    """An IPv4 address and a port."""
    host, _, port = value.rpartition(":")
    try:
        ip_address(host)
    except ValueError:
        raise ValueError(f"{host or value} is not an address; write one and a port, such as 10.0.9.5:6514") from None
    if not 0 < int(port) < 65536:
        raise ValueError(f"{port} is not a port; write a number from 1 to 65535")
    return value


Socket = Annotated[
    str,
    Field(pattern=r"^[0-9.]{7,15}:[0-9]{1,5}$"),
    AfterValidator(_socket),
    Form("an address and a port", "an IPv4 address and a port", "10.0.9.5:6514"),
]
TagName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]{0,31}$"),
    Form("the name of a tag", "1 to 32 lower-case letters, digits and _", "cost_centre"),
]
TagValue = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9 ._@+=,:/-]{1,64}$"),
    Form("the value of a tag", "1 to 64 letters, digits, blanks and ._@+=,:/-", "ml-platform"),
]
Tags = Annotated[dict[TagName, TagValue], Field(max_length=16)]


class AuditTls(Model):
    """TLS towards the collectors; it is always on."""

    ca: DeviceObject = Field(description="CA bundle that a collector's certificate must chain to")
    server_name: Hostname = Field(description="Name that is sent to a collector, and that its certificate must have")


class Audit(Model):
    """Where the record of each request goes. Without this there are no records."""

    collectors: tuple[Socket, ...] = Field(
        min_length=1, max_length=8, description="Collectors that records are sent to over TLS, each as address:port"
    )
    tls: AuditTls = Field(description="How a collector is verified")
    local: Socket = Field(
        default=LOCAL,
        description="Address and port inside the BIG-IP at which records enter the internal virtual server; each "
        "gateway of a BIG-IP needs its own",
    )
    retention_days: int = Field(default=365, ge=1, le=36500, description="How long the sink is to keep a record")
    subject: Literal["plain", "hmac"] = Field(
        default="plain",
        description="plain: the caller's subject; hmac: its HMAC with a key that `apply` makes and keeps on the BIG-IP",
    )
    tags: Tags = Field(default={}, description="Tags in every record; a route's own come on top")
