"""The loader of the emulated TMM: iRule text in, Tcl for a stock 8.6 interpreter out, refusals in the words of TMOS.

``load(path, text)`` is the whole interface for a rule; ``CATALOGUE`` is the closed world of iRule commands that the
lab emulates, ``EVENTS`` the events of TMM (``emulated``: those that it fires), ``OPERATORS`` the Tcl text that an
interpreter evaluates once before it runs rules.
"""

from __future__ import annotations

from bigip_sm.lab.tcl.catalogue import CATALOGUE
from bigip_sm.lab.tcl.events import EMULATED_EVENTS, EVENTS, Event
from bigip_sm.lab.tcl.loader import load
from bigip_sm.lab.tcl.mathfuncs import OPERATORS
from bigip_sm.lab.tcl.model import PROCEDURE_MARK, Handler, LoadedRule, Procedure
from bigip_sm.tcl.forms import Command as CommandEntry
from bigip_sm.tcl.forms import Form

__all__ = [
    "CATALOGUE",
    "EMULATED_EVENTS",
    "EVENTS",
    "OPERATORS",
    "PROCEDURE_MARK",
    "CommandEntry",
    "Event",
    "Form",
    "Handler",
    "LoadedRule",
    "Procedure",
    "load",
]
