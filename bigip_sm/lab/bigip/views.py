"""What AS3 made, to be read by iControl REST: virtual servers and pools. They cannot be changed here.

Shapes: f5-sdk 3.0.21 (``f5/bigip/tm/ltm/pool.py``, ``virtual.py``), F5's "tmsh reference" (defaults).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from bigip_sm.lab.bigip.calls import LINK, Call, full_path, identity, listing, missing, selected
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Pool, PoolMember, VirtualServer
from bigip_sm.lab.bigip.replies import Json

T = TypeVar("T")

States = Callable[[str], Mapping[str, str]]
"""Pool path -> ``host:port`` -> state, as the data plane tells it."""

POOLS = "/mgmt/tm/ltm/pool"
VIRTUALS = "/mgmt/tm/ltm/virtual"

_AVAILABILITY = {
    "up": ("available", "enabled", "Pool member is available"),
    "down": ("offline", "enabled", "Pool member has been marked down by a monitor"),
    "checking": ("unknown", "enabled", "Pool member does not have service checking yet"),
    "unchecked": ("unknown", "enabled", "Pool member does not have service checking enabled"),
    "disabled": ("available", "disabled", "Pool member is available, user disabled"),
}
"""State -> availability, enabled state and reason of the statistics."""


class Views:
    """Read-only collections. ``states`` is None while no data plane tells how pool members are."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.states: States | None = None

    def virtual(self, call: Call) -> Json:
        """``ltm virtual``: all, one, or the profiles of one."""
        self._only_get(call)
        if not call.rest:
            found = list(self._config.all(VirtualServer))
            kind = "tm:ltm:virtual:virtualcollectionstate"
            return listing(call, kind, [_virtual(each) for each in found], _paths(found))
        virtual = self._one(call, VirtualServer, "Virtual Server")
        if call.rest[1:] == ():
            return selected(_virtual(virtual), call.parameters("$select"))
        if call.rest[1:] != ("profiles",):
            raise call.not_emulated(404)
        call.parameters()
        below = f"{VIRTUALS}/{virtual.path.replace('/', '~')}/profiles"
        kind = "tm:ltm:virtual:profiles:profiles"
        items = [{**identity(path, f"{kind}state", below), "context": side} for path, side in _profiles(virtual)]
        return {"kind": f"{kind}collectionstate", "selfLink": f"{LINK}{below}", "items": items}

    def pool(self, call: Call) -> Json:
        """``ltm pool``: all, one, its members, one of them, and the statistics of pool or members."""
        self._only_get(call)
        if not call.rest:
            found = list(self._config.all(Pool))
            return listing(call, "tm:ltm:pool:poolcollectionstate", [_pool(each) for each in found], _paths(found))
        pool = self._one(call, Pool, "Pool")
        match call.rest[1:]:
            case ():
                return selected(_pool(pool), call.parameters("$select"))
            case ("stats",):
                return self._pool_stats(call, pool)
            case ("members",):
                call.parameters()
                kind = "tm:ltm:pool:members:memberscollectionstate"
                items = [self._member(pool, member) for member in pool.members]
                return {"kind": kind, "selfLink": f"{LINK}{_members_of(pool)}", "items": items}
            case ("members", "stats"):
                return self._member_stats(call, pool, pool.members)
            case ("members", name):
                call.parameters()
                return self._member(pool, _member_of(pool, full_path(name)))
            case ("members", name, "stats"):
                return self._member_stats(call, pool, (_member_of(pool, full_path(name)),))
        raise call.not_emulated(404)

    def _only_get(self, call: Call) -> None:
        if call.method != "GET":
            raise call.not_emulated()

    def _one(self, call: Call, kind: type[T], what: str) -> T:
        path = full_path(call.rest[0])
        call.may_change(path)
        found = self._config.get(kind, path)
        if found is None:
            raise missing(what, path)
        return found

    def _state(self, pool: Pool, member: PoolMember) -> str:
        known = self.states(pool.path) if self.states is not None else {}
        fallback = "unchecked" if member.enabled else "disabled"
        return known.get(f"{member.host}:{member.port}", fallback)

    def _member(self, pool: Pool, member: PoolMember) -> Json:
        state = self._state(pool, member)
        shown = {
            **identity(f"{member.node}:{member.port}", "tm:ltm:pool:members:membersstate", _members_of(pool)),
            "address": "any6" if member.fqdn else member.host,
            "priorityGroup": member.priority_group,
            "session": "user-enabled" if member.enabled else "user-disabled",
            "state": "unchecked" if state == "disabled" else state,
        }
        if member.fqdn:
            populate = "enabled" if member.auto_populate else "disabled"
            shown["fqdn"] = {"autopopulate": populate, "tmName": member.host}
        return shown

    def _pool_stats(self, call: Call, pool: Pool) -> Json:
        call.parameters()
        states = [self._state(pool, member) for member in pool.members]
        up = sum(state in ("up", "unchecked") for state in states)
        all_down = bool(states) and set(states) == {"down"}
        availability = "available" if "up" in states else "offline" if all_down else "unknown"
        entries = {
            "activeMemberCnt": {"value": up},
            "memberCnt": {"value": len(states)},
            "status.availabilityState": {"description": availability},
            "status.enabledState": {"description": "enabled"},
            "tmName": {"description": pool.path},
        }
        return _stats("tm:ltm:pool:poolstats", f"{POOLS}/{pool.path.replace('/', '~')}", {"": entries})

    def _member_stats(self, call: Call, pool: Pool, members: tuple[PoolMember, ...]) -> Json:
        call.parameters()
        found = {}
        for member in members:
            availability, enabled, reason = _AVAILABILITY[self._state(pool, member)]
            found[f"/{member.node.replace('/', '~')}:{member.port}"] = {
                "addr": {"description": member.host},
                "nodeName": {"description": member.node},
                "poolName": {"description": pool.path},
                "port": {"value": member.port},
                "status.availabilityState": {"description": availability},
                "status.enabledState": {"description": enabled},
                "status.statusReason": {"description": reason},
            }
        return _stats("tm:ltm:pool:members:membersstats", _members_of(pool), found)


