"""Scalar values of gateway.yaml and devices.yaml: how they are written, and the words for a wrong one."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyNetwork, WithJsonSchema

from bigip_sm.spec.forms import Form
from bigip_sm.spec.names import NAME_PATTERN, SUBJECT_PATTERN

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


def seconds(value: Any) -> Any:
    """Whole seconds from ``90``, ``90s``, ``5m`` or ``1h``. Raises ValueError for other text."""
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


def device_key(value: Any) -> Any:
    """Refuse a private key in the place of the name of one."""
    if isinstance(value, dict) or (isinstance(value, str) and "-----BEGIN" in value):
        raise ValueError(
            "a private key cannot come from outside the BIG-IP, as AS3 would keep it in clear; "
            "import the key into the BIG-IP and write its name, such as /Common/models.key"
        )
    return value


def reachable_path(value: str) -> str:
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
    int, BeforeValidator(seconds), _quantity_schema(_SECONDS, "60s"), Form("a time", "a time", "60s", "seconds")
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
    Field(pattern=r"^[a-z]{2,4}(-[a-z]{2,4})?-[a-z]+-[1-9]$"),
    Form("an AWS region", "the code of a region", "us-east-1"),
]
RoleArn = Annotated[
    str,
    Field(pattern=r"^arn:aws(-[a-z]{1,4}){0,2}:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$"),
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
