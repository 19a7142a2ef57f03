"""A virtual server as it runs: its profiles, certificates and rules resolved from the configuration and made ready.."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import (
    ClientSsl,
    HttpProfile,
    OneConnect,
    Rule,
    ServerSsl,
    SslCertificate,
    SslKey,
    TcpProfile,
    VirtualServer,
)
from bigip_sm.lab.tcl import LoadedRule, load
from bigip_sm.lab.tmm.interpreter import Program
from bigip_sm.lab.tmm.tls import ClientTls, ServerTls
from bigip_sm.lab.tmm.tmm import Tmm
from bigip_sm.lab.tmm.upstream import IdleConnections

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.client import ClientConnection

T = TypeVar("T")

DEFAULT_TCP = TcpProfile("/Common/tcp", 300, 1800, 3000, 3)
"""TMOS's tcp profile: idle time-out 300 s, keep-alive 1800 s, SYN retransmission from 3 s on, three times."""


@dataclass(frozen=True)
class Snapshot:
    """A virtual server and all it refers to; two equal snapshots behave the same."""

    virtual: VirtualServer
    rules: tuple[Rule, ...]
    http: HttpProfile
    client_ssl: ClientSsl | None
    tcp_client: TcpProfile
    tcp_server: TcpProfile
    one_connect: OneConnect | None
    default_server_ssl: str | None
    pem: tuple[tuple[str, str], ...] = field(repr=False)


def take_snapshot(config: Config, virtual: VirtualServer) -> Snapshot:
    """Resolve what a virtual server refers to. Raises LabError for what is missing or not emulated."""
    if virtual.http is None:
        raise LabError(f"virtual server {virtual.path}: without an HTTP profile it is not emulated")
    client_ssl = _optional(config, ClientSsl, virtual.client_ssl)
    server_ssl = [_need(config, ServerSsl, path) for path in virtual.server_ssl]
    defaults = [profile.path for profile in server_ssl if profile.sni_default] or virtual.server_ssl[:1]
    return Snapshot(
        virtual,
        tuple(_need(config, Rule, path) for path in virtual.rules),
        _need(config, HttpProfile, virtual.http),
        client_ssl,
        _optional(config, TcpProfile, virtual.tcp_client) or DEFAULT_TCP,
        _optional(config, TcpProfile, virtual.tcp_server) or DEFAULT_TCP,
        _optional(config, OneConnect, virtual.one_connect),
        defaults[0] if defaults else None,
        tuple(sorted(_pem(config, client_ssl).items())) if client_ssl is not None else (),
    )


class Runtime:
    """One version of a virtual server in all TMMs. Connections keep the version they began with."""

    def __init__(
        self, snapshot: Snapshot, tmms: Sequence[Tmm], server_tls: Mapping[str, ServerTls], handles: RuleUse
    ) -> None:
        """``server_tls`` holds every server-ssl profile of the box, by path. Raises RuleError, LabError."""
        self.snapshot = snapshot
        self.path = snapshot.virtual.path
        self.server_tls = server_tls
        self.client_tls = (
            ClientTls(snapshot.client_ssl, dict(snapshot.pem)) if snapshot.client_ssl is not None else None
        )
        self.rules = tuple(load(rule.path, rule.text) for rule in snapshot.rules)
        self.tmms = tmms[:1] if self.demoted_by() else tmms
        self._handles = handles
        handles.take(self.rules)
        self.programs: dict[Tmm, Program] = {tmm: tmm.compile(self.rules) for tmm in self.tmms}
        self.idle = {tmm: IdleConnections(snapshot.one_connect) for tmm in self.tmms}
        self.connections: set[ClientConnection] = set()
        self._retired = False

    def demoted_by(self) -> tuple[str, str] | None:
        """The first rule with a global variable, and the variable: on TMOS one TMM then serves the virtual server."""
        for rule in self.rules:
            for name in sorted(rule.global_variables):
                return rule.path, name
        return None

    @property
    def connect_timeout(self) -> float:
        """Seconds until a connection attempt is given up: the SYN and its retransmissions, doubling."""
        tcp = self.snapshot.tcp_server
        return tcp.syn_rto_base_ms / 1000 * float(2 ** (tcp.syn_max_retrans + 1) - 1)

    def retire(self) -> None:
        """No new connections; the rules go when the last connection has gone."""
        self._retired = True
        self.close_idle()
        self.closed(None)

    def close_idle(self) -> None:
        """Close the server-side connections that wait for a request."""
        for idle in self.idle.values():
            idle.close()

    def closed(self, connection: ClientConnection | None) -> None:
        """A connection has gone."""
        if connection is not None:
            self.connections.discard(connection)
        if self._retired and not self.connections:
            self._retired = False
            # Not at once: the last connection's handler may be what is running.
            asyncio.get_running_loop().call_soon(self._discard)

    def _discard(self) -> None:
        for tmm, program in self.programs.items():
            tmm.interpreter.discard(program)
        self._handles.give_back(self.rules, self.tmms)


class RuleUse:
    """Counts who uses a loaded rule, so that the interpreters can forget what nobody uses."""

    def __init__(self) -> None:
        self._users: dict[LoadedRule, int] = {}

    def take(self, rules: tuple[LoadedRule, ...]) -> None:
        """One more user of each rule."""
        for rule in rules:
            self._users[rule] = self._users.get(rule, 0) + 1

    def give_back(self, rules: tuple[LoadedRule, ...], tmms: Sequence[Tmm]) -> None:
        """One user less; rules without a user are unloaded."""
        for rule in rules:
            self._users[rule] -= 1
            if not self._users[rule]:
                del self._users[rule]
                for tmm in tmms:
                    tmm.interpreter.unload(rule)


def _pem(config: Config, profile: ClientSsl) -> dict[str, str]:
    pem = {}
    for certificate, key in profile.certificates:
        pem[certificate] = _need(config, SslCertificate, certificate).pem
        pem[key] = _need(config, SslKey, key).pem
    for path in (profile.chain, profile.trusted_ca):
        if path is not None:
            pem[path] = _need(config, SslCertificate, path).pem
    return pem


def _need(config: Config, kind: type[T], path: str) -> T:
    found = config.get(kind, path)
    if found is None:
        raise LabError(f"{kind.__name__} {path} does not exist")
    return found


def _optional(config: Config, kind: type[T], path: str | None) -> T | None:
    return None if path is None else _need(config, kind, path)
