"""Commands of Tcl that 8.6 does differently from 8.4, or whose literal arguments say what they need of it.

Importing the module registers the handlers with ``check``.
"""

from __future__ import annotations

import re

from bigip_sm.lab.tcl.check import Call, Checker, handles
from bigip_sm.lab.tcl.faults import not_emulated
from bigip_sm.tcl import stock
from bigip_sm.tcl.faults import Fault
from bigip_sm.tcl.parser import Part, Word, walk_parts

_CONVERSION = re.compile(
    r"%(?:%|(?P<position>\d+\$)?[-+ 0#]*(?:\d+|\*)?(?:\.(?:\d+|\*)?)?(?P<size>ll|[hl])?(?P<type>.?))", re.DOTALL
)
_SCANNED = re.compile(
    r"%(?:%|\*?(?:\d+\$)?\d*(?P<size>ll|[hlL])?(?:(?P<set>\[\^?\]?[^\]]*\])|(?P<type>.?)))", re.DOTALL
)
_BINARY = re.compile(r"\s*([@A-Za-z])(u?)(\*|\d*)")
_INTEGER = re.compile(r"\s*[-+]?(?:0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*)\s*")
_SMALL = re.compile(r"\d{1,9}")


@handles("incr")
def _incr(checker: Checker, call: Call) -> None:
    """8.4: an error for an unset variable, and integers of 64 bits that wrap."""
    name = call.arguments[0]
    if _has_script(name.parts):
        raise not_emulated(name.start, "incr of a variable whose name is made by a command")
    variable = checker.text[name.start : name.end]
    amount = call.arguments[1].literal() if len(call.arguments) > 1 else "1"
    if amount is not None and not _INTEGER.fullmatch(amount):
        raise Fault(call.start, f'expected integer but got "{amount}"')
    test = f"[set {variable}]>9223372036854775807"
    if amount is None or not _SMALL.fullmatch(amount):
        test += f"||[set {variable}]<-9223372036854775808"
    checker.edits.insert(call.start, f"set {variable};")
    checker.edits.insert(call.invocation.end, f";expr {{{test}?[::tcl84::overflow {variable}]:[set {variable}]}}")


def _has_script(parts: tuple[Part, ...]) -> bool:
    return any(part.kind == "script" for part in walk_parts(parts))


@handles("lreplace", "lset", "string toupper", "string totitle")
def _renamed(checker: Checker, call: Call) -> None:
    checker.rename(call, f"::tcl84::{call.subcommand or call.name}")


@handles("string trim", "string trimleft", "string trimright")
def _trim(checker: Checker, call: Call) -> None:
    """8.4 trims these four characters; 8.6 also vertical tabs, NUL, and bytes of which UTF-8 makes use (85, A0)."""
    if len(call.arguments) == 1:
        checker.edits.insert(call.invocation.end, ' " \\t\\n\\r"')


@handles("string is")
def _string_is(checker: Checker, call: Call) -> None:
    name = call.arguments[0].literal()
    if name is None or name in ("boolean", "false", "true"):
        raise not_emulated(call.arguments[0].start, f"string is {name or 'with a class that is not literal'}")
    if name not in stock.STRING_CLASSES:
        raise Fault(call.arguments[0].start, f'bad class "{name}": must be {", ".join(sorted(stock.STRING_CLASSES))}')
    words = list(call.arguments[1:])
    if len(words) > 1 and words[0].literal() == "-strict":
        words.pop(0)
    if len(words) > 1 and words[0].literal() == "-failindex":
        raise not_emulated(words[0].start, "string is -failindex")
    if len(words) != 1:
        raise Fault(call.start, "wrong # args")
    if name in ("integer", "double"):
        checker.rename(call, "::tcl84::is")


@handles("format")
def _format(checker: Checker, call: Call) -> None:
    template = call.arguments[0].literal()
    if template is None:
        checker.rename(call, "::tcl84::format")
        return
    characters = False
    for found in _CONVERSION.finditer(template):
        kind = found["type"]
        if kind is None:
            continue
        if found["size"] == "ll" or kind not in tuple("diuoxXcsfeEgG") or found["position"]:
            raise Fault(call.arguments[0].start, f'bad field specifier "{found[0]}" in format string')
        characters = characters or kind == "c"
    if not characters:
        return
    value = call.arguments[1] if template == "%c" and len(call.arguments) == 2 else None
    if value is not None and value.form == "bare":
        checker.edits.insert(value.start, "[expr {")
        checker.edits.insert(value.end, " & 255}]")
    else:
        checker.rename(call, "::tcl84::format")


