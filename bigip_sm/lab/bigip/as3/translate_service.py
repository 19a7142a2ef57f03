"""Service_HTTPS, Service_HTTP and Service_TCP as virtual servers.

One virtual server per address: ``<name>``, ``<name>-1-``, ``<name>-2-``; with ``redirect80``, which is AS3's default,
another one on port 80: ``<name>-Redirect-`` (AS3's ``src/lib/map_as3.js``).
``serverTLS`` is the client-ssl profile and ``clientTLS`` the server-ssl profile.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from bigip_sm.lab.bigip import builtin
from bigip_sm.lab.bigip.as3.invalid import invalid, lab_gap, unprocessable
from bigip_sm.lab.bigip.as3.scope import Item, Scope
from bigip_sm.lab.bigip.objects import (
    Attachment,
    ClientSsl,
    HttpProfile,
    Object,
    OneConnect,
    Pool,
    Rule,
    ServerSsl,
    StatisticsProfile,
    TcpProfile,
    VirtualServer,
)

ATTACHED = {
    "policyWAF": "waf-policy",
    "profileBotDefense": "bot-defense",
    "profileDOS": "dos",
    "profileAnalytics": "analytics",
}
"""Properties that attach what other modules have -> the kind of the object."""


def service(scope: Scope, item: Item) -> list[Object]:
    """The virtual servers of a service item; none when it is not enabled."""
    body = item.body
    if not body.get("enable", True):
        return []
    rules = [scope.reference(item, "iRules", value, Rule, "iRule") for value in body.get("iRules", [])]
    client, server = _tcp(scope, item)
    secure = item.kind == "Service_HTTPS"
    client_ssl = _many(scope, item, "serverTLS", ClientSsl, "TLS_Server") if secure else ()
    if len(client_ssl) > 1:
        raise lab_gap(f"{item.path}/serverTLS", "more than one TLS_Server is")
    shared: dict[str, Any] = {
        "port": body.get("virtualPort", 443 if secure else 80),
        "rules": tuple(rules),
        "pool": scope.reference(item, "pool", body["pool"], Pool, "Pool") if "pool" in body else None,
        "client_ssl": client_ssl[0] if client_ssl else None,
        "server_ssl": _many(scope, item, "clientTLS", ServerSsl, "TLS_Client"),
        "http": None
        if item.kind == "Service_TCP"
        else _or_basic(scope, item, "profileHTTP", builtin.HTTP.path, HttpProfile, "HTTP_Profile"),
        "tcp_client": client,
        "tcp_server": server,
        "one_connect": None,
        "enabled": body.get("adminState", "enable") == "enable",
    }
    if "profileMultiplex" in body:
        basic = builtin.ONE_CONNECT.path
        shared["one_connect"] = _or_basic(scope, item, "profileMultiplex", basic, OneConnect, "Multiplex_Profile")
    if "profileStatistics" in body:
        given = body["profileStatistics"]
        shared["statistics"] = scope.reference(
            item, "profileStatistics", given, StatisticsProfile, "Statistics_Profile"
        )
    shared["attached"] = tuple(_attached(scope, item, name) for name in ATTACHED if name in body)
    names = [item.path, *(f"{item.path}-{number}-" for number in range(1, len(body["virtualAddresses"])))]
    addresses = _addresses(item)
    made = [VirtualServer(name, address, **shared) for name, address in zip(names, addresses, strict=True)]
    return [*made, *_redirect(scope, item, addresses)] if secure and body.get("redirect80", True) else [*made]


def _attached(scope: Scope, item: Item, name: str) -> str:
    """The path in ``{bigip}`` of an object of the right kind; those that AS3 would make itself are not emulated."""
    where, value = f"{item.path}/{name}", item.body[name]
    if not isinstance(value, dict) or set(value) != {"bigip"}:
        raise lab_gap(where, "anything but {bigip} is")
    path = scope.on_device(where, value["bigip"], Attachment)
    found = scope.config.get(Attachment, path)
    if found is None or found.kind != ATTACHED[name]:
        raise unprocessable(f"Unable to find {path} for {where}")
    return path


def _redirect(scope: Scope, item: Item, addresses: list[str]) -> list[VirtualServer]:
    """The virtual server on port 80 that sends everybody to https."""
    where = f"{item.path}/redirect80"
    if len(addresses) > 1:
        raise lab_gap(where, "with more than one address true is")
    if scope.config.get(Rule, builtin.REDIRECT.path) is None:
        raise lab_gap(where, "true, whose rule needs commands that are not there, is")
    tcp = builtin.TCP["normal"].path
    redirect = VirtualServer(
        f"{item.path}-Redirect-",
        addresses[0],
        80,
        rules=(builtin.REDIRECT.path,),
        pool=None,
        client_ssl=None,
        server_ssl=(),
        http=builtin.HTTP.path,
        tcp_client=tcp,
        tcp_server=tcp,
        one_connect=None,
        enabled=item.body.get("adminState", "enable") == "enable",
    )
    return [redirect]


def _addresses(item: Item) -> list[str]:
    values = item.body["virtualAddresses"]
    where = f"{item.path}/virtualAddresses"
    if not values:
        raise invalid(where, "should NOT have fewer than 1 items")
    found = []
    for index, value in enumerate(values):
        try:
            address = ip_address(value)
        except ValueError:
            raise lab_gap(f"{where}/{index}", f"{value!r} is") from None
        if address.is_unspecified or address.is_multicast:
            raise lab_gap(f"{where}/{index}", f"{value!r} is")
        found.append(str(address))
    return found


def _or_basic(scope: Scope, item: Item, name: str, basic: str, kind: type, as3_class: str) -> str:
    value = item.body.get(name, "basic")
    return basic if value == "basic" else scope.reference(item, name, value, kind, as3_class)


def _many(scope: Scope, item: Item, name: str, kind: type, as3_class: str) -> tuple[str, ...]:
    """A property that refers to one profile or to an array of them."""
    value = item.body.get(name, [])
    values = value if isinstance(value, list) else [value]
    return tuple(scope.reference(item, name, each, kind, as3_class) for each in values)


def _tcp(scope: Scope, item: Item) -> tuple[str, str]:
    """The TCP profiles towards the callers and towards the pool members."""
    value = item.body.get("profileTCP", "normal")
    if isinstance(value, dict) and {"ingress", "egress"} == set(value):
        return _one_tcp(scope, item, value["ingress"]), _one_tcp(scope, item, value["egress"])
    one = _one_tcp(scope, item, value)
    return one, one


def _one_tcp(scope: Scope, item: Item, value: Any) -> str:
    if isinstance(value, str):
        if value not in builtin.TCP:
            raise invalid(f"{item.path}/profileTCP", "should be equal to one of the allowed values")
        return builtin.TCP[value].path
    return scope.reference(item, "profileTCP", value, TcpProfile, "TCP_Profile")
