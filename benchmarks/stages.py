"""What each optional stage adds to a request: CPU time in the lab's Tcl, and table, class and crypto operations.

One gateway for each stage, whose only route uses it, against one that uses none. Each stage is measured with the same
request of 1 KB and answer of 1 KB, which no stage refuses or changes more than it must.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from load import CONNECTIONS, Gateway, gateway
from plane import Usage

SPEC = """
version: 1
gateway: stages
owner: benchmarks@example.com
listeners:
  public:
    address: 10.20.0.10
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {{ca: /Common/clients-ca.crt}}
identities:
  staff: {{type: client-certificate, groups: {{gold: [alice]}}}}
roles:
  plain: {{arn: "arn:aws:iam::123456789012:role/plain", source: {{type: secrets-manager, secret: plain}}}}
upstreams:
  model:
    kind: {kind}
    endpoint: model-v1
    role: plain
    regions: [{{name: eu-central-1, private_dns: true}}]
{upstream}
routes:
  route:
    listener: public
    match: {{path: /model}}
    upstream: model
    allow: ["staff:*", "staff:group/gold"]
    approved_by: {{name: benchmarks, ticket: B-1, date: 2026-01-01}}
{route}
"""
"""Limits are so high that none is reached."""

STAGES = {
    "requests per principal": "    limits: {requests: 100000000/day}",
    "requests per group": "    limits: {requests: 100000000/day, per: group}",
    "requests per route": "    limits: {requests: 100000000/day, per: route}",
    "tokens": "    limits: {tokens: 100000000/day}",
    "concurrency": "    limits: {concurrency: 100000}",
    "context_tokens": "    limits: {context_tokens: 100000}",
    "validation": "    validation: {}",
    "shape": "    shape: {}",
}
CHAT = {
    "max_tokens": "    limits: {max_tokens: 100000}",
    "grants": '    grants: {infer:stream: ["staff:group/gold"]}',
}
UPSTREAM = {"in_flight": "    in_flight: 100000", "circuit": "    circuit: {}"}

Measure = Callable[[Gateway, tuple[str, str], int, int, str], Usage]


def _operations(usage: Usage, requests: int) -> tuple[float, float, float]:
    """Table, class and crypto operations of a request."""
    kinds = {"table": 0, "class": 0, "CRYPTO": 0}
    for name, calls in usage.calls.items():
        kind = name.partition("::")[0]
        if kind in kinds:
            kinds[kind] += calls
    return kinds["table"] / requests, kinds["class"] / requests, kinds["CRYPTO"] / requests


def _cost(measure: Measure, requests: int, kind: str, upstream: str, route: str) -> tuple[float, ...]:
    """CPU µs and operations of a request to such a gateway."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gateway.yaml"
        file.write_text(SPEC.format(kind=kind, upstream=upstream, route=route), "utf-8")
        made = gateway(file)
    case = ("/model", '"messages": [], ')
    whole = measure(made, case, 1024, requests, "tcl")
    counted = CONNECTIONS * max(1, requests // CONNECTIONS // 8)
    calls = measure(made, case, 1024, counted, "commands")
    return whole.spent["Tcl"] / requests * 1e6, *_operations(calls, counted)


def optional_stages(measure: Measure, requests: int) -> Iterator[str]:
    """Lines of a table: what a request costs, and what each stage adds."""
    yield f"{'stage':<26}{'CPU µs':>8}{'table':>8}{'class':>8}{'crypto':>8}"
    for kind, stages in (("sagemaker", {**STAGES, **UPSTREAM}), ("sagemaker-openai", CHAT)):
        base = _cost(measure, requests, kind, "", "")
        yield f"{kind + ', none':<26}{base[0]:>8.1f}" + "".join(f"{one:>8.1f}" for one in base[1:])
        for name, text in stages.items():
            of_upstream = name in UPSTREAM
            cost = _cost(measure, requests, kind, text if of_upstream else "", "" if of_upstream else text)
            added = [after - before for after, before in zip(cost, base, strict=True)]
            yield f"  {'+ ' + name:<24}" + "".join(f"{one:>+8.1f}" for one in added)
