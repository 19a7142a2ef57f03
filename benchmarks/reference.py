"""A signing proxy in Flask and botocore: what the budgets of the data plane and the iRule are compared with.

They were written on a machine on which it needed 1 027 CPU µs for a request of 1 KB.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from load import INVOKE, Gateway, clients, cpu, fire, payload, process, request

from bigip_sm.lab.network import LOOPBACK
from bigip_sm.lab.pki import Issued

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
    """Something that signs: the port that it listens on, and its processes."""

    port: int
    pids: tuple[int, ...]


def run(made: Gateway, contenders: Sequence[Contender], size: int, requests: int) -> list[Result]:
    """Send that many requests of ``size`` bytes to each contender, in rounds that alternate."""
    message = request(INVOKE[0], payload("", size))
    each = max(1, requests // ROUNDS)
    results: list[list[Result]] = [[] for _ in contenders]
    with ExitStack() as stack:
        asking = [
            stack.enter_context(process(clients, (made.ca, made.client), contender.port, message))[1]
            for contender in contenders
        ]
        for connection in asking:
            fire(connection, each)
        for _ in range(ROUNDS):
            for contender, connection, rounds in zip(contenders, asking, results, strict=True):
                before = sum(cpu(pid) for pid in contender.pids)
                done = fire(connection, each)
                spent = sum(cpu(pid) for pid in contender.pids) - before
                rounds.append(Result(done.requests / done.seconds, spent / done.requests))
    return [min(rounds, key=lambda result: result.cpu) for rounds in results]


@contextmanager
def reference(made: Gateway, port: int) -> Iterator[Contender]:
    """The proxy, in front of the backend on that port. Raises RuntimeError if it does not start."""
    with process(proxy, made.server, made.ca, port) as (running, signing):
        if running.pid is None:
            raise RuntimeError("the proxy did not start")
        yield Contender(signing.recv(), (running.pid,))


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
