"""What TMOS checks before it commits a transaction: references, iRules, certificates, addresses.

AS3 does not look at any of this; mcpd does, when the script that AS3 wrote runs. A transaction that fails a check
changes nothing. Quoted from public issues: 01070333 (F5Networks/terraform-provider-bigip#317), "Invalid Virtual
Address" (F5Networks/f5-appsvcs-extension#628), 01020036 (F5Networks/f5-appsvcs-extension#565). The other texts
follow TMOS's style and are not confirmed on a device; where no code was found it is 01070734, "Configuration error".
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bigip_sm.errors import LabError, RuleError
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.datagroups import LONGEST
from bigip_sm.lab.bigip.objects import (
    Attachment,
    ClientSsl,
    DataGroup,
    HttpProfile,
    HttpsMonitor,
    Object,
    OneConnect,
    Pool,
    Rule,
    ServerSsl,
    SslCertificate,
    SslKey,
    StatisticsProfile,
    TcpProfile,
    VirtualServer,
)
from bigip_sm.lab.tcl import LoadedRule, load

T = TypeVar("T")

KINDS: dict[type, str] = {
    VirtualServer: "Virtual Server",
    Pool: "Pool",
    HttpsMonitor: "monitor",
    Rule: "iRule",
    DataGroup: "value list",
    ClientSsl: "profile",
    ServerSsl: "profile",
    HttpProfile: "profile",
    TcpProfile: "profile",
    OneConnect: "profile",
    StatisticsProfile: "profile",
    Attachment: "profile",
    SslCertificate: "certificate file",
    SslKey: "key file",
}
"""How messages of mcpd name each class."""

_EVENT_PROFILES = {
    "HTTP_": ("http", "HTTP"),
    "CLIENTSSL_": ("client_ssl", "CLIENTSSL"),
    "SERVERSSL_": ("server_ssl", "SERVERSSL"),
}
_COMMON = "Common"


class TransactionError(LabError):
    """mcpd refuses a transaction; the message is its text."""


@dataclass(frozen=True)
class Reference:
    """``source`` names the object of one of the classes ``kinds`` at ``path``."""

    source: Object
    kinds: tuple[type, ...]
    path: str


class Candidate:
    """The configuration as it would be after a transaction."""

    def __init__(self, config: Config, put: Iterable[Object], delete: Iterable[Object]) -> None:
        self._objects: dict[tuple[type, str], Object] = {
            (type(found), found.path): found for found in config.below("/")
        }
        self.deleted = {(type(gone), gone.path) for gone in delete}
        for key in self.deleted:
            self._objects.pop(key, None)
        self.changed = [new for new in put if self._objects.get((type(new), new.path)) != new]
        self._objects.update({(type(new), new.path): new for new in self.changed})

    def get(self, kind: type[T], path: str) -> T | None:
        """The object of that class and path, or None."""
        found = self._objects.get((kind, path))
        return found if isinstance(found, kind) else None

    def finds(self, reference: Reference) -> bool:
        """Whether what is named exists."""
        return any((kind, reference.path) in self._objects for kind in reference.kinds)

    def loses(self, reference: Reference) -> bool:
        """Whether what is named goes with the transaction."""
        gone = any((kind, reference.path) in self.deleted for kind in reference.kinds)
        return gone and not self.finds(reference)

    def all(self, kind: type[T]) -> Iterator[T]:
        """Every object of a class, by path."""
        return (found for _, found in sorted(self._objects.items(), key=_by_path) if isinstance(found, kind))

    def objects(self) -> Iterator[Object]:
        """Every object."""
        return iter(self._objects.values())


def _by_path(item: tuple[tuple[type, str], Object]) -> str:
    return item[0][1]


@functools.lru_cache(maxsize=256)
def _loaded(rule: Rule) -> LoadedRule:
    """The rule as TMM loads it. Raises TransactionError with TMM's words."""
    try:
        return load(rule.path, rule.text)
    except RuleError as error:
        raise TransactionError(str(error)) from error


