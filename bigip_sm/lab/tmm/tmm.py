"""One TMM (traffic management microkernel): an interpreter, its view of the data groups, whom it serves now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Rule
from bigip_sm.lab.tcl import LoadedRule, load
from bigip_sm.lab.tmm.commands import commands, internals
from bigip_sm.lab.tmm.groups import Group, Groups
from bigip_sm.lab.tmm.hsl import Hsl
from bigip_sm.lab.tmm.interpreter import Interpreter, Program
from bigip_sm.lab.tmm.scripts import DEFERRED
from bigip_sm.lab.tmm.session import CommandError, Deferred, Session
from bigip_sm.lab.tmm.shortcuts import shortcuts
from bigip_sm.lab.tmm.statistics import Statistics
from bigip_sm.lab.tmm.tables import Tables

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.pools import PoolState
    from bigip_sm.lab.tmm.tls import ServerTls


INCOMING = 256 * 1024
"""Bytes that are read at most at once."""


@dataclass(frozen=True)
class World:
    """What all TMMs of one data plane share; paths are full paths.

    ``clock`` gives epoch seconds, ``log`` takes one line of /var/log/ltm. ``tmms`` is how many there are.
    """

    pools: Mapping[str, PoolState]
    server_ssl: Mapping[str, ServerTls]
    clock: Callable[[], float]
    log: Callable[[str], None]
    tmms: int = 1
    config: Config = field(default_factory=Config)
    hsl: Hsl = field(default_factory=Hsl)
    tables: Tables = field(default_factory=lambda: Tables(time.time))
    statistics: Statistics = field(default_factory=Statistics)


class _NoSession:
    """Stands for the connection while RULE_INIT runs, which belongs to none."""

    event = "RULE_INIT"
    current = None

    def __getattr__(self, name: str) -> Any:
        raise CommandError(f"command is not valid in current event context ({self.event})")

    def __setattr__(self, name: str, value: object) -> None:
        raise CommandError(f"command is not valid in current event context ({self.event})")


NO_SESSION = cast("Session", _NoSession())


class Tmm:
    """One TMM. ``session`` is the connection whose event runs; there is one at a time.

    In RULE_INIT, whatever is asked of it is a CommandError. ``busy``: Tcl runs, for the ``turn``-th time.
    ``cancelled``: the watchdog has ended what ran, and ``aborted`` is called with the path of the rule and the event.
    ``incoming`` is where its connections read to, one after the other. asyncio's own buffers, new for each read, are so
    large that the system gave and took their memory each time: a quarter of a request's time in a worker process.
    """

    def __init__(self, index: int, world: World) -> None:
        self.index = index
        self.world = world
        self.groups = Groups()
        self.incoming = memoryview(bytearray(INCOMING))
        self.session: Session = NO_SESSION
        self.turn = 0
        self.busy = False
        self.cancelled = False
        self.aborted: Callable[[str, str], None] = lambda rule, event: None
        self._deferred: Deferred | None = None
        self._libraries: dict[str, tuple[str, LoadedRule]] = {}
        self.interpreter = Interpreter(
            commands(self), internals(self), shortcuts(self), now=world.clock, fault=self._fault
        )

    @property
    def deferred(self) -> Deferred:
        """The script of ``after`` whose time has come. Raises CommandError outside of one."""
        if self._deferred is None:
            raise CommandError("no script of after is due")
        return self._deferred

    def close(self) -> None:
        """Deliver no more records and free the interpreter."""
        self.groups.finish()
        self.interpreter.dispose()

    @property
    def event(self) -> str:
        """The event that runs."""
        return self.session.event

    def compile(self, rules: Sequence[LoadedRule]) -> Program:
        """Like Interpreter.compile, under the watchdog: a RULE_INIT may not end."""
        self.turn += 1
        self.busy = True
        try:
            return self.interpreter.compile(rules)
        finally:
            self.busy = self.cancelled = False

    def run(self, session: Session, coroutine: str, event: str) -> float | None:
        """Run the handlers of one event for one connection; afterwards look at what ``session`` asks for.

        Returns None when they are done. If a rule is suspended: the seconds after which ``resume`` is to be called.
        """
        session.enter(event)
        return self._enter(session, coroutine, event)

    def resume(self, session: Session, coroutine: str) -> float | None:
        """Go on with what is suspended; like ``run``."""
        return self._enter(session, coroutine, "")

    def run_deferred(self, session: Session, coroutine: str, deferred: Deferred) -> float | None:
        """Run a script of ``after`` in the event that it belongs to; like ``run``."""
        session.enter(deferred.event)
        self._deferred = deferred
        return self._enter(session, coroutine, DEFERRED)

    def _enter(self, session: Session, coroutine: str, word: str) -> float | None:
        self.session = session
        self.turn += 1
        self.busy = True
        try:
            pause = self.interpreter.call(coroutine, word)
        except Exception as error:
            # The coroutine itself is gone, for instance because the C stack ran out: nothing sane is left of it.
            session.silenced = True
            if self.cancelled:
                self.cancelled = False
                session.fault = True
                self.aborted(self.interpreter.rule, session.event)
            else:
                self._fault("", f"{type(error).__name__}: {error}")
            return None
        finally:
            self.busy = False
            self.session = NO_SESSION
        if pause == "":
            return None
        # An empty word that some command has read as a list, or as something else, arrives as that; and so does a 0.
        text = str(pause) if pause or isinstance(pause, int | float) else ""
        return float(text) if text else None

    def group(self, name: str) -> Group:
        """The data group that ``name`` means in the running rule. Raises CommandError."""
        groups = self.groups.by_path
        found = groups.get(name) or groups.get(self.resolve(name, groups))
        if found is None:
            raise CommandError(f"could not find class {name}")
        return found

    def pool(self, name: str) -> PoolState:
        """The pool that ``name`` means in the running rule. Raises CommandError."""
        pools = self.world.pools
        found = pools.get(name) or pools.get(self.resolve(name, pools))
        if found is None:
            raise CommandError(f"no such pool {name}")
        return found

    def resolve(self, name: str, known: Mapping[str, object]) -> str:
        """A name without a folder: in the folder of the rule that runs, else in /Common."""
        if name.startswith("/"):
            return name
        local = f"{self.interpreter.rule.rpartition('/')[0]}/{name}"
        return local if local in known else f"/Common/{name}"

    def library(self, name: str) -> str:
        """The command behind ``call rule::procedure``; a rule without a folder is in the root of the partition.

        The rule is the one on the box, or the one that was there when it was called last. Raises CommandError.
        """
        rule, _, procedure = name.rpartition("::")
        if not rule:
            raise CommandError(f"proc {name} not found")
        partition = "/".join(self.interpreter.rule.split("/")[:2])
        path = rule if rule.startswith("/") else f"{partition}/{rule}"
        stored = self.world.config.get(Rule, path)
        known = self._libraries.get(path)
        if stored is not None and (known is None or known[0] != stored.text):
            try:
                known = self._libraries[path] = (stored.text, load(path, stored.text))
            except LabError as error:
                raise CommandError(str(error)) from None
        found = [one for one in known[1].procedures if one.name == procedure] if known is not None else []
        if known is None or not found:
            raise CommandError(f"proc {name} not found")
        if found[0].events is not None and self.event not in found[0].events:
            raise CommandError(f"proc {name} is not valid in current event context ({self.event})")
        return self.interpreter.procedure(known[1], procedure)

    def _fault(self, rule: str, trace: str) -> None:
        """Log a failed handler the way TMM does, in one line, and have the connection reset."""
        session = self.session
        self.world.log(f"01220001:3: TCL error: {rule} <{self.event}> - {trace}")
        if session is not NO_SESSION:
            session.fault = True
