"""A signing proxy in Flask and botocore: what the budgets of the data plane and the iRule are compared with.

They were written on a machine on which it needed 1 027 CPU µs for a request of 1 KB. So it is measured here as it was
there: one worker with eight threads on one core, no TLS on either side, forwarding with requests.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from load import CONNECTIONS, INVOKE, Gateway, backend, clients, cpu, fire, payload, pin, process, request

from bigip_sm.lab.network import LOOPBACK

if TYPE_CHECKING:
    from flask import Flask

REFERENCE = 1027e-6
"""CPU seconds that the proxy needs per request of 1 KB where the budgets were written."""

ROUNDS = 8
"""Requests are sent in so many rounds, of which the best counts: other work on the machine only adds to the others."""


@dataclass(frozen=True)
class Result:
    """The best round of a run: requests/s as the clients saw it, and CPU seconds per request."""

    rate: float
    cpu: float


@dataclass(frozen=True)
class Contender:
    """Something that signs: the port that it listens on, and its processes. A single one has a core of its own."""

    port: int
    pids: tuple[int, ...]
    tls: bool = True


def run(made: Gateway, contenders: Sequence[Contender], size: int, requests: int) -> list[Result]:
    """Send that many requests of ``size`` bytes to each contender, in rounds that alternate.

    What has a single process is kept on the first core, and its clients on the last one.
    """
    message = request(INVOKE[0], payload("", size))
    each = max(1, requests // ROUNDS)
    results: list[list[Result]] = [[] for _ in contenders]
    with ExitStack() as stack:
        begun = [
            stack.enter_context(
                process(clients, (made.ca, made.client) if contender.tls else None, contender.port, message)
            )
            for contender in contenders
        ]
        for contender, (client, connection) in zip(contenders, begun, strict=True):
            if len(contender.pids) == 1:
                pin(contender.pids[0])
                pin(client.pid, core=-1)
            fire(connection, each)
        for _ in range(ROUNDS):
            for contender, (_, connection), rounds in zip(contenders, begun, results, strict=True):
                before = sum(cpu(pid) for pid in contender.pids)
                done = fire(connection, each)
                spent = sum(cpu(pid) for pid in contender.pids) - before
                rounds.append(Result(done.requests / done.seconds, spent / done.requests))
    return [min(rounds, key=lambda result: result.cpu) for rounds in results]


@contextmanager
def reference(size: int) -> Iterator[Contender]:
    """The proxy, in front of a backend of its own that answers with ``size`` bytes."""
    with process(backend, None, size) as (answering, told):
        pin(answering.pid, core=-1)
        with process(proxy, told.recv()) as (running, ready):
            try:
                port, pid = ready.recv()
                yield Contender(port, (pid,), tls=False)
            finally:
                running.terminate()  # and with it its worker
                running.join(5)


def proxy(connection: Connection, target: int) -> None:
    """Serve ``signing_proxy`` with gunicorn: one worker, a thread for each connection. Sends port and worker's pid."""
    from gunicorn.app.base import BaseApplication

    listening = socket.create_server((LOOPBACK, 0))
    port = listening.getsockname()[1]

    class Gunicorn(BaseApplication):  # type: ignore[misc]  # it has no types
        """A server whose settings are here."""

        def load_config(self) -> None:
            for name, value in {
                "bind": f"fd://{listening.fileno()}",
                "worker_class": "gthread",
                "threads": CONNECTIONS,
                "keepalive": 60,
                "loglevel": "error",
                "post_worker_init": lambda _: connection.send((port, os.getpid())),
            }.items():
                self.cfg.set(name, value)

        def load(self) -> Flask:
            return signing_proxy(target)

    Gunicorn().run()


def signing_proxy(target: int) -> Flask:
    """Signs what comes with botocore and sends it on to that port."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from flask import Flask, Response
    from flask import request as asked
    from requests import Session
    from requests.adapters import HTTPAdapter

    signer = SigV4Auth(Credentials("AKIAIOSFODNN7EXAMPLE", "secret", "token"), "sagemaker", "us-east-1")
    host = "runtime.sagemaker.us-east-1.amazonaws.com"
    session = Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=2 * CONNECTIONS))
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
        url = f"http://{LOOPBACK}:{target}/endpoints/{name}/invocations"
        answer = session.post(url, data=body, headers={**dict(made.headers.items()), "Host": host}, timeout=60)
        return Response(answer.content, answer.status_code, content_type=answer.headers["Content-Type"])

    return app
