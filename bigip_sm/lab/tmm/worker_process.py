"""One worker of the data plane: ``python -m bigip_sm.lab.tmm.worker_process``.

Gets the configuration over its standard input, serves the virtual servers on ports that it shares with the other
workers, and reports over its standard output. Ends when its input is closed, which also happens when its parent is
killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable

from bigip_sm.errors import BigipSmError
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.network import Network
from bigip_sm.lab.tmm.dataplane import DataPlane
from bigip_sm.lab.tmm.worker_messages import (
    Answer,
    Ask,
    ClockOffset,
    Commit,
    Failed,
    LogLine,
    Message,
    Route,
    Start,
    encode,
    receive,
)

STUCK = 70
"""Exit code of a worker with a rule that neither ends nor can be ended (sysexits.h: internal software error)."""

Send = Callable[[Message], None]


class _WorkerNetwork(Network):
    """The lab's network as a worker knows it: what the worker publishes is the parent's to know."""

    send: Send

    def publish(self, host: str, port: int, local_port: int) -> None:
        """Tell the parent, which tells everybody."""
        self.send(Route(host, port, local_port))

    def withdraw(self, host: str, port: int) -> None:
        """Tell the parent, which tells everybody."""
        self.send(Route(host, port, None))

    def learn(self, route: Route) -> None:
        """The parent says what is where."""
        if route.local_port is None:
            super().withdraw(route.host, route.port)
        else:
            super().publish(route.host, route.port, route.local_port)


class _Worker:
    """One data plane that does what the parent says."""

    def __init__(self, start: Start, send: Send) -> None:
        self._send = send
        self._ports = start.ports
        self._offset = start.clock_offset
        self._config = Config()
        self._network = _WorkerNetwork(dict(start.destinations))
        self._network.send = send
        self._asked: set[asyncio.Task[None]] = set()
        self._config.commit(put=start.objects)
        self._plane = DataPlane(
            self._config,
            self._network,
            tmms=start.tmms,
            log=lambda line: send(LogLine(line)),
            data_group_delay=start.data_group_delay,
            first_tmm=start.first_tmm,
            rule_limit=start.rule_limit,
            port_of=lambda address, port: self._ports[address, port],
        )
        self._plane.stuck = lambda tmm: os._exit(STUCK)
        self._plane.clock = lambda: time.time() + self._offset

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Serve until the parent has gone."""
        await self._plane.start()
        self._send(Answer(0))
        while (message := await receive(reader)) is not None:
            self._obey(message)
        await self._plane.stop()

    def _obey(self, message: Message) -> None:
        match message:
            case Commit(put, delete, ports):
                self._ports = ports
                self._config.commit(put=put, delete=delete)
            case Route():
                self._network.learn(message)
            case ClockOffset(seconds):
                self._offset = seconds
            case Ask():
                task = asyncio.get_running_loop().create_task(self._answer(message))
                self._asked.add(task)
                task.add_done_callback(self._asked.discard)
            case _:
                raise TypeError(f"a worker takes no {type(message).__name__}")

    async def _answer(self, question: Ask) -> None:
        await self._plane.settled()
        self._send(Answer(question.number, self._plane.member_states(question.pool)))


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    output, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout.buffer)

    def send(message: Message) -> None:
        output.write(encode(message))

    try:
        start = await receive(reader)
        if isinstance(start, Start):
            await _Worker(start, send).run(reader)
    except BigipSmError as error:
        send(Failed(str(error)))
    except Exception as error:
        send(Failed(f"{type(error).__name__}: {error}"))
    output.close()
    await asyncio.sleep(0)


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then closes the pipe
    asyncio.run(_serve())
    os._exit(0)  # without waiting for anything that a rule may have left
