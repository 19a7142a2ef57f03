"""Addresses, TLS, certificates, load balancing, logging: everything that is neither HTTP nor data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bigip_sm.lab.tmm import certificates
from bigip_sm.lab.tmm.session import Command, CommandError, Result, Session, wire

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

_FACILITY = re.compile(r"local[0-7]\.(?:emerg|alert|crit|err|error|warning|warn|notice|info|debug)?")


def commands(tmm: Tmm) -> dict[str, Command]:
    """The commands of one TMM that concern the connection."""
    return {
        "IP::client_addr": lambda: tmm.session.client_address,
        "TCP::client_port": lambda: tmm.session.client_port,
        "TMM::cmp_unit": lambda: tmm.index,
        "SSL::cert": lambda word: _certificate(tmm.session, word),
        "SSL::verify_result": lambda: tmm.session.verify_result,
        "SSL::respond": lambda text: _respond(tmm.session, text),
        "SSL::profile": lambda name: _profile(tmm, name),
        "X509::subject": lambda der, field=None: certificates.subject(wire(der), field),
        "pool": lambda name: _pool(tmm, name),
        "active_members": lambda name: len(tmm.pool(name).active()),
        "LB::server": lambda *words: _server(tmm.session, words),
        "reject": lambda: _reject(tmm.session),
        "log": lambda *words: _log(tmm, words),
    }


def _certificate(session: Session, word: str) -> Result:
    """``SSL::cert count``, or the handle of certificate N, 0 being the client's own."""
    found = session.certificates
    if word == "count":
        return len(found)
    if not word.isdigit():
        raise CommandError(f'bad index "{word}" in SSL::cert')
    return found[int(word)] if int(word) < len(found) else b""


def _respond(session: Session, text: str) -> Result:
    session.plaintext.append(wire(text))
    return b""


def _profile(tmm: Tmm, name: str) -> Result:
    """Switch the server-ssl profile; only where the TLS handshake with the server has not begun."""
    session = tmm.session
    if session.event != "SERVER_CONNECTED":
        raise CommandError(f"SSL::profile is not emulated in event {session.event}")
    known = tmm.world.server_ssl
    path = tmm.resolve(name, known)
    if path not in known:
        raise CommandError(f"no such SSL profile {name}")
    session.server_ssl = path
    return b""


def _pool(tmm: Tmm, name: str) -> Result:
    tmm.session.pool = tmm.pool(name).path
    return b""


def _server(session: Session, words: tuple[str, ...]) -> Result:
    """The selected pool and member; members by DNS name show the name, since the lab has no addresses for them."""
    member = session.member
    address = member.host if member is not None else ""
    port = str(member.port) if member is not None else "0"
    match words:
        case ():
            return tuple(part.encode() for part in (session.pool or "", address, port))
        case ("pool",):
            return (session.pool or "").encode()
        case ("addr",):
            return address.encode()
        case ("port",):
            return port
        case _:
            raise CommandError("LB::server ?pool|addr|port?")


def _reject(session: Session) -> Result:
    session.rejected = True
    return b""


def _log(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``log ?-noname? facility.level message`` writes a line of /var/log/ltm."""
    noname = words[:1] == ("-noname",)
    rest = words[1:] if noname else words
    if len(rest) != 2 or not _FACILITY.fullmatch(rest[0]):
        raise CommandError("log ?-noname? local0.level message")
    text = "".join(character if character.isprintable() else "." for character in rest[1])
    if noname:
        tmm.world.log(text)
    else:
        tmm.world.log(f"Rule {tmm.interpreter.rule} <{tmm.event}>: {text}")
    return b""
