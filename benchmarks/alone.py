"""The gateway's iRule without connections: one TMM gets the events of one signed request again and again.

What is left out is what surrounds an event in a data plane: sockets, TLS, HTTP, and other code in the processor's
caches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from load import Gateway

from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup, Pool, VirtualServer
from bigip_sm.lab.tcl import load
from bigip_sm.lab.tmm.messages import Headers, ResponseHead
from bigip_sm.lab.tmm.parsing import RequestReader
from bigip_sm.lab.tmm.pools import PoolState
from bigip_sm.lab.tmm.runtime import take_snapshot
from bigip_sm.lab.tmm.session import Session
from bigip_sm.lab.tmm.tmm import Tmm, World

EVENTS = ("HTTP_REQUEST", "HTTP_REQUEST_DATA", "LB_SELECTED", "HTTP_REQUEST_SEND", "HTTP_RESPONSE")
WARM_UP = 200


@dataclass(frozen=True)
class Alone:
    """A TMM with the gateway's rule, and one client's connection in it."""

    tmm: Tmm
    session: Session
    coroutine: str
    events: tuple[str, ...]
    reader: RequestReader

    def request(self, message: bytes) -> float:
        """CPU seconds that the events of one request take. Raises RuntimeError if the rule does not forward it."""
        session = self.session
        self.reader.feed(message)
        request = self.reader.requests.popleft()
        response = ResponseHead(200, b"OK", b"1.1", Headers([(b"Content-Type", b"application/json")]))
        body = b"".join(request.body)
        session.begin(request.head, keep_alive=True)
        before = time.thread_time_ns()
        for event in self.events:
            if event == "HTTP_REQUEST_DATA":
                session.payload += body
                session.collect = None
            elif event == "HTTP_RESPONSE":
                session.response = response
            self.tmm.run(session, self.coroutine, event)
        spent = time.thread_time_ns() - before
        if session.answer is not None or session.fault or not request.head.headers.count("authorization"):
            raise RuntimeError("the request was not signed")
        return spent / 1e9


def alone(made: Gateway, message: bytes, requests: int) -> Iterator[float]:
    """CPU seconds of each of that many requests, after a warm-up. Raises RuntimeError if one is not forwarded."""
    with closing(_tmm(made.config)) as tmm:
        connection = _connect(made, tmm)
        for _ in range(WARM_UP):
            connection.request(message)
        for _ in range(requests):
            yield connection.request(message)


def _tmm(config: Config) -> Tmm:
    """One TMM that has the data groups, and pools whose members are up."""
    pools = {pool.path: PoolState(pool) for pool in config.all(Pool)}
    tmm = Tmm(0, World(pools, {}, time.time, print, config=config))
    for group in config.all(DataGroup):
        tmm.groups.apply(None, group, backwards=False, over=0)
    return tmm


def _connect(made: Gateway, tmm: Tmm) -> Alone:
    """A client with a certificate."""
    config = made.config
    virtual = next(one for one in config.all(VirtualServer) if (one.address, one.port) == made.listener)
    snapshot = take_snapshot(config, virtual)
    program = tmm.compile([load(rule.path, rule.text) for rule in snapshot.rules])
    session = Session("127.0.0.1", 40000, virtual)
    certificate = x509.load_pem_x509_certificate(made.client.certificate_pem.encode())
    session.certificates = (certificate.public_bytes(Encoding.DER),)
    session.verify_result = 0
    coroutine = tmm.interpreter.open(program)
    tmm.run(session, coroutine, "CLIENTSSL_HANDSHAKE")
    events = tuple(event for event in EVENTS if event in program.events)
    return Alone(tmm, session, coroutine, events, RequestReader(snapshot.http))
