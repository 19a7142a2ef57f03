"""The commands of Tcl 8.4 that TMM has and the lab refuses by name; ``tcl.stock.STOCK`` holds those that it runs."""

from __future__ import annotations

from bigip_sm.tcl.forms import Command, Form, names

# TMM has these too. They are refused by name: what they do there is not reproduced here.
NOT_EMULATED = {
    "history": "history",
    "puts": "puts",
    "trace": "trace: a script that runs on access to a variable cannot be read when the rule is loaded",
    "uplevel": "uplevel: a script of another level cannot be read when the rule is loaded",
    "variable": "variable: a namespace variable binds the virtual server to one TMM",
}
MORE = {"global": Command("global", "Tcl 8.4's global", Form(1, None))}
"""Commands of Tcl 8.4 that the lab runs although they have no place in a rule that is to run on all TMMs."""

NOT_EMULATED_SUBCOMMANDS = {
    ("array", "statistics"),
    ("string", "bytelength"),
    *(("info", name) for name in names("args body cmdcount commands complete default functions globals hostname")),
    *(("info", name) for name in names("level library loaded locals nameofexecutable patchlevel procs script")),
    *(("info", name) for name in names("sharedlibextension tclversion vars")),
}
