"""Every iRule command that the lab emulates, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bigip_sm.lab.tmm import commands_data, commands_http, commands_net
from bigip_sm.lab.tmm.session import Command

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm


def commands(tmm: Tmm) -> dict[str, Command]:
    """The commands of one TMM; each returns a Result or raises CommandError."""
    return {
        **commands_http.commands(tmm),
        **commands_data.commands(tmm),
        **commands_net.commands(tmm),
    }
