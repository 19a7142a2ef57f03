"""Walks every script of a rule as TMM's rule compiler does: commands, arguments, options, events, and what to rewrite.

What is not literal cannot be checked here: a command name, a body or an expression that comes out of a variable is
refused, because the lab would run it with the semantics of Tcl 8.6.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bigip_sm.lab.tcl import stock as refused
from bigip_sm.lab.tcl.arithmetic import rewrite_expression
from bigip_sm.lab.tcl.catalogue import CATALOGUE, DEFERRED_REFUSED
from bigip_sm.lab.tcl.edits import Edits
from bigip_sm.lab.tcl.faults import NOT_EMULATED, not_emulated
from bigip_sm.tcl import stock
from bigip_sm.tcl.commands import DISABLED, is_known
from bigip_sm.tcl.expr import Node, parse_expression
from bigip_sm.tcl.faults import Fault
from bigip_sm.tcl.forms import Command, Form
from bigip_sm.tcl.parser import Command as Invocation
from bigip_sm.tcl.parser import Parser, Part, Word, walk_parts

MAX_DEPTH = 50  # of bodies within bodies
MAX_FAULTS = 20
UNREADABLE = "the lab does not run scripts it cannot read: "
LISTED = "; `bigip-sm lab commands` lists what is"
_STATIC = re.compile(r"(?:::)?static::[A-Za-z0-9_]+")
_GLOBAL = re.compile(r"::[A-Za-z0-9_]+")
_INDEX = re.compile(r"-?\d+|end(?:-\d+)?")


@dataclass(frozen=True)
class Use:
    """A command that is legal in some events only, and where it stands."""

    position: int
    events: frozenset[str] | None
    lab_events: frozenset[str] | None
    command: str

    def refusal(self, event: str) -> Fault | None:
        """Why the command cannot be used in ``event``."""
        if self.events is not None and event not in self.events:
            return Fault(self.position, f"command is not valid in current event context ({event})", self.command)
        if self.lab_events is not None and event not in self.lab_events:
            emulated = ", ".join(sorted(self.lab_events))
            reason = f"{NOT_EMULATED}{self.command} in {event} (the lab has it in {emulated})"
            return Fault(self.position, reason, self.command)
        return None


@dataclass
class Unit:
    """One handler, or a procedure (``event`` is ""): what it uses and which procedures it calls.

    ``deferred`` are the calls of procedures in scripts of ``after``: (position, name).
    """

    event: str = ""
    uses: list[Use] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)
    commands: set[str] = field(default_factory=set)
    deferred: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """A command as found, matched with the form it was called in; ``arguments`` come after subcommand and options."""

    invocation: Invocation
    name: str
    subcommand: str
    form: Form
    options: tuple[tuple[str, tuple[Word, ...]], ...]
    arguments: tuple[Word, ...]

    @property
    def start(self) -> int:
        """Where the command begins."""
        return self.invocation.start

    def option(self, name: str) -> bool:
        """Whether an option was given."""
        return any(found == name for found, _ in self.options)


class Checker:
    """Checks one rule; ``faults``, ``edits`` and ``references`` fill up as units are walked.

    ``called`` is where ``call`` and a procedure's plain name stand: (start, end, name).
    """

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self.text = parser.text
        self.edits = Edits()
        self.faults: list[Fault] = []
        self.references: dict[str, set[str]] = {"data group": set(), "pool": set(), "profile": set()}
        self.global_variables: set[str] = set()
        self.called: list[tuple[int, int, str]] = []
        self.unit = Unit()
        self.deferred = False
        self._depth = 0

    def script(self, start: int, end: int) -> None:
        """Check the script between two offsets."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise not_emulated(start, f"bodies nested deeper than {MAX_DEPTH}")
        script = self.parser.script(start, end)
        self.commands(script.commands, script.joints)
        self._depth -= 1

    def commands(self, commands: tuple[Invocation, ...], joints: tuple[tuple[int, str], ...]) -> None:
        """Check commands that were parsed already; every one gets its own verdict."""
        for position, text in joints:
            self.edits.insert(position, text)
        for command in commands:
            depth = self._depth
            try:
                self.command(command)
            except Fault as fault:
                self._depth = depth
                if not fault.command:
                    fault.command = self.text[command.start : command.end].partition("\n")[0]
                if len(self.faults) < MAX_FAULTS:
                    self.faults.append(fault)

    def command(self, invocation: Invocation) -> None:
        """Check one command and what is nested in its words. Raises the first Fault."""
        head = invocation.words[0]
        for word in invocation.words:
            if word.form != "brace":
                self.parts(word.parts)
        name = head.literal()
        if name is None:
            raise not_emulated(head.start, UNREADABLE + "a command's name must be literal")
        if name in DISABLED:
            raise Fault(head.start, f'command is disabled: "{name}"')
        if name in ("proc", "when"):
            raise Fault(head.start, "command is not valid in the current scope")
        if name in refused.NOT_EMULATED:
            raise not_emulated(head.start, refused.NOT_EMULATED[name])
        command = CATALOGUE.get(name) or stock.STOCK.get(name) or refused.MORE.get(name)
        if command is None:
            if is_known(name):
                raise not_emulated(head.start, name + LISTED)
            raise Fault(head.start, f"undefined procedure: {name}")
        if self.deferred and name in DEFERRED_REFUSED:
            raise not_emulated(head.start, f"{name} in a script of after")
        self.unit.commands.add(name)
        call = self.match(command, invocation)
        events = call.form.events or command.events
        if events is not None or command.lab_events is not None:
            self.unit.uses.append(Use(invocation.start, events, command.lab_events, name))
        self.check_indexes(call)
        self.check_variables(call)
        handler = HANDLERS.get((name, call.subcommand)) or HANDLERS.get((name, ""))
        if handler is not None:
            handler(self, call)

    def match(self, command: Command, invocation: Invocation) -> Call:
        """The form in which a command was called. Raises Fault for wrong subcommands, options and numbers."""
        words = invocation.words[1:]
        subcommand = ""
        form = command.form
        if command.subcommands:
            if not words:
                if form is None:
                    raise Fault(invocation.start, "wrong # args")
            else:
                literal = words[0].literal()
                if literal is None and form is None:
                    raise not_emulated(words[0].start, UNREADABLE + f"the subcommand of {command.name} must be literal")
                if literal is not None and literal in command.subcommands:
                    subcommand, form, words = literal, command.subcommands[literal], words[1:]
                elif form is None or (form.maximum is not None and len(words) > form.maximum):
                    raise self.unknown_subcommand(command, words[0].start, str(literal))
        if form is None:
            raise Fault(invocation.start, "wrong # args")
        options, arguments = self.split_options(f"{command.name} {subcommand}".rstrip(), form, words)
        if len(arguments) < form.minimum or (form.maximum is not None and len(arguments) > form.maximum):
            raise Fault(invocation.start, "wrong # args")
        return Call(invocation, command.name, subcommand, form, options, arguments)

    def unknown_subcommand(self, command: Command, position: int, found: str) -> Fault:
        """TMOS's words for a subcommand that does not exist, the lab's for one that is not emulated."""
        known = ", ".join(sorted(command.subcommands))
        if (command.name, found) in refused.NOT_EMULATED_SUBCOMMANDS:
            return not_emulated(position, f"{command.name} {found} (the lab has {known})")
        if command.name in CATALOGUE:
            return not_emulated(position, f"{command.name} {found} (the lab has {known})")
        return Fault(position, f'bad option "{found}": must be {known}')

    def split_options(
        self, name: str, form: Form, words: tuple[Word, ...]
    ) -> tuple[tuple[tuple[str, tuple[Word, ...]], ...], tuple[Word, ...]]:
        """Options with their values, and the arguments after them."""
        found = []
        command = name.partition(" ")[0]
        counted = command in stock.COUNTED_OPTIONS
        at = 0
        if command in CATALOGUE and words and not form.options and (words[0].literal() or "").startswith("-"):
            raise not_emulated(words[0].start, f"option {words[0].literal()} of {name}")
        fewest = max(form.minimum, int(form.maximum != 0))
        while form.options and at < len(words) and not (counted and len(words) - at <= fewest):
            option = words[at].literal()
            if option is None or not option.startswith("-"):
                break
            if option not in form.options:
                known = ", ".join(sorted(form.options))
                if command in CATALOGUE:
                    raise not_emulated(words[at].start, f"option {option} of {name} (the lab has {known})")
                raise Fault(words[at].start, f'bad option "{option}": must be {known}')
            values = words[at + 1 : at + 1 + form.options[option]]
            if len(values) < form.options[option]:
                raise Fault(words[at].start, "wrong # args")
            at += 1 + len(values)
            found.append((option, values))
            if option == "--":
                break
        return tuple(found), words[at:]

    def parts(self, parts: tuple[Part, ...]) -> None:
        """Check variables and nested scripts of a word."""
        for part in walk_parts(parts):
            if part.kind == "variable":
                self.variable_name(part.start, part.value)
            elif part.kind == "script" and part.script is not None:
                self.commands(part.script.commands, part.script.joints)

    def variable_name(self, position: int, name: str) -> None:
        """Note global variables; refuse those of namespaces other than ``static``."""
        plain = name.partition("(")[0]
        if "::" not in plain or _STATIC.fullmatch(plain):
            return
        if not _GLOBAL.fullmatch(plain):
            raise not_emulated(position, f'"{name}": a variable of a namespace other than static')
        self.global_variables.add(plain)

    def check_variables(self, call: Call) -> None:
        """Literal names of variables among the arguments."""
        for word in call.arguments[stock.VARIABLES.get((call.name, call.subcommand), slice(0, 0))]:
            self.written(word)
            name = word.literal()
            if name is not None:
                self.variable_name(word.start, name)
                if self.unit.event == "RULE_INIT" and call.name in ("set", "append", "lappend") and "::" not in name:
                    self.variable_name(word.start, "::" + name)

    def written(self, word: Word) -> None:
        """The name of a variable that a command may make: ``static::x`` means the same in every procedure."""
        if word.parts and word.parts[0].value.startswith("static::"):
            self.edits.insert(word.inner[0], "::")

    def check_indexes(self, call: Call) -> None:
        """Indexes as in 8.4: an integer, ``end`` or ``end-integer``; no arithmetic."""
        for word in call.arguments[stock.INDEXES.get((call.name, call.subcommand), slice(0, 0))]:
            literal = word.literal()
            kinds = [part.kind for part in word.parts]
            if literal is None:
                whole = len(kinds) == 1
                offset = len(kinds) == 2 and word.parts[0].value == "end-" and kinds[0] == "text"
                if not whole and not offset:
                    raise not_emulated(word.start, "arithmetic in an index, which Tcl 8.4 does not have")
            elif " " in literal and call.name in ("lindex", "lset"):
                continue
            elif literal and not _INDEX.fullmatch(literal):
                raise Fault(word.start, f'bad index "{literal}": must be integer or end?-integer?')

    def body(self, word: Word) -> None:
        """Check a word that is a script."""
        if not word.plain:
            raise not_emulated(word.start, UNREADABLE + "put it in braces")
        before = len(self.edits)
        self.script(*word.inner)
        if word.form != "brace" and len(self.edits) > before:
            raise not_emulated(word.start, "this script without braces; put it in braces")

    def expression(self, word: Word) -> None:
        """Check and rewrite a word that is an expression."""
        if not word.plain:
            raise not_emulated(word.start, "an expression that is substituted twice; put it in braces")
        before = len(self.edits)
        root = parse_expression(self.parser, *word.inner)
        rewrite_expression(self.text, root, self.edits)
        self.operands(root)
        if word.form != "brace" and len(self.edits) > before:
            raise not_emulated(word.start, "this expression without braces; put it in braces")

    def operands(self, node: Node) -> None:
        """Check the variables and scripts of an expression."""
        if node.word is None or node.word.form != "brace":
            self.parts(node.parts)
        for child in node.children:
            self.operands(child)

    def reference(self, kind: str, word: Word) -> None:
        """Remember the name of an object if it is literal."""
        name = word.literal()
        if name:
            self.references[kind].add(name)

    def rename(self, call: Call, name: str) -> None:
        """Call ``name`` instead of the command and its subcommand."""
        words = call.invocation.words
        self.edits.replace(words[0].start, words[1 if call.subcommand else 0].end, name)


Handler = Callable[[Checker, Call], None]
HANDLERS: dict[tuple[str, str], Handler] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register what more a command needs than its form; ``"class match"`` names a subcommand."""

    def register(handler: Handler) -> Handler:
        for name in names:
            command, _, subcommand = name.partition(" ")
            HANDLERS[command, subcommand] = handler
        return handler

    return register
