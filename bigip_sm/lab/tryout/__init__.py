"""Trying an arbitrary iRule: a virtual server made for it, requests sent through it, and a record of what happened."""

from __future__ import annotations

from bigip_sm.lab.tryout.inputs import Group, Wanted, parse_group
from bigip_sm.lab.tryout.record import Record
from bigip_sm.lab.tryout.run import tryout

__all__ = ["Group", "Record", "Wanted", "parse_group", "tryout"]
