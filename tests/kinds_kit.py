"""A gateway with an upstream of every kind, and stock clients that call it."""

from __future__ import annotations

import socket
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from gateway_kit import HOSTNAME, Gateway

from bigip_sm.lab.aws.runtime import ACCEPTED, SeenRequest

CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"
ENDPOINT = "vpce-0a1b2c3d4e5f60718-abcdefgh"
SPEC = f"""
version: 1
gateway: kinds
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.40
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {{ca: /Common/clients-ca.crt}}
identities:
  staff: {{type: client-certificate, subject: common-name}}
roles:
  models:
    arn: arn:aws:iam::123456789012:role/bigip-models
    source: {{type: secrets-manager, secret: bigip/models}}
  trainer:
    arn: arn:aws:iam::123456789012:role/bigip-trainer
    source: {{type: secrets-manager, secret: bigip/trainer}}
upstreams:
  churn:
    kind: sagemaker
    endpoint: churn-v7
    role: models
    variant: blue
    client_headers:
      target-model: [a.tar.gz, team/*]
      session-id: ["*"]
    regions: &runtime
      - {{name: us-east-1, vpc_endpoint: {ENDPOINT}.runtime.sagemaker.us-east-1.vpce.amazonaws.com}}
  stream:
    kind: sagemaker
    endpoint: words-v1
    operation: response-stream
    role: models
    identity_header: "off"
    regions: *runtime
  later:
    kind: sagemaker
    endpoint: churn-v7
    operation: async
    role: models
    client_headers: {{input-location: ["s3://inputs/churn/*"], invocation-timeout-seconds: ["60"]}}
    regions: *runtime
  tensor:
    kind: sagemaker-tensorflow
    endpoint: tf-v2
    role: models
    models: {{churn: [3, 4], fraud: []}}
    methods: [predict, classify]
    regions:
      - {{name: us-west-2, addresses: [10.9.0.5, 10.9.0.6]}}
  chat:
    kind: sagemaker-openai
    endpoint: llama-v3
    component: llama-ic
    role: models
    regions: *runtime
  llama:
    kind: sagemaker-openai
    endpoint: llama-70b
    role: models
    chat:
      alias: jumpstart-llama-3-3-70b
      served_model: meta/llama
      defaults: {{temperature: 0.2, max_tokens: 512}}
    regions: *runtime
  mistral:
    kind: sagemaker
    endpoint: mistral-7b
    format: openai
    role: models
    chat: {{alias: jumpstart-mistral-7b}}
    regions: *runtime
  models:
    kind: model-list
  scores:
    kind: api-gateway
    api: a1b2c3d4e5
    path: /prod/score/
    role: models
    request_headers: [x-tenant]
    regions:
      - {{name: us-east-1, vpc_endpoint: {ENDPOINT}.execute-api.us-east-1.vpce.amazonaws.com}}
  scores_by_header:
    kind: api-gateway
    api: a1b2c3d4e5
    path: /prod/score/
    address_by: header
    role: models
    regions:
      - {{name: us-east-1, vpc_endpoint: {ENDPOINT}h.execute-api.us-east-1.vpce.amazonaws.com}}
  bedrock:
    kind: bedrock
    models: ["{CLAUDE}", amazon.titan-text-lite-v1]
    operations: [invoke, converse, invoke-with-response-stream, converse-stream]
    role: models
    fips: true
    regions:
      - {{name: us-east-1, private_dns: true}}
      - {{name: us-west-2, private_dns: true}}
  training:
    kind: sagemaker-api
    operations: [CreateTrainingJob, DescribeTrainingJob]
    role: trainer
    regions:
      - {{name: us-east-1, vpc_endpoint: {ENDPOINT}.api.sagemaker.us-east-1.vpce.amazonaws.com}}
  function:
    kind: lambda
    function: score
    qualifier: live
    role: models
    regions:
      - {{name: us-east-1, vpc_endpoint: {ENDPOINT}.lambda.us-east-1.vpce.amazonaws.com}}
  event:
    kind: lambda
    function: score
    qualifier: live
    invocation: event
    role: models
    regions:
      - {{name: us-east-1, vpc_endpoint: {ENDPOINT}.lambda.us-east-1.vpce.amazonaws.com}}
  own:
    kind: http
    host: vllm.example.internal
    addresses: [10.8.0.7]
    route_domain: 2
    port: 8443
    ca: /Common/own-ca.crt
    path: /v1/
    identity_header: x-caller
    request_headers: [x-tenant]
routes:
"""


