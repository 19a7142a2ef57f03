"""The SDKs that callers use, unmodified: boto3 and openai, by host name, with a client certificate."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config
from gateway_kit import HOSTNAME, Gateway

from bigip_sm.lab.aws.runtime import ACCEPTED


@pytest.fixture
def base_url(quickstart: Gateway, monkeypatch: pytest.MonkeyPatch) -> str:
    """The gateway under its real name; only the resolver is the test's."""
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host in (HOSTNAME, HOSTNAME.encode()) else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return f"https://{HOSTNAME}:{quickstart.lab.listener('public')[1]}"


@pytest.fixture
def chat(quickstart: Gateway, base_url: str) -> Iterator[openai.OpenAI]:
    tls = ssl.create_default_context(cafile=str(quickstart.lab.ca_file))
    files = quickstart.lab.client("alice")
    tls.load_cert_chain(files.certificate, files.key)
    http = openai.DefaultHttpxClient(verify=tls, trust_env=False)
    with openai.OpenAI(base_url=f"{base_url}/v1", api_key="unused", http_client=http, max_retries=0) as client:
        yield client


def runtime(quickstart: Gateway, base_url: str) -> Any:
    """A boto3 client whose own credentials mean nothing: the gateway replaces its signature."""
    files = quickstart.lab.client("alice")
    return boto3.client(
        "sagemaker-runtime",
        region_name="eu-central-1",
        endpoint_url=base_url,
        aws_access_key_id="unused",
        aws_secret_access_key="unused",
        verify=str(quickstart.lab.ca_file),
        config=Config(
            client_cert=(str(files.certificate), str(files.key)), retries={"total_max_attempts": 1}, proxies={}
        ),
    )


def test_boto3_invokes_an_endpoint(quickstart: Gateway, base_url: str) -> None:
    client = runtime(quickstart, base_url)
    try:
        answer = client.invoke_endpoint(EndpointName="churn-v7", ContentType="text/csv", Body=b"42,1,0.5")
        assert json.loads(answer["Body"].read())["received_bytes"] == 8
    finally:
        client.close()
    arrived = quickstart.seen()[-1]
    assert arrived.verdict == ACCEPTED
    assert arrived.values("content-type") == [b"text/csv"]
    assert b"unused" not in b"".join(arrived.values("authorization"))


def test_boto3_sees_a_refusal_as_an_error_of_the_service(quickstart: Gateway, base_url: str) -> None:
    client = runtime(quickstart, base_url)
    try:
        with pytest.raises(client.exceptions.ClientError) as caught:
            client.invoke_endpoint(EndpointName="another-endpoint", Body=b"{}")
    finally:
        client.close()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-gateway-reason"] == "no-route"


def test_openai_completes_a_chat(chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content == "This answer comes from the lab, one token at a time."


def test_openai_streams_token_by_token(quickstart: Gateway, chat: openai.OpenAI) -> None:
    produced = quickstart.lab.chat("llama-3-3-70b-v3").produced
    already = len(produced)
    arrived = []
    stream = chat.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hello"}], stream=True)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            arrived.append(time.time())
    times = produced[already:]
    assert len(arrived) == len(times)
    assert all(seen < made for seen, made in zip(arrived, times[1:], strict=False)), "each before the next was made"


def test_openai_sees_the_reason_of_a_refusal(quickstart: Gateway, base_url: str) -> None:
    tls = ssl.create_default_context(cafile=str(quickstart.lab.ca_file))
    http = openai.DefaultHttpxClient(verify=tls, trust_env=False)
    with (
        openai.OpenAI(base_url=f"{base_url}/v1", api_key="unused", http_client=http, max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hello"}])
    assert caught.value.code == "unauthenticated"