def check(config: Config, *, put: Iterable[Object] = (), delete: Iterable[Object] = ()) -> None:
    """Raise TransactionError, with the text of mcpd, if the transaction would be refused."""
    put, delete = tuple(put), tuple(delete)
    if not delete and all(isinstance(new, DataGroup) for new in put):
        for new in put:  # a data group names nothing, so nothing else has to be looked at
            _check_object(new)
            _check_type(config, new)
        return
    candidate = Candidate(config, put, delete)
    for new in candidate.changed:
        _check_object(new)
        _check_type(config, new)
        for reference in references(new):
            _check_reference(candidate, reference)
    _check_deletions(candidate)
    for profile in candidate.changed:
        if isinstance(profile, ClientSsl):
            _check_key_pairs(candidate, profile)
    _check_nodes(candidate)
    for virtual in candidate.all(VirtualServer):
        _check_virtual(candidate, virtual)


def references(source: Object) -> list[Reference]:
    """Every object that ``source`` names; for an iRule the ones that it names literally. Raises TransactionError."""
    named: list[tuple[type | tuple[type, ...], str | None]] = []
    match source:
        case VirtualServer():
            named += [(Rule, path) for path in source.rules]
            named += [(ServerSsl, path) for path in source.server_ssl]
            named += [(Pool, source.pool), (ClientSsl, source.client_ssl), (HttpProfile, source.http)]
            named += [
                (TcpProfile, source.tcp_client),
                (TcpProfile, source.tcp_server),
                (OneConnect, source.one_connect),
                (StatisticsProfile, source.statistics),
            ]
            named += [(Attachment, path) for path in source.attached]
        case Pool():
            named += [(HttpsMonitor, path) for path in source.monitors]
        case HttpsMonitor():
            named += [(ServerSsl, source.server_ssl)]
        case ClientSsl():
            named += [(SslCertificate, certificate) for certificate, _ in source.certificates]
            named += [(SslKey, key) for _, key in source.certificates]
            named += [(SslCertificate, source.chain), (SslCertificate, source.trusted_ca)]
        case ServerSsl():
            named += [(SslCertificate, source.ca_file)]
        case Rule():
            named += _rule_references(source)
    return [
        Reference(source, kind if isinstance(kind, tuple) else (kind,), path)
        for kind, path in named
        if path is not None
    ]


def _rule_references(rule: Rule) -> list[tuple[type | tuple[type, ...], str | None]]:
    found = _loaded(rule)
    profiles = (ServerSsl, ClientSsl)
    return [
        *((DataGroup, path) for path in sorted(found.data_groups)),
        *((Pool, path) for path in sorted(found.pools)),
        *((profiles, path) for path in sorted(found.profiles)),
    ]


def _check_reference(candidate: Candidate, reference: Reference) -> None:
    """The object exists, and lies in the source's own partition or in Common unless the source is an iRule."""
    source, kind, path = reference.source, reference.kinds[0], reference.path
    if not candidate.finds(reference):
        if isinstance(source, Rule):
            name = {DataGroup: "value_list", Pool: "pool"}.get(kind, "profile")
            raise TransactionError(f"01070151:3: Rule [{source.path}] error: Unable to find {name} ({path})")
        raise TransactionError(f"01020036:3: The requested {KINDS[kind]} ({path}) was not found.")
    here, there = source.path.split("/")[1], path.split("/")[1]
    if there not in (here, _COMMON) and not isinstance(source, Rule):
        raise TransactionError(
            f"01070726:3: {KINDS[type(source)]} {source.path} in partition {here} cannot reference "
            f"{KINDS[kind]} {path} in partition {there}"
        )


def _check_deletions(candidate: Candidate) -> None:
    """Nothing that stays names what goes."""
    if not candidate.deleted:
        return
    for source in candidate.objects():
        for reference in references(source):
            if candidate.loses(reference):
                raise TransactionError(_in_use(reference))


def _in_use(reference: Reference) -> str:
    names = {DataGroup: "data group", Pool: "pool", Rule: "rule"}
    name = names.get(reference.kinds[0], KINDS[reference.kinds[0]])
    user = {Rule: "rule", VirtualServer: "virtual server"}.get(type(reference.source), KINDS[type(reference.source)])
    return (
        f"01070265:3: The {name} ({reference.path}) cannot be deleted because it is in use by a "
        f"{user} ({reference.source.path})."
    )


def _check_object(new: Object) -> None:
    """PEM parses, records fit."""
    if isinstance(new, DataGroup) and any(len(text.encode()) > LONGEST for record in new.records for text in record):
        raise TransactionError(f"01070712:3: Max string size exceeded for field (class_value_item) max:{LONGEST}")
    if isinstance(new, SslCertificate):
        try:
            x509.load_pem_x509_certificates(new.pem.encode())
        except ValueError:
            raise TransactionError(
                f"01070734:3: Configuration error: The certificate file ({new.path}) is not valid PEM"
            ) from None
    if isinstance(new, SslKey):
        try:
            serialization.load_pem_private_key(new.pem.encode(), None)
        except (ValueError, TypeError):
            raise TransactionError(
                f"01070734:3: Configuration error: The key file ({new.path}) is not an unencrypted PEM key"
            ) from None


