"""Hosts and partitions, with botocore's endpoint rules as the oracle."""

from __future__ import annotations

import boto3
import pytest

from bigip_sm.aws.hosts import partition_of, runtime_host

REGIONS = [
    "us-east-1",
    "us-west-2",
    "eu-central-1",
    "ap-southeast-2",
    "cn-north-1",
    "cn-northwest-1",
    "us-gov-west-1",
    "us-gov-east-1",
    "eusc-de-east-1",
]


@pytest.mark.parametrize("region", REGIONS)
def test_runtime_host_and_partition_are_those_of_botocore(region: str) -> None:
    client = boto3.client("sagemaker-runtime", region, aws_access_key_id="A", aws_secret_access_key="S")
    assert client.meta.endpoint_url == f"https://{runtime_host(region)}"
    assert client.meta.partition == partition_of(region)
