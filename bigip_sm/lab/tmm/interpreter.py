"""The Tcl of one TMM: stock Tcl 8.6 that comes with Python, iRule commands as Python callbacks.

A client connection is one coroutine that runs the compiled procedure of its virtual server: a loop that yields, gets
the name of an event and runs the bodies of its handlers one after the other, each inside ``catch``. So variables live
as long as the connection, in all rules of the virtual server, and ``return`` ends one handler.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bigip_sm.errors import LabError
from bigip_sm.lab.tcl import OPERATORS, LoadedRule
from bigip_sm.lab.tmm.session import Command, CommandError

if TYPE_CHECKING:
    import _tkinter

HIDDEN = frozenset(
    {"after", "cd", "exec", "exit", "fconfigure", "file", "glob", "interp", "load", "open"}
    | {"pid", "pwd", "socket", "source", "unload", "vwait"}
)
"""Commands that reach outside; TMM refuses them when a rule is loaded, here they are gone at run time as well."""

BOOTSTRAP = r"""
namespace eval ::static {}
namespace eval ::rules {}
namespace eval ::virtuals {}
namespace eval ::connections {}
namespace eval ::tmm {variable rule {}}
namespace ensemble configure ::clock -map [dict replace [namespace ensemble configure ::clock -map] \
    seconds ::tmm::seconds clicks ::tmm::clicks]
proc ::unknown {name args} {
    if {[regexp {^::rules::[0-9]+::p\.(.*)$} $name -> short]} {
        return -code error "proc $short not found"
    }
    return -code error "invalid command name \"$name\""
}
proc ::virtuals::call {name args} {
    tailcall ::rules::${::tmm::rule}::call $name {*}$args
}
"""

CALL = r"""
namespace eval ::rules::%(number)d {}
proc ::rules::%(number)d::call {name args} {
    tailcall ::rules::%(number)d::p.$name {*}$args
}
"""
"""``call`` as the procedures of one rule see it; tailcall, so that ``upvar 1`` reaches the caller."""

HANDLER = """
set ::tmm::rule %(number)d
switch -exact -- [catch {%(body)s
} {tmm result} {tmm options}] {
    0 - 2 {}
    1 {::tmm::fault ${tmm result} [dict get ${tmm options} -errorinfo]; continue}
    default {::tmm::fault {invoked "break" or "continue" outside of a loop} {}; continue}
}
"""
"""One handler in the loop of its virtual server. Names with a blank cannot collide with a rule's variables."""


@dataclass(frozen=True)
class Program:
    """The handlers of one virtual server in one interpreter: the procedure, and the events that it handles."""

    procedure: str
    events: frozenset[str]


