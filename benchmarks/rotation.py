"""How long one role takes onto many BIG-IPs, and what it costs.

    python benchmarks/rotation.py [--devices 300] [--latency-ms 50] [--hang 30] [--rounds 3]

The devices are emulated in a process of their own, over TLS, and answer each request after ``--latency-ms``. *Cold* is
a rotator that has just started: it connects and logs in first. *Warm* is every rotation after that. CPU is that of the
rotator's process alone. With ``--hang``, so many devices accept connections and never answer: the others must not be
slower than 1.2 times what they take without those.

Budgets (2 cores, the fleet on the same machine): warm 2 s and 4 ms CPU for each device, cold 4 s and 8 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.inventory import DeviceEntry, Inventory, Login, SecretRef
from bigip_sm.errors import SourceError
from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.device import ControlPlane
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.http import Request
from bigip_sm.lab.pki import Authority, server_context
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from rotator.engine import Engine
from rotator.fleet import units_of
from rotator.store import Store

QUICKSTART = Path(__file__).parent.parent / "declarations" / "quickstart" / "gateway.yaml"
ROLE = "classifier"
PATH = f"/bigip_sm/quickstart.{ROLE}"
PASSWORD = "rotator-password"
LIMIT = 60.0
"""Seconds after which a round has failed."""

BUDGETS = {"cold": (4.0, 8.0), "warm": (2.0, 4.0)}
"""Seconds, and CPU ms for each device."""


@dataclass
class Emulated:
    """The devices of the fleet, as its process sees them."""

    latency: float
    requests: int = 0

    def device(self, folder: Path, tls: object) -> ControlPlane:
        """One device after ``apply``."""
        config = Config()
        accounts = [Account("rotator", PASSWORD, "manager", ("bigip_sm",))]
        plane = ControlPlane(config, accounts=accounts, tls=tls, schema=None)  # type: ignore[arg-type]
        plane.folders.add_partition("bigip_sm", "")
        config.commit(put=[DataGroup(PATH, "string", ())])
        plane.faults.append(Fault(delay=self.latency, times=10**9, when=self._count))
        return plane

    def _count(self, request: Request) -> bool:
        self.requests += 1
        return True


async def serve(pipe: Connection, devices: int, latency: float, folder: Path) -> None:
    """Run the fleet until told to stop. Sends the ports; answers each number of devices to hang with a count."""
    authority = Authority.create("fleet")
    (folder / "ca.pem").write_text(authority.certificate_pem)
    tls = server_context(authority.issue("fleet", hosts=["127.0.0.1"]))
    emulated = Emulated(latency)
    planes = [emulated.device(folder, tls) for _ in range(devices)]
    pipe.send([await plane.start() for plane in planes])
    loop = asyncio.get_running_loop()
    while True:
        hang: int | None = await loop.run_in_executor(None, pipe.recv)
        if hang is None:
            break
        for number, plane in enumerate(planes):
            # Spread over the list, as trouble is.
            plane.faults[0].delay = 10**6 if hang and number % (devices // hang) == 0 else latency
        pipe.send(emulated.requests)
        emulated.requests = 0
    for plane in planes:
        await plane.stop()


def fleet_process(pipe: Connection, devices: int, latency: float, folder: str) -> None:
    """The fleet's process."""
    logging.disable()
    asyncio.run(serve(pipe, devices, latency, Path(folder)))


@dataclass
class Fleet:
    """The fleet as this process sees it."""

    pipe: Connection
    ports: list[int]
    folder: Path

    def hang(self, devices: int) -> int:
        """Have so many devices never answer; returns how many requests arrived since the last call."""
        self.pipe.send(devices)
        return int(self.pipe.recv())

    def inventory(self) -> Inventory:
        """All devices."""
        login = Login("rotator", SecretRef(file="password"), self.folder)
        entries = [
            DeviceEntry(f"bigip-{number:03d}", f"127.0.0.1:{port}", self.folder / "ca.pem", login, login)
            for number, port in enumerate(self.ports)
        ]
        return Inventory(tuple(entries))


