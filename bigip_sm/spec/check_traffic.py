"""Rules between listeners, networks and routes: nothing may be taken by two at once, or by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from bigip_sm.errors import Problem
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.model import Listener, Match
from bigip_sm.spec.names import host_kind, pool_item, server_tls_item
from bigip_sm.spec.positions import Path, dotted, quoted
from bigip_sm.spec.upstreams import service_of

HTTP, HTTPS = 80, 443
"""Ports that URLs without a port stand for."""


def check_listeners(draft: Draft) -> Iterator[Problem]:
    """Two listeners on one address and port, a host name twice in one listener."""
    taken: dict[tuple[str, int], str] = {}
    for name in draft.names("listeners"):
        yield from draft.repeated(draft.texts("listeners", name, "hostnames"))
        port = draft.number("listeners", name, "port", default=Listener.model_fields["port"].default)
        try:
            address = str(ip_address(draft.text("listeners", name, "address") or ""))
        except ValueError:
            continue
        if port is None:
            continue
        if (address, port) in taken:
            other = taken[address, port]
            message = (
                f"{address} port {port} is already that of listener {other} (line {draft.line('listeners', other)})"
            )
            fix = "choose another address or port, or serve all host names on one listener"
            yield draft.problem(("listeners", name, "address"), message, fix)
        taken.setdefault((address, port), name)
    yield from _check_redirects(draft, taken)


def _check_redirects(draft: Draft, taken: dict[tuple[str, int], str]) -> Iterator[Problem]:
    """AS3's redirect names no port, so that it leads to 443; and it needs port 80 of the address for itself."""
    for (address, port), name in taken.items():
        path = ("listeners", name, "redirect_http")
        if draft.boolean(*path, default=False) is not True:
            continue
        if port != HTTPS:
            message = f"callers would be sent to port {HTTPS}, but the listener has port {port}"
            yield draft.problem(path, message, f"serve on port {HTTPS}, or remove redirect_http")
        if (address, HTTP) in taken:
            other = taken[address, HTTP]
            message = (
                f"{address} port {HTTP} is already that of listener {other} (line {draft.line('listeners', other)})"
            )
            yield draft.problem(path, message, "choose another port for that listener, or remove redirect_http")


@dataclass(frozen=True)
class _Owned:
    """A network, the identity and the subject that it stands for, and where that is written."""

    network: IPv4Network | IPv6Network
    identity: int
    subject: str | None
    path: Path


def check_networks(draft: Draft) -> Iterator[Problem]:
    """Networks that contain one another: with different subjects, or hidden by an identity that is tried earlier.

    Two networks are disjoint or one contains the other, so in sorted order a stack holds those that contain the next.
    """
    networks = sorted(_networks(draft), key=_position)
    nearest: dict[int, list[_Owned]] = {}
    hiding: list[tuple[_Owned, _Owned]] = []  # a network, and of those that contain it the one that is tried first
    for owned in networks:
        enclosing = nearest.setdefault(owned.identity, [])
        while enclosing and not _contains(enclosing[-1], owned):
            enclosing.pop()
        if enclosing and enclosing[-1].subject != owned.subject:
            message = f"{owned.network} lies within {enclosing[-1].network}, which is {quoted(enclosing[-1].subject)}"
            yield draft.problem(owned.path, message, "give both the same subject, or split the larger network")
        enclosing.append(owned)
        while hiding and not _contains(hiding[-1][0], owned):
            hiding.pop()
        first = hiding[-1][1] if hiding else owned
        if first.identity < owned.identity:
            message = f"no caller in {owned.network} gets here: {dotted(first.path)} takes them first"
            yield draft.problem(owned.path, message, "write this identity before the other, or remove the network")
        hiding.append((owned, first if first.identity <= owned.identity else owned))


def _networks(draft: Draft) -> Iterator[_Owned]:
    for order, identity in enumerate(draft.names("identities")):
        for text in draft.names("identities", identity, "networks"):
            path = ("identities", identity, "networks", text)
            try:
                yield _Owned(ip_network(text), order, draft.text(*path), path)
            except ValueError:
                continue