class Interpreter:
    """One TMM's Tcl. It belongs to the thread that made it.

    ``fault`` is called with (rule path, message, errorInfo) when a handler fails, ``now`` gives epoch seconds. Raises
    LabError if this Python has no Tcl.
    """

    def __init__(
        self,
        commands: Mapping[str, Command],
        *,
        now: Callable[[], float],
        fault: Callable[[str, str, str], None],
    ) -> None:
        self._tcl = create_tcl()
        self.call: Callable[..., Any] = self._tcl.call
        self._numbers = itertools.count(1)
        self._commands = dict(commands)
        self._rules: dict[LoadedRule, int] = {}
        self._paths: dict[int, str] = {}
        self._fault = fault
        internal: dict[str, Command] = {
            "::tmm::seconds": lambda: int(now()),
            "::tmm::clicks": lambda *_: int(now() * 1000),
            "::tmm::fault": self._on_fault,
        }
        self._names = [*internal, *commands]
        for name, command in {**internal, **commands}.items():
            self._tcl.createcommand(name, self._guarded(command))
        self._tcl.eval(BOOTSTRAP)
        self._tcl.eval(OPERATORS)
        for name in HIDDEN:
            if self.call("info", "commands", name):
                self.call("rename", name, "")

    def count(self, counters: dict[str, int] | None) -> None:
        """Count each call of an iRule command in ``counters`` from now on; None stops counting."""
        for name, command in self._commands.items():
            guarded = self._guarded(command)
            self._tcl.createcommand(name, guarded if counters is None else _counted(name, guarded, counters))

    def dispose(self) -> None:
        """Free the interpreter, in its own thread: Tcl aborts the process when another thread does that later."""
        for name in self._names:
            self._tcl.deletecommand(name)
        del self.call, self._tcl

    @property
    def rule(self) -> str:
        """Path of the rule whose handler runs."""
        return self._paths.get(int(self.call("set", "::tmm::rule") or 0), "")

    def load(self, rule: LoadedRule) -> int:
        """Define the procedures of a rule and run its RULE_INIT, unless that was done; returns its number."""
        number = self._rules.get(rule)
        if number is not None:
            return number
        number = next(self._numbers)
        self._rules[rule] = number
        self._paths[number] = rule.path
        self._tcl.eval(CALL % {"number": number})
        for procedure in rule.procedures:
            name = f"::rules::{number}::p.{procedure.name}"
            self.call("proc", name, procedure.arguments, procedure.body)
        for handler in rule.handlers:
            if handler.event == "RULE_INIT":
                self._initialise(number, handler.body)
        return number

    def unload(self, rule: LoadedRule) -> None:
        """Forget a rule that no program uses any more."""
        number = self._rules.pop(rule, None)
        if number is not None:
            self._paths.pop(number)
            self.call("namespace", "delete", f"::rules::{number}")

    def compile(self, rules: Sequence[LoadedRule]) -> Program:
        """The procedure for a virtual server with these rules: handlers by priority, then by order of rules."""
        numbered = [(self.load(rule), handler) for rule in rules for handler in rule.handlers]
        numbered.sort(key=lambda item: item[1].priority)
        arms: dict[str, list[str]] = {}
        for number, handler in numbered:
            if handler.event != "RULE_INIT":
                arms.setdefault(handler.event, []).append(HANDLER % {"number": number, "body": handler.body})
        switch = "\n".join(f"{event} {{{''.join(bodies)}}}" for event, bodies in arms.items())
        procedure = f"::virtuals::{next(self._numbers)}"
        self.call("proc", procedure, "", f"while 1 {{switch -exact -- [yield] {{\n{switch}\n}}}}")
        return Program(procedure, frozenset(arms))

    def discard(self, program: Program) -> None:
        """Forget a program; no coroutine may be running it."""
        self.call("rename", program.procedure, "")

    def open(self, program: Program) -> str:
        """Start a coroutine for a new connection; returns the name of the command that resumes it."""
        name = f"::connections::{next(self._numbers)}"
        self.call("coroutine", name, program.procedure)
        return name

    def close(self, coroutine: str) -> None:
        """End a connection's coroutine and with it the connection's variables."""
        if self.call("info", "commands", coroutine):
            self.call("rename", coroutine, "")

    def _initialise(self, number: int, body: str) -> None:
        """RULE_INIT runs at global level, so that a plain ``set`` makes a global, as on TMM."""
        self.call("set", "::tmm::rule", number)
        code = self.call("catch", body, "::tmm::result", "::tmm::options")
        if code not in (0, 2):
            self._on_fault(str(self.call("set", "::tmm::result")), "")

    def _on_fault(self, message: str, information: str) -> str:
        self._fault(self.rule, message, information)
        return ""

    def _guarded(self, command: Command) -> Command:
        """``command`` as a callback for Tcl.

        Whatever it raises becomes a Tcl error. The error is raised by Tcl itself: a callback that just raises shows
        Tcl an empty message. The frame that raises holds nothing of the connection, because _tkinter keeps the
        traceback.
        """
        call = self.call

        def callback(*arguments: str) -> Any:
            try:
                return command(*arguments)
            except CommandError as error:
                message = str(error)
            except Exception as error:
                message = f"internal error: {type(error).__name__}: {error}"
            del arguments
            return call("error", message)

        return callback


def create_tcl() -> _tkinter.TkappType:
    """A bare Tcl interpreter: no display, no start-up files. Raises LabError if this Python has no Tcl."""
    try:
        import _tkinter
    except ImportError as error:
        raise LabError(
            "this Python was built without tkinter, whose Tcl runs the iRules: install python3-tk"
            " (Debian, Ubuntu), python3-tkinter (Fedora, RHEL) or python-tk (Homebrew)"
        ) from error
    return _tkinter.create(None, "tmm", "Tmm", False, True, False, False, None)


def _counted(name: str, command: Command, counters: dict[str, int]) -> Command:
    def callback(*arguments: str) -> Any:
        counters[name] = counters.get(name, 0) + 1
        return command(*arguments)

    return callback
