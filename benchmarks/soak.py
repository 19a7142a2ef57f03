"""Rotations as fast as they go, under a constant stream of signed requests; and a failover to a standby.

    python benchmarks/soak.py [--seconds 60] [--per-second 10] [--connections 8]

First, for ``--seconds``: so many rotations a second of every role, each with a new session, while requests flow on both
kinds of route (SigV4 and bearer) over the two TMMs of the lab. Then: two units, three rotations, and the stream moves
from the one to the other. No request may be refused, and AWS may find no signature invalid. The requests are sent by a
process of its own.
"""

from __future__ import annotations

import argparse
import http.client
import logging
import multiprocessing
import socket
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.apply import apply
from bigip_sm.bigip.as3 import As3Client
from bigip_sm.bigip.inventory import Inventory, load_inventory
from bigip_sm.lab import seed
from bigip_sm.lab.aws.runtime import ACCEPTED
from bigip_sm.lab.lab import Lab
from bigip_sm.render import render
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from rotator.engine import Engine
from rotator.fleet import units_of
from rotator.store import Store

QUICKSTART = Path(__file__).parent.parent / "declarations" / "quickstart" / "gateway.yaml"
HOSTNAME = "models.example.com"
ROUTES = {
    "/endpoints/churn-v7/invocations": b'{"instances": [[42, 1, 0.5]]}',
    "/v1/chat/completions": b'{"messages": []}',
}


@dataclass(frozen=True)
class Way:
    """How the load process reaches a gateway."""

    address: tuple[str, int]
    ca: str
    certificate: str
    key: str


def stream(way: Way, path: str, ended: threading.Event, counted: Counter[str]) -> None:
    """Send requests on one connection, one after the other; a new connection only when the old one ended."""
    context = ssl.create_default_context(cafile=way.ca)
    context.load_cert_chain(way.certificate, way.key)
    body = ROUTES[path]
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {HOSTNAME}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    head = "\r\n".join([*lines, "", ""])
    while not ended.is_set():
        with (
            socket.create_connection(way.address, timeout=15) as raw,
            context.wrap_socket(raw, server_hostname=HOSTNAME) as tls,
        ):
            while not ended.is_set():
                tls.sendall(head.encode() + body)
                answer = http.client.HTTPResponse(tls, method="POST")
                answer.begin()
                answer.read()
                reason = answer.getheader("X-Gateway-Reason") or ""
                counted[f"{answer.status} {reason}".strip()] += 1
                if answer.getheader("Connection") == "close":
                    break


def load_process(pipe: Connection) -> None:
    """Stream to where the pipe says, until it says something else; answers each message with what was counted."""
    threads: list[threading.Thread] = []
    ended, counted = threading.Event(), Counter[str]()
    while True:
        message: tuple[Way, int] | None = pipe.recv()
        ended.set()
        for thread in threads:
            thread.join(20)
        pipe.send(dict(counted))
        if message is None:
            return
        way, connections = message
        ended, counted = threading.Event(), Counter()
        threads = [
            threading.Thread(target=stream, args=(way, list(ROUTES)[number % len(ROUTES)], ended, counted), daemon=True)
            for number in range(connections)
        ]
        for thread in threads:
            thread.start()


