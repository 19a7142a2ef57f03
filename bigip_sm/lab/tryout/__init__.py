"""Trying what somebody has: an iRule, with a virtual server made for it and a record of it, or an AS3 declaration."""

from __future__ import annotations

from bigip_sm.lab.tryout.declare import Declared, declare
from bigip_sm.lab.tryout.inputs import Group, Wanted, parse_group
from bigip_sm.lab.tryout.record import Record
from bigip_sm.lab.tryout.run import tryout

__all__ = ["Declared", "Group", "Record", "Wanted", "declare", "parse_group", "tryout"]