def route(name: str, path: str, upstream: str, *, methods: str = "POST", more: str = "") -> str:
    """A route that staff may use."""
    return f"""
  {name}:
    listener: public
    match: {{path: "{path}", methods: [{methods}]}}
    upstream: {upstream}
    allow: [staff:alice]
    approved_by: {{name: review, ticket: SEC-1, date: 2026-10-02}}
    limits: {{body: 256KiB}}{more}
"""


SPEC += "".join(
    route(*entry)
    for entry in (
        ("churn", "/endpoints/churn-v7/invocations", "churn"),
        ("stream", "/endpoints/words-v1/invocations-response-stream", "stream"),
        ("later", "/endpoints/churn-v7/async-invocations", "later"),
        ("chat", "/v1/chat/completions", "chat"),
        ("llama", "/llama/v1/chat/completions", "llama"),
        ("mistral", "/mistral/v1/chat/completions", "mistral"),
        ("bedrock", "/model/*", "bedrock"),
        ("function", "/2015-03-31/functions/score/invocations", "function"),
        ("event", "/events/score", "event"),
    )
)
SPEC += route("training", "/", "training", more="\n    operations: [train]")
SPEC += route("tensor", "/v1/models/*", "tensor", methods="POST, GET")
SPEC += route("scores", "/scores/*", "scores", methods="GET, POST, DELETE")
SPEC += route("by_header", "/by-header/*", "scores_by_header", methods="GET")
SPEC += route("shaped", "/shaped", "stream", more="\n    shape: {fields: [endpoint]}")
SPEC += route("models", "/openai/v1/models", "models", methods="GET").replace("staff:alice", "'staff:*'")
SPEC += route("own", "/own/*", "own", methods="GET, POST")


def base_url(gateway: Gateway) -> str:
    """The gateway under its real name; ``resolve_here`` leads there."""
    return f"https://{HOSTNAME}:{gateway.lab.listener('public')[1]}"


def resolve_here(patch: pytest.MonkeyPatch, hostname: str = HOSTNAME) -> None:
    """Let the gateway's name resolve to this machine; nothing else of a client is the test's."""
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host in (hostname, hostname.encode()) else host, *rest, **named)

    patch.setattr(socket, "getaddrinfo", resolve)


def sdk(gateway: Gateway, service: str, **settings: Any) -> Any:
    """A boto3 client of a service whose own credentials mean nothing: the gateway replaces its signature."""
    files = gateway.lab.client("alice")
    make: Any = boto3.client
    return make(
        service,
        region_name="eu-central-1",
        endpoint_url=base_url(gateway),
        aws_access_key_id="unused",
        aws_secret_access_key="unused",
        verify=str(gateway.lab.ca_file),
        config=Config(
            client_cert=(str(files.certificate), str(files.key)),
            retries={"total_max_attempts": 1},
            proxies={},
            **settings,
        ),
    )


def arrived(gateway: Gateway) -> SeenRequest:
    """The last request at AWS, which accepted it: signature, scope, host and all."""
    seen = gateway.seen()[-1]
    assert seen.verdict == ACCEPTED
    return seen


def header(seen: SeenRequest, name: str) -> str:
    """The value of a header that is there once at most."""
    values = seen.values(name)
    assert len(values) <= 1
    return values[0].decode() if values else ""


def scope(seen: SeenRequest) -> str:
    """The credential scope that a request is signed for."""
    return header(seen, "authorization").partition("Credential=")[2].partition(",")[0].partition("/")[2]


def refused(call: Any) -> tuple[int, str]:
    """Status and reason of the gateway, or else code of the service, with which boto3 raises."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    response = caught.value.response
    answer: dict[str, str] = response["ResponseMetadata"]["HTTPHeaders"]
    return response["ResponseMetadata"]["HTTPStatusCode"], answer.get("x-gateway-reason") or response["Error"]["Code"]
