"""A data plane in a process of its own that can say where its CPU time went.

Parts are measured by the CPU clock of the data plane's thread, each without what it calls of another part. Measuring
costs time itself, so a run is measured either as a whole or by part, and only the shares of the latter are used.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from load import Gateway

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

    def make_tmm(self, number: int, world: World) -> Tmm:
        tmm = super().make_tmm(number, world)
        tmm.interpreter.wrap(self._measured)
        return tmm

    def _measured(self, name: str, command: Command) -> Command:
        if self.by_command:
            return self.meter.wrap(name, command)
        return self.meter.wrap("crypto", command) if name.startswith(CRYPTO) else command


def serve(connection: Connection, gateway: Gateway, backend: int, measure: str) -> None:
    """Run the data plane for ever; sends its port, then answers each message with the Usage since the last one.

    ``measure`` says what is measured besides the total: "" nothing, "tcl" Tcl as a whole, "parts" every part,
    "commands" Tcl by command.
    """
    meter = Meter()
    for part, functions in PARTS.items():
        if measure == "parts" or (measure and part == "Tcl"):
            for owner, name in functions:
                setattr(owner, name, meter.wrap(part, getattr(owner, name)))
    asyncio.run(_serve(connection, gateway, backend, meter, measure))


async def _serve(connection: Connection, gateway: Gateway, backend: int, meter: Meter, measure: str) -> None:
    network = gateway.network(backend)
    plane: DataPlane
    if measure in ("parts", "commands"):
        _Measured.meter = meter
        _Measured.by_command = measure == "commands"
        plane = _Measured(gateway.config, network, tmms=2)
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
