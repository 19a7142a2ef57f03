"""A data plane in a process of its own that can say where its CPU time went.

Parts are measured by the CPU clock of the data plane's thread, each without what it calls of another part. Measuring
costs time itself, so a run is measured either as a whole or by part, and only the shares of the latter are used.
Stages of the gateway's iRule are told apart by a ``log`` that is put behind each of its ``set bsm_stage``.
"""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

from load import Gateway

from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Rule
from bigip_sm.lab.tmm import framing
from bigip_sm.lab.tmm.dataplane import DataPlane
from bigip_sm.lab.tmm.messages import RequestHead, ResponseHead
from bigip_sm.lab.tmm.parsing import RequestReader, ResponseReader
from bigip_sm.lab.tmm.session import Command
from bigip_sm.lab.tmm.tls import ClientSide, ServerSide
from bigip_sm.lab.tmm.tmm import Tmm, World

CRYPTO = ("CRYPTO::", "X509::", "AES::", "sha", "md5")
PARTS: dict[str, list[tuple[Any, str]]] = {
    "TLS": [(kind, name) for kind in (ClientSide, ServerSide) for name in ("handshake", "receive", "send", "outgoing")],
    "HTTP": [
        *[(kind, "feed") for kind in (RequestReader, ResponseReader)],
        *[(kind, "encode") for kind in (RequestHead, ResponseHead)],
        *[(framing, name) for name in ("frame_request", "keep_alive_upstream", "render_answer")],
        *[(framing.ResponseFraming, "apply")],
    ],
    "Tcl": [(Tmm, "_enter")],
}


@dataclass
class Usage:
    """CPU seconds since the start of a measurement: ``total`` of the process, ``spent`` by part or command."""

    total: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)


class Meter:
    """Sums up CPU time by name; the innermost name gets it."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._names = ["other"]
        self._since = time.thread_time_ns()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, measured."""

        @functools.wraps(function)
        def measured(*arguments: Any, **keywords: Any) -> Any:
            now = time.thread_time_ns()
            self.spent[self._names[-1]] += now - self._since
            self._since = now
            self._names.append(name)
            try:
                return function(*arguments, **keywords)
            finally:
                now = time.thread_time_ns()
                self.spent[self._names.pop()] += now - self._since
                self.calls[name] += 1
                self._since = now

        return measured


class Stages:
    """Sums up the CPU time of Tcl by stage of the gateway's iRule, or by event where it has no stages."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._stage = ""
        self._since = 0

    def switch(self, stage: str) -> None:
        """What follows belongs to that stage."""
        now = time.thread_time_ns()
        if self._stage:
            self._meter.spent[self._stage] += now - self._since
            self._meter.calls[self._stage] += 1
        self._stage = stage
        self._since = now

    def events(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """``Tmm.run``, measured by event until a stage begins."""

        @functools.wraps(run)
        def measured(tmm: Tmm, session: Any, coroutine: str, event: str) -> Any:
            self.switch(event)
            try:
                return run(tmm, session, coroutine, event)
            finally:
                self.switch("")

        return measured

    def log(self, name: str, command: Command) -> Command:
        """``log``, whose messages about stages say which one begins; other commands as they are."""
        if name != "log":
            return command

        def log(facility: str, message: str) -> Any:
            if not message.startswith(_STAGE):
                return command(facility, message)
            self.switch(message.removeprefix(_STAGE))
            return b""

        return log


_STAGE = "benchmark: stage "


def marked(config: Config) -> Config:
    """The configuration with a ``log`` behind each beginning of a stage."""
    for rule in config.all(Rule):
        text = re.sub(r"set bsm_stage (\w+)", rf'set bsm_stage \1; log local0.debug "{_STAGE}\1"', rule.text)
        config.commit(put=(replace(rule, text=text),))
    return config


def own_cost() -> float:
    """Seconds that measuring a call adds to the name measured."""
    meter = Meter()
    nothing = meter.wrap("nothing", lambda: None)
    for _ in range(20_000):
        nothing()
    return meter.spent["nothing"] / meter.calls["nothing"] / 1e9


class _Measured(DataPlane):
    """A data plane whose iRule commands are measured: all of them by name, or only those of cryptography."""

    meter: Meter
    by_command: bool
    stages: Stages | None = None

    def make_tmm(self, number: int, world: World) -> Tmm:
        tmm = super().make_tmm(number, world)
        tmm.interpreter.wrap(self._measured if self.stages is None else self.stages.log)
        return tmm

    def _measured(self, name: str, command: Command) -> Command:
        if self.by_command:
            return self.meter.wrap(name, command)
        return self.meter.wrap("crypto", command) if name.startswith(CRYPTO) else command


def serve(connection: Connection, gateway: Gateway, backend: int, measure: str) -> None:
    """Run the data plane for ever; sends its port, then answers each message with the Usage since the last one.

    ``measure`` says what is measured besides the total: "" nothing, "tcl" Tcl as a whole, "parts" every part,
    "commands" Tcl by command, "stages" Tcl by stage.
    """
    meter = Meter()
    if measure == "stages":
        _Measured.stages = Stages(meter)
        setattr(Tmm, "run", _Measured.stages.events(Tmm.run))  # noqa: B010 - mypy refuses the assignment
    for part, functions in PARTS.items():
        if measure == "parts" or (measure in ("tcl", "commands") and part == "Tcl"):
            for owner, name in functions:
                setattr(owner, name, meter.wrap(part, getattr(owner, name)))
    asyncio.run(_serve(connection, gateway, backend, meter, measure))


async def _serve(connection: Connection, gateway: Gateway, backend: int, meter: Meter, measure: str) -> None:
    network = gateway.network(backend)
    plane: DataPlane
    if measure in ("parts", "commands", "stages"):
        _Measured.meter = meter
        _Measured.by_command = measure == "commands"
        config = marked(gateway.config) if measure == "stages" else gateway.config
        plane = _Measured(config, network, tmms=2)
    else:
        plane = DataPlane(gateway.config, network, tmms=2)
    await plane.start()
    await plane.settled()
    connection.send(network.resolve(*gateway.listener)[1])
    loop = asyncio.get_running_loop()
    before = Usage()

    def report() -> None:
        nonlocal before
        connection.recv()
        now = Usage(time.process_time(), dict(meter.spent), dict(meter.calls))
        connection.send(
            Usage(
                now.total - before.total,
                {name: (spent - before.spent.get(name, 0)) / 1e9 for name, spent in now.spent.items()},
                {name: calls - before.calls.get(name, 0) for name, calls in now.calls.items()},
            )
        )
        before = now

    loop.add_reader(connection.fileno(), report)
    await asyncio.Event().wait()
