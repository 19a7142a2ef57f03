"""What the lab's data plane does per second and per request, by part, beside a signing proxy in Flask and botocore.

    python benchmarks/lab.py [--requests 8000]

All of them get the same signed requests for the quickstart's sign-only route from the same clients, over kept-alive TLS
connections, and send them on over TLS to the same backend, which answers at once; each has processes of its own. The
data plane runs the gateway's whole iRule (identity, routing, access, signature); the proxy only signs. Requests/s are
what the clients saw: with few cores the clients and the backend share them. CPU µs per request are the user and system
time of the data plane's or the proxy's processes, "per core" is how many requests one core's CPU time is enough for.
Parts come from a second run in which they are measured; only their shares are used.

The budget was written on a machine on which the proxy needed 1 027 CPU µs; the same budget as a ratio is printed too,
because it does not depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from load import INVOKE, Gateway, backend, clients, cpu, fire, gateway, payload, process, request
from plane import PARTS, Usage, serve

from bigip_sm.lab.network import LOOPBACK
from bigip_sm.lab.pki import Issued
from bigip_sm.lab.tmm.workers import Workers

SIZES = {"1 KB": 1024, "32 KB": 32 * 1024}
WARM_UP = 800
BUDGET = 4000
"""Requests/s of one core at 1 KB, TLS on both sides."""

REFERENCE = 1027e-6
"""CPU seconds per request of Flask + botocore where the budget was written."""

COLUMNS = (*PARTS, "crypto", "other")


@dataclass(frozen=True)
class Result:
    """One run: requests/s as the clients saw it, and CPU seconds per request."""

    rate: float
    cpu: float


@contextmanager
def workers(made: Gateway, port: int, number: int) -> Iterator[tuple[int, list[int]]]:
    """The data plane in that many processes, as ``lab up --workers`` runs it; its port and its process ids."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    network = made.network(port)

    async def begin() -> Workers:
        started = Workers(made.config, network, number=number)
        await started.start()
        await started.settled()
        return started

    running = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
    try:
        yield network.resolve(*made.listener)[1], running.process_ids
    finally:
        asyncio.run_coroutine_threadsafe(running.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run(made: Gateway, port: int, pids: list[int], size: int, requests: int) -> Result:
    """Send the requests to the data plane or the proxy on that port."""
    message = request(INVOKE[0], payload("", size))
    with process(clients, (made.ca, made.client), port, message) as (_, asking):
        fire(asking, min(WARM_UP, requests // 2))
        before = sum(cpu(pid) for pid in pids)
        done = fire(asking, requests)
        return Result(done.requests / done.seconds, (sum(cpu(pid) for pid in pids) - before) / done.requests)


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


# the proxy


def proxy(connection: Connection, server: Issued, ca: str, target: int) -> None:
    """Sign what comes with botocore and send it on, in Flask's own threaded server; sends its port first."""
    import logging

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from flask import Flask, Response
    from flask import request as asked
    from urllib3 import HTTPSConnectionPool
    from werkzeug.serving import WSGIRequestHandler, make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    signer = SigV4Auth(Credentials("AKIAIOSFODNN7EXAMPLE", "secret", "token"), "sagemaker", "us-east-1")
    host = "runtime.sagemaker.us-east-1.amazonaws.com"
    trusted = ssl.create_default_context(cadata=ca)
    pool = HTTPSConnectionPool(
        LOOPBACK, target, maxsize=16, ssl_context=trusted, server_hostname=host, assert_hostname=host
    )
    app = Flask("proxy")

    @app.route("/endpoints/<name>/invocations", methods=["POST"])
    def invoke(name: str) -> Response:
        body = asked.get_data()
        made = AWSRequest(
            method="POST",
            url=f"https://{host}/endpoints/{name}/invocations",
            data=body,
            headers={"Content-Type": asked.headers["Content-Type"]},
        )
        signer.add_auth(made)
        path = f"/endpoints/{name}/invocations"
        answer = pool.request("POST", path, body=body, headers={**dict(made.headers.items()), "Host": host})
        return Response(answer.data, answer.status, content_type=answer.headers["Content-Type"])

    class KeepAlive(WSGIRequestHandler):
        """Flask's server closes after each answer; here every body is read, so that it need not."""

        protocol_version = "HTTP/1.1"

        def send_header(self, keyword: str, value: str) -> None:
            if keyword != "Connection":
                super().send_header(keyword, value)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        pem.touch(0o600)
        pem.write_text(server.key_pem + server.chain_pem, "ascii")
        context.load_cert_chain(pem)
    made_server = make_server(LOOPBACK, 0, app, threaded=True, request_handler=KeepAlive, ssl_context=context)
    connection.send(made_server.server_port)
    made_server.serve_forever()


def main() -> None:
    """Print a line per size and contender, and the parts."""
    parser = argparse.ArgumentParser(description="Requests/s and CPU per request of the lab's data plane, by part.")
    parser.add_argument("--requests", type=int, default=8000, help="requests measured per line (default: 8000)")
    requests = parser.parse_args().requests
    made = gateway()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<21}{'body':>6}{'requests/s':>12}{'per core':>10}{'CPU µs':>8}", *(f"{name:>7}" for name in COLUMNS))
    verdicts = []
    for label, size in SIZES.items():
        with process(backend, made.backend, size) as (_, answering):
            port = answering.recv()
            shares = parts(made, port, size, requests)
            found = []
            for number in (1, 2):
                with workers(made, port, number) as (listening, pids):
                    found.append(run(made, listening, pids, size, requests))
                show(f"data plane, {number} worker{'s'[: number - 1]}", label, found[-1], shares)
            with process(proxy, made.server, made.ca, port) as (running, signing):
                assert running.pid is not None
                other = run(made, signing.recv(), [running.pid], size, requests // 4)
                show("Flask + botocore", label, other, {})
            verdicts.append(verdict(found[0], other))
    print(verdicts[0])


def show(name: str, label: str, found: Result, shares: dict[str, float]) -> None:
    """Print one line."""
    spent = (f"{shares[part] * found.cpu * 1e6:>7.0f}" for part in COLUMNS if part in shares)
    print(f"{name:<21}{label:>6}{found.rate:>12.0f}{1 / found.cpu:>10.0f}{found.cpu * 1e6:>8.0f}", *spent, flush=True)


def verdict(plane: Result, other: Result) -> str:
    """The budget, as it is written and as a ratio, and whether one worker at 1 KB keeps it."""
    asked, measured = REFERENCE * BUDGET, other.cpu / plane.cpu
    return (
        f"budget at 1 KB, one core: {BUDGET} requests/s, measured {1 / plane.cpu:.0f}:"
        f" {'kept' if 1 / plane.cpu >= BUDGET else 'MISSED'}\n"
        f"the same as a ratio: {asked:.1f} times the requests of Flask + botocore, measured {measured:.1f}:"
        f" {'kept' if measured >= asked else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
