"""Refusals that are the lab's own: the rule may load on a device, and the lab would not run it faithfully."""

from __future__ import annotations

from bigip_sm.tcl.faults import Doubt, Fault

NOT_EMULATED = "not emulated by the lab: "


def not_emulated(position: int, what: str) -> Fault:
    """A refusal of something that TMM takes or may take, and the lab does not."""
    return Fault(position, NOT_EMULATED + what)


def refuse(doubt: Doubt) -> None:
    """What the lab makes of a text that Tcl 8.6 would read otherwise than TMM: it raises a Fault."""
    raise not_emulated(doubt.position, doubt.reason)
