"""Why a rule does not load, while it is being read: a position and a reason; ``loader`` words it as TMOS does."""

from __future__ import annotations

from bigip_sm.errors import RuleError

NOT_EMULATED = "not emulated by the lab: "


class Fault(RuleError):
    """One reason to refuse a rule. ``position`` is an offset into its text, ``command`` what TMOS quotes after it."""

    def __init__(self, position: int, reason: str, command: str = "") -> None:
        self.position = position
        self.reason = reason
        self.command = command
        super().__init__(reason)


def not_emulated(position: int, what: str) -> Fault:
    """A refusal of something that TMM takes or may take, and the lab does not."""
    return Fault(position, NOT_EMULATED + what)


def line_of(text: str, position: int) -> int:
    """The line (from 1) of an offset."""
    return text.count("\n", 0, position) + 1
