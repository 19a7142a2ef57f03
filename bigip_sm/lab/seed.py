"""What the lab brings along for a spec: certificates on the BIG-IP that it refers to, and its SageMaker endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bigip_sm.errors import LabError
from bigip_sm.lab.aws.endpoints import Chat, Endpoint, classifier, steady
from bigip_sm.lab.bigip.objects import Object, SslCertificate, SslKey
from bigip_sm.lab.pki import Authority
from bigip_sm.spec.identities import ClientCertificateIdentity
from bigip_sm.spec.model import Listener, PemFile, Route, Spec
from bigip_sm.spec.principals import known_subjects, parse
from bigip_sm.spec.usage import upstreams_of

CHAT_TOKENS = ("This ", "answer ", "comes ", "from ", "the ", "lab, ", "one ", "token ", "at ", "a ", "time.")
CHAT_PAUSE = 0.05
"""Seconds between two tokens of a chat endpoint."""

ANYBODY = "someone"
"""Subject of the client certificate that stands for ``identity:*``."""

STRANGER = "mallory"
"""Subject of a client certificate of the trusted CA that no route allows by name."""


@dataclass(frozen=True)
class Authorities:
    """Who signs what in the lab: ``servers`` every server certificate, ``clients`` those of the callers."""

    servers: Authority
    clients: Authority

    @classmethod
    def create(cls) -> Authorities:
        """Make both anew."""
        return cls(Authority.create("bigip-sm lab"), Authority.create("bigip-sm lab clients"))


def device_objects(spec: Spec, authorities: Authorities) -> list[Object]:
    """The certificates and keys in /Common that the spec refers to, and the bundle that verifies AWS.

    Raises LabError if a listener's certificate is a PEM file: its private key is only on the real BIG-IP.
    """
    objects: dict[str, Object] = {
        "/Common/ca-bundle.crt": SslCertificate("/Common/ca-bundle.crt", authorities.servers.certificate_pem)
    }
    for name, listener in spec.listeners.items():
        for found in _listener_objects(name, listener, authorities):
            objects.setdefault(found.path, found)
    return list(objects.values())


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


def endpoints(spec: Spec) -> list[Endpoint]:
    """A model container for each SageMaker endpoint of the spec: a classifier, or a chat model that streams."""
    made = {}
    for upstream in spec.upstreams.values():
        container = Chat(CHAT_TOKENS, steady(CHAT_PAUSE)) if upstream.kind == "sagemaker-openai" else classifier
        made[upstream.endpoint] = Endpoint(upstream.endpoint, upstream.kind, container)
    return list(made.values())


def regions(spec: Spec) -> list[str]:
    """Every region of the spec, sorted."""
    return sorted({region.name for upstream in spec.upstreams.values() for region in upstream.regions})


def vpc_endpoints(spec: Spec) -> dict[str, str]:
    """DNS name of each interface VPC endpoint -> its region."""
    return {
        region.vpc_endpoint: region.name
        for upstream in spec.upstreams.values()
        for region in upstream.regions
        if region.vpc_endpoint is not None
    }


def private_dns_regions(spec: Spec) -> set[str]:
    """Regions whose public runtime name resolves to a VPC endpoint."""
    return {region.name for upstream in spec.upstreams.values() for region in upstream.regions if region.private_dns}


def first_region(spec: Spec, role: str) -> str:
    """The first region of the first upstream that uses that role; where its secret is, unless it says otherwise."""
    for upstream in upstreams_of(spec, role):
        return upstream.regions[0].name
    return regions(spec)[0]


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
