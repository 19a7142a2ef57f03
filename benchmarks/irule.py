"""What a gateway's iRule costs per request: CPU time in the lab's Tcl, by stage and by command.

    python benchmarks/irule.py [--requests 4000] [--stages]

With ``--stages`` what each optional stage adds, for a gateway that uses it (``stages.py``), in the place of that.

A gateway that only signs (``sign-only.yaml``) has the budget. It is measured alone (``alone.py``), also with the lab
compiled (docs/lab.md, "Capacity"), and like the quickstart's two routes in a data plane, whose other code competes for
the processor's caches. The budget was written on a faster machine, so Flask and botocore say how fast this one is
(``reference.py``).

The data plane has a process of its own, and so have a backend that answers at once and eight kept-alive clients. CPU
time is that of the data plane's thread while it is inside Tcl, iRule commands included; TLS and HTTP are not in it.
Calls and time by command, and time by stage, come from runs of their own; what measuring a command costs is taken
off, and times by stage are scaled to the whole. TMM is compiled code around the same Tcl, so only comparisons between
these figures mean something for a real BIG-IP.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path

from alone import alone
from compiled import compilable, compiled_first
from load import CHAT, INVOKE, QUICKSTART, Gateway, backend, clients, fire, gateway, payload, process, request
from plane import Usage, own_cost, serve
from reference import REFERENCE, ROUNDS, reference, run
from stages import optional_stages

SIGN_ONLY = Path(__file__).parent / "sign-only.yaml"
CASES = {
    "sign-only gateway": (SIGN_ONLY, INVOKE),
    "quickstart, sigv4": (QUICKSTART, INVOKE),
    "quickstart, bearer": (QUICKSTART, CHAT),
}
SIZES = {"1 KB": 1024, "32 KB": 32 * 1024}
WARM_UP = 400
BUDGET = 60.0
"""CPU µs in Tcl per signed request at 1 KB."""

PROCESSES = 5
"""The iRule alone is measured in so many processes, of which the best counts."""

SHOWN = 0.05
"""Stages with fewer µs are left out."""


def measure(made: Gateway, case: tuple[str, str], size: int, requests: int, what: str) -> Usage:
    """The data plane's usage in the best of several rounds of that many requests.

    Raises RuntimeError if one is not answered 200.
    """
    path, start = case
    with process(backend, made.backend, 1024) as (_, answering):
        port = answering.recv()
        with process(serve, made, port, what) as (_, plane):
            message = request(path, payload(start, size))
            with process(clients, (made.ca, made.client), plane.recv(), message) as (_, asking):
                fire(asking, WARM_UP)
                plane.send(None)
                plane.recv()
                rounds: list[Usage] = []
                for _ in range(ROUNDS):
                    fire(asking, requests)
                    plane.send(None)
                    rounds.append(plane.recv())
                return min(rounds, key=lambda usage: usage.total)


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


def best_alone(made: Gateway, size: int, requests: int, *, compiled: bool) -> float:
    """CPU µs of a signed request's events without a data plane, in the best round of several processes.

    Some processes are slower than others from beginning to end, whatever they run.
    """
    best: list[float] = []
    for _ in range(PROCESSES):
        with compiled_first() if compiled else nullcontext(), process(rounds_alone, made, size, requests) as (_, told):
            best.append(told.recv())
    return min(best)


def rounds_alone(connection: Connection, made: Gateway, size: int, requests: int) -> None:
    """Send the best round's CPU µs per request."""
    spent = list(alone(made, request(INVOKE[0], payload("", size)), requests * ROUNDS))
    connection.send(min(sum(spent[at : at + requests]) for at in range(0, len(spent), requests)) / requests * 1e6)


def slower(made: Gateway, requests: int) -> float:
    """By how much this machine is slower than the one on which the budget was written."""
    with reference(1024) as proxy:
        return run(made, [proxy], 1024, requests)[0].cpu / REFERENCE


def verdict(spent: float, budget: float) -> str:
    """A budget, and whether it is kept."""
    return f"{budget:.0f}: {'kept' if spent <= budget else f'missed by {spent - budget:.0f}'}"


def show(name: str, made: Gateway, case: tuple[str, str], label: str, requests: int, cost: float) -> None:
    """Print what a case takes in the data plane, by stage and by command."""
    whole = measure(made, case, SIZES[label], requests, "tcl")
    by_stage = measure(made, case, SIZES[label], requests, "stages")
    by_command = measure(made, case, SIZES[label], requests, "commands")
    print(f"{name}, {label}, in a data plane: {whole.spent['Tcl'] / requests * 1e6:.1f} µs in Tcl per request")
    print(f"    by stage: {stages(whole, by_stage, requests)}")
    print(f"    {'command':<24}{'calls':>8}{'CPU µs':>10}")
    print("\n".join(table(whole, by_command, requests, cost)), flush=True)


def main() -> None:
    """Print whether the budget is kept, and a table per case and size."""
    parser = argparse.ArgumentParser(description="Cost of a gateway's iRule per request, in the lab's Tcl.")
    parser.add_argument("--requests", type=int, default=4000, help="requests measured per case (default: 4000)")
    parser.add_argument("--stages", action="store_true", help="what each optional stage adds, instead")
    options = parser.parse_args()
    requests = max(1, options.requests // ROUNDS)
    if options.stages:
        for line in optional_stages(measure, requests):
            print(line, flush=True)
        return
    made = {file: gateway(file) for file in (SIGN_ONLY, QUICKSTART)}
    factor = slower(made[QUICKSTART], options.requests)
    print(f"Flask + botocore need {factor:.2f} times the CPU time that they needed where the budget was written")
    for label, size in SIZES.items():
        for form in (False, True) if compilable() else (False,):
            spent = best_alone(made[SIGN_ONLY], size, requests, compiled=form)
            here = f"at this machine's speed {verdict(spent, BUDGET * factor)}"
            told = f" (budget {verdict(spent, BUDGET)}; {here})" if size == 1024 else ""
            what = "sign-only gateway, compiled" if form else "sign-only gateway"
            print(f"{what}, {label}, alone: {spent:.1f} µs in Tcl per request{told}", flush=True)
    cost = own_cost()
    for name, (file, case) in CASES.items():
        for label in SIZES:
            show(name, made[file], case, label, requests, cost)


if __name__ == "__main__":
    main()
