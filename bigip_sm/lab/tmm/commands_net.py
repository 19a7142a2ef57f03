"""Addresses, ports, logging, the end of connections: what is neither HTTP nor TLS nor load balancing.

clouddocs.f5.com, iRules API. A command without a side of its own is about the client's connection or the pool
member's, whichever the event belongs to.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Literal

from bigip_sm.lab.bigip.objects import StatisticsProfile
from bigip_sm.lab.tmm.groups import parse_network
from bigip_sm.lab.tmm.session import Command, CommandError, Result, Session, wire
from bigip_sm.lab.tmm.words import integer, options

if TYPE_CHECKING:
    from collections.abc import Callable

    from bigip_sm.lab.tmm.tmm import Tmm

_FACILITY = re.compile(r"local[0-7]\.(?:emerg|alert|crit|err|error|warning|warn|notice|info|debug)?")
_HSL = {"-proto": 1, "-pool": 1}
_HANDLE = re.compile(r"hsl (TCP|UDP) (/.+)")

Ends = Literal["local", "remote"]


def commands(tmm: Tmm) -> dict[str, Command]:
    """The commands of one TMM that concern the connection."""
    addresses: dict[str, Command] = {
        "IP::local_addr": lambda: _end(tmm.session, "local")[0],
        "IP::remote_addr": lambda: _end(tmm.session, "remote")[0],
        "IP::server_addr": lambda: _member(tmm.session)[0],
        "IP::version": lambda: 6 if ":" in tmm.session.client_address else 4,
        "TCP::local_port": lambda: _end(tmm.session, "local")[1],
        "TCP::remote_port": lambda: _end(tmm.session, "remote")[1],
        "TCP::server_port": lambda: _member(tmm.session)[1],
    }
    return {
        **addresses,
        "IP::client_addr": lambda: tmm.session.client_address,
        "TCP::client_port": lambda: tmm.session.client_port,
        "IP::protocol": lambda: 6,
        "IP::addr": _addr,
        "TCP::close": lambda: _set(tmm.session, "closing"),
        "TCP::respond": lambda text: _tcp_respond(tmm.session, text),
        "TMM::cmp_unit": lambda: tmm.index,
        "TMM::cmp_count": lambda: tmm.world.tmms,
        "virtual": lambda *words: _virtual(tmm.session, words),
        "reject": lambda: _set(tmm.session, "rejected"),
        "drop": lambda: _set(tmm.session, "dropped"),
        "discard": lambda: _set(tmm.session, "dropped"),
        "event": lambda *words: _event(tmm.session, words),
        "log": lambda *words: _log(tmm, words),
        "HSL::open": lambda *words: _hsl_open(tmm, words),
        "HSL::send": lambda handle, data: _hsl_send(tmm, handle, data),
        **_statistics(tmm),
    }


def _end(session: Session, end: Ends) -> tuple[str, int]:
    """An end of the connection that the event is about. Raises CommandError if there is no connection."""
    if not session.server_side:
        virtual = session.virtual
        local = (virtual.address, virtual.port) if virtual is not None else ("", 0)
        return local if end == "local" else (session.client_address, session.client_port)
    if session.server_local is None:
        raise CommandError("there is no server-side connection")
    return session.server_local if end == "local" else _member(session)


def _member(session: Session) -> tuple[str, int]:
    """The pool member's address and port; members by DNS name show the name, the lab has no addresses for them."""
    if session.member is None:
        raise CommandError("no pool member is selected")
    return session.member.host, session.member.port


def _addr(*words: str) -> Result:
    """``IP::addr a equals b[/length]`` and ``IP::addr a mask m``; ``b`` may have a mask after ``mask``."""
    try:
        match words:
            case (one, "mask", mask):
                return str(ipaddress.ip_network(f"{_bare(one)}/{mask}", strict=False).network_address)
            case (one, "equals", other):
                return int(_inside(one, other))
            case (one, "equals", other, "mask", mask):
                return int(_inside(one, f"{_bare(other)}/{mask}"))
            case (one, "mask", mask, "equals", other):
                return int(_inside(one, f"{_bare(other)}/{mask}"))
            case _:
                raise CommandError("wrong # args: IP::addr address equals address?/length? | address mask mask")
    except ValueError:
        raise CommandError("IP::addr: not an IP address or mask") from None


