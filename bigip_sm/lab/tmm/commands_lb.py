"""Load balancing: ``pool``, ``node``, ``LB::``, and what they say about members.

clouddocs.f5.com, iRules API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bigip_sm.lab.bigip.objects import PoolMember
from bigip_sm.lab.tmm.session import Command, CommandError, Result, Session
from bigip_sm.lab.tmm.words import number

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.pools import PoolState
    from bigip_sm.lab.tmm.tmm import Tmm

_STATUS = {"up": "up", "unchecked": "up", "checking": "down", "down": "down", "disabled": "session_disabled"}


def commands(tmm: Tmm) -> dict[str, Command]:
    """The commands of one TMM."""
    return {
        "pool": lambda *words: _pool(tmm, words),
        "node": lambda *words: _node(tmm.session, words),
        "snat": lambda *_: b"",
        "persist": lambda *_: b"",
        "active_members": lambda *words: _members(tmm, words, active=True),
        "members": lambda *words: _members(tmm, words, active=False),
        "active_nodes": lambda *words: _nodes(tmm, words, active=True),
        "nodes": lambda *words: _nodes(tmm, words, active=False),
        "LB::server": lambda *words: _server(tmm.session, words),
        "LB::reselect": lambda *words: _reselect(tmm, words),
        "LB::detach": lambda: _detach(tmm.session),
        "LB::status": lambda *words: _status(tmm, words),
    }


def _pool(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``pool name ?member address ?port??``."""
    session = tmm.session
    state = tmm.pool(words[0])
    session.wanted = None if len(words) == 1 else _member(state, _words_after(words, "member"))
    session.pool = state.path
    return b""


def _words_after(words: tuple[str, ...], keyword: str) -> tuple[str, ...]:
    """The address and port in ``pool name member a p``, where the keyword may be left out."""
    rest = words[1:]
    return rest[1:] if rest[:1] == (keyword,) else rest


def _member(state: PoolState, words: tuple[str, ...]) -> PoolMember:
    """The member with an address, and a port where it is given (``a p`` or ``a:p``). Raises CommandError."""
    host, _, port = words[0].partition(":") if len(words) == 1 and words[0].count(":") == 1 else (words[0], "", "")
    port = words[1] if len(words) > 1 else port
    for member in state.states:
        if member.host == host and (not port or member.port == number(port)):
            return member
    raise CommandError(f"no such member {' '.join(words)} in pool {state.path}")


def _node(session: Session, words: tuple[str, ...]) -> Result:
    """``node address ?port?``: past all pools."""
    port = number(words[1]) if len(words) > 1 else session.virtual.port if session.virtual is not None else 0
    session.wanted = PoolMember(words[0], port, False)
    session.pool = NO_POOL
    return b""


NO_POOL = ""
"""The pool of a connection that a rule sent to a node: none, not even the virtual server's."""


def _listed(words: tuple[str, ...]) -> tuple[bool, str]:
    return words[0] == "-list", words[-1]


def _members(tmm: Tmm, words: tuple[str, ...], *, active: bool) -> Result:
    """``?-list? pool``: how many members there are, or {address port} of each."""
    listed, name = _listed(words)
    state = tmm.pool(name)
    members = state.active() if active else list(state.states)
    if not listed:
        return len(members)
    return tuple((member.host.encode(), b"%d" % member.port) for member in members)


def _nodes(tmm: Tmm, words: tuple[str, ...], *, active: bool) -> Result:
    """``?-list? pool``: how many nodes there are behind the members, or the address of each."""
    listed, name = _listed(words)
    state = tmm.pool(name)
    hosts = list(dict.fromkeys(member.host for member in (state.active() if active else state.states)))
    return tuple(host.encode() for host in hosts) if listed else len(hosts)


def _server(session: Session, words: tuple[str, ...]) -> Result:
    """The selected pool and member; members by DNS name show the name, since the lab has no addresses for them.

    While no member is selected the pool is the one that the rule or else the virtual server names, and nothing more is
    told (F5, LB::server).
    """
    member = session.member
    address = member.host if member is not None else ""
    port = str(member.port) if member is not None else "0"
    pool = session.pool
    if pool is None:
        pool = session.virtual.pool if session.virtual is not None else None
    match words:
        case ():
            told = (pool or "", address, port) if member is not None else (pool or "",)
            return tuple(part.encode() for part in told)
        case ("pool",):
            return (pool or "").encode()
        case ("addr",):
            return address.encode()
        case ("port",):
            return port
        case ("name",):
            virtual = session.virtual
            return (virtual.path if virtual is not None else "").encode()
        case _:
            raise CommandError("LB::server ?pool|addr|port|name?")


def _reselect(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``LB::reselect ?pool name ?member address ?port??? | node address ?port??``."""
    session = tmm.session
    match words:
        case ():
            session.wanted = None
        case ("pool", *rest):
            _pool(tmm, tuple(rest))
        case ("node", *rest):
            _node(session, tuple(rest))
        case _:
            raise CommandError("LB::reselect ?pool name ?member? | node address?")
    session.reselect = True
    return b""


def _detach(session: Session) -> Result:
    session.detach = True
    return b""


def _status(tmm: Tmm, words: tuple[str, ...]) -> Result:
    """``LB::status pool name member address port ?status?``: up, down or session_disabled; or whether it is that."""
    match words:
        case ("pool", name, "member", host, port):
            return _STATUS[_state(tmm, name, host, port)]
        case ("pool", name, "member", host, port, wanted):
            return int(_STATUS[_state(tmm, name, host, port)] == wanted)
        case _:
            raise CommandError("LB::status pool name member address port ?status?")


def _state(tmm: Tmm, name: str, host: str, port: str) -> str:
    state = tmm.pool(name)
    return state.states[_member(state, (host, port))]