@contextmanager
def running_fleet(devices: int, latency: float) -> Iterator[Fleet]:
    """Start the devices in a process of their own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=fleet_process, args=(theirs, devices, latency, folder), daemon=True)
        process.start()
        try:
            password = Path(folder) / "password"
            password.write_text(PASSWORD)
            password.chmod(0o600)
            yield Fleet(ours, ours.recv(), Path(folder))
            ours.send(None)
            process.join(10)
        finally:
            process.kill()


class NewSessions:
    """A source that has another session each time it is asked; other roles have none."""

    polled = False

    def __init__(self, role: str) -> None:
        self._role = role

    def fetch(self) -> SessionCredentials:
        """A session of one hour."""
        if self._role != ROLE:
            raise SourceError(f"role {self._role}: not part of this measurement")
        now = time.time()
        return SessionCredentials("ASIAIOSFODNN7EXAMPLE", "s" * 40, "IQoJb3JpZ2luX2Vj" + "t" * 1000, now + 3600, now)


def one_role(spec: Spec) -> Spec:
    """The spec with one role only."""
    return spec.model_copy(update={"roles": {ROLE: spec.roles[ROLE]}})


@dataclass(frozen=True)
class Round:
    """What one rotation took, until all good devices had it: seconds, and CPU ms and requests for each device."""

    seconds: float
    cpu_ms: float
    requests: float


def rotation(engine: Engine, fleet: Fleet, good: int, *, hang: int = 0) -> Round:
    """Rotate once, and wait until ``good`` devices hold the new session. Raises RuntimeError if they do not."""
    fleet.hang(hang)
    before = {entry.result.generation for entry in engine.board.entries().values() if entry}
    started, cpu = time.perf_counter(), time.process_time()
    engine.rotate_now()
    while True:
        engine.tick()
        entries = engine.board.entries().values()
        done = sum(
            entry is not None and entry.result.until is not None and entry.result.generation not in before
            for entry in entries
        )
        took = time.perf_counter() - started
        if done >= good:
            break
        if took > LIMIT:
            raise RuntimeError(f"after {took:.0f} s only {done} of {good} devices hold the new session")
        time.sleep(0.01)
    cpu = time.process_time() - cpu
    return Round(took, cpu * 1000 / good, fleet.hang(hang) / len(fleet.ports))


def measure(fleet: Fleet, folder: Path, rounds: int, *, hang: int = 0) -> dict[str, Round]:
    """The medians of several cold rotations, and of as many warm ones."""
    good = len(fleet.ports) - hang
    found: dict[str, list[Round]] = {"cold": [], "warm": []}
    for _ in range(rounds):
        engine = Engine(
            one_role(load(QUICKSTART)),
            units_of(fleet.inventory()),
            Store(folder, "quickstart"),
            rotator="benchmark",
            source=lambda spec, role: NewSessions(role),
            interval=3600,
        )
        for kind in found:
            found[kind].append(rotation(engine, fleet, good, hang=hang))
        fleet.hang(0)
        engine.stop(grace=1.0 if hang else 10.0)
    return {kind: sorted(each, key=lambda one: one.seconds)[len(each) // 2] for kind, each in found.items()}


def show(label: str, found: dict[str, Round], budgets: bool) -> bool:
    """Print two rows. Returns whether they are within the budgets."""
    good = True
    for kind, one in found.items():
        seconds, cpu = BUDGETS[kind]
        kept = one.seconds <= seconds and one.cpu_ms <= cpu
        good = good and (kept or not budgets)
        verdict = f"budget {seconds:g} s, {cpu:g} ms: {'kept' if kept else 'MISSED'}" if budgets else ""
        print(f"{label:<22}{kind:<6}{one.seconds:>8.2f} s{one.cpu_ms:>8.2f} ms{one.requests:>8.1f}   {verdict}")
    return good


def main() -> int:
    """Print wall time, CPU for each device and requests for each device, cold and warm."""
    parser = argparse.ArgumentParser(description="Wall time and CPU of one rotation on many emulated devices.")
    parser.add_argument("--devices", type=int, default=300)
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument(
        "--hang", type=int, default=30, help="devices of a second run that never answer (0: no such run)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rotations of each kind, of which the median is shown")
    asked = parser.parse_args()
    logging.disable()
    with running_fleet(asked.devices, asked.latency_ms / 1000) as fleet, tempfile.TemporaryDirectory() as folder:
        print(f"one role, {asked.devices} devices, {asked.latency_ms:g} ms for each request")
        print(f"{'':<22}{'':<6}{'wall':>10}{'CPU/device':>11}{'requests':>8}")
        alone = measure(fleet, Path(folder), asked.rounds)
        good = show("all answer", alone, budgets=asked.devices == 300)
        if asked.hang:
            beside = measure(fleet, Path(folder), asked.rounds, hang=asked.hang)
            show(f"{asked.hang} hang for ever", beside, budgets=False)
            for kind in BUDGETS:
                share = beside[kind].seconds / alone[kind].seconds
                good = good and share <= 1.2
                print(
                    f"{kind}: the others take {share:.2f} times as long ({'kept' if share <= 1.2 else 'MISSED'}: 1.2)"
                )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
