"""How a command is called: its subcommands, options and numbers of arguments, and the events that it is legal in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Form:
    """One way to call a command.

    ``minimum`` and ``maximum`` (``None``: any number) count the arguments after the subcommand and the options.
    ``options`` maps an option to the number of values that follow it; ``--`` ends them where it is listed. ``events``
    are those in which this form is legal, ``None`` meaning those of the command. ``usage`` is what is written after
    the command and the subcommand, for people: ``name ?value?``.
    """

    minimum: int = 0
    maximum: int | None = 0
    options: Mapping[str, int] = field(default_factory=dict)
    events: frozenset[str] | None = None
    summary: str = ""
    usage: str = ""


@dataclass(frozen=True)
class Command:
    """A command: its subcommands, and the form it has without one (``None``: a subcommand is needed).

    ``events`` are those in which TMM takes it, ``None`` meaning all; ``lab_events`` those of them in which the lab
    emulates it, ``None`` meaning all of them.
    """

    name: str
    summary: str
    form: Form | None = None
    subcommands: Mapping[str, Form] = field(default_factory=dict)
    events: frozenset[str] | None = None
    lab_events: frozenset[str] | None = None


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())
