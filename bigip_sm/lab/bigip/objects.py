"""The configuration objects of the emulated BIG-IP: the seam between its control plane and its data plane.

The control plane (iControl REST, AS3) makes these objects and commits them; the data plane only reads them. Every
object is frozen, so "did anything change" is a comparison. Paths are full paths such as ``/T/gateway/pool_x``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class DataGroup:
    """An internal data group; ``records`` are (name, data) pairs in the order in which iControl lists them."""

    path: str
    type: Literal["string", "ip", "integer"]
    records: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    description: str = ""


@dataclass(frozen=True)
class Rule:
    """An iRule as stored on the device."""

    path: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class SslCertificate:
    """A certificate (or CA bundle) as ``sys file ssl-cert`` holds it."""

    path: str
    pem: str = field(repr=False)


@dataclass(frozen=True)
class SslKey:
    """A private key as ``sys file ssl-key`` holds it."""

    path: str
    pem: str = field(repr=False)


@dataclass(frozen=True)
class HttpsMonitor:
    """An https monitor: sends ``send`` over TLS, the member is up if the answer contains ``receive``.

    Both as TMOS stores them: line ends are the four characters backslash-r-backslash-n, ``receive`` is a regular
    expression.
    """

    path: str
    send: str
    receive: str
    interval: int
    timeout: int
    server_ssl: str | None
    time_until_up: int = 0


@dataclass(frozen=True)
class PoolMember:
    """A pool member. ``host`` is an address, or a DNS name when ``fqdn`` is set."""

    host: str
    port: int
    fqdn: bool
    auto_populate: bool = False
    node: str = ""
    enabled: bool = True
    priority_group: int = 0


@dataclass(frozen=True)
class Pool:
    """A pool; no monitor means that members count as available (state "unchecked")."""

    path: str
    members: tuple[PoolMember, ...]
    monitors: tuple[str, ...]
    mode: str = "round-robin"
    reselect_tries: int = 0
    slow_ramp: int = 0


@dataclass(frozen=True)
class ClientSsl:
    """A client-ssl profile: TLS towards the callers. Certificates and keys by path."""

    path: str
    certificates: tuple[tuple[str, str], ...]
    chain: str | None
    client_certificate: Literal["ignore", "request", "require"]
    trusted_ca: str | None
    minimum_version: Literal["1.0", "1.1", "1.2", "1.3"]
    maximum_version: Literal["1.2", "1.3"]
    renegotiation: bool


@dataclass(frozen=True)
class ServerSsl:
    """A server-ssl profile: TLS towards pool members."""

    path: str
    server_name: str | None
    authenticate_name: str | None
    verify: bool
    ca_file: str | None
    minimum_version: Literal["1.0", "1.1", "1.2", "1.3"]
    maximum_version: Literal["1.2", "1.3"]
    sni_default: bool = False


@dataclass(frozen=True)
class HttpProfile:
    """An HTTP profile; only what the data plane acts on."""

    path: str
    insert_x_forwarded_for: bool
    enforce_rfc: bool
    reject_pipelining: bool
    known_methods: tuple[str, ...]
    reject_unknown_methods: bool
    server_agent_name: str | None
    max_header_size: int
    max_header_count: int
    hsts: str | None = None  # value of Strict-Transport-Security


@dataclass(frozen=True)
class TcpProfile:
    """A TCP profile; seconds, which are whole ones in TMOS."""

    path: str
    idle_timeout: float
    keep_alive_interval: int
    syn_rto_base_ms: int
    syn_max_retrans: int


@dataclass(frozen=True)
class OneConnect:
    """A OneConnect profile; ages in seconds."""

    path: str
    max_age: int
    max_reuse: int
    max_size: int


@dataclass(frozen=True)
class StatisticsProfile:
    """A statistics profile: the names of the counters that ``STATS::`` commands may use."""

    path: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Attachment:
    """A policy or profile of another module: a WAF policy, bot defense, DoS protection, analytics.

    The lab knows that it is there, and nothing of what it does: requests that a WAF would stop are not stopped here.
    """

    path: str
    kind: Literal["waf-policy", "bot-defense", "dos", "analytics"]


@dataclass(frozen=True)
class VirtualServer:
    """A virtual server and the profiles attached to it, by path. ``None``: not attached."""

    path: str
    address: str
    port: int
    rules: tuple[str, ...]
    pool: str | None
    client_ssl: str | None
    server_ssl: tuple[str, ...]
    http: str | None
    tcp_client: str | None
    tcp_server: str | None
    one_connect: str | None
    enabled: bool = True
    statistics: str | None = None
    attached: tuple[str, ...] = ()


Object = (
    DataGroup
    | Rule
    | SslCertificate
    | SslKey
    | HttpsMonitor
    | Pool
    | ClientSsl
    | ServerSsl
    | HttpProfile
    | TcpProfile
    | OneConnect
    | StatisticsProfile
    | Attachment
    | VirtualServer
)
