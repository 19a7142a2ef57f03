"""What the lab's data plane does per second and per request, by part, beside a signing proxy in Flask and botocore.

    python benchmarks/lab.py [--requests 8000]

All of them get the same signed requests for the quickstart's sign-only route from the same clients, over kept-alive TLS
connections, and send them on over TLS to the same backend, which answers at once; each has processes of its own. The
data plane runs the gateway's whole iRule (identity, routing, access, signature); the proxy only signs. Requests/s are
what the clients saw: with few cores the clients and the backend share them. CPU µs per request are the user and system
time of the data plane's or the proxy's processes, "per core" is how many requests one core's CPU time is enough for.
Contenders take turns in rounds, and each line is the best round, because other work on the machine only adds to the
others. Parts come from a run of their own in which they are measured; only their shares are used. Compiled code cannot
be measured from inside, so parts are those of the data plane as it is installed by default.

The data plane is measured as it is, and compiled (docs/lab.md, "Capacity"), where there is a C compiler.

The budget was written on a machine on which the proxy needed 1 027 CPU µs; the same budget as a ratio is printed too,
because it does not depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

from compiled import compilable, compiled_first
from load import INVOKE, Gateway, backend, clients, fire, gateway, payload, pin, process, request
from plane import PARTS, Usage, serve
from reference import REFERENCE, Contender, Result, reference, run

from bigip_sm.lab.tmm.workers import Workers

SIZES = {"1 KB": 1024, "32 KB": 32 * 1024}
WARM_UP = 800
BUDGET = 4000
"""Requests/s of one core at 1 KB, TLS on both sides."""

COLUMNS = (*PARTS, "crypto", "other")
PROXY = "Flask + botocore"


@contextmanager
def workers(made: Gateway, port: int, number: int, *, compiled: bool) -> Iterator[Contender]:
    """The data plane in that many processes, as ``lab up --workers`` runs it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    network = made.network(port)

    async def begin() -> Workers:
        started = Workers(made.config, network, number=number)
        await started.start()
        await started.settled()
        return started

    with compiled_first() if compiled else nullcontext():
        running = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
    try:
        yield Contender(network.resolve(*made.listener)[1], tuple(running.process_ids))
    finally:
        asyncio.run_coroutine_threadsafe(running.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def parts(made: Gateway, port: int, size: int, requests: int) -> dict[str, float]:
    """Each part's share of the data plane's CPU time."""
    with process(serve, made, port, "parts") as (_, plane):
        message = request(INVOKE[0], payload("", size))
        with process(clients, (made.ca, made.client), plane.recv(), message) as (_, asking):
            fire(asking, WARM_UP)
            plane.send(None)
            plane.recv()
            fire(asking, requests)
            plane.send(None)
            usage: Usage = plane.recv()
    shares = {name: usage.spent.get(name, 0.0) / usage.total for name in COLUMNS if name != "other"}
    return {**shares, "other": 1 - sum(shares.values())}


def compare(made: Gateway, port: int, size: int, requests: int, forms: tuple[str, ...]) -> dict[str, Result]:
    """Every contender's best round, by the name of its line.

    Single workers are started twice: some processes are slower than others from beginning to end, whatever they run.
    """
    with ExitStack() as stack:
        contenders: list[tuple[str, Contender]] = []
        for form in forms:
            for number in (1, 1, 2):
                started = stack.enter_context(workers(made, port, number, compiled=form == "compiled"))
                contenders.append((f"{form}, {number} worker{'s'[: number - 1]}", started))
        contenders.append((PROXY, stack.enter_context(reference(size))))
        results = run(made, [contender for _, contender in contenders], size, requests)
    best: dict[str, Result] = {}
    for (name, _), result in zip(contenders, results, strict=True):
        best[name] = min(result, best.get(name, result), key=lambda one: one.cpu)
    return best


def main() -> None:
    """Print a line per size and contender, and the parts."""
    parser = argparse.ArgumentParser(description="Requests/s and CPU per request of the lab's data plane, by part.")
    parser.add_argument("--requests", type=int, default=8000, help="requests measured per line (default: 8000)")
    requests = parser.parse_args().requests
    made = gateway()
    forms = ("data plane", "compiled") if compilable() else ("data plane",)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<21}{'body':>6}{'requests/s':>12}{'per core':>10}{'CPU µs':>8}", *(f"{name:>7}" for name in COLUMNS))
    verdicts = []
    for label, size in SIZES.items():
        with process(backend, made.backend, size) as (answering, told):
            pin(answering.pid, core=-1)
            port = told.recv()
            shares = parts(made, port, size, requests)
            results = compare(made, port, size, requests, forms)
        for name, result in results.items():
            show(name, label, result, shares if name.startswith(forms[0]) else {})
        verdicts.append([verdict(form, results[f"{form}, 1 worker"], results[PROXY]) for form in forms])
    print("\n".join(verdicts[0]))


def show(name: str, label: str, found: Result, shares: dict[str, float]) -> None:
    """Print one line."""
    spent = (f"{shares[part] * found.cpu * 1e6:>7.0f}" for part in COLUMNS if part in shares)
    print(f"{name:<21}{label:>6}{found.rate:>12.0f}{1 / found.cpu:>10.0f}{found.cpu * 1e6:>8.0f}", *spent, flush=True)


def verdict(form: str, plane: Result, other: Result) -> str:
    """The budget, as it is written and as a ratio, and whether one worker at 1 KB keeps it."""
    asked, measured, rate = REFERENCE * BUDGET, other.cpu / plane.cpu, 1 / plane.cpu
    return (
        f"{form}: budget at 1 KB, one core: {BUDGET} requests/s, measured {rate:.0f}:"
        f" {'kept' if rate >= BUDGET else 'MISSED'};"
        f" as a ratio to {PROXY} {asked:.1f}, measured {measured:.1f}: {'kept' if measured >= asked else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
