"""A server of one's own that says by a path of its own whether it is ready; docs/upstreams.md, Cold starts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_kit import Gateway, running_gateway
from regions_spec import wait_for

HOST = "vllm.example.internal"
POOL = "/own/gateway/pool_vllm_local"
SPEC = f"""
version: 1
gateway: own
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.44
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {{ca: /Common/clients-ca.crt}}
identities:
  staff: {{type: client-certificate}}
roles:
  plain: {{arn: "arn:aws:iam::123456789012:role/plain", source: {{type: secrets-manager, secret: plain}}}}
upstreams:
  vllm:
    kind: http
    host: {HOST}
    addresses: [10.8.0.7, 10.8.0.8]
    port: 8443
    ca: /Common/own-ca.crt
    path: /v1/
    monitor: {{path: /health, interval: 1s, timeout: 2s}}
routes:
  vllm:
    listener: public
    match: {{path: "/own/*"}}
    upstream: vllm
    allow: ["staff:*"]
    approved_by: {{name: tests, ticket: T-1, date: 2026-01-01}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("readiness")
    (folder / "gateway.yaml").write_text(SPEC, "utf-8")
    with running_gateway(folder / "gateway.yaml", folder, rotated=False) as running:
        yield running


def wait_until(gateway: Gateway, state: str) -> None:
    wait_for(lambda: set(gateway.lab.data_plane.member_states(POOL).values()) == {state})


@pytest.mark.parametrize("status", [503, 404, 302])
def test_a_server_gets_requests_only_while_its_path_is_answered_2xx(gateway: Gateway, status: int) -> None:
    wait_until(gateway, "up")
    assert gateway.ask("/own/chat/completions").status == 200
    gateway.lab.own.readiness[HOST] = status
    wait_until(gateway, "down")
    before = len(gateway.lab.own.requests)
    assert gateway.ask("/own/chat/completions").verdict == "503 no-region-available"
    assert len(gateway.lab.own.requests) == before
    gateway.lab.own.readiness[HOST] = 204
    wait_until(gateway, "up")
    assert gateway.ask("/own/chat/completions").status == 200
