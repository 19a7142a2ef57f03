"""Hosts and partitions, with botocore's endpoint rules as the oracle."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config

from bigip_sm.aws.hosts import dns_suffix, is_aws_host, label_of, partition_of, public_host, runtime_host, vpc_endpoint

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
    "us-iso-east-1",
    "us-isob-east-1",
    "eu-isoe-west-1",
    "us-isof-south-1",
]
SERVICES = {"runtime": "sagemaker-runtime", "api": "sagemaker", "bedrock": "bedrock-runtime", "lambda": "lambda"}


@pytest.mark.parametrize("region", REGIONS)
def test_runtime_host_and_partition_are_those_of_botocore(region: str) -> None:
    client = boto3.client("sagemaker-runtime", region, aws_access_key_id="A", aws_secret_access_key="S")
    assert client.meta.endpoint_url == f"https://{runtime_host(region)}"
    assert client.meta.partition == partition_of(region)


@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("service", list(SERVICES))
def test_every_host_is_that_of_botocore(service: str, fips: bool) -> None:
    for region in REGIONS:
        client = boto3.session.Session(aws_access_key_id="A", aws_secret_access_key="S").client(
            SERVICES[service],  # type: ignore[call-overload]
            region,
            config=Config(use_fips_endpoint=fips),
        )
        assert client.meta.endpoint_url == f"https://{public_host(service, region, fips=fips)}", region


def test_a_rest_api_has_a_host_of_its_own() -> None:
    assert public_host("execute_api", "cn-north-1", prefix="a1") == "a1.execute-api.cn-north-1.amazonaws.com.cn"
    assert label_of("execute_api", "us-east-1", fips=True) == "", "it has no FIPS hosts"


@pytest.mark.parametrize("region", REGIONS)
def test_names_of_vpc_endpoints_are_read(region: str) -> None:
    for service in SERVICES:
        for fips in (False, True):
            label = label_of(service, region, fips=fips)
            found = vpc_endpoint(f"vpce-0a1b-c2d3-{region}a.{label}.{region}.vpce.{dns_suffix(region)}")
            assert found == (label, region, dns_suffix(region))


@pytest.mark.parametrize(
    "host", ["runtime.sagemaker.us-east-1.amazonaws.com", "vpce-1.example.com", "vpce-1.x.us-east-1.vpce.example.com"]
)
def test_other_names_are_no_vpc_endpoints(host: str) -> None:
    assert vpc_endpoint(host) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("runtime.sagemaker.us-east-1.amazonaws.com", True),
        ("runtime.sagemaker.us-east-1.api.aws", True),
        ("x.c2s.ic.gov", True),
        ("amazonaws.com.example.com", False),
        ("notamazonaws.com", False),
    ],
)
def test_hosts_of_aws_are_known(host: str, expected: bool) -> None:
    assert is_aws_host(host) is expected
