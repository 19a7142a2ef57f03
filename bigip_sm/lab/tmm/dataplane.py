"""The data plane of the emulated BIG-IP: applies the configuration, listens, spreads connections over TMMs."""

from __future__ import annotations

import asyncio
import collections
import itertools
import time
from collections.abc import Callable

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.config import Change, Config
from bigip_sm.lab.bigip.objects import DataGroup, HttpsMonitor, Pool, ServerSsl, SslCertificate, VirtualServer
from bigip_sm.lab.network import Network
from bigip_sm.lab.tmm import watchdog
from bigip_sm.lab.tmm.client import ClientConnection
from bigip_sm.lab.tmm.hsl import Hsl
from bigip_sm.lab.tmm.listener import Listener
from bigip_sm.lab.tmm.pools import Monitoring, PoolState, Probe
from bigip_sm.lab.tmm.relay import Relay
from bigip_sm.lab.tmm.runtime import RuleUse, Runtime, take_snapshot
from bigip_sm.lab.tmm.tables import Tables
from bigip_sm.lab.tmm.tls import UNVERIFIED, ServerTls, server_tls
from bigip_sm.lab.tmm.tmm import Tmm, World

MAX_LOG_LINES = 10_000


class DataPlane:
    """Serves the virtual servers of ``config`` on 127.0.0.1, in the event loop in which ``start`` was called.

    ``log_lines`` is what TMM would write to /var/log/ltm; ``log`` gets each line too. ``clock`` (epoch seconds) is
    what rules see as the time, ``client_addresses`` maps a real peer to the address that they see. A data group's
    commit reaches the TMMs record by record within about ``data_group_delay`` seconds.

    If other processes serve the same virtual servers, ``first_tmm`` is the number of the first TMM of this one, and
    ``port_of`` gives the port of 127.0.0.1 that they share for a virtual server's address and port.

    A rule that runs for more than ``rule_limit`` seconds in one event is ended, and all connections of its TMM are
    reset. Where that cannot be done, ``stuck`` is called, in another thread; unless it is replaced it sets
    ``failure``, which is empty otherwise.
    """

    connection_type: type[ClientConnection] = ClientConnection

    def __init__(
        self,
        config: Config,
        network: Network,
        *,
        tmms: int = 2,
        log: Callable[[str], None] | None = None,
        data_group_delay: float = 0.005,
        first_tmm: int = 0,
        port_of: Callable[[str, int], int] | None = None,
        rule_limit: float = watchdog.LIMIT,
    ) -> None:
        self.clock: Callable[[], float] = time.time
        self.client_addresses: Callable[[tuple[str, int]], str] = lambda peer: peer[0]
        self.log_lines: collections.deque[str] = collections.deque(maxlen=MAX_LOG_LINES)
        self.counters: dict[str, int] = {}
        self.failure = ""
        self.stuck: Callable[[Tmm], None] = self._lost
        self._rule_limit = rule_limit
        self._watchdog: watchdog.Watchdog | None = None
        self._config = config
        self._network = network
        self._log = log
        self._delay = data_group_delay
        self._pools: dict[str, PoolState] = {}
        self._monitoring: dict[str, Monitoring] = {}
        self._server_tls: dict[str, ServerTls] = {}
        self._listeners: dict[str, Listener] = {}
        self._relays: dict[str, Relay] = {}
        self._rules = RuleUse()
        self._hsl = Hsl(network, self._pools)
        self._applying: asyncio.Task[None] | None = None
        self._dirty = False
        self._running = False
        self._counting = False
        self._turn = itertools.count()
        self._numbers = range(first_tmm, first_tmm + tmms)
        self._port_of = port_of
        self._tmms: list[Tmm] = []
        config.subscribe(self._committed)

    async def start(self) -> None:
        """Apply the configuration and listen. Raises LabError if this Python has no Tcl."""
        self._running = True
        world = World(
            self._pools,
            self._server_tls,
            lambda: self.clock(),
            self._write_log,
            len(self._numbers),
            self._config,
            self._hsl,
            Tables(lambda: self.clock()),
        )
        # Not earlier: an interpreter belongs to the thread that makes it.
        self._tmms = [self.make_tmm(number, world) for number in self._numbers]
        if self._counting:
            self.count_commands(True)
        self._watchdog = watchdog.Watchdog(self._tmms, self._rule_limit, lambda tmm: self.stuck(tmm))
        for group in self._config.all(DataGroup):
            self._apply_data_group(Change(None, group), 0)
        await self._apply()

    @property
    def tables(self) -> Tables:
        """The session table that its TMMs share."""
        return self._tmms[0].world.tables

    def make_tmm(self, number: int, world: World) -> Tmm:
        """A TMM before any rule is loaded into it."""
        tmm = Tmm(number, world)
        tmm.aborted = lambda rule, event: self._aborted(tmm, rule, event)
        return tmm

    @property
    def connections(self) -> int:
        """How many client connections there are."""
        return sum(listener.connections for listener in self._listeners.values())

    async def stop(self) -> None:
        """Stop listening, reset all connections, end all probes."""
        self._running = False
        if self._applying is not None:
            await self._applying
        for listener in self._listeners.values():
            await listener.stop(self._network)
        self._listeners.clear()
        for relay in self._relays.values():
            await relay.stop()
        self._relays.clear()
        for monitoring in self._monitoring.values():
            await monitoring.stop()
        self._monitoring.clear()
        await asyncio.sleep(0)
        self._hsl.close()
        if self._watchdog is not None:
            self._watchdog.stop()
        for tmm in self._tmms:
            tmm.close()
        self._tmms.clear()
        self._pools.clear()
        self._server_tls.clear()

    async def settled(self) -> None:
        """Wait until the configuration is applied, all records are delivered and every member was probed once."""
        while self._applying is not None:
            await self._applying
        while not all(tmm.groups.settled for tmm in self._tmms):
            await asyncio.sleep(0.001)
        for monitoring in list(self._monitoring.values()):
            await monitoring.settled()

    def member_states(self, pool_path: str) -> dict[str, str]:
        """``host:port`` -> ``up``, ``down``, ``checking``, ``disabled`` or ``unchecked``; empty for an unknown pool."""
        state = self._pools.get(pool_path)
        return state.describe() if state is not None else {}

    def count_commands(self, enabled: bool) -> None:
        """Count calls of iRule commands in ``counters`` from now on, or stop: counting costs some time."""
        self._counting = enabled
        self.counters.clear()
        for tmm in self._tmms:
            tmm.interpreter.count(self.counters if enabled else None)

    # commits

    def _committed(self, changes: tuple[Change, ...]) -> None:
        """Called after every commit, in the event loop's thread."""
        if not self._running:
            return
        for change in changes:
            if isinstance(change.after or change.before, DataGroup):
                self._apply_data_group(change, self._delay)
        self._dirty = True
        if self._applying is None:
            self._applying = asyncio.get_running_loop().create_task(self._apply_changes())

    async def _apply_changes(self) -> None:
        try:
            while self._dirty:
                self._dirty = False
                await self._apply()
        finally:
            self._applying = None

    def _apply_data_group(self, change: Change, delay: float) -> None:
        before, after = change.before, change.after
        for place, tmm in enumerate(self._tmms):
            # Odd TMMs get the records in the opposite order and later, so that no two agree on the way.
            tmm.groups.apply(
                before if isinstance(before, DataGroup) else None,
                after if isinstance(after, DataGroup) else None,
                backwards=bool(place % 2),
                over=delay * (1 + place) / len(self._tmms),
            )

    async def _apply(self) -> None:
        """Bring pools, server-ssl profiles and listeners in line with the configuration."""
        if self._apply_server_tls():
            for listener in self._listeners.values():
                listener.runtime.close_idle()
        await self._apply_pools()
        enabled = [virtual for virtual in self._config.all(VirtualServer) if virtual.enabled]
        await self._apply_relays({virtual.path: virtual for virtual in enabled if virtual.http is None})
        wanted = {virtual.path: virtual for virtual in enabled if virtual.http is not None}
        for path in [path for path in self._listeners if path not in wanted]:
            await self._listeners.pop(path).stop(self._network)
        for path, virtual in wanted.items():
            try:
                await self._apply_virtual(path, virtual)
            except LabError as error:
                self._write_log(f"01070712:3: virtual server {path} was not changed: {error}")

    async def _apply_relays(self, wanted: dict[str, VirtualServer]) -> None:
        for path in [path for path, relay in self._relays.items() if wanted.get(path) != relay.virtual]:
            await self._relays.pop(path).stop()
        for path, virtual in wanted.items():
            if path not in self._relays:
                port = self._port_of(virtual.address, virtual.port) if self._port_of is not None else 0
                try:
                    relay = Relay(virtual, self._network, self._pools, self._server_tls, self._write_log)
                except LabError as error:
                    self._write_log(f"01070712:3: {error}")
                    continue
                self._relays[path] = relay
                await relay.start(port)

    async def _apply_virtual(self, path: str, virtual: VirtualServer) -> None:
        snapshot = take_snapshot(self._config, virtual)
        listener = self._listeners.get(path)
        if listener is not None and listener.runtime.snapshot == snapshot:
            return
        runtime = Runtime(snapshot, self._tmms, self._server_tls, self._rules)
        if (demoted := runtime.demoted_by()) is not None:
            rule, variable = demoted
            self._write_log(f"lab: virtual server {path} runs on one TMM only: rule {rule} has the global {variable}")
        if listener is not None and listener.address == (virtual.address, virtual.port):
            listener.replace(runtime)
            return
        if listener is not None:
            await self._listeners.pop(path).stop(self._network)
        port = self._port_of(virtual.address, virtual.port) if self._port_of is not None else 0
        self._listeners[path] = listener = Listener(runtime, self._connection, port)
        await listener.start(self._network)

    def _apply_server_tls(self) -> bool:
        """Prepare new and changed server-ssl profiles; whether there were any. Connections in use keep the old ones."""
        wanted = {profile.path: profile for profile in self._config.all(ServerSsl)}
        changed = False
        for path in [path for path in self._server_tls if path not in wanted]:
            del self._server_tls[path]
        for path, profile in wanted.items():
            source = (profile, self._config.get(SslCertificate, profile.ca_file or ""))
            known = self._server_tls.get(path)
            if known is not None and known.source == source:
                continue
            changed = True
            try:
                self._server_tls[path] = server_tls(*source)
            except LabError as error:
                self._server_tls.pop(path, None)
                self._write_log(f"01070712:3: {error}")
        return changed

    async def _apply_pools(self) -> None:
        """Rebuild pools that changed, or whose monitors did; members that stay keep their state."""
        wanted = {pool.path: pool for pool in self._config.all(Pool)}
        for path in [path for path in self._pools if path not in wanted]:
            del self._pools[path]
            await self._monitoring.pop(path).stop()
        for path, pool in wanted.items():
            try:
                probes = tuple(self._probe(pool, monitor) for monitor in pool.monitors)
            except LabError as error:
                self._write_log(f"01070712:3: {error}")
                continue
            old = self._monitoring.get(path)
            if old is not None and old.state.pool == pool and old.probes == probes:
                continue
            state = PoolState(pool, old.state if old is not None else None)
            if old is not None:
                await old.stop()
            self._pools[path] = state
            self._monitoring[path] = Monitoring(state, probes, self._network)

    def _probe(self, pool: Pool, path: str) -> Probe:
        monitor = self._config.get(HttpsMonitor, path)
        if monitor is None:
            raise LabError(f"pool {pool.path}: monitor {path} is not an https monitor, others are not emulated")
        tls = UNVERIFIED if monitor.server_ssl is None else self._server_tls.get(monitor.server_ssl)
        if tls is None:
            raise LabError(f"monitor {path}: server-ssl profile {monitor.server_ssl} is not usable")
        return Probe(monitor, tls)

    def _connection(self, runtime: Runtime) -> ClientConnection:
        """A new client: the TMMs of the virtual server take turns."""
        tmm = runtime.tmms[next(self._turn) % len(runtime.tmms)]
        return self.connection_type(runtime, tmm, self._network, lambda peer: self.client_addresses(peer))

    def _aborted(self, tmm: Tmm, rule: str, event: str) -> None:
        """A rule did not end: what happens to a TMM then, but for its memory."""
        self._write_log(
            f"lab: rule {rule} <{event}> ran for more than {self._rule_limit:g} s and was ended; on a BIG-IP the"
            f" watchdog restarts TMM {tmm.index}, so all its connections are reset"
        )
        asyncio.get_running_loop().call_soon(self._reset_connections, tmm)

    def _reset_connections(self, tmm: Tmm) -> None:
        for listener in self._listeners.values():
            listener.reset(tmm)

    def _lost(self, tmm: Tmm) -> None:
        self.failure = f"a rule in {tmm.event} does not end and cannot be ended"

    def _write_log(self, line: str) -> None:
        self.log_lines.append(line)
        if self._log is not None:
            self._log(line)