def _inside(one: str, other: str) -> bool:
    wanted, network = parse_network(one), parse_network(other)
    if wanted.version != network.version:
        return False
    return wanted.subnet_of(network)  # type: ignore[arg-type]  # the versions are the same


def _bare(address: str) -> str:
    return address.partition("/")[0].partition("%")[0]


def _set(session: Session, attribute: str) -> Result:
    setattr(session, attribute, True)
    return b""


def _tcp_respond(session: Session, text: str) -> Result:
    """Bytes to the client past HTTP; under TLS they would be garbage, which nobody wants emulated."""
    if session.virtual is not None and session.virtual.client_ssl is not None:
        raise CommandError("TCP::respond is not emulated under TLS; SSL::respond is")
    session.plaintext.append(wire(text))
    return b""


def _virtual(session: Session, words: tuple[str, ...]) -> Result:
    virtual = session.virtual
    if words not in ((), ("name",)) or virtual is None:
        raise CommandError("virtual ?name?: routing to another virtual server is not emulated")
    return virtual.path


def _event(session: Session, words: tuple[str, ...]) -> Result:
    """``event ?name? enable|disable`` and ``event enable|disable all``: for the rest of the connection."""
    match words:
        case ("disable", "all") | ("all", "disable"):
            session.silenced = True
        case ("enable", "all") | ("all", "enable"):
            session.silenced = False
            session.disabled.clear()
        case ("disable" | "enable" as word,):
            _switch(session, session.event, word)
        case (name, "disable" | "enable" as word):
            _switch(session, name, word)
        case _:
            raise CommandError("wrong # args: event ?name? enable|disable | event enable|disable all")
    return b""


def _switch(session: Session, name: str, word: str) -> None:
    if word == "disable":
        session.disabled.add(name)
    else:
        session.disabled.discard(name)


def _log(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``log ?-noname? ?facility.level? message`` writes a line of /var/log/ltm."""
    noname = words[0] == "-noname"
    *facility, message = words[1:] if noname else words
    if facility and not _FACILITY.fullmatch(facility[0]):
        raise CommandError("log ?-noname? local0.level message")
    text = "".join(character if character.isprintable() else "." for character in message)
    if noname:
        tmm.world.log(text)
    else:
        tmm.world.log(f"Rule {tmm.interpreter.rule} <{tmm.event}>: {text}")
    return b""


def _hsl_open(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``HSL::open -proto TCP|UDP -pool name``: a handle."""
    given, rest = options(words, _HSL, "HSL::open")
    if rest or "-pool" not in given or given.get("-proto") not in ("TCP", "UDP"):
        raise CommandError("HSL::open -proto TCP|UDP -pool name")
    return f"hsl {given['-proto']} {tmm.pool(given['-pool']).path}"


def _hsl_send(tmm: Tmm, handle: str, data: str) -> Result:
    found = _HANDLE.fullmatch(handle)
    if found is None:
        raise CommandError("HSL::send: not a handle of HSL::open")
    return int(tmm.world.hsl.send("TCP" if found[1] == "TCP" else "UDP", found[2], wire(data)))


def _statistics(tmm: Tmm) -> dict[str, Command]:
    """``STATS::`` on the statistics profile of the virtual server."""
    counters = tmm.world.statistics

    def change(update: Callable[[int, int], int], default: str | None = None) -> Command:
        def command(profile: str, name: str, value: str | None = default) -> Result:
            path = _counter(tmm, profile, name)
            counters.set(path, name, update(counters.get(path, name), integer(value or "")))
            return counters.get(path, name)

        return command

    return {
        "STATS::get": lambda profile, name: counters.get(_counter(tmm, profile, name), name),
        "STATS::set": change(lambda _, value: value, "0"),
        "STATS::incr": change(lambda old, value: old + value, "1"),
        "STATS::setmax": change(max),
        "STATS::setmin": change(min),
    }


def _counter(tmm: Tmm, profile: str, name: str) -> str:
    """The path of the statistics profile. Raises CommandError unless the virtual server has it, with that counter."""
    virtual = tmm.session.virtual
    path = virtual.statistics if virtual is not None else None
    if path is None or profile not in (path, path.rpartition("/")[2]):
        raise CommandError(f"the virtual server has no statistics profile {profile}")
    stored = tmm.world.config.get(StatisticsProfile, path)
    if stored is None or name not in stored.fields:
        raise CommandError(f"statistics profile {profile} has no field {name}")
    return path
