"""What the lab brings along for a spec: certificates on the BIG-IP that it refers to, and whom it lets in.

What it brings along in AWS is in ``seed_aws``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.objects import Attachment, Object, SslCertificate, SslKey
from bigip_sm.lab.pki import Authority
from bigip_sm.spec.identities import ClientCertificateIdentity
from bigip_sm.spec.model import Listener, Route, Spec
from bigip_sm.spec.pem_file import PemFile
from bigip_sm.spec.principals import known_subjects, parse
from bigip_sm.spec.upstreams import Http

ANYBODY = "someone"
"""Subject of the client certificate that stands for ``identity:*``."""

STRANGER = "mallory"
"""Subject of a client certificate of the trusted CA that no route allows by name."""


@dataclass(frozen=True)
class Authorities:
    """Who signs what in the lab: ``servers`` every server certificate of AWS and the BIG-IP, ``clients`` those of the
    callers, ``own`` those of servers outside AWS.
    """

    servers: Authority
    clients: Authority
    own: Authority

    @classmethod
    def create(cls) -> Authorities:
        """Make both anew."""
        names = ("bigip-sm lab", "bigip-sm lab clients", "bigip-sm lab own servers")
        return cls(*map(Authority.create, names))


def device_objects(spec: Spec, authorities: Authorities) -> list[Object]:
    """The certificates and keys in /Common that the spec refers to, and the bundle that verifies AWS.

    Raises LabError if a listener's certificate is a PEM file: its private key is only on the real BIG-IP.
    """
    objects: dict[str, Object] = {
        "/Common/ca-bundle.crt": SslCertificate("/Common/ca-bundle.crt", authorities.servers.certificate_pem)
    }
    if spec.audit is not None:
        objects[spec.audit.tls.ca] = SslCertificate(spec.audit.tls.ca, authorities.servers.certificate_pem)
    for listener in spec.listeners.values():
        for path, kind in _attached(listener):
            objects[path] = Attachment(path, kind)
    for name, listener in spec.listeners.items():
        for found in _listener_objects(name, listener, authorities):
            objects.setdefault(found.path, found)
    for name, upstream in spec.upstreams.items():
        if isinstance(upstream, Http):
            if isinstance(upstream.ca, PemFile):
                raise LabError(
                    f"upstreams.{name}.ca: the lab has no private key for {upstream.ca.file}; for the lab, refer to a "
                    "bundle on the BIG-IP, such as /Common/own-ca.crt, and it makes one"
                )
            objects.setdefault(upstream.ca, SslCertificate(upstream.ca, authorities.own.certificate_pem))
    return list(objects.values())


def _attached(
    listener: Listener,
) -> Iterator[tuple[str, Literal["waf-policy", "bot-defense", "dos", "analytics"]]]:
    if listener.waf is not None:
        yield listener.waf, "waf-policy"
    if listener.bot_defense is not None:
        yield listener.bot_defense, "bot-defense"
    if listener.dos is not None:
        yield listener.dos, "dos"
    if listener.analytics is not None:
        yield listener.analytics, "analytics"


def _listener_objects(name: str, listener: Listener, authorities: Authorities) -> Iterator[Object]:
    tls = listener.tls
    if isinstance(tls.certificate, PemFile):
        raise LabError(
            f"listeners.{name}.tls.certificate: the lab has no private key for {tls.certificate.file}; "
            "for the lab, refer to a certificate on the BIG-IP, such as /Common/models.crt, and it makes a pair"
        )
    pair = authorities.servers.issue(listener.hostnames[0], hosts=[*listener.hostnames, "127.0.0.1", "localhost"])
    yield SslCertificate(tls.certificate, pair.certificate_pem)
    yield SslKey(tls.key, pair.key_pem)
    if isinstance(tls.chain, str):
        yield SslCertificate(tls.chain, authorities.servers.certificate_pem)
    if tls.client_certificate is not None and isinstance(tls.client_certificate.ca, str):
        yield SslCertificate(tls.client_certificate.ca, authorities.clients.certificate_pem)


def client_subjects(spec: Spec) -> list[str]:
    """Subjects of the client certificates that are worth having: whom the routes allow, and a stranger."""
    subjects = [subject for route in spec.routes.values() for subject in certificate_subjects(spec, route)]
    return [*dict.fromkeys(subjects), STRANGER]


def certificate_subjects(spec: Spec, route: Route) -> list[str]:
    """Subjects of the client certificates that a route allows, as far as the lab's own authority can issue them."""
    found = []
    for entry in (parse(entry) for entry in route.allow):
        identity = spec.identities[entry.identity]
        if not isinstance(identity, ClientCertificateIdentity):
            continue
        if identity.subject == "common-name" and identity.issuer is None:
            found += [subject or ANYBODY for subject in known_subjects(identity, entry) or ()]
    return found
