"""AWS partitions, and the host names that belong to a region."""

from __future__ import annotations

_DNS_SUFFIXES = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-us-gov": "amazonaws.com",
    "aws-eusc": "amazonaws.eu",
}
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}


def partition_of(region: str) -> str:
    """The partition of ``region``: ``aws``, ``aws-cn``, ``aws-us-gov`` or ``aws-eusc``.

    The isolated partitions (``us-iso*``, ``eu-isoe-*``) have no SageMaker gateway use here and count as ``aws``.
    """
    for prefix, partition in _PARTITIONS.items():
        if region.startswith(prefix):
            return partition
    return "aws"


def runtime_host(region: str) -> str:
    """The public host name of the SageMaker runtime in ``region``; it is what is signed and sent as Host and SNI.

    Source: the endpoint rules of botocore's sagemaker-runtime model, without FIPS and dual-stack.
    """
    return f"runtime.sagemaker.{region}.{_DNS_SUFFIXES[partition_of(region)]}"
