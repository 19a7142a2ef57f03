"""From an upstream to where its requests go: scheme, signing service, path, and for each region the signed host, the
connected host and the names of the AS3 objects.

The signed host (also Host, SNI and the name that is certified) is apart from the address that is connected to. Whoever
chooses a place has everything that must follow the choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bigip_sm.aws.hosts import public_host
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import monitor_item, pool_item, server_tls_item
from bigip_sm.spec.upstreams import SageMakerOpenAi, Scheme, Upstream, UpstreamRegion

DEFAULT_HOSTS = "runtime"
"""The hosts whose TLS profile is known by the region alone; records name that of any other host."""


@dataclass(frozen=True)
class Place:
    """One region of an upstream.

    ``host`` is signed, sent as Host and SNI, and must be certified; ``connected`` is the name that is connected to;
    ``hosts`` is the kind of host, which with the region names its TLS profile and monitor.
    """

    region: str
    host: str
    connected: str
    hosts: str
    pool: str

    @property
    def tls(self) -> str:
        """Name of its TLS_Client."""
        return server_tls_item(self.hosts, self.region)

    @property
    def monitor(self) -> str:
        """Name of its monitor."""
        return monitor_item(self.hosts, self.region)

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
    places = tuple(_place(name, upstream, region) for region in upstream.regions)
    return Target(upstream.scheme, upstream.signing_service, _path(upstream), places)


def places_of(spec: Spec, names: Iterable[str]) -> tuple[Place, ...]:
    """Every place of the upstreams ``names``, by name of the upstream."""
    return tuple(place for name in sorted(set(names)) for place in target_of(name, spec.upstreams[name]).places)


def _place(name: str, upstream: Upstream, region: UpstreamRegion) -> Place:
    host = public_host(upstream.service, region.name)
    return Place(
        region=region.name,
        host=host,
        connected=region.vpc_endpoint or host,
        hosts=upstream.service,
        pool=pool_item(name, region.name),
    )


def _path(upstream: Upstream) -> str:
    if isinstance(upstream, SageMakerOpenAi):
        return f"/endpoints/{upstream.endpoint}/openai/v1/chat/completions"
    return f"/endpoints/{upstream.endpoint}/invocations"