@handles("scan")
def _scan(checker: Checker, call: Call) -> None:
    template = call.arguments[1].literal()
    for found in _SCANNED.finditer(template or ""):
        kind = found["type"]
        if found["set"] or kind is None:
            continue
        if found["size"] == "ll" or kind not in tuple("dioxucsfeEgGXn"):
            raise Fault(call.arguments[1].start, f'bad scan conversion "{found[0]}"')


@handles("binary format", "binary scan")
def _binary(checker: Checker, call: Call) -> None:
    word = call.arguments[0 if call.subcommand == "format" else 1]
    for part in word.parts:
        if part.kind != "text":
            continue
        for _, (kind, unsigned, _count) in ((found.start(), found.groups()) for found in _BINARY.finditer(part.value)):
            if unsigned:
                raise not_emulated(word.start, "the flag u of binary, which Tcl 8.4 does not have")
            if kind not in "aAbBhHcsSiIwWfdxX@":
                raise Fault(word.start, f'bad field specifier "{kind}"')


@handles("regexp", "regsub")
def _regular_expression(checker: Checker, call: Call) -> None:
    pattern = call.arguments[0].literal() or ""
    if re.search(r"(?<!\\)(?:\\\\)*\\x[0-9A-Fa-f]{3}", pattern):
        raise not_emulated(call.arguments[0].start, "\\x with more than two hexadecimal digits")


@handles("lsort")
def _lsort(checker: Checker, call: Call) -> None:
    for option, values in call.options:
        if option == "-index" and not re.fullmatch(r"\d+|end(-\d+)?", values[0].literal() or "0"):
            raise Fault(values[0].start, f'bad index "{values[0].literal()}": must be integer or end?-integer?')


@handles("clock format", "clock scan")
def _clock(checker: Checker, call: Call) -> None:
    """8.4's conversions by ``mathfuncs``; without -gmt the time zone is the device's, UTC in the lab."""
    words = list(call.invocation.words[2:])
    options: dict[str, Word] = {}
    allowed = ("-format", "-gmt") if call.subcommand == "format" else ("-gmt",)
    for option, value in zip(words[1::2], words[2::2], strict=False):
        name = option.literal()
        if name is None or name not in allowed:
            raise not_emulated(
                option.start, f"option {name} of clock {call.subcommand} (the lab has {', '.join(allowed)})"
            )
        options[name] = value
    if len(words) % 2 == 0:
        raise Fault(call.start, "wrong # args")
    gmt = options["-gmt"].literal() if "-gmt" in options else "0"
    if gmt not in ("0", "1", "true", "false", "yes", "no"):
        raise not_emulated(call.start, "a -gmt that is neither 0 nor 1")
    if call.subcommand == "scan":
        _replace_words(checker, call, "::tcl84::clock_scan", words[0], "")
        return
    template = options.get("-format")
    zone = "GMT" if gmt in ("1", "true", "yes") else "UTC"
    if template is None:
        suffix = f" {{%a %b %d %H:%M:%S %Z %Y}} {zone}"
    else:
        unknown = set(re.findall(r"%(.)", template.literal() or "")) - set("%ntYmdHMSsZaAbhByeTRDj")
        if unknown or template.literal() is None:
            raise not_emulated(template.start, f"the clock format {template.literal() or ''}".rstrip())
        suffix = f" {checker.text[template.start : template.end]} {zone}"
    _replace_words(checker, call, "::tcl84::clock_format", words[0], suffix)


def _replace_words(checker: Checker, call: Call, name: str, value: Word, suffix: str) -> None:
    gap = checker.text[value.end : call.invocation.end]
    checker.rename(call, name)
    checker.edits.replace(value.end, call.invocation.end, suffix + "\\\n" * gap.count("\n"))
