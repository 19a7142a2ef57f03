"""What the quickstart gateway's iRule costs per request: CPU time in the lab's Tcl, by stage and by command.

    python benchmarks/irule.py [--requests 4000] [--stages]

With ``--stages`` what each optional stage adds, for a gateway that uses it (``stages.py``), in the place of that.

The data plane has a process of its own, and so have a backend that answers at once and eight kept-alive clients. CPU
time is that of the data plane's thread while it is inside Tcl, iRule commands included; TLS and HTTP are not in it.
Calls and time by command, and time by stage, come from runs of their own; what measuring a command costs is taken
off, and times by stage are scaled to the whole. TMM is compiled code around the same Tcl, so only comparisons between
these figures mean something for a real BIG-IP.
"""

from __future__ import annotations

import argparse

from load import CHAT, INVOKE, Gateway, backend, clients, fire, gateway, payload, process, request
from plane import Usage, own_cost, serve
from stages import optional_stages

CASES = {"sign-only (sigv4)": INVOKE, "bearer": CHAT}
SIZES = {"1 KB": 1024, "32 KB": 32 * 1024}
WARM_UP = 400
BUDGET = 60.0
"""CPU µs in Tcl per signed request at 1 KB."""

SHOWN = 0.05
"""Stages with fewer µs are left out."""


def measure(made: Gateway, case: tuple[str, str], size: int, requests: int, what: str) -> Usage:
    """The data plane's usage for that many requests. Raises RuntimeError if one is not answered 200."""
    path, start = case
    with process(backend, made.backend, 1024) as (_, answering):
        port = answering.recv()
        with process(serve, made, port, what) as (_, plane):
            message = request(path, payload(start, size))
            with process(clients, (made.ca, made.client), plane.recv(), message) as (_, asking):
                fire(asking, WARM_UP)
                plane.send(None)
                plane.recv()
                fire(asking, requests)
                plane.send(None)
                usage: Usage = plane.recv()
                return usage


def table(whole: Usage, by_command: Usage, requests: int, cost: float) -> list[str]:
    """Lines with calls and µs per request of each command, the dearest first, and of the rest."""
    rows = []
    for name, calls in by_command.calls.items():
        if name != "Tcl":
            spent = max(0.0, by_command.spent[name] - calls * cost)
            rows.append((spent / requests * 1e6, calls / requests, name))
    rest = whole.spent["Tcl"] / requests * 1e6 - sum(spent for spent, _, _ in rows)
    lines = [f"    {name:<24}{calls:>8.2f}{spent:>10.1f}" for spent, calls, name in sorted(rows, reverse=True)]
    return [*lines, f"    {'Tcl itself':<24}{'':>8}{rest:>10.1f}"]


def stages(whole: Usage, by_stage: Usage, requests: int) -> str:
    """The stages and events with their µs per request, in the order in which a request meets them first."""
    scale = whole.spent["Tcl"] / sum(by_stage.spent.values()) / requests * 1e6
    spent = {name: seconds * scale for name, seconds in by_stage.spent.items()}
    return ", ".join(f"{name} {one:.1f}" for name, one in spent.items() if one >= SHOWN)


def verdict(spent: float) -> str:
    """The budget, and whether it is kept."""
    kept = "kept" if spent <= BUDGET else f"missed by {spent - BUDGET:.0f}"
    return f" (budget {BUDGET:.0f}: {kept})"


def main() -> None:
    """Print a table per case and size."""
    parser = argparse.ArgumentParser(description="Cost of the quickstart's iRule per request, in the lab's Tcl.")
    parser.add_argument("--requests", type=int, default=4000, help="requests measured per case (default: 4000)")
    parser.add_argument("--stages", action="store_true", help="what each optional stage adds, instead")
    options = parser.parse_args()
    requests = options.requests
    if options.stages:
        for line in optional_stages(measure, requests):
            print(line, flush=True)
        return
    made, cost = gateway(), own_cost()
    for name, case in CASES.items():
        for label, size in SIZES.items():
            whole = measure(made, case, size, requests, "tcl")
            by_stage = measure(made, case, size, requests, "stages")
            by_command = measure(made, case, size, requests, "commands")
            spent = whole.spent["Tcl"] / requests * 1e6
            print(f"{name}, {label}: {spent:.1f} µs in Tcl per request" + (verdict(spent) if size == 1024 else ""))
            print(f"    by stage: {stages(whole, by_stage, requests)}")
            print(f"    {'command':<24}{'calls':>8}{'CPU µs':>10}")
            print("\n".join(table(whole, by_command, requests, cost)))


if __name__ == "__main__":
    main()
