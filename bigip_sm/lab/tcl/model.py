"""What a loaded iRule is: plain values that the control plane and the data plane share."""

from __future__ import annotations

from dataclasses import dataclass, field

PROCEDURE_MARK = "\N{SECTION SIGN}"
"""Stands in a body where ``call`` stood, before the name of a procedure of the same rule: a character that no rule has.

Whoever runs the body puts there what makes the name that of a command: that is cheaper than ``call`` at run time.
"""


@dataclass(frozen=True)
class Handler:
    """One ``when`` block.

    ``body`` is Tcl for a stock 8.6 interpreter: the operators of iRules are rewritten, everything else stands where
    it stood, so that line n of ``body`` is line ``line`` + n - 1 of the rule (both from 1). See PROCEDURE_MARK.
    ``timing`` is what the block says, ``None`` if it says nothing.
    """

    event: str
    priority: int
    body: str = field(repr=False)
    line: int
    timing: bool | None = None


@dataclass(frozen=True)
class Procedure:
    """One top-level ``proc``; ``arguments`` is its argument list as Tcl text, ``body`` and ``line`` as in Handler.

    ``events`` are those from which it may be called, None meaning all.
    """

    name: str
    arguments: str
    body: str = field(repr=False)
    line: int
    events: frozenset[str] | None = None


@dataclass(frozen=True)
class LoadedRule:
    """An iRule that loads.

    ``handlers`` are in the order in which they run within one event (priority, then text). ``data_groups``, ``pools``
    and ``profiles`` are the full paths of the objects that the rule names literally; a name without a folder is taken
    to be in the folder of the rule. ``commands`` are the names of the commands that it calls, ``global_variables`` of
    the variables that bind the virtual server to one TMM.
    """

    path: str
    handlers: tuple[Handler, ...]
    procedures: tuple[Procedure, ...]
    data_groups: frozenset[str]
    pools: frozenset[str]
    profiles: frozenset[str]
    commands: frozenset[str] = frozenset()
    global_variables: frozenset[str] = frozenset()
