"""Commands whose arguments are scripts or expressions: control structures, ``expr``, ``catch``, ``switch``, ``call``.

Importing the module registers the handlers with ``check``.
"""

from __future__ import annotations

import re

from bigip_sm.lab.tcl.check import UNREADABLE, Call, Checker, handles
from bigip_sm.lab.tcl.faults import not_emulated
from bigip_sm.tcl.faults import Fault
from bigip_sm.tcl.parser import Word


@handles("if")
def _if(checker: Checker, call: Call) -> None:
    words = list(call.arguments)
    while True:
        if not words:
            raise Fault(call.start, 'missing an expression after "elseif"')
        checker.expression(words.pop(0))
        if words and words[0].literal() == "then":
            words.pop(0)
        if not words:
            raise Fault(call.start, 'missing a script after "if"')
        checker.body(words.pop(0))
        if not words:
            return
        keyword = words[0].literal()
        if keyword == "elseif":
            words.pop(0)
            continue
        if keyword == "else":
            words.pop(0)
            if not words:
                raise Fault(call.start, 'missing a script after "else"')
        if len(words) > 1:
            raise Fault(words[1].start, 'extra words after "else" clause in "if" command')
        checker.body(words[0])
        return


@handles("while")
def _while(checker: Checker, call: Call) -> None:
    checker.expression(call.arguments[0])
    checker.body(call.arguments[1])


@handles("for")
def _for(checker: Checker, call: Call) -> None:
    start, test, following, body = call.arguments
    checker.body(start)
    checker.expression(test)
    checker.body(following)
    checker.body(body)


@handles("foreach")
def _foreach(checker: Checker, call: Call) -> None:
    if len(call.arguments) % 2 == 0:
        raise Fault(call.start, "wrong # args")
    for names in call.arguments[:-1:2]:
        if names.literal() is None:
            raise not_emulated(names.start, UNREADABLE + "the variables of foreach must be literal")
        for name in str(names.literal()).split():
            checker.variable_name(names.start, name)
            if name.startswith("static::") and names.literal() != name:
                raise not_emulated(names.start, "a static variable among several of foreach")
        checker.written(names)
    checker.body(call.arguments[-1])


@handles("catch")
def _catch(checker: Checker, call: Call) -> None:
    checker.body(call.arguments[0])


@handles("eval")
def _eval(checker: Checker, call: Call) -> None:
    if len(call.arguments) > 1:
        raise not_emulated(call.start, UNREADABLE + "eval takes one script in braces")
    checker.body(call.arguments[0])


@handles("expr")
def _expr(checker: Checker, call: Call) -> None:
    words = call.arguments
    if len(words) == 1:
        checker.expression(words[0])
    elif all(word.form == "bare" and word.plain for word in words):
        whole = Word("bare", words[0].start, words[-1].end, tuple(part for word in words for part in word.parts))
        checker.expression(whole)
    else:
        raise not_emulated(call.start, "an expression that is substituted twice; put it in braces")


@handles("switch")
def _switch(checker: Checker, call: Call) -> None:
    if len([option for option, _ in call.options if option != "--"]) > 1:
        raise not_emulated(call.start, "more than one of -exact, -glob and -regexp")
    subject, *rest = call.arguments
    guard_dash(checker, call, subject)
    if len(rest) == 1:
        if not rest[0].plain:
            raise not_emulated(rest[0].start, UNREADABLE + "the patterns of switch must be in braces")
        if rest[0].form != "brace":
            raise not_emulated(rest[0].start, "the patterns of switch without braces")
        rest = checker.parser.elements(*rest[0].inner)
        if not rest:
            raise Fault(call.start, "wrong # args")
        comments = [word for word in rest[::2] if word.literal() == "#" or checker.text[word.start] == "#"]
        if comments:
            raise Fault(comments[0].start, "a comment within switch is a pattern; put it into a body")
    if len(rest) % 2:
        raise Fault(rest[-1].start, "extra switch pattern with no body")
    for body in rest[1::2]:
        if body.literal() != "-":
            checker.body(body)
    if rest[-1].literal() == "-":
        raise Fault(rest[-1].start, f'no body specified for pattern "{rest[-2].literal()}"')


