"""What the firewall team has to open: who connects where, on which port, and what for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bigip_sm.aws.hosts import dns_suffix, public_host
from bigip_sm.spec.identities import JwtIdentity
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import RolesAnywhereSource, SecretsManagerSource
from bigip_sm.spec.upstreams import Http
from bigip_sm.spec.usage import upstreams_of

BIG_IP = "BIG-IP (self IPs of the egress VLAN)"
ROTATOR = "rotator"
OPERATORS = "whoever applies, and the rotator"


class Flow(NamedTuple):
    """One thing to let through; ``destination`` is a host name or an address."""

    source: str
    destination: str
    port: int
    protocol: str
    purpose: str


def flows(spec: Spec) -> list[Flow]:
    """Every flow of a gateway, sorted, each once. Where names are resolved, DNS is one of them."""
    return sorted(
        {*_upstreams(spec), *_rotator(spec), Flow(OPERATORS, "BIG-IP management", 443, "tcp", "iControl REST")}
    )


def _upstreams(spec: Spec) -> Iterator[Flow]:
    named = False
    for name in sorted({one for route in spec.routes.values() for one in route.all_upstreams}):
        upstream = spec.upstreams[name]
        if isinstance(upstream, Http):
            for destination in map(str, upstream.addresses or (upstream.host,)):
                yield Flow(BIG_IP, destination, upstream.port, "tcp", f"upstream {name}")
            named = named or not upstream.addresses
        for region in upstream.regions:
            host = region.vpc_endpoint or public_host(
                upstream.service, region.name, fips=getattr(upstream, "fips", False)
            )
            for destination in map(str, region.addresses or (host,)):
                yield Flow(BIG_IP, destination, 443, "tcp", f"upstream {name} in {region.name}")
            named = named or not region.addresses
    if named:
        yield Flow(BIG_IP, "its name servers", 53, "tcp and udp", "names of VPC endpoints")


def _rotator(spec: Spec) -> Iterator[Flow]:
    for name, role in spec.roles.items():
        source: Any = role.source
        regions = [region.name for upstream in upstreams_of(spec, name) for region in upstream.regions]
        region = getattr(source, "region", None) or next(iter(regions), None)
        if region is None:
            continue
        service = "sts"
        if isinstance(source, SecretsManagerSource):
            service = "secretsmanager"
        elif isinstance(source, RolesAnywhereSource):
            service = "rolesanywhere"
        yield Flow(ROTATOR, f"{service}.{region}.{dns_suffix(region)}", 443, "tcp", f"sessions of role {name}")
    for name, identity in spec.identities.items():
        if isinstance(identity, JwtIdentity) and identity.settings.jwks is not None:
            url = urlsplit(identity.settings.jwks)
            yield Flow(ROTATOR, url.hostname or "", url.port or 443, "tcp", f"keys of identity {name}")
