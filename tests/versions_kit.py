"""A gateway with two versions of a model and a model in two regions."""

from __future__ import annotations

from gateway_kit import Answer, Gateway

from bigip_sm.lab.aws.runtime import SeenRequest

HOME, AWAY = "eu-central-1", "us-east-1"
CHAT = b'{"messages": []}'

SPEC = """
version: 1
gateway: regions
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.40
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {ca: /Common/clients-ca.crt}
identities:
  staff: {type: client-certificate}
roles:
  plain: {arn: "arn:aws:iam::123456789012:role/plain", source: {type: secrets-manager, secret: plain}}
upstreams:
  spread:
    kind: sagemaker
    endpoint: spread-v1
    role: plain
    policy: weighted
    regions: [{name: eu-central-1, private_dns: true, weight: 50}, {name: us-east-1, private_dns: true, weight: 50}]
  old:
    kind: sagemaker-openai
    endpoint: model-v1
    role: plain
    regions: [{name: eu-central-1, private_dns: true}]
  new:
    kind: sagemaker-openai
    endpoint: model-v2
    role: plain
    regions: [{name: us-east-1, private_dns: true}]
routes:
  canary:
    listener: public
    match: {path: /canary}
    upstreams: [{name: old, weight: 80}, {name: new, weight: 20}]
    version_header: ["staff:tester"]
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
  spread:
    listener: public
    match: {path: /spread}
    upstream: spread
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
"""


class Versions(Gateway):
    """The gateway, and where requests went."""

    def ask_as(self, subject: str, path: str, body: bytes = CHAT, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        """One request on a connection of its own."""
        with self.client(subject) as client:
            return client.request(path, body, headers)

    def endpoint(self) -> str:
        """The endpoint that got the last request."""
        return self.seen()[-1].target.decode().split("/")[2]


def region_of(seen: SeenRequest) -> str:
    """The region in the host that a request was sent to."""
    return {name.lower(): value for name, value in seen.headers}[b"host"].decode().split(".")[2]
