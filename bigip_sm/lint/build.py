"""iRule text -> tree. Nothing here raises: what cannot be read is a problem in the tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from bigip_sm.lint.tree import Body, BodyKind, Operand, Problem, Statement, Tree, Unit, Variable
from bigip_sm.tcl.expr import Node, parse_expression
from bigip_sm.tcl.faults import Doubt, Fault
from bigip_sm.tcl.parser import Command, Parser, Part, Script, Word

MAX_DEPTH = 60  # of bodies within bodies; real rules stay below 12


def build(text: str) -> Tree:
    """The tree of a rule; line ends must be LF."""
    return _Builder(text).whole()


class _Builder:
    def __init__(self, text: str) -> None:
        self.tree = Tree(text)
        self.text = text
        self.parser = Parser(text, self.doubt)
        self.unit = Unit(0, len(text))
        self.depth = 0

    def doubt(self, doubt: Doubt) -> None:
        problem = Problem(doubt.position, doubt.reason, doubt=True)
        if problem not in self.tree.problems[-3:]:
            self.tree.problems.append(problem)

    def fault(self, fault: Fault) -> None:
        self.unit.readable = False
        self.parser = Parser(self.text, self.doubt)  # the old one may have stopped half-way down
        self.tree.problems.append(Problem(fault.position, fault.reason))

    def whole(self) -> Tree:
        top = self.body("unit", 0, len(self.text), None, read=False)
        self.tree.top = top
        try:
            script = self.parser.script(0, len(self.text))
        except Fault as fault:
            self.fault(fault)
            return self.tree
        top.comments, top.joints = script.comments, script.joints
        for found in script.commands:
            command = self.uncommented(found)
            name = command.words[0].literal()
            if name not in ("when", "proc"):
                self.tree.strangers.append(self.statement(command, top))
                continue
            unit = self.when(command) if name == "when" else self.proc(command)
            if unit is not None:
                self.tree.units.append(unit)
        return self.tree

    def when(self, command: Command) -> Unit | None:
        words = command.words[1:]
        event = words[0].literal() if words else None
        if event is None or words[-1].form != "brace" or len(words) < 2:
            self.fault(Fault(command.start, "write: when EVENT priority 500 {...}"))
            return None
        options = [word.literal() for word in words[1:-1]]
        unit = Unit(command.start, command.end, event=event, priority="priority" in options[::2])
        given = dict(zip(options[::2], options[1::2], strict=False)).get("priority") or ""
        unit.level = int(given) if re.fullmatch(r"\d{1,4}", given, re.ASCII) else unit.level
        return self.fill(unit, words[-1])

    def proc(self, command: Command) -> Unit | None:
        words = command.words[1:]
        name = words[0].literal() if words else None
        if len(words) != 3 or name is None or words[2].form != "brace":
            self.fault(Fault(command.start, "write: proc name {parameters} {...}"))
            return None
        parameters = []
        try:
            for word in self.parser.elements(*words[1].inner):
                fields = (word.literal() or "").split()
                parameters += fields[:1]
        except Fault as fault:
            self.fault(fault)
        return self.fill(Unit(command.start, command.end, procedure=name, parameters=tuple(parameters)), words[2])

    def fill(self, unit: Unit, word: Word) -> Unit:
        self.unit = unit
        unit.body = self.body("unit", *word.inner, None)
        return unit

    def body(self, kind: BodyKind, start: int, end: int, owner: Statement | None, *, read: bool = True) -> Body:
        body = Body(kind, start, end, self.unit, owner)
        if not read:
            return body
        self.depth += 1
        try:
            if self.depth > MAX_DEPTH:
                raise Fault(start, f"scripts nested deeper than {MAX_DEPTH}")
            self.script(self.parser.script(start, end), body)
        except Fault as fault:
            self.fault(fault)
        self.depth -= 1
        return body

    def script(self, script: Script, body: Body) -> None:
        body.comments, body.joints = script.comments, script.joints
        body.statements = [self.statement(command, body) for command in script.commands]

    def uncommented(self, command: Command) -> Command:
        """The command without a comment at its end, which Tcl takes for arguments."""
        if self.text[command.end : command.end + 1] not in ("", "\n"):
            return command
        for index, word in enumerate(command.words[1:-1], 1):
            if word.form == "bare" and not self.text[word.start : word.end].strip("#"):
                self.tree.comments.append(word.start)
                return Command(command.start, command.words[index - 1].end, command.words[:index])
        return command

    def statement(self, command: Command, body: Body) -> Statement:
        command = self.uncommented(command) if body.kind != "inline" else command
        name = command.words[0].literal() or ""
        statement = Statement(name.removeprefix("::"), command.words, command.start, command.end, body)
        for word in command.words:
            if word.form != "brace":
                self.operands(word.parts, statement.operands, statement)
        reader = READERS.get(statement.name)
        if reader is not None:
            reader(self, statement, list(statement.arguments))
        return statement

    def operands(self, parts: Iterable[Part], found: list[Operand], owner: Statement) -> None:
        for part in parts:
            if part.index is not None:
                self.operands(part.index, found, owner)
            if part.kind == "variable":
                found.append(Variable(part.value.partition("(")[0], part.start))
            elif part.kind == "script" and part.script is not None:
                inner = self.body("inline", part.start + 1, part.end - 1, owner, read=False)
                self.script(part.script, inner)
                found.extend(inner.statements)

    def add(self, kind: BodyKind, statement: Statement, word: Word, test: Word | None = None) -> Body | None:
        """A word that is a script; ``test`` is the expression on which it runs."""
        condition: list[Operand] = []
        node = self.expression(statement, test, condition) if test is not None else None
        if not word.plain and word.form != "brace":
            self.unit.readable = False
            return None
        body = self.body(kind, *word.inner, statement)
        body.condition, body.test = condition, node
        statement.bodies.append(body)
        return body

    def expression(self, statement: Statement, word: Word, found: list[Operand]) -> Node | None:
        node = None
        if word.plain:
            try:
                node = parse_expression(self.parser, *word.inner)
                self.nodes(node, found, statement)
            except Fault as fault:
                self.fault(fault)
        statement.expressions.append((word, node))
        return node

    def nodes(self, node: Node, found: list[Operand], statement: Statement) -> None:
        if node.word is None or node.word.form != "brace":
            self.operands(node.parts, found, statement)
        for child in node.children:
            self.nodes(child, found, statement)


Reader = Callable[[_Builder, Statement, list[Word]], None]


def _if(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    while len(words) > 1:
        test = words.pop(0)
        if words[0].literal() == "then" and len(words) > 1:
            words.pop(0)
        builder.add("then", statement, words.pop(0), test)
        if not words:
            return
        keyword = words[0].literal()
        if keyword == "elseif":
            words.pop(0)
            continue
        if keyword == "else":
            words.pop(0)
        if words:
            body = builder.add("then", statement, words.pop(0))
            if body is not None:
                body.default = True
        break
    else:
        builder.fault(Fault(statement.start, "an expression or a script is missing after if or elseif"))
        return
    if words:
        builder.fault(Fault(words[0].start, "extra words after the last script of if"))


def _while(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    if len(words) == 2:
        builder.add("loop", statement, words[1], words[0])


def _for(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    if len(words) == 4:
        builder.add("eval", statement, words[0])
        builder.add("loop", statement, words[3], words[1])
        builder.add("loop", statement, words[2])


def _foreach(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    if len(words) >= 3:
        builder.add("loop", statement, words[-1])


def _catch(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    if words:
        builder.add("catch", statement, words[0])


def _eval(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    if len(words) == 1:
        builder.add("eval", statement, words[0])


def _side(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    if len(words) == 1:
        builder.add("side", statement, words[0])


def _after(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    if len(words) > 1 and words[0].literal() not in ("cancel", "info"):
        builder.add("later", statement, words[-1])


def _expr(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    if len(words) == 1:
        builder.expression(statement, words[0], statement.operands)
    elif words:
        plain = all(word.form == "bare" and word.plain for word in words)
        whole = Word("bare", words[0].start, words[-1].end, tuple(part for word in words for part in word.parts))
        if plain:
            builder.expression(statement, whole, statement.operands)
        else:
            statement.expressions.append((whole, None))


def _switch(builder: _Builder, statement: Statement, words: list[Word]) -> None:
    while words and (words[0].literal() or "").startswith("-"):
        if words.pop(0).literal() == "--":
            break
    arms = words[1:]
    if len(arms) == 1:
        if arms[0].form != "brace":
            builder.unit.readable = False
            return
        try:
            elements = builder.parser.elements(*arms[0].inner)
            comments = switch_comments(builder.text, elements)
            builder.tree.patterns += [word.start for word in comments]
            arms = uncommented(builder.text, elements, comments)
        except Fault as fault:
            builder.fault(fault)
            return
    if len(arms) % 2:
        builder.fault(Fault(arms[-1].start, "a pattern of switch without a script"))
    for pattern, script in zip(arms[::2], arms[1::2], strict=False):
        if script.literal() == "-":
            continue
        body = builder.add("case", statement, script)
        if body is not None:
            body.default = pattern.literal() == "default" and script is arms[-1]


def uncommented(text: str, elements: Sequence[Word], comments: Sequence[Word]) -> list[Word]:
    """The elements without those that comments between the patterns of a switch consist of."""
    ranges = [(word.start, _line_end(text, word.start)) for word in comments]
    return [word for word in elements if not any(start <= word.start < end for start, end in ranges)]


def switch_comments(text: str, elements: Sequence[Word]) -> list[Word]:
    """The first words of comments that stand between the patterns of a switch, where they are patterns."""
    found = []
    for word in elements:
        if word.form == "bare" and text.startswith("#", word.start):
            before = text[text.rfind("\n", 0, word.start) + 1 : word.start]
            after = text[word.end : _line_end(text, word.start)].rstrip()
            if not before.strip() and after and not after.endswith(("{", "}", " -")):
                found.append(word)
    return found


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


READERS: dict[str, Reader] = {
    "if": _if,
    "while": _while,
    "for": _for,
    "foreach": _foreach,
    "catch": _catch,
    "eval": _eval,
    "uplevel": _eval,
    "clientside": _side,
    "serverside": _side,
    "peer": _side,
    "after": _after,
    "expr": _expr,
    "switch": _switch,
}
