"""From an upstream to where its requests go: scheme, signing service, path, and for each region the signed host, the
connected host and the names of the AS3 objects.

The signed host (also Host, SNI and the name that is certified) is apart from the address that is connected to. Whoever
chooses a place has everything that must follow the choice. What is done to a request on its way is in ``requests``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bigip_sm.aws.hosts import public_host
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import host_kind, monitor_item, own_monitor_item, pool_item, server_tls_item
from bigip_sm.spec.pem_file import PemFile
from bigip_sm.spec.upstreams import (
    ApiGateway,
    AwsUpstream,
    EndpointUpstream,
    Http,
    Lambda,
    ModelList,
    Monitor,
    ReadinessMonitor,
    SageMaker,
    SageMakerOpenAi,
    Scheme,
    Upstream,
    UpstreamRegion,
)

DEFAULT_HOSTS = "runtime"
"""The hosts whose TLS profile is known by the region alone; records name that of any other host."""

LOCAL = "local"
"""What stands for the region of a server outside AWS."""

_OPERATIONS = {
    "invocations": "invocations",
    "response-stream": "invocations-response-stream",
    "async": "async-invocations",
}


@dataclass(frozen=True)
class Place:
    """One region of an upstream.

    ``host`` is signed, sent as Host and SNI, and must be certified, by ``ca`` if it is not one of the public ones;
    ``connected`` is the name that is connected to, unless there are ``addresses``. ``hosts`` is the kind of host, which
    with the region names its TLS profile and monitor.
    """

    region: str
    host: str
    connected: str
    hosts: str
    pool: str
    upstream: str
    health: Monitor
    slow_ramp: int | None
    addresses: tuple[str, ...] = ()
    port: int = 443
    ca: str | PemFile | None = None

    @property
    def tls(self) -> str:
        """Name of its TLS_Client."""
        return server_tls_item(self.hosts, self.region)

    @property
    def monitor(self) -> str:
        """Name of its monitor: that of all upstreams at the host, unless its upstream wants another."""
        if self.health == type(self.health)():
            return monitor_item(self.hosts, self.region)
        return own_monitor_item(self.upstream, self.region)

    @property
    def readiness(self) -> str | None:
        """Path that its monitor wants a status of 2xx from; None: any answer will do."""
        return self.health.path if isinstance(self.health, ReadinessMonitor) else None

    @property
    def choice(self) -> str:
        """``<region>=<signed host>``, and the kind of host after another ``=`` if it is not the usual one."""
        usual = f"{self.region}={self.host}"
        return usual if self.hosts == DEFAULT_HOSTS else f"{usual}={self.hosts}"


@dataclass(frozen=True)
class Target:
    """Where the requests of an upstream go. ``path`` is the upstream's, without a query."""

    scheme: Scheme
    service: str
    path: str
    places: tuple[Place, ...]


def target_of(name: str, upstream: Upstream) -> Target:
    """The target of the upstream ``name``; its places are in order of preference."""
    return Target(upstream.scheme, upstream.signing_service, _path(upstream), _places(name, upstream))


def places_of(spec: Spec, names: Iterable[str]) -> tuple[Place, ...]:
    """Every place of the upstreams ``names``, by name of the upstream."""
    return tuple(place for name in sorted(set(names)) for place in target_of(name, spec.upstreams[name]).places)


def _places(name: str, upstream: Upstream) -> tuple[Place, ...]:
    if isinstance(upstream, ModelList):
        return ()
    if isinstance(upstream, Http):
        return (
            Place(
                region=LOCAL,
                host=upstream.host,
                connected=upstream.host,
                hosts=host_kind(upstream.service, name),
                pool=pool_item(name, LOCAL),
                addresses=_addresses(upstream),
                port=upstream.port,
                ca=upstream.ca,
                health=upstream.monitor,
                slow_ramp=upstream.slow_ramp,
                upstream=name,
            ),
        )
    return tuple(_in_region(name, upstream, region) for region in upstream.regions)


def _in_region(name: str, upstream: AwsUpstream, region: UpstreamRegion) -> Place:
    fips = upstream.fips
    prefix = upstream.api if isinstance(upstream, ApiGateway) else ""
    public = public_host(upstream.service, region.name, fips=fips, prefix=prefix)
    connected = region.vpc_endpoint or public
    by_header = isinstance(upstream, ApiGateway) and upstream.address_by == "header"
    return Place(
        region=region.name,
        host=connected if by_header else public,
        connected=connected,
        hosts=host_kind(upstream.service, name, fips=fips),
        pool=pool_item(name, region.name),
        addresses=_addresses(region),
        health=upstream.monitor,
        slow_ramp=upstream.slow_ramp,
        upstream=name,
    )


def _addresses(at: UpstreamRegion | Http) -> tuple[str, ...]:
    domain = f"%{at.route_domain}" if at.route_domain else ""
    return tuple(f"{address}{domain}" for address in at.addresses)


def _path(upstream: Upstream) -> str:
    if isinstance(upstream, SageMakerOpenAi):
        component = f"/inference-components/{upstream.component}" if upstream.component else ""
        return f"/endpoints/{upstream.endpoint}{component}/openai/v1/chat/completions"
    if isinstance(upstream, EndpointUpstream):
        operation = upstream.operation if isinstance(upstream, SageMaker) else "invocations"
        return f"/endpoints/{upstream.endpoint}/{_OPERATIONS[operation]}"
    if isinstance(upstream, Lambda):
        return f"/2015-03-31/functions/{upstream.function}/invocations"
    if isinstance(upstream, ApiGateway | Http):
        return upstream.path
    return "/"
