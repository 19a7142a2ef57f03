"""A rule about where upstreams are connected to: one place, one signed host.

OneConnect keeps connections by address and port, not by pool. A connection that was opened, and verified, for one host
name would be used for another that is reached at the same place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bigip_sm.aws.hosts import SERVICES, label_of, public_host
from bigip_sm.errors import Problem
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.positions import Path
from bigip_sm.spec.upstreams import service_of


class _Use(NamedTuple):
    """An upstream that connects to ``place`` for ``host``, and where that is written."""

    place: str
    host: str
    upstream: str
    path: Path


def check_places(draft: Draft) -> Iterator[Problem]:
    """Two upstreams that are reached at one place under different host names."""
    first: dict[str, _Use] = {}
    for use in _uses(draft):
        other = first.setdefault(use.place, use)
        if other.host != use.host:
            message = (
                f"upstream {other.upstream} (line {draft.line(*other.path)}) is reached there as {other.host}, this "
                f"one as {use.host}: a connection that is kept open for one would be used for the other"
            )
            fix = "give each a VPC endpoint of its own; REST APIs may share one with address_by: header"
            yield draft.problem(use.path, message, fix)


def _uses(draft: Draft) -> Iterator[_Use]:
    for upstream in draft.names("upstreams"):
        kind = draft.text("upstreams", upstream, "kind")
        service = service_of(kind)
        if kind == "http":
            host = draft.text("upstreams", upstream, "host")
            port = draft.number("upstreams", upstream, "port", default=443)
            if host is not None and port is not None:
                yield from _addresses(draft, ("upstreams", upstream), upstream, host, port)
        elif service in SERVICES:
            for index in draft.items("upstreams", upstream, "regions"):
                yield from _in_region(draft, upstream, service, ("upstreams", upstream, "regions", index))


def _in_region(draft: Draft, upstream: str, service: str, path: Path) -> Iterator[_Use]:
    region, endpoint = draft.text(*path, "name"), draft.text(*path, "vpc_endpoint")
    fips = draft.boolean("upstreams", upstream, "fips", default=False) is True
    if region is None or not label_of(service, region, fips=fips):
        return
    prefix = draft.text("upstreams", upstream, "api") or "" if service == "execute_api" else ""
    host = public_host(service, region, fips=fips, prefix=prefix)
    if endpoint is not None and draft.text("upstreams", upstream, "address_by") == "header":
        host = endpoint
    if endpoint is not None and not draft.has(*path, "addresses"):
        yield _Use(endpoint, host, upstream, (*path, "vpc_endpoint"))
    yield from _addresses(draft, path, upstream, host, 443)


def _addresses(draft: Draft, path: Path, upstream: str, host: str, port: int) -> Iterator[_Use]:
    domain = draft.number(*path, "route_domain", default=0)
    for where, address in draft.texts(*path, "addresses"):
        yield _Use(f"{address}%{domain}:{port}", host, upstream, where)