def _paths(found: Sequence[Pool] | Sequence[VirtualServer]) -> list[str]:
    return [each.path for each in found]


def _members_of(pool: Pool) -> str:
    return f"{POOLS}/{pool.path.replace('/', '~')}/members"


def _member_of(pool: Pool, path: str) -> PoolMember:
    """The member ``/T/node:port``. Raises Refusal (404)."""
    for member in pool.members:
        if f"{member.node}:{member.port}" == path:
            return member
    raise missing("Pool Member", path)


def _pool(pool: Pool) -> Json:
    shown = identity(pool.path, "tm:ltm:pool:poolstate", POOLS)
    monitor = {"monitor": " and ".join(pool.monitors)} if pool.monitors else {}
    members = {"link": f"{LINK}{_members_of(pool)}", "isSubcollection": True}
    return {
        **shown,
        "loadBalancingMode": pool.mode,
        **monitor,
        "reselectTries": pool.reselect_tries,
        "membersReference": members,
    }


def _virtual(virtual: VirtualServer) -> Json:
    shown = identity(virtual.path, "tm:ltm:virtual:virtualstate", VIRTUALS)
    separator = "." if ":" in virtual.address else ":"
    partition = virtual.path.split("/")[1]
    profiles = f"{LINK}{VIRTUALS}/{virtual.path.replace('/', '~')}/profiles"
    return {
        **shown,
        "destination": f"/{partition}/{virtual.address}{separator}{virtual.port}",
        "ipProtocol": "tcp",
        **({"pool": virtual.pool} if virtual.pool is not None else {}),
        **({"rules": list(virtual.rules)} if virtual.rules else {}),
        **({"enabled": True} if virtual.enabled else {"disabled": True}),
        "profilesReference": {"link": profiles, "isSubcollection": True},
    }


def _profiles(virtual: VirtualServer) -> Iterator[tuple[str, str]]:
    """Path and context of every profile, by path."""
    both = (virtual.http, virtual.one_connect, virtual.statistics)
    found = {path: "all" for path in both if path is not None}
    if virtual.tcp_client is not None and virtual.tcp_client == virtual.tcp_server:
        found[virtual.tcp_client] = "all"
    else:
        sides = ((virtual.tcp_client, "clientside"), (virtual.tcp_server, "serverside"))
        found.update({path: side for path, side in sides if path is not None})
    if virtual.client_ssl is not None:
        found[virtual.client_ssl] = "clientside"
    found.update(dict.fromkeys(virtual.server_ssl, "serverside"))
    yield from sorted(found.items())


def _stats(kind: str, link: str, found: Mapping[str, Json]) -> Json:
    """Statistics: one nested entry for each of ``found``."""
    entries = {f"{LINK}{link}{suffix}/stats": {"nestedStats": {"entries": each}} for suffix, each in found.items()}
    return {"kind": kind, "selfLink": f"{LINK}{link}/stats", "entries": entries}
