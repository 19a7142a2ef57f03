"""The names of commands and events that TMM knows."""

from __future__ import annotations

import pytest

from bigip_sm.tcl import commands
from bigip_sm.tcl.events import SIDES
from bigip_sm.tcl.stock import STOCK


@pytest.mark.parametrize(
    "name",
    [
        "set",
        "::set",
        "HTTP::uri",
        "::HTTP::uri",
        "matchclass",
        "ACCESS::session",
        "JSON::root",
        "PSM::HTTP::enable",
        "DHCPv4::option",
        "after",
    ],
)
def test_commands_that_tmm_has(name: str) -> None:
    assert commands.is_known(name)


@pytest.mark.parametrize(
    "name",
    [
        "sett",
        "HTTP::urii",
        "HTTP::",
        "http::uri",
        "NOWHERE::x",
        "dict",
        "exec",
        "encoding",
        "",
        "::",
        "::nothing",
        "a::b",
    ],
)
def test_commands_that_tmm_has_not(name: str) -> None:
    assert not commands.is_known(name)


def test_no_name_is_in_two_lists() -> None:
    lists = [commands.TCL, commands.PLAIN, commands.DISABLED, commands.ABSENT, commands.LATER]
    assert len(frozenset().union(*lists)) == sum(map(len, lists))
    assert not commands.SPACES.keys() & commands.OPEN_SPACES


def test_thirty_one_commands_are_disabled() -> None:
    assert len(commands.DISABLED) == 31


def test_every_command_of_stock_tcl_is_known() -> None:
    assert [name for name in STOCK if not commands.is_known(name)] == []


def test_where_commands_are_refused() -> None:
    for name, events in commands.NOT_IN.items():
        assert commands.is_known(name)
        assert events <= SIDES.keys()


def test_sides() -> None:
    assert set(SIDES.values()) == {"client", "server", "none"}
    assert (SIDES["RULE_INIT"], SIDES["HTTP_REQUEST"], SIDES["HTTP_RESPONSE"]) == ("none", "client", "server")
    assert not [name for name in SIDES if name.startswith(("HTTP_CLASS", "XML_")) or name.endswith(("_GTM", "_DONE_"))]
