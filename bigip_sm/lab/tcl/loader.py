"""iRule text -> LoadedRule, or RuleError with every reason why TMOS would refuse it.

The words of the errors are TMOS's (01070151); a reason that begins with "not emulated by the lab" is the lab's own:
the rule may load on a device, and the lab would not run it faithfully. A procedure must be legal in every event from
which it can be reached by ``call``; TMM may leave that to run time, the lab does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from bigip_sm.errors import RuleError
from bigip_sm.lab.tcl import control, device, formats
from bigip_sm.lab.tcl.catalogue import DEFERRED_REFUSED
from bigip_sm.lab.tcl.check import LISTED, Checker, Unit
from bigip_sm.lab.tcl.events import EMULATED_EVENTS, EVENTS
from bigip_sm.lab.tcl.faults import not_emulated, refuse
from bigip_sm.lab.tcl.model import PROCEDURE_MARK, Handler, LoadedRule, Procedure
from bigip_sm.tcl.faults import Fault, line_of
from bigip_sm.tcl.parser import Command, Parser, Word

_REGISTERED = (control, device, formats)  # importing them is what makes the checker know these commands
DEFAULT_PRIORITY = 500
MAX_PRIORITY = 1000
TIMINGS = {"on": True, "enable": True, "off": False, "disable": False}
_PROCEDURE = re.compile(r"[A-Za-z0-9_]+")


def load(path: str, text: str) -> LoadedRule:
    """Load an iRule; ``path`` is its full path. Raises RuleError, whose message has one line for each reason."""
    try:
        _check_characters(text)
        checker = Checker(Parser(text, refuse))
        return _Loader(path, text, checker).load()
    except Fault as fault:
        raise RuleError(_message(path, text, [fault])) from None


def _message(path: str, text: str, faults: Iterable[Fault]) -> str:
    lines = []
    for fault in sorted(faults, key=lambda fault: fault.position):
        quoted = fault.command or text[fault.position :].partition("\n")[0]
        lines.append(f"{path}:{line_of(text, fault.position)}: error: [{fault.reason}][{quoted[:200]}]")
    return f"01070151:3: Rule [{path}] error: " + "\n".join(lines)


def _check_characters(text: str) -> None:
    """ASCII without NUL, and braces that balance over the whole text, comments included."""
    for found in re.finditer(r"[^\x01-\x7f]", text):
        what = "NUL" if found[0] == "\0" else "non-ASCII"
        raise Fault(found.start(), f"{what} character in the rule's text", what)
    depth = 0
    for brace in re.finditer(r"\\.|[{}]", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth < 0:
            raise Fault(brace.start(), "unmatched closing character")
    if depth:
        raise Fault(len(text.rstrip()), "incomplete command: missing close-brace", "missing close-brace")


class _Loader:
    """Reads the top level of one rule: ``when`` and ``proc``, comments, nothing else."""

    def __init__(self, path: str, text: str, checker: Checker) -> None:
        self.path = path
        self.text = text
        self.checker = checker
        self.handlers: list[tuple[str, int, bool | None, Word]] = []
        self.procedures: list[tuple[str, str, Word]] = []
        self.units: dict[str, Unit] = {}
        self.priority = DEFAULT_PRIORITY
        self.timing: bool | None = None

    def load(self) -> LoadedRule:
        script = self.checker.parser.script(0, len(self.text))
        for command in script.commands:
            try:
                self.top_level(command)
            except Fault as fault:
                fault.command = fault.command or self.text[command.start : command.end].partition("\n")[0]
                self.checker.faults.append(fault)
        self.check_events()
        if self.checker.faults:
            raise RuleError(_message(self.path, self.text, self.checker.faults))
        return self.result()

    def top_level(self, command: Command) -> None:
        readers: dict[str | None, Callable[[Command], None]] = {
            "when": self.when,
            "proc": self.proc,
            "priority": self.default,
            "timing": self.default,
        }
        name = command.words[0].literal()
        if name not in readers:
            raise Fault(command.start, f'"{name or self.text[command.start : command.words[0].end]}" unknown property')
        readers[name](command)

    def when(self, command: Command) -> None:
        words = list(command.words[1:])
        event = words[0].literal() if words else None
        if event is None:
            raise Fault(command.start, "wrong # args")
        if event not in EVENTS:
            raise Fault(command.start, f"unknown event ({event})")
        if not EVENTS[event].emulated:
            raise not_emulated(command.start, f"event {event} (the lab does not fire it{LISTED})")
        if any(event == found for found, *_ in self.handlers):
            raise Fault(command.start, f"Duplicate event ({event})")
        priority, timing, body = self.options(command, words[1:])
        self.handlers.append((event, priority, timing, body))
        self.unit(event, Unit(event), body)

    def default(self, command: Command) -> None:
        """``priority N`` and ``timing on|off`` outside of handlers: for those that follow."""
        name = str(command.words[0].literal())
        value = (command.words[1].literal() or "") if len(command.words) == 2 else ""
        if name == "priority" and value.isdecimal() and int(value) <= MAX_PRIORITY:
            self.priority = int(value)
        elif name == "timing" and value in TIMINGS:
            self.timing = TIMINGS[value]
        else:
            raise Fault(command.start, "wrong # args" if len(command.words) != 2 else f'bad {name} "{value}"')

    def options(self, command: Command, words: list[Word]) -> tuple[int, bool | None, Word]:
        """``?priority N? ?timing on|off? {body}``."""
        priority, timing = self.priority, self.timing
        while len(words) > 1:
            if words[0].form == "brace":
                raise Fault(words[1].start, f'unexpected extra argument "{words[1].literal()}"')
            name, value = words[0].literal(), words[1].literal() or ""
            if name == "priority" and value.isdecimal() and int(value) <= MAX_PRIORITY:
                priority = int(value)
            elif name == "timing" and value in TIMINGS:
                timing = TIMINGS[value]
            else:
                extra = value if name in ("priority", "timing") else name
                raise Fault(words[0].start, f'unexpected extra argument "{extra}"')
            words = words[2:]
        if not words or words[0].form != "brace":
            raise Fault(command.start, "wrong # args")
        return priority, timing, words[0]

    def proc(self, command: Command) -> None:
        if len(command.words) != 4:
            raise Fault(command.start, "wrong # args")
        name, arguments, body = (word.literal() for word in command.words[1:])
        if name is None or arguments is None or body is None or command.words[3].form != "brace":
            raise not_emulated(command.start, "a procedure that is not literal, or without braces")
        if not _PROCEDURE.fullmatch(name):
            raise not_emulated(command.start, f'the procedure name "{name}"; letters, digits and _ only')
        if any(name == found for found, *_ in self.procedures):
            raise not_emulated(command.start, f'a second procedure "{name}"')
        self.check_arguments(command.words[2])
        self.procedures.append((name, arguments, command.words[3]))
        self.unit(f"proc {name}", Unit(), command.words[3])

    def check_arguments(self, word: Word) -> None:
        if not word.plain:
            raise not_emulated(word.start, "arguments of a procedure with substitutions")
        for argument in self.checker.parser.elements(*word.inner):
            fields = self.checker.parser.elements(*argument.inner)
            name = fields[0].literal() if fields else None
            if not name or len(fields) > 2 or "::" in name or "(" in name:
                raise Fault(argument.start, f'bad argument "{argument.literal()}" of a procedure')

    def unit(self, name: str, unit: Unit, body: Word) -> None:
        self.units[name] = self.checker.unit = unit
        self.checker.script(*body.inner)

    def check_events(self) -> None:
        """Commands outside the events that TMM allows them in, through calls of procedures too."""
        for event, *_ in self.handlers:
            for name in self.reached(event):
                refusals = [use.refusal(event) for use in self.units[name].uses]
                self.checker.faults += [refusal for refusal in refusals if refusal is not None]
            for position, called in self.units[event].deferred:
                used = {name for unit in self.reached(f"proc {called}") for name in self.units[unit].commands}
                for name in sorted(used & DEFERRED_REFUSED):
                    self.checker.faults.append(not_emulated(position, f"{name} in a script of after"))

    def result(self) -> LoadedRule:
        edits = self.checker.edits
        own = {name for name, *_ in self.procedures}
        for start, end, name in self.checker.called:
            if name in own and "\n" not in self.text[start:end]:
                edits.replace(start, end, PROCEDURE_MARK + name)
        edits.sort()
        handlers = [
            Handler(event, priority, edits.apply(self.text, *body.inner), line_of(self.text, body.start), timing)
            for event, priority, timing, body in self.handlers
        ]
        procedures = [
            Procedure(
                name,
                arguments,
                edits.apply(self.text, *body.inner),
                line_of(self.text, body.start),
                self.legal_events(f"proc {name}"),
            )
            for name, arguments, body in self.procedures
        ]
        references = {kind: self.resolve(names) for kind, names in self.checker.references.items()}
        return LoadedRule(
            self.path,
            tuple(sorted(handlers, key=lambda handler: handler.priority)),
            tuple(procedures),
            references["data group"],
            references["pool"],
            references["profile"],
            frozenset(name for unit in self.units.values() for name in unit.commands),
            frozenset(self.checker.global_variables),
        )

    def legal_events(self, unit: str) -> frozenset[str] | None:
        """The events from which a procedure may be called, None for all."""
        uses = [use for name in self.reached(unit) for use in self.units[name].uses]
        legal = frozenset(event for event in EMULATED_EVENTS if all(use.refusal(event) is None for use in uses))
        return None if legal == EMULATED_EVENTS else legal

    def reached(self, unit: str) -> set[str]:
        """The names of a unit and of those that it calls, directly or not."""
        seen: set[str] = set()
        waiting = [unit]
        while waiting:
            name = waiting.pop()
            if name in self.units and name not in seen:
                seen.add(name)
                waiting += [f"proc {called}" for called in self.units[name].calls]
        return seen

    def resolve(self, names: Iterable[str]) -> frozenset[str]:
        """Full paths; a name without a folder is in the folder of the rule."""
        folder = self.path.rpartition("/")[0]
        return frozenset(name if name.startswith("/") else f"{folder}/{name}" for name in names)
