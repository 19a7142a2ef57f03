"""One TMM (traffic management microkernel): an interpreter, its view of the data groups, whom it serves now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm.commands import commands
from bigip_sm.lab.tmm.groups import Group, Groups
from bigip_sm.lab.tmm.interpreter import Interpreter
from bigip_sm.lab.tmm.session import CommandError, Session

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.pools import PoolState
    from bigip_sm.lab.tmm.tls import ServerTls


@dataclass(frozen=True)
class World:
    """What all TMMs of one data plane share; paths are full paths.

    ``clock`` gives epoch seconds, ``log`` takes one line of /var/log/ltm.
    """

    pools: Mapping[str, PoolState]
    server_ssl: Mapping[str, ServerTls]
    clock: Callable[[], float]
    log: Callable[[str], None]


class Tmm:
    """One TMM. ``session`` is the connection whose event runs; there is one at a time."""

    def __init__(self, index: int, world: World) -> None:
        self.index = index
        self.world = world
        self.groups = Groups()
        self._session: Session | None = None
        self.interpreter = Interpreter(commands(self), now=world.clock, fault=self._fault)

    @property
    def session(self) -> Session:
        """The connection that the running event belongs to. Raises CommandError in RULE_INIT."""
        if self._session is None:
            raise CommandError("command is not valid in current event context (RULE_INIT)")
        return self._session

    def close(self) -> None:
        """Deliver no more records and free the interpreter."""
        self.groups.finish()
        self.interpreter.dispose()

    @property
    def event(self) -> str:
        """The event that runs."""
        return self._session.event if self._session is not None else "RULE_INIT"

    def run(self, session: Session, coroutine: str, event: str) -> None:
        """Run the handlers of one event for one connection; afterwards look at what ``session`` asks for."""
        self._session = session
        session.event = event
        try:
            self.interpreter.call(coroutine, event)
        except Exception as error:
            # The coroutine itself is gone, for instance because the C stack ran out: nothing sane is left of it.
            self._fault("", f"{type(error).__name__}: {error}", "")
        finally:
            self._session = None

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

    def _fault(self, rule: str, message: str, information: str) -> None:
        """Log a failed handler the way TMM does, in one line, and have the connection reset."""
        session = self._session
        trace = " ".join((information or message).split())
        self.world.log(f"01220001:3: TCL error: {rule} <{self.event}> - {trace}")
        if session is not None:
            session.fault = True
