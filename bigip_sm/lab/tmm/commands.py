"""Every iRule command that the lab emulates, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bigip_sm.lab.tmm import (
    commands_cookie,
    commands_crypto,
    commands_data,
    commands_http,
    commands_lb,
    commands_net,
    commands_table,
    commands_text,
    commands_tls,
)
from bigip_sm.lab.tmm.session import Command, Result

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm


def commands(tmm: Tmm) -> dict[str, Command]:
    """The commands of one TMM; each returns a Result or raises CommandError.

    Those that suspend a rule or run a script are Tcl procedures: ``scripts.PROCEDURES``.
    """
    return {
        **commands_http.commands(tmm),
        **commands_cookie.commands(tmm),
        **commands_data.commands(tmm),
        **commands_net.commands(tmm),
        **commands_lb.commands(tmm),
        **commands_tls.commands(tmm),
        **commands_text.commands(),
        **commands_crypto.commands(),
    }


def internals(tmm: Tmm) -> dict[str, Command]:
    """What the Tcl around the rules calls (``scripts.BOOTSTRAP``), by full name."""
    return {
        **commands_table.internals(tmm),
        "::tmm::library": tmm.library,
        "::tmm::disabled": lambda: int(tmm.session.silenced or tmm.session.event in tmm.session.disabled),
        "::tmm::side": lambda side: _side(tmm, side),
    }


def _side(tmm: Tmm, side: str) -> Result:
    """Whose connection commands are about from now on; returns whose it was."""
    session = tmm.session
    before, session.side = session.side, side
    return before