@contextmanager
def load_generator() -> Iterator[Callable[[tuple[Way, int] | None], dict[str, int]]]:
    """A function that moves the stream and returns what was counted before."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=load_process, args=(theirs,), daemon=True)
    process.start()

    def move(message: tuple[Way, int] | None) -> dict[str, int]:
        ours.send(message)
        found: dict[str, int] = ours.recv()
        return found

    try:
        yield move
    finally:
        process.kill()


class Standby(Lab):
    """Another unit in front of the AWS of a first one."""

    def __init__(self, first: Lab, directory: Path) -> None:
        with mock.patch.object(seed.Authorities, "create", return_value=first.authorities):
            super().__init__(first.spec, directory)
        self.cloud = first.cloud
        self._first = first

    async def _start_cloud(self, stack: object) -> None:
        for (host, port), local_port in self._first.network.destinations().items():
            self.network.publish(host, port, local_port)


class Issued:
    """A source whose sessions AWS knows, a new one each time."""

    polled = False

    def __init__(self, lab: Lab, arn: str) -> None:
        self._lab, self._arn = lab, arn

    def fetch(self) -> SessionCredentials:
        """A session of an hour."""
        return self._lab.cloud.sessions.issue(self._arn, 3600)


def gateway(stack: ExitStack, spec: Spec, folder: Path, first: Lab | None = None) -> Lab:
    """A running unit with the gateway applied."""
    folder.mkdir()
    lab: Lab = stack.enter_context(Lab(spec, folder) if first is None else Standby(first, folder))
    entry = load_inventory(lab.devices_file).devices[0]
    with entry.connect("administrator") as device:
        apply(device, As3Client(device.session), spec, render(spec).declaration)
    lab.settle()
    for upstream in spec.upstreams.values():
        if first is None and upstream.kind == "sagemaker-openai":
            lab.chat(upstream.endpoint).pause = None
    return lab


def inventory(labs: Sequence[Lab]) -> Inventory:
    """All units as one inventory."""
    entries = [load_inventory(lab.devices_file).devices[0] for lab in labs]
    return Inventory(tuple(replace(entry, name=f"unit-{number}") for number, entry in enumerate(entries)))


def rotator(labs: Sequence[Lab], folder: Path) -> Engine:
    """A rotator for these units."""
    spec = labs[0].spec
    return Engine(
        spec,
        units_of(inventory(labs)),
        Store(folder, spec.gateway),
        rotator="soak",
        source=lambda spec, role: Issued(labs[0], spec.roles[role].arn),
        interval=3600,
    )


def rotate(engine: Engine) -> None:
    """One new session for every role on every unit. Raises RuntimeError if that takes more than 10 s."""
    before = {place: entry.result.generation for place, entry in engine.board.entries().items() if entry}
    engine.rotate_now()
    ends = time.monotonic() + 10
    while True:
        engine.tick()
        entries = engine.board.entries().items()
        if all(
            entry and entry.result.until and entry.result.generation != before.get(place) for place, entry in entries
        ):
            return
        if time.monotonic() > ends:
            raise RuntimeError(f"a rotation did not end: {engine.health()}")
        time.sleep(0.002)


def way(lab: Lab) -> Way:
    """How to reach a unit as a caller whom every route allows."""
    files = lab.client("alice")
    return Way(lab.listener("public"), str(lab.ca_file), str(files.certificate), str(files.key))


def verdicts(lab: Lab) -> Counter[str]:
    """What AWS said to the requests since the last call."""
    seen = lab.cloud.runtime.requests
    found = Counter(request.verdict for request in seen[: len(seen)])
    del seen[: sum(found.values())]
    return found


def soak(stack: ExitStack, folder: Path, seconds: float, per_second: float, connections: int) -> bool:
    """Many rotations under load. Returns whether nothing was refused."""
    lab = gateway(stack, load(QUICKSTART), folder / "unit")
    engine = rotator([lab], folder / "state")
    rotate(engine)
    lab.settle()
    with load_generator() as move:
        move((way(lab), connections))
        began, rotations, said = time.monotonic(), 0, Counter[str]()
        while time.monotonic() - began < seconds:
            rotate(engine)
            rotations += 1
            said += verdicts(lab)
            time.sleep(max(0.0, began + rotations / per_second - time.monotonic()))
        took = time.monotonic() - began
        counted = move(None)
    said += verdicts(lab)
    engine.stop()
    print(f"{rotations} rotations of {len(lab.spec.roles)} roles in {took:.1f} s ({rotations / took:.1f} a second)")
    rate = sum(counted.values()) / took
    print(f"answers on {connections} connections over 2 TMMs: {show(counted)} ({rate:.0f} a second)")
    print(f"verdicts of AWS: {show(said)}")
    enough = rotations / took >= 0.95 * per_second
    if not enough:
        print(f"too few rotations: {per_second:g} a second were asked for")
    return enough and set(counted) == {"200"} and set(said) == {ACCEPTED}


def failover(stack: ExitStack, folder: Path, connections: int) -> bool:
    """Three rotations on two units, then the stream moves. Returns whether nothing was refused."""
    first = gateway(stack, load(QUICKSTART), folder / "first")
    standby = gateway(stack, first.spec, folder / "standby", first)
    engine = rotator([first, standby], folder / "state-of-two")
    rotate(engine)
    first.settle()
    standby.settle()
    with load_generator() as move:
        move((way(first), connections))
        for _ in range(3):
            time.sleep(0.3)
            rotate(engine)
        before = move((way(standby), connections))
        time.sleep(1.0)
        after = move(None)
    said = verdicts(first)
    engine.stop()
    print(f"failover after 3 rotations: {show(before)} at the first unit, {show(after)} at the standby")
    print(f"verdicts of AWS: {show(said)}")
    return set(before) == set(after) == {"200"} and set(said) == {ACCEPTED}


def show(counted: Counter[str] | dict[str, int]) -> str:
    """``12 of 200, 3 of 503 credentials-expired``."""
    return ", ".join(f"{number} of {name}" for name, number in sorted(counted.items())) or "none"


def main() -> int:
    """Print what was asked and answered; exit code 1 if a request was refused."""
    parser = argparse.ArgumentParser(description="Rotations under load, and a failover.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--per-second", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=8)
    asked = parser.parse_args()
    logging.disable()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        good = soak(stack, folder, asked.seconds, asked.per_second, asked.connections)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        good = failover(stack, folder, asked.connections) and good
    print("0 refused, 0 invalid signatures" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