def guard_dash(checker: Checker, call: Call, subject: Word) -> None:
    """Without ``--`` 8.4 takes a subject that begins with a dash for an option; 8.6 would not with a single list."""
    first = subject.parts[0] if subject.parts else None
    if call.option("--") or first is None:
        return
    if first.kind in ("text", "escape"):
        if first.value.startswith("-"):
            raise Fault(subject.start, f'bad option "{subject.literal()}": must be -exact, -glob, -regexp, or --')
        return
    checker.edits.insert(subject.start, "[::tcl84::subject ")
    checker.edits.insert(subject.end, "]")


@handles("call")
def _call(checker: Checker, call: Call) -> None:
    name = call.arguments[0].literal()
    if name is None:
        raise not_emulated(call.start, UNREADABLE + "the procedure's name must be literal")
    if re.fullmatch(r"[A-Za-z0-9_]+", name):
        checker.unit.calls.add(name)
        checker.called.append((call.start, call.arguments[0].end, name))
        if checker.deferred:
            checker.unit.deferred.append((call.start, name))
    elif checker.deferred:
        raise not_emulated(call.start, f"{name}, a procedure of another rule, in a script of after")
    elif not re.fullmatch(r"(?:/[^\s/:]+)*/?[^\s/:]+::[A-Za-z0-9_]+", name):
        raise Fault(call.start, f'bad name of a procedure "{name}"')


@handles("global")
def _global(checker: Checker, call: Call) -> None:
    for word in call.arguments:
        name = word.literal()
        if name is None:
            raise not_emulated(word.start, "global with a name that is not literal")
        checker.variable_name(word.start, name if name.startswith("::") else f"::{name}")


@handles("clientside", "serverside")
def _side(checker: Checker, call: Call) -> None:
    checker.body(call.arguments[0])


@handles("after")
def _after(checker: Checker, call: Call) -> None:
    """A delay, a script that runs later among the connection's variables, ``cancel`` or ``info``."""
    first, *rest = call.arguments
    word = first.literal()
    if word in ("cancel", "info"):
        if (word == "cancel" and not rest) or (word == "info" and len(rest) > 1):
            raise Fault(call.start, "wrong # args")
        return
    if word is not None and not word.isdecimal():
        raise Fault(first.start, f'bad argument "{word}": must be a number of milliseconds, cancel or info')
    if not rest:
        return
    if rest[0].literal() == "-periodic":
        rest.pop(0)
    if len(rest) != 1:
        raise Fault(call.start, "wrong # args")
    if not checker.unit.event:
        raise not_emulated(call.start, "a script of after in a procedure")
    if rest[0].form != "brace":
        raise not_emulated(rest[0].start, "a script of after without braces")
    checker.deferred = True
    try:
        checker.body(rest[0])
    finally:
        checker.deferred = False


@handles("subst")
def _subst(checker: Checker, call: Call) -> None:
    word = call.arguments[0]
    literal = word.literal()
    if literal is None:
        if not (call.option("-nocommands") and call.option("-novariables")):
            raise not_emulated(call.start, UNREADABLE + "subst needs a literal, or -nocommands and -novariables")
    elif "[" in literal and not call.option("-nocommands"):
        raise not_emulated(call.start, UNREADABLE + "subst of commands")
    elif re.search(r"\$[A-Za-z0-9_:]*\([^)]*\[", literal):
        raise not_emulated(call.start, UNREADABLE + "subst of commands in the index of an array")


@handles("upvar")
def _upvar(checker: Checker, call: Call) -> None:
    words = list(call.arguments)
    level = words[0].literal()
    if level is None and len(words) % 2:
        raise not_emulated(call.start, "upvar to a level that is not literal")
    if level is not None and re.match(r"#|\d", level):
        if level != "1":
            raise not_emulated(call.start, f"upvar to level {level}; procedures reach their caller's variables with 1")
        words.pop(0)
    if not words or len(words) % 2:
        raise Fault(call.start, "wrong # args")
    for word in words:
        name = word.literal()
        if name is not None:
            checker.variable_name(word.start, name)
