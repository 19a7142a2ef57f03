"""The data plane in several processes: for each virtual server one port that all of them listen on (SO_REUSEPORT).

The kernel spreads connections over the processes. Each has TMMs of its own, numbered on from those of the one before,
and monitors pool members itself. What TMMs share (``table``, ``STATS``) is shared within one process only.
"""

from __future__ import annotations

import asyncio
import collections
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.config import Change, Config
from bigip_sm.lab.bigip.objects import VirtualServer
from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.tmm.dataplane import MAX_LOG_LINES
from bigip_sm.lab.tmm.watchdog import LIMIT
from bigip_sm.lab.tmm.worker_messages import (
    Answer,
    Ask,
    ClockOffset,
    Commit,
    Destination,
    Failed,
    LogLine,
    Message,
    Route,
    Start,
    encode,
    receive,
)

READY = 30.0
"""Seconds that a worker has to start."""

GRACE = 5.0
"""Seconds that a worker has to end."""

_BEGIN = "import sys; sys.path[:] = sys.argv[1:]; from bigip_sm.lab.tmm.worker_process import main; main()"
"""A worker runs the code that this process runs, and not what lies in the folder where it was started."""


class Workers:
    """``number`` processes that serve the virtual servers of ``config``; otherwise like DataPlane.

    ``log_lines`` is what the TMMs of all processes would write to /var/log/ltm. ``failure`` says why a worker ended
    that was not told to, or is empty.
    """

    def __init__(
        self,
        config: Config,
        network: Network,
        *,
        number: int,
        tmms: int = 2,
        log: Callable[[str], None] | None = None,
        data_group_delay: float = 0.005,
        rule_limit: float = LIMIT,
    ) -> None:
        self.log_lines: collections.deque[str] = collections.deque(maxlen=MAX_LOG_LINES)
        self.failure = ""
        self._config = config
        self._network = network
        self._log = log
        self._tmms = tmms
        self._delay = data_group_delay
        self._offset = 0.0
        self._rule_limit = rule_limit
        self._sockets: dict[Destination, socket.socket] = {}
        self._workers = [_Worker(index, self) for index in range(number)]
        self._running = False
        config.subscribe(self._committed)

    @property
    def process_ids(self) -> list[int]:
        """The operating system's ids of the workers that run."""
        return [worker.process.pid for worker in self._workers if worker.process is not None]

    async def start(self) -> None:
        """Start the workers; returns when all of them listen. Raises LabError."""
        self._running = True
        self._network.watch(self._moved)
        self._reserve()
        try:
            starting = [worker.start(self._first_message(worker.index)) for worker in self._workers]
            await asyncio.wait_for(asyncio.gather(*starting), READY)
        except asyncio.TimeoutError:
            raise LabError(f"a worker of the data plane did not start within {READY:.0f} s") from None

    async def stop(self) -> None:
        """End the workers and give their ports back."""
        if not self._running:
            return
        self._running = False
        self._network.unwatch(self._moved)
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        for (host, port), reserved in self._sockets.items():
            self._network.withdraw(host, port)
            reserved.close()
        self._sockets.clear()

    async def settled(self) -> None:
        """Like DataPlane.settled, for all workers. Raises LabError if one has ended."""
        await asyncio.gather(*(worker.ask() for worker in self._workers))

    async def member_states(self, pool_path: str) -> Mapping[str, str]:
        """Like DataPlane.member_states, as the first worker sees it, once all is settled."""
        return (await self._workers[0].ask(pool_path)).states

    def set_clock_offset(self, seconds: float) -> None:
        """Have the rules' clock be that many seconds ahead of this machine's."""
        self._offset = seconds
        self._tell(ClockOffset(seconds))

    # for the workers

    def heard(self, message: Message, worker: int) -> None:
        """A message of a worker that is no answer."""
        match message:
            case LogLine(text):
                self.log(text)
            case Route(host, port, None):
                self._network.withdraw(host, port)
            case Route(host, port, int(local_port)):
                self._network.publish(host, port, local_port)
            case Failed(reason):
                self.log(f"lab: worker {worker}: {reason}")

    def ended(self, worker: int, code: int) -> None:
        """A worker's process has ended."""
        if self._running:
            self.failure = f"worker {worker} of the data plane ended (exit code {code})"
            self.log(f"lab: {self.failure}")

    def log(self, line: str) -> None:
        """A line of /var/log/ltm."""
        self.log_lines.append(line)
        if self._log is not None:
            self._log(line)

    # inner

    def _first_message(self, index: int) -> Start:
        return Start(
            self._config.objects(),
            self._network.destinations(),
            self._ports(),
            first_tmm=index * self._tmms,
            tmms=self._tmms,
            data_group_delay=self._delay,
            clock_offset=self._offset,
            rule_limit=self._rule_limit,
        )

    def _committed(self, changes: tuple[Change, ...]) -> None:
        if not self._running:
            return
        self._reserve()
        put = tuple(change.after for change in changes if change.after is not None)
        delete = tuple(change.before for change in changes if change.after is None and change.before is not None)
        self._tell(Commit(put, delete, self._ports()))

    def _moved(self, host: str, port: int, local_port: int | None) -> None:
        self._tell(Route(host, port, local_port))

    def _tell(self, message: Message) -> None:
        for worker in self._workers:
            worker.tell(message)

    def _reserve(self) -> None:
        """Hold a port of this machine for every virtual server: bound here, listened on by the workers."""
        wanted = {(virtual.address, virtual.port) for virtual in self._config.all(VirtualServer)}
        for gone in [destination for destination in self._sockets if destination not in wanted]:
            self._sockets.pop(gone).close()
        for new in wanted - set(self._sockets):
            self._sockets[new] = reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind((LOOPBACK, 0))

    def _ports(self) -> dict[Destination, int]:
        return {destination: reserved.getsockname()[1] for destination, reserved in self._sockets.items()}


class _Worker:
    """One worker process, as its parent sees it."""

    def __init__(self, index: int, owner: Workers) -> None:
        self.index = index
        self.process: Process | None = None
        self._owner = owner
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._asked = 0
        self._listening: asyncio.Task[None] | None = None

    async def start(self, first: Start) -> None:
        """Start the process; returns when it serves. Raises LabError."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _BEGIN, *sys.path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        loop = asyncio.get_running_loop()
        self._answers[0] = loop.create_future()
        self._listening = loop.create_task(self._listen(self.process))
        self.tell(first)
        await self._answers[0]

    async def stop(self) -> None:
        """Have the process end; kill it if it does not."""
        process, self.process = self.process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), GRACE)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()
        if self._listening is not None:
            await self._listening

    def tell(self, message: Message) -> None:
        """Send a message, if the process is there."""
        if self.process is not None and self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(encode(message))

    async def ask(self, pool: str = "") -> Answer:
        """Wait until all is settled there. Raises LabError if the process has ended."""
        if self.process is None:
            raise LabError(f"worker {self.index} of the data plane does not run")
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self.tell(Ask(number, pool))
        try:
            return await answer
        finally:
            self._answers.pop(number, None)

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe, see above
        reason = ""
        while (message := await receive(process.stdout)) is not None:
            if isinstance(message, Answer):
                waiting = self._answers.get(message.number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            else:
                if isinstance(message, Failed):
                    reason = f": {message.reason}"
                self._owner.heard(message, self.index)
        code = await process.wait()
        self.process = None
        self._owner.ended(self.index, code)
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(LabError(f"worker {self.index} of the data plane ended{reason}"))
