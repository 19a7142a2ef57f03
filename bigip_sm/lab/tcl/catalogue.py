"""The closed world of commands: what an iRule may call in the lab, how, and in which events.

TMM resolves every literal command, its number of arguments and its legality in an event when a rule is loaded
(measured: bitwisecook/tcl-lsp, "BIG-IP iRule parser measurements", sections 4a, 5 and 8). ``CATALOGUE`` holds the
iRule commands that the data plane implements, all of them and no more; ``stock.STOCK`` the commands of Tcl 8.4.
"""

from __future__ import annotations

from bigip_sm.lab.tcl.entries_data import CRYPTO, GROUPS, TABLE, TEXT, X509
from bigip_sm.lab.tcl.entries_http import HTTP, URI
from bigip_sm.lab.tcl.entries_net import ADDRESSES, BALANCING, RULE, TLS
from bigip_sm.tcl.forms import Command

CATALOGUE: dict[str, Command] = {
    command.name: command
    for command in (*HTTP, *URI, *TLS, *X509, *ADDRESSES, *BALANCING, *GROUPS, *TABLE, *TEXT, *CRYPTO, *RULE)
}

DEFERRED_REFUSED = frozenset(
    f"HTTP::{name}" for name in ("respond", "redirect", "retry", "collect", "release", "close")
) | {"LB::reselect", "LB::detach", "after", "event"}
"""Commands that a script of ``after`` may not use here: what they ask for is acted on after an event."""