def _check_type(config: Config, new: Object) -> None:
    """A data group that has records keeps its type (F5Networks/f5-appsvcs-extension#902)."""
    if not isinstance(new, DataGroup):
        return
    before = config.get(DataGroup, new.path)
    if before is not None and before.records and before.type != new.type:
        raise TransactionError(f"0107074b:3: {new.path} has entries: its type cannot be changed")


def _check_key_pairs(candidate: Candidate, profile: ClientSsl) -> None:
    """Each certificate of a client-ssl profile belongs to its key."""
    if not profile.certificates:
        raise TransactionError(f"010717e3:3: Client SSL profile {profile.path} must have a certificate and key.")
    for certificate_path, key_path in profile.certificates:
        certificate, key = candidate.get(SslCertificate, certificate_path), candidate.get(SslKey, key_path)
        if certificate is None or key is None:
            continue  # already refused as a reference
        public = x509.load_pem_x509_certificates(certificate.pem.encode())[0].public_key()
        private = serialization.load_pem_private_key(key.pem.encode(), None)
        if public != private.public_key():
            raise TransactionError(
                f"01070317:3: Profile {profile.path}'s key ({key_path}) and certificate ({certificate_path}) "
                "do not match"
            )


def _check_nodes(candidate: Candidate) -> None:
    """One address belongs to one node on the whole device, whatever the partition; so does one FQDN's name."""
    owners: dict[tuple[bool, str], str] = {}
    for pool in candidate.all(Pool):
        for member in pool.members:
            name = member.node.rpartition("/")[2] if member.fqdn else member.host
            owner = owners.setdefault((member.fqdn, name), member.node)
            if owner != member.node:
                what = f"FQDN {member.host}" if member.fqdn else f"IP Address ({member.host})"
                nodes = f"Pool member node ({member.node}) and existing node ({owner})"
                raise TransactionError(f"0107003a:3: {nodes} cannot use the same {what}.")


def _check_virtual(candidate: Candidate, virtual: VirtualServer) -> None:
    """Its destination is its own; its profiles fit its rules and one another."""
    partition = virtual.path.split("/")[1]
    for other in candidate.all(VirtualServer):
        if other.path <= virtual.path or ip_address(other.address) != ip_address(virtual.address):
            continue
        if other.port == virtual.port:
            raise TransactionError(
                f"01070333:3: Virtual Server {other.path} illegally shares destination address, source address, "
                f"service port, ip-protocol, and vlan with Virtual Server {virtual.path}."
            )
        if other.path.split("/")[1] not in (partition, _COMMON) and partition != _COMMON:
            raise TransactionError(
                f"0107176c:3: Invalid Virtual Address, the IP address {virtual.address} already exists."
            )
    _check_sni_default(candidate, virtual)
    for path in virtual.rules:
        rule = candidate.get(Rule, path)
        if rule is not None:
            _check_events(virtual, rule)


def _check_sni_default(candidate: Candidate, virtual: VirtualServer) -> None:
    """Of several server-ssl profiles exactly one is the default for SNI."""
    if len(virtual.server_ssl) < 2:
        return
    profiles = [candidate.get(ServerSsl, path) for path in virtual.server_ssl]
    defaults = sum(profile is not None and profile.sni_default for profile in profiles)
    if defaults != 1:
        raise TransactionError(
            f"01070734:3: Configuration error: Virtual server {virtual.path} has {len(profiles)} serverssl profiles "
            f"of which {defaults} are the default for SNI; exactly one must be"
        )


def _check_events(virtual: VirtualServer, rule: Rule) -> None:
    """The events of a rule have the profiles that raise them on the virtual server."""
    for handler in _loaded(rule).handlers:
        for prefix, (attribute, name) in _EVENT_PROFILES.items():
            if handler.event.startswith(prefix) and not getattr(virtual, attribute):
                raise TransactionError(
                    f"01070394:3: {handler.event} event in rule ({rule.path}) requires an associated {name} profile "
                    f"on the virtual-server ({virtual.path})."
                )
