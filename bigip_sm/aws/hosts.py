"""AWS partitions, and the names of services in host names, endpoint names and signatures.

A leaf: it imports nothing of ours, so that the spec's checks and the rendering read one table. Sources: botocore's
endpoint rules (held against them by ``tests/aws/test_aws_hosts.py``) and the names of PrivateLink services.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple


class Partition(NamedTuple):
    """A partition of AWS: its regions begin with ``prefix``, its host names end in ``suffix``."""

    name: str
    prefix: str
    suffix: str


COMMERCIAL = Partition("aws", "", "amazonaws.com")
PARTITIONS = (
    Partition("aws-cn", "cn-", "amazonaws.com.cn"),
    Partition("aws-us-gov", "us-gov-", "amazonaws.com"),
    Partition("aws-eusc", "eusc-", "amazonaws.eu"),
    Partition("aws-iso", "us-iso-", "c2s.ic.gov"),
    Partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov"),
    Partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"),
    Partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov"),
)
"""Every partition but the first, ``aws``, which has all other regions."""

_SUFFIXES = "|".join(re.escape(one.suffix) for one in sorted({COMMERCIAL, *PARTITIONS}, key=lambda one: -len(one[2])))
_ENDPOINT = re.compile(
    rf"vpce-[a-z0-9-]+\.(?P<service>[a-z0-9.-]+)\.(?P<region>[a-z0-9-]+)\.vpce\.(?P<domain>{_SUFFIXES})"
)
_AWS_HOST = re.compile(rf"(.+\.)?({_SUFFIXES}|api\.aws|sagemaker\.aws|app\.aws)")


@dataclass(frozen=True)
class Service:
    """A service: its name in credential scopes (``signing``) and in host names (``label``).

    ``fips`` is the label of its FIPS hosts in the partitions aws and aws-us-gov, ``fips_elsewhere`` in the others, and
    ``fips_by_partition`` where one differs; all are empty if it has none. ``label`` is also what the DNS names of its
    interface VPC endpoints have after the endpoint's id.

    ``host`` is for services whose public name has another form; nothing is documented about the DNS names of their VPC
    endpoints. ``partitions`` are those that have the service, all if empty.
    """

    signing: str
    label: str
    fips: str = ""
    fips_elsewhere: str = ""
    fips_by_partition: dict[str, str] = field(default_factory=dict)
    host: str = ""
    partitions: tuple[str, ...] = ()


SERVICES = {
    "runtime": Service(
        "sagemaker",
        "runtime.sagemaker",
        "runtime-fips.sagemaker",
        "runtime.sagemaker-fips",
        {"aws-us-gov": "runtime.sagemaker"},
    ),
    "api": Service("sagemaker", "api.sagemaker", "api-fips.sagemaker", "api.sagemaker-fips"),
    "bedrock": Service("bedrock", "bedrock-runtime", "bedrock-runtime-fips", "bedrock-runtime-fips"),
    "lambda": Service("lambda", "lambda", "lambda-fips", "lambda-fips"),
    "execute_api": Service("execute-api", "execute-api"),
    "mlflow_tracking": Service(
        "sagemaker-mlflow",
        "experiments.sagemaker",
        host="{region}.experiments.sagemaker.aws",
        partitions=("aws", "aws-us-gov"),
    ),
    "mlflow_app": Service(
        "sagemaker",
        "mlflow.sagemaker",
        host="mlflow.sagemaker.{region}.app.aws",
        partitions=("aws", "aws-us-gov"),
    ),
}
"""Our key -> service. Those of MLflow are as in AWS's package sagemaker-mlflow 0.5.0."""


class VpcEndpoint(NamedTuple):
    """What the DNS name of an interface VPC endpoint says: the service's label, region and domain."""

    label: str
    region: str
    domain: str


def partition_of(region: str) -> str:
    """The partition of ``region``, such as ``aws``, ``aws-cn``, ``aws-us-gov`` or ``aws-iso-b``."""
    return _partition(region).name


def dns_suffix(region: str) -> str:
    """What public host names of ``region`` end in."""
    return _partition(region).suffix


def label_of(service: str, region: str, *, fips: bool = False) -> str:
    """The name of a service (a key of ``SERVICES``) in host names of ``region``; empty if it has no FIPS host."""
    found = SERVICES[service]
    if not fips:
        return found.label
    partition = partition_of(region)
    usual = found.fips if partition in ("aws", "aws-us-gov") else found.fips_elsewhere
    return found.fips_by_partition.get(partition, usual)


def public_host(service: str, region: str, *, fips: bool = False, prefix: str = "") -> str:
    """The public host name of a service in ``region``; it is what is signed and sent as Host and SNI.

    ``prefix`` is the first label where each customer has a host of his own: the id of a REST API.
    """
    if SERVICES[service].host and not fips:
        return SERVICES[service].host.format(region=region)
    host = f"{label_of(service, region, fips=fips)}.{region}.{dns_suffix(region)}"
    return f"{prefix}.{host}" if prefix else host


def runtime_host(region: str) -> str:
    """The public host name of the SageMaker runtime in ``region``, without FIPS."""
    return public_host("runtime", region)


def vpc_endpoint(host: str) -> VpcEndpoint | None:
    """Read ``vpce-<id>-<suffix>[-<zone>].<label>.<region>.vpce.<domain>``; None if ``host`` is no such name.

    Source: AWS PrivateLink guide, "Access an AWS service using an interface VPC endpoint".
    """
    match = _ENDPOINT.fullmatch(host)
    return VpcEndpoint(match["service"], match["region"], match["domain"]) if match else None


def is_aws_host(host: str) -> bool:
    """Whether a host name is AWS's own."""
    return _AWS_HOST.fullmatch(host) is not None


def _partition(region: str) -> Partition:
    return next((one for one in PARTITIONS if region.startswith(one.prefix)), COMMERCIAL)