def _position(owned: _Owned) -> tuple[int, int, int, int]:
    network = owned.network
    return network.version, int(network.network_address), network.prefixlen, owned.identity


def _contains(outer: _Owned, inner: _Owned) -> bool:
    if outer.network.version != inner.network.version:
        return False
    return (
        int(outer.network.network_address) <= int(inner.network.network_address) <= int(outer.network.broadcast_address)
    )


def check_routes(draft: Draft) -> Iterator[Problem]:
    """Two routes that could both take a request: equal paths, or a path below the prefix of another.

    Each path asks a table for itself and for every prefix of its own, so that no pair of routes is ever compared. Of
    several prefixes the nearest is named.
    """
    taken: dict[tuple[str, str, str, bool], str] = {}
    paths: list[tuple[str, str, str, bool, list[str]]] = []
    for route in draft.names("routes"):
        methods = draft.texts("routes", route, "match", "methods")
        yield from draft.repeated(methods)
        listener, path = draft.text("routes", route, "listener"), draft.text("routes", route, "match", "path")
        if listener is None or path is None:
            continue
        default: tuple[str, ...] = Match.model_fields["methods"].default
        names = [text for _, text in methods] if draft.has("routes", route, "match", "methods") else list(default)
        prefix = path.endswith("/*")
        paths.append((route, listener, path.removesuffix("*") if prefix else path, prefix, names))
        for method in names:
            taken.setdefault((listener, method, paths[-1][2], prefix), route)
    for route, listener, path, prefix, names in paths:
        rivals: dict[str, list[str]] = {}
        for method in dict.fromkeys(names):
            rival = _rival(taken, route, (listener, method, path, prefix))
            if rival:
                rivals.setdefault(rival, []).append(method)
        for rival, methods_of_both in rivals.items():
            yield _overlap(draft, route, rival, methods_of_both)


def _rival(taken: dict[tuple[str, str, str, bool], str], route: str, key: tuple[str, str, str, bool]) -> str | None:
    """Return another route that takes what ``key`` (listener, method, path, is a prefix) describes."""
    listener, method, path, prefix = key
    if taken[key] != route:
        return taken[key]
    end = len(path) - 1 if prefix else len(path)
    while (end := path.rfind("/", 0, end)) >= 0:
        rival = taken.get((listener, method, path[: end + 1], True))
        if rival:
            return rival
    return None


def _overlap(draft: Draft, route: str, rival: str, methods: list[str]) -> Problem:
    path, other = draft.text("routes", route, "match", "path"), draft.text("routes", rival, "match", "path")
    line = draft.line("routes", rival)
    message = f"{', '.join(methods)} {path} is also taken by route {rival} (line {line}, {other})"
    fix = "give each route paths or methods of its own"
    return draft.problem(("routes", route, "match", "path"), message, fix)


def check_derived_names(draft: Draft) -> Iterator[Problem]:
    """Names that would give two objects of the BIG-IP one name; see ``names``."""
    regions = [
        (upstream, index, region)
        for upstream in draft.names("upstreams")
        for index in draft.items("upstreams", upstream, "regions")
        if (region := draft.text("upstreams", upstream, "regions", index, "name")) is not None
    ]
    pools: dict[str, tuple[str, str]] = {}
    for upstream, index, region in regions:
        other = pools.setdefault(pool_item(upstream, region), (upstream, region))
        if other != (upstream, region):
            message = f"its pool would have the same name as that of {other[0]} in {other[1]}"
            yield draft.problem(
                ("upstreams", upstream, "regions", index, "name"), message, "rename one of the upstreams"
            )
    profiles = {
        server_tls_item(service_of(draft.text("upstreams", upstream, "kind")), region)
        for upstream, _, region in regions
    }
    for listener in draft.names("listeners"):
        if f"tls_{listener}" in profiles:
            message = f"its TLS profile would have the name tls_{listener}, which an upstream needs"
            yield draft.problem(("listeners", listener), message, "rename the listener")


def _hosts(draft: Draft, upstream: str) -> str:
    fips = draft.boolean("upstreams", upstream, "fips", default=False) is True
    return host_kind(service_of(draft.text("upstreams", upstream, "kind")), upstream, fips=fips)
