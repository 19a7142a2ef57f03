"""The smallest configuration in which a rule can run: a virtual server, its profiles, and what the rule names."""

from __future__ import annotations

from dataclasses import dataclass

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.objects import (
    ClientSsl,
    DataGroup,
    HttpProfile,
    Object,
    Pool,
    PoolMember,
    Rule,
    ServerSsl,
    SslCertificate,
    SslKey,
    TcpProfile,
    VirtualServer,
)
from bigip_sm.lab.pki import Authority
from bigip_sm.lab.tcl import LoadedRule, load
from bigip_sm.lab.tryout.inputs import Wanted
from bigip_sm.lab.tryout.record import Created

FOLDER = "/Common"
ADDRESS = ("192.0.2.10", 443)
"""The virtual server: an address of the block for documentation (RFC 5737)."""

MAX_POOLS = 254
"""Each has one member, in another block for documentation, 198.51.100.0/24."""

METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "LOCK", "OPTIONS", "POST", "PROPFIND", "PUT", "TRACE", "UNLOCK")
"""Methods that the http profile of TMOS knows."""


@dataclass(frozen=True)
class Scene:
    """The objects, and the members of each pool; ``created`` is what nobody asked for."""

    rule: LoadedRule
    objects: tuple[Object, ...]
    members: dict[tuple[str, int], str]
    created: tuple[Created, ...]
    tls_upstream: bool


def build(wanted: Wanted, servers: Authority, clients: Authority) -> Scene:
    """Load the rule and make what it needs. Raises RuleError in TMOS's words, LabError."""
    path = f"{FOLDER}/{wanted.rule}"
    rule = load(path, wanted.text)
    groups = {full(group.name): group for group in wanted.groups}
    created = [Created("data group", name, "empty, of type string") for name in sorted(rule.data_groups - set(groups))]
    asked = [full(name) for name in wanted.pools]
    named = sorted(rule.pools - set(asked))
    created += [Created("pool", name, "one member that answers") for name in named]
    if not asked:
        asked = [full("virtual_pool")]
        created.append(Created("pool", asked[0], "the virtual server's own, one member that answers"))
    tls_upstream = bool(rule.profiles) or any(handler.event.startswith("SERVERSSL_") for handler in rule.handlers)
    profiles = sorted(rule.profiles) or ([full("serverssl")] if tls_upstream else [])
    created += [Created("server-ssl profile", name, "does not verify the server") for name in profiles]
    names = list(dict.fromkeys([*asked, *named]))
    if len(names) > MAX_POOLS:
        raise LabError(f"{len(names)} pools; the lab makes no more than {MAX_POOLS}")
    port = 443 if tls_upstream else 80
    pools = [Pool(name, (PoolMember(f"198.51.100.{place}", port, False),), ()) for place, name in enumerate(names, 1)]
    objects: list[Object] = [
        Rule(path, wanted.text),
        *_tls(servers, clients, wanted.host),
        *(DataGroup(name, groups[name].type, groups[name].records) for name in groups),
        *(DataGroup(name, "string") for name in rule.data_groups if name not in groups),
        *pools,
        *(ServerSsl(name, None, None, False, None, "1.2", "1.3") for name in profiles),
        HttpProfile(full("http"), False, False, False, METHODS, False, None, 32768, 64),
        TcpProfile(full("tcp"), 300, 1800, 500, 1),
        _virtual(path, asked[0], tuple(profiles[:1])),
    ]
    members = {(member.host, member.port): pool.path for pool in pools for member in pool.members}
    return Scene(rule, tuple(objects), members, tuple(created), tls_upstream)


def full(name: str) -> str:
    """The full path of a name; one without a folder is in /Common, where the rule is."""
    return name if name.startswith("/") else f"{FOLDER}/{name}"


def _tls(servers: Authority, clients: Authority, host: str) -> list[Object]:
    pair = servers.issue(host, hosts=[host])
    certificate, key, ca = full("lab.crt"), full("lab.key"), full("lab-clients-ca.crt")
    return [
        SslCertificate(certificate, pair.certificate_pem),
        SslKey(key, pair.key_pem),
        SslCertificate(ca, clients.certificate_pem),
        ClientSsl(full("clientssl"), ((certificate, key),), None, "request", ca, "1.2", "1.3", False),
    ]


def _virtual(rule: str, pool: str, server_ssl: tuple[str, ...]) -> VirtualServer:
    return VirtualServer(
        full("virtual"),
        *ADDRESS,
        rules=(rule,),
        pool=pool,
        client_ssl=full("clientssl"),
        server_ssl=server_ssl,
        http=full("http"),
        tcp_client=full("tcp"),
        tcp_server=full("tcp"),
        one_connect=None,
    )
