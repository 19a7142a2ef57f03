"""The Tcl of one TMM: stock Tcl 8.6 that comes with Python, iRule commands as Python callbacks.

A client connection is one coroutine that runs the compiled procedure of its virtual server: a loop that yields, gets
the name of an event and runs the bodies of its handlers one after the other, each inside ``catch``. So variables live
as long as the connection, in all rules of the virtual server, and ``return`` ends one handler.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bigip_sm.errors import LabError
from bigip_sm.lab.tcl import OPERATORS, PROCEDURE_MARK, Handler, LoadedRule
from bigip_sm.lab.tmm import scripts
from bigip_sm.lab.tmm.session import Command, CommandError

if TYPE_CHECKING:
    import _tkinter

_PROCEDURE = re.compile(r'\(procedure "::rules::(\d+)::p\.(\w+)" line (\d+)\)')
_CALLED = re.compile(r"::rules::\d+::p\.(?=\w)")
_LINE = " (line ?)"
"""Ends the trace of an error in a command until its line is known."""


@dataclass(frozen=True)
class Program:
    """The handlers of one virtual server in one interpreter: the procedure, and the events that it handles."""

    procedure: str
    events: frozenset[str]


class Interpreter:
    """One TMM's Tcl. It belongs to the thread that made it.

    ``internals`` are commands that only the Tcl around the rules calls, by full name; ``shortcuts`` make of a command
    what is called in its place, and never raise; ``fault`` is called with (rule
    path, what TMM logs: the message and where it happened) when a handler fails, ``now`` gives epoch seconds. Raises
    LabError if this Python has no Tcl.
    """

    def __init__(
        self,
        commands: Mapping[str, Command],
        internals: Mapping[str, Command],
        shortcuts: Mapping[str, Callable[[Command], Command]],
        *,
        now: Callable[[], float],
        fault: Callable[[str, str], None],
    ) -> None:
        self._tcl = create_tcl()
        self.call: Callable[..., Any] = self._tcl.call
        self._numbers = itertools.count(1)
        self._commands = dict(commands)
        # What the procedure "table" calls once it has the data: by that its calls are counted.
        self._tables = {name: command for name, command in internals.items() if name == "::tmm::table"}
        self._rules: dict[LoadedRule, int] = {}
        self._loaded: dict[int, LoadedRule] = {}
        self._libraries: set[LoadedRule] = set()
        self._observed = False
        self._fault = fault
        every: dict[str, Command] = {
            "::tmm::seconds": lambda: int(now()),
            "::tmm::clicks": lambda *_: int(now() * 1000),
            "::tmm::fault": self._on_fault,
            **internals,
            **commands,
        }
        self._names = list(every)
        self._callbacks = {name: self._guarded(command) for name, command in every.items()}
        self._callbacks.update({name: shorten(self._callbacks[name]) for name, shorten in shortcuts.items()})
        for name, callback in self._callbacks.items():
            self._tcl.createcommand(name, callback)
        for name in scripts.HIDDEN:
            if self.call("info", "commands", name):
                self.call("rename", name, "")
        self._tcl.eval(scripts.BOOTSTRAP)
        self._tcl.eval(OPERATORS)

    def count(self, counters: dict[str, int] | None) -> None:
        """Count each call of an iRule command in ``counters`` from now on; None stops counting."""
        self.wrap(None if counters is None else lambda name, command: _counted(name, command, counters))

    def wrap(self, wrapper: Callable[[str, Command], Command] | None) -> None:
        """Have what ``wrapper`` makes of each iRule command called in its place; None undoes it."""
        for name in (*self._commands, *self._tables):
            callback = self._callbacks[name]
            shown = name.removeprefix("::tmm::")
            self._tcl.createcommand(name, callback if wrapper is None else wrapper(shown, callback))

    def observe(self, observer: Callable[[Sequence[str], str, bool], bool]) -> None:
        """Tell ``observer`` of every iRule command that ends: its words, its result, whether it failed.

        Once it returns False it is told no more. While a script is observed, the watchdog may not be able to end it.
        Rules that were loaded before do not show ``call``.
        """
        self._observed = True
        names = (*self._commands, *scripts.PROCEDURES)

        def ended(code: str, result: str, *words: str) -> str:
            if not observer(words, result, code == "1"):
                for name in names:
                    self.call("trace", "remove", "execution", name, "leave", "::tmm::observed")
            return ""

        self._names.append("::tmm::observer")
        self._tcl.createcommand("::tmm::observer", ended)
        self._tcl.eval("proc ::tmm::observed {command code result _} {::tmm::observer $code $result {*}$command}")
        for name in names:
            self.call("trace", "add", "execution", name, "leave", "::tmm::observed")

    @property
    def address(self) -> int:
        """Where Tcl's own structure is in memory, for what only Tcl's C interface can do."""
        return int(self._tcl.interpaddr())

    def dispose(self) -> None:
        """Free the interpreter, in its own thread: Tcl aborts the process when another thread does that later.

        It stays if something else still refers to it, such as the traceback of an error that is not collected yet.
        """
        for name in self._names:
            self._tcl.deletecommand(name)
        self._callbacks.clear()
        tcl = self._tcl
        del self.call, self._tcl
        if sys.getrefcount(tcl) == _UNUSED:
            _kept.remove(tcl)

    def elements(self, text: str) -> tuple[str, ...]:
        """The elements of a Tcl list. Raises CommandError."""
        try:
            return tuple(str(element) for element in self._tcl.splitlist(text))
        except Exception as error:
            raise CommandError(str(error)) from None

    @property
    def rule(self) -> str:
        """Path of the rule whose handler runs."""
        rule = self._loaded.get(int(self.call("set", "::tmm::rule") or 0))
        return rule.path if rule is not None else ""

    def load(self, rule: LoadedRule) -> int:
        """Define the procedures of a rule and run its RULE_INIT, unless that was done; returns its number."""
        number = self._rules.get(rule)
        if number is not None:
            return number
        number = next(self._numbers)
        self._rules[rule] = number
        self._loaded[number] = rule
        self._tcl.eval(scripts.RULE % {"number": number})
        for procedure in rule.procedures:
            name = f"::rules::{number}::p.{procedure.name}"
            self.call("proc", name, procedure.arguments, self._body(number, procedure.body))
        for handler in rule.handlers:
            if handler.event == "RULE_INIT":
                self._initialise(number, handler)
        return number

    def procedure(self, rule: LoadedRule, name: str) -> str:
        """The command behind a procedure that another rule calls; the rule stays loaded from now on, as on TMM."""
        self._libraries.add(rule)
        return f"::rules::{self.load(rule)}::p.{name}"

    def unload(self, rule: LoadedRule) -> None:
        """Forget a rule that no program uses any more."""
        if rule in self._libraries:
            return
        number = self._rules.pop(rule, None)
        if number is not None:
            self._loaded.pop(number)
            self.call("namespace", "delete", f"::rules::{number}")

    def compile(self, rules: Sequence[LoadedRule]) -> Program:
        """The procedure for a virtual server with these rules: handlers by priority, then by order of rules."""
        numbered = [(self.load(rule), handler) for rule in rules for handler in rule.handlers]
        numbered.sort(key=lambda item: item[1].priority)
        arms: dict[str, list[tuple[int, Handler]]] = {}
        for number, handler in numbered:
            if handler.event != "RULE_INIT":
                arms.setdefault(handler.event, []).append((number, handler))
        guard = scripts.GUARD if any("event" in rule.commands for rule in rules) else ""
        text = "while 1 {switch -exact -- [yield] {\n"
        for event, handlers in arms.items():
            text += f"{event} {{"
            for place, (number, handler) in enumerate(handlers):
                text += "\n"
                body = self._body(number, handler.body)
                words = {"guard": guard if place else "", "number": number, "body": body}
                text += scripts.HANDLER % {**words, "line": handler.line - text.count("\n") - 2}
            text += "}\n"
        if any("after" in rule.commands for rule in rules):
            text += f"{scripts.DEFERRED} {{\n{scripts.HANDLER % scripts.DEFERRED_HANDLER}}}\n"
        procedure = f"::virtuals::{next(self._numbers)}"
        self.call("proc", procedure, "", text + "}}")
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

    def _body(self, number: int, text: str) -> str:
        """The body of a handler or procedure as it runs: procedures of its rule are called by the name they have here.

        Observed, they are called with the command ``call``, so that it is seen.
        """
        return text.replace(PROCEDURE_MARK, "call " if self._observed else f"::rules::{number}::p.")

    def _initialise(self, number: int, handler: Handler) -> None:
        """RULE_INIT runs at global level, so that a plain ``set`` makes a global, as on TMM."""
        self.call("set", "::tmm::rule", number)
        code = self.call("catch", self._body(number, handler.body), "::tmm::result", "::tmm::options")
        if code not in (0, 2):
            options = self.call("set", "::tmm::options")
            trace, line = (self.call("dict", "get", options, key) for key in ("-errorinfo", "-errorline"))
            self._on_fault(str(self.call("set", "::tmm::result")), str(trace), line, handler.line - 1)

    def _on_fault(self, message: str, trace: str, line: str, offset: str | int) -> str:
        """Turn Tcl's trace into what TMM writes: one line, with the line of the rule after a command's own error."""
        number = int(line) + int(offset)

        def place(found: re.Match[str]) -> str:
            rule = self._loaded.get(int(found[1]))
            starts = {procedure.name: procedure.line for procedure in rule.procedures} if rule is not None else {}
            return f'(procedure "{found[2]}" line {starts.get(found[2], 1) + int(found[3]) - 1})'

        trace = _CALLED.sub("call ", _PROCEDURE.sub(place, trace))
        inner = re.search(r'\(procedure "\w+" line (\d+)\)', trace)
        trace = trace.replace(_LINE, f" (line {inner[1] if inner else number})", 1)
        self._fault(self.rule, (trace or message).replace("\n", " "))
        return ""

    def _guarded(self, command: Command) -> Command:
        """``command`` as a callback for Tcl.

        Whatever it raises becomes a Tcl error. The error is raised by Tcl itself: a callback that just raises shows
        Tcl an empty message. The frame that raises holds nothing of the connection, and not the interpreter itself,
        because _tkinter keeps the traceback.
        """

        def callback(*arguments: str) -> Any:
            try:
                return command(*arguments)
            except CommandError as error:
                message = str(error)
            except Exception as error:
                message = f"internal error: {type(error).__name__}: {error}"
            del arguments
            return self.call("error", message, message + _LINE)

        return callback


_kept: list[_tkinter.TkappType] = []
"""Every interpreter that is not disposed of. The garbage collector runs in any thread, and Tcl aborts the process when
an interpreter is freed by another thread than its own; one that is forgotten costs some memory instead."""

_UNUSED = 3
"""References to an interpreter that nobody uses: from the list of those that are kept, from the one who asks, and from
``sys.getrefcount``."""


def create_tcl() -> _tkinter.TkappType:
    """A bare Tcl interpreter: no display, no start-up files. Raises LabError if this Python has no Tcl.

    It stays until the process ends, unless an Interpreter disposes of it.
    """
    try:
        import _tkinter
    except ImportError as error:
        raise LabError(
            "this Python was built without tkinter, whose Tcl runs the iRules: install python3-tk"
            " (Debian, Ubuntu), python3-tkinter (Fedora, RHEL) or python-tk (Homebrew)"
        ) from error
    made = _tkinter.create(None, "tmm", "Tmm", False, True, False, False, None)
    _kept.append(made)
    return made


def _counted(name: str, command: Command, counters: dict[str, int]) -> Command:
    def callback(*arguments: str) -> Any:
        counters[name] = counters.get(name, 0) + 1
        return command(*arguments)

    return callback
