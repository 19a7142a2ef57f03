"""What the gateway adds to a request of each kind of upstream: its latency through the gateway, and straight to AWS.

    python benchmarks/kinds.py [--requests 300]

The gateway of kinds.yaml runs in the lab, one request at a time on one kept-alive connection. What arrived at the
emulated AWS is then sent there again, byte for byte and straight, in the same run: the difference of the medians is
what the gateway adds, TLS on both sides included. Lab, AWS and client share a process here, so the figures only mean
something beside each other.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path

from bigip_sm.demo.stage import Stage
from bigip_sm.lint import find_schema
from bigip_sm.render.samples import sample_of
from bigip_sm.render.targets import places_of

SPEC = Path(__file__).parent / "kinds.yaml"
WARM_UP = 20


@contextmanager
def connected(address: tuple[str, int], name: str, tls: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A TLS connection for that name."""
    with socket.create_connection(address, 10) as raw, tls.wrap_socket(raw, server_hostname=name) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def median(connection: ssl.SSLSocket, message: bytes, requests: int) -> float:
    """Median of the seconds until the whole answer is there. Raises RuntimeError if one is an error."""
    spent = []
    for number in range(WARM_UP + requests):
        begin = time.perf_counter()
        connection.sendall(message)
        answer = HTTPResponse(connection)
        answer.begin()
        body = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{answer.status} {answer.getheader('X-Gateway-Reason', '')}: {body!r}")
        if number >= WARM_UP:
            spent.append(time.perf_counter() - begin)
    return statistics.median(spent)


def message(method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A request as bytes."""
    lines = [b"%s %s HTTP/1.1" % (method.encode(), target), *(b"%s: %s" % field for field in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Bench:
    """The gateway in the lab."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._lab, self._spec = stage, stage.lab, stage.spec
        self._client = ssl.create_default_context(cafile=str(self._lab.ca_file))
        files = self._lab.client("alice")
        self._client.load_cert_chain(files.certificate, files.key)
        trusted = self._lab.authorities.servers.certificate_pem + self._lab.authorities.own.certificate_pem
        self._aws = ssl.create_default_context(cadata=trusted)

    def through(self, name: str, requests: int) -> float:
        """Median through the gateway, seconds."""
        sample = sample_of(self._spec, name)
        listener = self._spec.listeners["public"]
        headers = [("Host", listener.hostnames[0]), ("Content-Type", "application/json"), *sample.headers]
        fields = [(key.encode(), value.encode()) for key, value in headers]
        fields.append((b"Content-Length", b"%d" % len(sample.body)))
        whole = message(sample.method, sample.path.encode(), fields, sample.body.encode())
        with connected(self._lab.listener("public"), listener.hostnames[0], self._client) as connection:
            return median(connection, whole, requests)

    def straight(self, name: str, requests: int) -> float:
        """Median of what arrived last, sent again without the gateway, seconds."""
        place = places_of(self._spec, [self._spec.routes[name].upstream])[0]
        seen = self._lab.own.requests[-1] if place.region == "local" else self._stage.seen()[-1]
        address = self._lab.network.resolve((*place.addresses, place.connected)[0], place.port)
        with connected(address, place.host, self._aws) as connection:
            return median(connection, message(seen.method, seen.target, list(seen.headers), seen.body), requests)


def main() -> None:
    """Print one line for each kind."""
    parser = argparse.ArgumentParser(description="What the gateway adds to a request, for each kind of upstream.")
    parser.add_argument("--requests", type=int, default=300, help="requests measured per kind (default: 300)")
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stage = Stage(SPEC, Path(folder), find_schema(), stack)
        stage.apply()
        code, report = stage.rotate()
        if code:
            raise RuntimeError(f"the rotator failed: {report}")
        for endpoint in ("llama-v3", "chat-v1", "text-v1"):
            stage.lab.chat(endpoint).pause = None
        bench = Bench(stage)
        print(
            f"{'route':<18}{'kind':<22}{'through':>10}{'straight':>10}{'added':>10}   (median ms, {requests} requests)"
        )
        for name, route in stage.spec.routes.items():
            through = bench.through(name, requests) * 1000
            straight = bench.straight(name, requests) * 1000
            kind = stage.spec.upstreams[route.upstream].kind
            print(f"{name:<18}{kind:<22}{through:>10.2f}{straight:>10.2f}{through - straight:>10.2f}")


if __name__ == "__main__":
    main()
