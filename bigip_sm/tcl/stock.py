"""The commands of Tcl 8.4 that TMM has and that matter to a rule: subcommands, options, numbers of arguments.

Source: the manual pages of Tcl 8.4; which of them TMM has: bitwisecook/tcl-lsp, "BIG-IP iRule parser measurements",
section 5.
"""

from __future__ import annotations

from collections.abc import Mapping

from bigip_sm.tcl.forms import Command, Form, names


def _flags(flags: str, values: Mapping[str, int] | None = None) -> dict[str, int]:
    return {**{f"-{name}" if name != "--" else name: 0 for name in flags.split()}, **(values or {})}


def _simple(name: str, minimum: int, maximum: int | None, options: Mapping[str, int] | None = None) -> Command:
    return Command(name, f"Tcl 8.4's {name}", Form(minimum, maximum, options or {}))


def _ensemble(name: str, **subcommands: Form) -> Command:
    return Command(name, f"Tcl 8.4's {name}", None, subcommands)


_ONE = Form(1, 1)
_TRIM = Form(1, 2)
_CASE = Form(1, 3)
_COMPARE = Form(2, 2, _flags("nocase", {"-length": 1}))

_COMMANDS = (
    _simple("append", 1, None),
    _simple("break", 0, 0),
    _simple("catch", 1, 2),
    _simple("concat", 0, None),
    _simple("continue", 0, 0),
    _simple("error", 1, 3),
    _simple("eval", 1, None),
    _simple("expr", 1, None),
    _simple("for", 4, 4),
    _simple("foreach", 3, None),
    _simple("format", 1, None),
    _simple("if", 2, None),
    _simple("incr", 1, 2),
    _simple("join", 1, 2),
    _simple("lappend", 1, None),
    _simple("lindex", 1, None),
    _simple("linsert", 3, None),
    _simple("list", 0, None),
    _simple("llength", 1, 1),
    _simple("lrange", 3, 3),
    _simple("lreplace", 3, None),
    _simple(
        "lsearch",
        2,
        2,
        _flags(
            "all ascii decreasing dictionary exact glob increasing inline integer not real regexp sorted", {"-start": 1}
        ),
    ),
    _simple("lset", 2, None),
    _simple("lsort", 1, 1, _flags("ascii decreasing dictionary increasing integer real unique", {"-index": 1})),
    _simple(
        "regexp",
        2,
        None,
        _flags("all about expanded indices inline line lineanchor linestop nocase --", {"-start": 1}),
    ),
    _simple("regsub", 3, 4, _flags("all expanded line lineanchor linestop nocase --", {"-start": 1})),
    _simple("return", 0, 1, {"-code": 1, "-errorinfo": 1, "-errorcode": 1}),
    _simple("scan", 2, None),
    _simple("set", 1, 2),
    _simple("split", 1, 2),
    _simple("subst", 1, 1, _flags("nobackslashes nocommands novariables")),
    _simple("switch", 2, None, _flags("exact glob regexp --")),
    _simple("unset", 0, None, _flags("nocomplain --")),
    _simple("upvar", 2, None),
    _simple("while", 2, 2),
    _ensemble(
        "array",
        anymore=Form(2, 2),
        donesearch=Form(2, 2),
        exists=_ONE,
        get=Form(1, 2),
        names=Form(1, 3),
        nextelement=Form(2, 2),
        set=Form(2, 2),
        size=_ONE,
        startsearch=_ONE,
        unset=Form(1, 2),
    ),
    _ensemble("binary", format=Form(1, None), scan=Form(2, None)),
    _ensemble(
        "clock",
        clicks=Form(0, 0, _flags("milliseconds")),
        format=Form(1, 5),
        scan=Form(1, 3),
        seconds=Form(),
    ),
    _ensemble("info", exists=_ONE),
    Command(
        "string",
        "Tcl 8.4's string",
        None,
        {
            "compare": _COMPARE,
            "equal": _COMPARE,
            "first": Form(2, 3),
            "index": Form(2, 2),
            "is": Form(2, None),
            "last": Form(2, 3),
            "length": _ONE,
            "map": Form(2, 2, _flags("nocase")),
            "match": Form(2, 2, _flags("nocase")),
            "range": Form(3, 3),
            "repeat": Form(2, 2),
            "replace": Form(3, 4),
            "tolower": _CASE,
            "totitle": _CASE,
            "toupper": _CASE,
            "trim": _TRIM,
            "trimleft": _TRIM,
            "trimright": _TRIM,
            "wordend": Form(2, 2),
            "wordstart": Form(2, 2),
        },
    ),
)

STOCK: dict[str, Command] = {command.name: command for command in _COMMANDS}

STRING_CLASSES = names(
    """alnum alpha ascii boolean control digit double false graph integer lower print punct space true upper
    wordchar xdigit"""
)

# Options are looked for only while more arguments follow than the command needs (8.4 reads them by count).
COUNTED_OPTIONS = names("lsearch lsort string subst return clock")

# Which arguments (after subcommand and options, from 0) are indexes: integer, end or end-integer in 8.4.
INDEXES: dict[tuple[str, str], slice] = {
    ("lindex", ""): slice(1, None),
    ("linsert", ""): slice(1, 2),
    ("lrange", ""): slice(1, 3),
    ("lreplace", ""): slice(1, 3),
    ("lset", ""): slice(1, -1),
    ("string", "first"): slice(2, 3),
    ("string", "index"): slice(1, 2),
    ("string", "last"): slice(2, 3),
    ("string", "range"): slice(1, 3),
    ("string", "replace"): slice(1, 3),
    ("string", "tolower"): slice(1, 3),
    ("string", "totitle"): slice(1, 3),
    ("string", "toupper"): slice(1, 3),
    ("string", "wordend"): slice(1, 2),
    ("string", "wordstart"): slice(1, 2),
}

# Which arguments are names of variables, where the command has any.
VARIABLES: dict[tuple[str, str], slice] = {
    ("append", ""): slice(0, 1),
    ("catch", ""): slice(1, 2),
    ("incr", ""): slice(0, 1),
    ("lappend", ""): slice(0, 1),
    ("lset", ""): slice(0, 1),
    ("regexp", ""): slice(2, None),
    ("regsub", ""): slice(3, 4),
    ("scan", ""): slice(2, None),
    ("set", ""): slice(0, 1),
    ("unset", ""): slice(0, None),
    ("binary", "scan"): slice(2, None),
    ("info", "exists"): slice(0, 1),
    **{("array", name): slice(0, 1) for name in names("anymore donesearch exists get names nextelement set size")},
    **{("array", name): slice(0, 1) for name in names("startsearch unset")},
}
