"""The gateway of declarations/multi-region with upstreams of one's own, and outages of its regions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway_kit import ROOT, Gateway

from bigip_sm.lab.aws.outages import Kind
from bigip_sm.lab.aws.runtime import SeenRequest

SPEC = ROOT / "declarations" / "multi-region" / "gateway.yaml"
FIRST, SECOND = "us-east-1", "us-west-2"
_POOLS = [
    f"/worldwide/gateway/pool_{name}_{region}"
    for name in ("churn", "llama", "llama_next")
    for region in ("us_east_1", "us_west_2")
]


def spec_with(directory: Path, upstreams: Mapping[str, str]) -> Path:
    """The example, without its circuits, and for each of ``upstreams`` a route ``/name``; values are further keys."""
    text = SPEC.read_text("utf-8").replace("    circuit: {}\n", "")
    text = text.replace("    endpoint: churn-v7\n", "    endpoint: churn-v7\n    failover: {budget: 100%}\n")
    more = "".join(_upstream(name, keys) for name, keys in upstreams.items())
    text = text.replace("  llama:\n", f"{more}  llama:\n") + "".join(map(_route, upstreams))
    path = directory / "gateway.yaml"
    path.write_text(text, "utf-8")
    return path


def _upstream(name: str, keys: str) -> str:
    regions = "[{name: us-east-1, private_dns: true}, {name: us-west-2, private_dns: true}]"
    endpoint = name.replace("_", "-")
    return f"  {name}: {{kind: sagemaker, endpoint: {endpoint}, role: models, {keys}, regions: {regions}}}\n"


def _route(name: str) -> str:
    return f"""
  {name}:
    listener: public
    match: {{path: /{name}}}
    upstream: {name}
    allow: ["staff:*"]
    approved_by: {{name: tests, ticket: T-1, date: 2026-01-01}}
"""


def states_of(gateway: Gateway) -> dict[str, dict[str, str]]:
    """Pool -> member -> how TMM finds it."""
    return {pool: gateway.lab.data_plane.member_states(pool) for pool in _POOLS}


def wait_until_healthy(gateway: Gateway) -> None:
    """Wait until both regions are up, as TMM sees them; then forget what AWS has seen."""
    wait_for(lambda: all(state == "up" for states in states_of(gateway).values() for state in states.values()))
    gateway.lab.cloud.runtime.requests.clear()


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def outage(gateway: Gateway, kind: Kind, region: str = FIRST) -> Iterator[None]:
    """Let a region fail."""
    gateway.lab.call(gateway.lab.cloud.outages.begin(region, kind))
    try:
        yield
    finally:
        gateway.lab.call(gateway.lab.cloud.outages.end(region))


def region_of(request: SeenRequest) -> str:
    """The region of a request: by the name in the handshake, which must be that in its Host."""
    host = request.values("host")[0].decode()
    assert request.sni == host
    return host.split(".")[2]
