"""Pool and Monitor as objects of the device.

Nodes are named ``/T/<address>``, ``/T/<name>`` or ``/T/<fqdnPrefix><hostname>`` (AS3's ``src/lib/map_as3.js``);
the clash of one FQDN or address in two tenants is that of ``src/lib/tag/nodeTag.js``, which knows the nodes that
are there before the declaration and not those that it makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from bigip_sm.lab.bigip.as3 import classes
from bigip_sm.lab.bigip.as3.invalid import invalid, lab_gap
from bigip_sm.lab.bigip.as3.scope import Item, Scope
from bigip_sm.lab.bigip.as3.text import monitor_text
from bigip_sm.lab.bigip.builtin import HTTPS_MONITOR
from bigip_sm.lab.bigip.objects import HttpsMonitor, Object, Pool, PoolMember, ServerSsl
from bigip_sm.lab.bigip.replies import Json

_SEND = "HEAD / HTTP/1.0\\r\\n\\r\\n"
_RECEIVE = "HTTP/1."


MAX_ROUTE_DOMAIN = 65534


def pool(scope: Scope, item: Item) -> list[Object]:
    """The pool of a Pool item."""
    members: list[PoolMember] = []
    for index, body in enumerate(item.body.get("members", [])):
        where = f"{item.path}/members/{index}"
        classes.POOL_MEMBER.check(where, body)
        if body.get("enable", True):
            members += _members(scope, item, where, body)
    if len({(member.node, member.port) for member in members}) != len(members):
        raise invalid(f"{item.path}/members", "has duplicate members")
    monitors = tuple(_monitor(scope, item, value) for value in item.body.get("monitors", []))
    mode, tries = item.body.get("loadBalancingMode", "round-robin"), item.body.get("reselectTries", 0)
    ramp = item.body.get("slowRampTime", 10)
    return [Pool(item.path, tuple(members), monitors, mode, tries, ramp)]


def _members(scope: Scope, item: Item, where: str, body: Json) -> Iterator[PoolMember]:
    port, group = body["servicePort"], body.get("priorityGroup", 0)
    if body.get("addressDiscovery", "static") == "fqdn":
        if "hostname" not in body:
            raise invalid(where, "should have required property 'hostname'")
        host = body["hostname"]
        node = f"/{item.tenant}/{body.get('fqdnPrefix', '')}{host}"
        member = PoolMember(host, port, True, body.get("autoPopulate", False), node, priority_group=group)
        _refuse_clash(scope, item, where, member)
        yield member
        return
    for name, address in _static(where, body):
        member = PoolMember(address, port, False, node=f"/{item.tenant}/{name}", priority_group=group)
        _refuse_clash(scope, item, where, member)
        yield member


def _static(where: str, body: Json) -> Iterator[tuple[str, str]]:
    """Node name and address of every static member."""
    entries: list[tuple[Any, Any]] = [(address, address) for address in body.get("serverAddresses", [])]
    for server in body.get("servers", []):
        if not isinstance(server, dict) or not {"name", "address"} <= set(server):
            raise invalid(f"{where}/servers", "should have required properties 'name' and 'address'")
        entries.append((server["name"], server["address"]))
    for name, address in entries:
        # 10.1.2.3%2 is the address in the route domain 2 (AS3's format f5ip).
        plain, percent, domain = str(address).partition("%")
        if percent and not (domain.isascii() and domain.isdecimal() and int(domain) <= MAX_ROUTE_DOMAIN):
            raise lab_gap(where, f"the address {address!r} is")
        try:
            yield str(name), f"{ip_address(plain)}{percent}{domain}"
        except ValueError:
            raise lab_gap(where, f"the address {address!r} is") from None


def _refuse_clash(scope: Scope, item: Item, where: str, member: PoolMember) -> None:
    """The same node in another tenant: two cannot both own an address, or the ephemeral addresses of a name."""
    for other in scope.config.all(Pool):
        for there in other.members if other.path.split("/")[1] != item.tenant else ():
            if there.fqdn != member.fqdn or there.host != member.host:
                continue
            if not member.fqdn:
                clash = f"static address {member.host} conflicts with bigip node {there.node}"
            elif there.node.rpartition("/")[2] == member.node.rpartition("/")[2]:
                clash = f"fqdn hostname {member.host} conflicts with bigip fqdn node {there.node}"
            else:
                continue
            raise invalid(f"{item.path}/members", f"pool member {where} {clash}")


def _monitor(scope: Scope, item: Item, value: Any) -> str:
    if value == "https":
        return HTTPS_MONITOR.path
    if isinstance(value, str):
        raise lab_gap(f"{item.path}/monitors", f"the built-in monitor {value!r} is")
    return scope.reference(item, "monitors", value, HttpsMonitor, "Monitor")


def monitor(scope: Scope, item: Item) -> list[Object]:
    """The https monitor of a Monitor item."""
    body = item.body
    profile = None
    if "clientTLS" in body:
        profile = scope.reference(item, "clientTLS", body["clientTLS"], ServerSsl, "TLS_Client")
    made = HttpsMonitor(
        item.path,
        send=monitor_text(body.get("send", _SEND), f"{item.path}/send"),
        receive=monitor_text(body.get("receive", _RECEIVE), f"{item.path}/receive"),
        interval=body.get("interval", 5),
        timeout=body.get("timeout", 16),
        server_ssl=profile,
        time_until_up=body.get("timeUntilUp", 0),
    )
    return [made]
