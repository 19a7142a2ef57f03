"""Two rotators on one gateway for a simulated day, one of them killed and started again at random.

    python benchmarks/two_rotators.py [--hours 24] [--devices 3] [--kills 40] [--seed 1]

They share nothing but the devices, which are dictionaries here; clocks are simulated and a little apart. Sources give a
session of an hour each time. At every step, every record on every device must be good, and none older than the one
before. What is printed is how often devices were written: a session is replaced after 40 minutes, so 36 writes a day
are the least. Each start of a rotator may add one. The bound is that, and three tenths more.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.device import DataGroup, Record
from bigip_sm.errors import ObjectNotFound
from bigip_sm.spec import load
from bigip_sm.spec.names import credential_group
from rotator.engine import Engine
from rotator.fleet import Unit
from rotator.generations import inspect
from rotator.store import Store
from rotator.targets import Target

SPEC = load(Path(__file__).parent.parent / "declarations" / "quickstart" / "gateway.yaml")
BEGIN = 1_795_219_200.0 - 6 * 3600  # 2026-11-20T18:00:00Z: midnight is not the beginning
STEP = 5.0
LIFE = 3600.0
APART = 7.0
"""Seconds by which the clocks of the two rotators differ."""


class Simulation:
    """The time, what AWS has issued, and what is on the devices."""

    def __init__(self, devices: int) -> None:
        self.now = BEGIN
        self.sessions = 0
        self.writes: Counter[tuple[str, str]] = Counter()
        self.newest: dict[tuple[str, str], int] = {}
        self.groups: dict[str, dict[str, DataGroup]] = {f"bigip-{number}": {} for number in range(devices)}


class MemoryDevice:
    """As much of a device as a rotation needs."""

    deadline: float | None = None

    def __init__(self, name: str, simulation: Simulation) -> None:
        self.name = name
        self._simulation = simulation
        self._groups = simulation.groups[name]

    def data_group(self, path: str) -> DataGroup:
        """Read a data group."""
        if path not in self._groups:
            raise ObjectNotFound(self.name, path)
        return self._groups[path]

    def create_data_group(self, group: DataGroup) -> None:
        """Make a data group."""
        self.replace_records(group.path, group.records)

    def replace_records(self, path: str, records: Sequence[Record]) -> None:
        """Replace all records."""
        self._groups[path] = DataGroup(path, "string", tuple(records))
        self._simulation.writes[self.name, path] += 1

    def close(self) -> None:
        """Nothing is open."""


class SimulatedSts:
    """A source with a new session each time."""

    polled = False

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def fetch(self) -> SessionCredentials:
        """A session of an hour, its times in whole seconds as STS tells them."""
        self._simulation.sessions += 1
        issued = float(int(self._simulation.now))
        number = self._simulation.sessions
        return SessionCredentials(f"ASIA{number:016d}", f"secret{number}", f"token{number}", issued + LIFE, issued)


class Forgetful(Store):
    """Keeps nothing on disk."""

    def journal(self, event: str, now: float, **details: Any) -> None:
        """Forget it."""

    def save_state(self, state: object) -> None:
        """Forget it."""


class Inline:
    """Runs each job at once."""

    def submit(self, job: Callable[[], None]) -> None:
        """Run it."""
        job()


def start(simulation: Simulation, name: str, apart: float, folder: Path) -> Engine:
    """A rotator that has just been started."""
    units = [
        Unit(device, [Target(device, lambda ends, device=device: MemoryDevice(device, simulation))])  # type: ignore
        for device in simulation.groups
    ]
    return Engine(
        SPEC,
        units,
        Forgetful(folder, SPEC.gateway),
        rotator=name,
        clock=lambda: simulation.now + apart,
        ticks=lambda: simulation.now - BEGIN,
        runner=Inline(),
        source_runner=Inline(),
        source=lambda spec, role: SimulatedSts(simulation),
    )


def check(simulation: Simulation) -> None:
    """Raises RuntimeError unless every device holds good records of every role, none older than it held before."""
    for device, groups in simulation.groups.items():
        for role in SPEC.roles:
            seen = inspect(groups.get(credential_group(SPEC.gateway, role)), simulation.now)
            if seen.action != "fresh" or seen.present is None:
                raise RuntimeError(f"{time.ctime(simulation.now)}: {role} on {device}: {seen.why}")
            held = simulation.newest.get((device, role), 0)
            if seen.present.generation < held:
                raise RuntimeError(f"{time.ctime(simulation.now)}: {role} on {device}: went back to an older session")
            simulation.newest[device, role] = seen.present.generation


def day(hours: float, devices: int, kills: int, seed: int) -> tuple[Simulation, int]:
    """Simulate. Returns the simulation and how often the second rotator was killed."""
    logging.disable()
    generator = random.Random(seed)  # noqa: S311 (not cryptography)
    random.seed(seed)
    simulation, killed = Simulation(devices), 0
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        first, second = start(simulation, "first", 0.0, where), start(simulation, "second", APART, where)
        chance = kills * STEP / (hours * 3600)
        down = 0.0
        while simulation.now < BEGIN + hours * 3600:
            first.tick()
            if down <= 0:
                second.tick()
                if generator.random() < chance:
                    # A SIGKILL leaves nothing behind; it is started again within ten minutes.
                    killed, down = killed + 1, generator.uniform(0, 600)
                    second = start(simulation, "second", APART, where)
            check(simulation)
            simulation.now += STEP
            down -= STEP
    return simulation, killed


def main() -> int:
    """Print how often each device was written."""
    parser = argparse.ArgumentParser(description="Two rotators for a simulated day.")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--devices", type=int, default=3)
    parser.add_argument("--kills", type=int, default=40, help="about how often the second one is killed")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    simulation, killed = day(asked.hours, asked.devices, asked.kills, asked.seed)
    sessions = asked.hours * 3600 / (LIFE * 2 / 3)
    print(
        f"{asked.hours:g} simulated hours, two rotators, one of them killed {killed} times; "
        "at no time a bad record, or one older than before"
    )
    print(f"sessions asked for: {simulation.sessions} for {len(SPEC.roles)} roles")
    kept = True
    for (device, path), writes in sorted(simulation.writes.items()):
        bound = 1.3 * sessions + killed + 4
        kept = kept and writes <= bound
        print(f"{device} {path:<32}{writes:>5} writes   at least {sessions:.0f}, bound {bound:.0f}")
    print("bound kept" if kept else "bound MISSED")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
