"""How long rendering and validating take, by number of routes.

    python benchmarks/render.py [--routes 10 100 1000]

Each row is one gateway with that many routes, half of them by SigV4 and half by bearer token, in two regions, with five
principals a route. The budget is 2 s for rendering and validating 1,000 routes, and linear growth. F5's AS3 schema is
used when it is there (``BIGIP_SM_AS3_SCHEMA``, or fetched), and read before the clock starts.
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

from bigip_sm.lint import find_schema, lint_declaration, lint_irule, validate_schema
from bigip_sm.render import declaration_text, render
from bigip_sm.spec.model import Spec

BUDGET = 2.0
"""Seconds for 1,000 routes."""


def gateway(routes: int) -> Spec:
    """A gateway with ``routes`` routes, each to an upstream of its own."""
    kinds = ("sagemaker", "sagemaker-openai")
    regions = [
        {"name": region, "vpc_endpoint": f"vpce-0a1b-c2d3.runtime.sagemaker.{region}.vpce.amazonaws.com"}
        for region in ("us-east-1", "us-west-2")
    ]
    document: dict[str, Any] = {
        "version": 1,
        "gateway": "benchmark",
        "owner": "owner@example.com",
        "listeners": {
            "public": {
                "address": "10.20.0.10",
                "hostnames": ["models.example.com"],
                "tls": {
                    "certificate": "/Common/models.crt",
                    "key": "/Common/models.key",
                    "client_certificate": {"ca": "/Common/clients-ca.crt"},
                },
            }
        },
        "identities": {"staff": {"type": "client-certificate"}},
        "roles": {
            "models": {
                "arn": "arn:aws:iam::123456789012:role/models",
                "source": {"type": "secrets-manager", "secret": "bigip/models"},
            }
        },
        "upstreams": {
            f"model{number}": {
                "kind": kinds[number % 2],
                "endpoint": f"model-{number}",
                "role": "models",
                "regions": regions,
            }
            for number in range(routes)
        },
        "routes": {
            f"route{number}": {
                "listener": "public",
                "match": {"path": f"/models/{number}"},
                "upstream": f"model{number}",
                "allow": [f"staff:user{(number + caller) % 50}" for caller in range(5)],
                "approved_by": {"name": "review", "ticket": "SEC-1", "date": "2026-10-02"},
            }
            for number in range(routes)
        },
    }
    return Spec.model_validate(document)


def measure(routes: int) -> dict[str, float]:
    """Seconds of each step for a gateway of ``routes`` routes."""
    schema = find_schema()
    spec = gateway(routes)
    moments = [time.perf_counter()]
    rendered = render(spec)
    declaration_text(rendered)
    moments.append(time.perf_counter())
    findings = lint_declaration(rendered.declaration)
    findings += [found for name, text in rendered.irules.items() for found in lint_irule(text, name)]
    moments.append(time.perf_counter())
    findings += validate_schema(rendered.declaration, schema) if schema else []
    moments.append(time.perf_counter())
    assert not [finding for finding in findings if finding.level == "error"], findings
    steps = [after - before for before, after in itertools.pairwise(moments)]
    return {**dict(zip(("render", "lint", "schema"), steps, strict=True)), "total": moments[-1] - moments[0]}


def main() -> None:
    """Print a row for each number of routes."""
    parser = argparse.ArgumentParser(description="Seconds to render and validate a gateway.")
    parser.add_argument("--routes", type=int, nargs="+", default=[10, 100, 1000])
    numbers = parser.parse_args().routes
    measure(1)
    print(f"{'routes':>8} {'render s':>10} {'lint s':>10} {'schema s':>10} {'total s':>10} {'ms/route':>10}")
    for number in numbers:
        took = measure(number)
        cells = " ".join(f"{seconds:10.3f}" for seconds in took.values())
        print(f"{number:8} {cells} {took['total'] / number * 1000:10.2f}")
    if find_schema() is None:
        print("without F5's schema: set BIGIP_SM_AS3_SCHEMA, or run: bigip-sm schema fetch")
    print(f"budget: {BUDGET:.0f} s for 1,000 routes")


if __name__ == "__main__":
    main()
