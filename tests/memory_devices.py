"""Devices that are dictionaries, and engines whose time a test moves: for what needs no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.device import DataGroup, Device, Record
from bigip_sm.errors import DeviceUnreachable, ObjectNotFound
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from rotator.engine import Engine
from rotator.fleet import Unit
from rotator.store import Store
from rotator.targets import Target

SPEC = load(Path(__file__).parent.parent / "declarations" / "quickstart" / "gateway.yaml")
NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z
CLASSIFIER = "/bigip_sm/quickstart.classifier"


class MemoryDevice:
    """As much of a device as a rotation needs; ``log`` has what was asked of it. ``peers`` get its changes."""

    deadline: float | None = None
    clock_skew: float | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.groups: dict[str, DataGroup] = {}
        self.log: list[str] = []
        self.dead = False
        self.before_write: Callable[[], None] = lambda: None
        self.peers: list[MemoryDevice] = []

    def _asked(self, what: str) -> None:
        self.log.append(what)
        if self.dead:
            raise DeviceUnreachable(self.name, "dead")

    def data_group(self, path: str) -> DataGroup:
        self._asked("read")
        if path not in self.groups:
            raise ObjectNotFound(self.name, path)
        return self.groups[path]

    def create_data_group(self, group: DataGroup) -> None:
        self.replace_records(group.path, group.records)

    def replace_records(self, path: str, records: Sequence[Record]) -> None:
        self.before_write()
        self._asked("write")
        for device in (self, *self.peers):
            device.groups[path] = DataGroup(path, "string", tuple(records))

    def close(self) -> None:
        self.log.append("close")

    def target(self) -> Target:
        made: Any = self
        opened: Callable[[float], Device] = lambda ends: made  # noqa: E731
        return Target(self.name, opened)


class Sessions:
    """A source whose sessions are issued by the test's clock."""

    polled = False

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.asked = 0
        self.life = 3600.0
        self.error: Exception | None = None

    def fetch(self) -> SessionCredentials:
        self.asked += 1
        if self.error is not None:
            raise self.error
        issued = self.clock()
        token = f"token{self.asked}"
        return SessionCredentials(f"ASIA{self.asked:016d}", "secret", token, issued + self.life, issued)


class Inline:
    """Runs each job at once."""

    def submit(self, job: Callable[[], None]) -> None:
        job()


class World:
    """Devices, time, and an engine of one role over them."""

    def __init__(self, folder: Path, *devices: MemoryDevice, units: Sequence[Unit] | None = None) -> None:
        self.now = NOW
        self.devices = devices
        self.source = Sessions(lambda: self.now)
        self.spec = one_role(SPEC)
        self.folder = folder
        self.engine = self.rotator("first", units)

    def rotator(self, name: str, units: Sequence[Unit] | None = None, source: Sessions | None = None) -> Engine:
        """A rotator that has just been started."""
        return Engine(
            self.spec,
            units or [Unit(device.name, [device.target()]) for device in self.devices],
            Store(self.folder / name, self.spec.gateway),
            rotator=name,
            clock=lambda: self.now,
            ticks=lambda: self.now - NOW,
            runner=Inline(),
            source_runner=Inline(),
            source=lambda spec, role: source or self.source,
        )

    def goes_on(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, with ticks."""
        ends = self.now + seconds
        while self.now < ends:
            self.now += step
            self.engine.tick()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The first rotator's journal."""
        return [event for event in self.engine.store.events() if event["event"] == kind]


def one_role(spec: Spec) -> Spec:
    """The spec with its role ``classifier`` only."""
    return spec.model_copy(update={"roles": {"classifier": spec.roles["classifier"]}})


def generation(device: MemoryDevice) -> int:
    """The generation that a device holds."""
    return int({record.name: record.data for record in device.groups[CLASSIFIER].records}["meta"].split("|")[1])
