"""Why a text cannot be read as an iRule: an offset into it and a reason."""

from __future__ import annotations

from bigip_sm.errors import RuleError


class Fault(RuleError):
    """One reason to refuse a rule. ``position`` is an offset into its text, ``command`` what TMOS quotes after it."""

    def __init__(self, position: int, reason: str, command: str = "") -> None:
        self.position = position
        self.reason = reason
        self.command = command
        super().__init__(reason)


class Doubt(Fault):
    """Something that TMM takes, or may take, and that a stock Tcl does not read in the same way."""


def line_of(text: str, position: int) -> int:
    """The line (from 1) of an offset."""
    return text.count("\n", 0, position) + 1
