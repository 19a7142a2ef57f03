"""``render``: the spec as an AS3 declaration.

Two decisions show in the result. The declaration is a bare ``ADC`` without the ``AS3`` request wrapper: AS3 adds one
with ``action: deploy`` and ``persist: true``, which is what is wanted, and whoever posts may still choose a dry run by
query parameter. ``schemaVersion`` is the oldest that has every property and value used here, so that an older AS3
refuses the declaration instead of ignoring a part of it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from bigip_sm.render.audit import audit_items, audit_records
from bigip_sm.render.chat import chat_records
from bigip_sm.render.checks import check
from bigip_sm.render.content import shape_records, validation_records
from bigip_sm.render.failover import failover_records, may_retry
from bigip_sm.render.guards import guard_records, phrase_records
from bigip_sm.render.irule import render_irule
from bigip_sm.render.limits import limit_records
from bigip_sm.render.records import (
    Records,
    access_records,
    is_prefix,
    key_records,
    keys,
    network_records,
    route_records,
)
from bigip_sm.render.regions import region_records
from bigip_sm.render.requests import target_records
from bigip_sm.render.result import DataGroupSpec, Rendered
from bigip_sm.render.stages import stages_of
from bigip_sm.render.targets import places_of
from bigip_sm.render.templates import fill
from bigip_sm.render.timeouts import syns
from bigip_sm.spec.identities import ApiKeyIdentity, JwtIdentity, NetworkIdentity
from bigip_sm.spec.model import Hsts, Listener, Route, Spec
from bigip_sm.spec.names import APPLICATION, audit_group, credential_group, jwks_group, object_path, weights_group
from bigip_sm.spec.pem_file import PemFile
from bigip_sm.spec.usage import initial_weights

SCHEMA_VERSION = "3.49.0"
"""By AS3's changelog: ``sustain`` in HTTP_Profile came with 3.49.0, enforceRFCCompliance with 3.40, sslEnabled and
ssl3Enabled with 3.33, renegotiationEnabled and retainCertificateEnabled with 3.25, fqdnPrefix with 3.24. Since 3.48 AS3
escapes the records of data groups, and since 3.46 it keeps the blank lines of an iRule."""

IDLE_MARGIN = 10
"""Seconds that an upstream connection may stay silent beyond the longest timeout of its routes."""

CLIENT_IDLE_MINIMUM = 300
"""Seconds that a client connection may stay silent at least (AS3's default)."""

CREDENTIAL_FORMAT = (
    "sigv4/<service>/<region>/<yyyymmdd> -> 1|<access key id>|<signing key, 64 hex>|<not after, epoch seconds>|"
    "<session token>; bearer/<region> -> 1|<not after, epoch seconds>|<token>; "
    "meta -> 1|<generation>|<issued at, epoch seconds>|<credential expiry>|<rotator id>"
)

AUDIT_FORMAT = "subject-key -> 1|<key, 64 hex>"

JWKS_FORMAT = "<identity>/<base64url of the key id> -> 1|RS256|<not after, epoch seconds>|<public key, DER in base64>"

WEIGHTS_FORMAT = (
    "<route>, upstream/<upstream> -> 1|<upstream or region>=<percent>,...; "
    "before/<the same> -> what was in force before"
)

HEADERS = 32 * 1024
"""Bytes that a request's head may have (AS3's default)."""

HEADERS_WITH_TOKENS = 128 * 1024
"""The same where tokens are read, so that one that is far too long is told so, and not just cut off by TMM."""

Item = tuple[str, dict[str, Any]]


def render(spec: Spec) -> Rendered:
    """Render a gateway: the AS3 declaration, the iRules and the list of data groups.

    Raises RenderError if what comes out would be refused or rewritten by AS3 or TMOS.
    """
    irules = {name: render_irule(spec, name) for name in spec.listeners}
    groups = list(_data_groups(spec))
    declaration = fill(
        "adc", schema_version=SCHEMA_VERSION, gateway=spec.gateway, owner=spec.owner, application=APPLICATION
    )
    application = declaration[spec.gateway][APPLICATION]
    sources = (_shared(spec), _listeners(spec, irules), _places(spec), audit_items(spec), (item for item, _ in groups))
    for source in sources:
        application.update(source)
    check(declaration)
    return Rendered(declaration, irules, (*(group for _, group in groups), *_rotated_groups(spec)))


def _routes(spec: Spec, listener: str) -> dict[str, Route]:
    return {name: route for name, route in spec.routes.items() if route.listener == listener}


def _upstreams(routes: Iterable[Route]) -> set[str]:
    return {name for route in routes for name in route.all_upstreams}


def _longest_timeout(spec: Spec, routes: Iterable[Route]) -> int:
    return max((spec.upstreams[name].timeout for name in _upstreams(routes)), default=0)


def _shared(spec: Spec) -> Iterator[Item]:
    # A client connection must outlive the upstream's silence, or a slow model's caller is cut off before the answer.
    idle = max(_longest_timeout(spec, spec.routes.values()) + 2 * IDLE_MARGIN, CLIENT_IDLE_MINIMUM)
    yield "http", _http_profile(spec, None)
    yield "one_connect", fill("multiplex_profile")
    yield "tcp_client", fill("tcp_profile", idle_timeout=idle, syns=None)


def _http_profile(spec: Spec, hsts: Hsts | None) -> dict[str, Any]:
    largest = HEADERS_WITH_TOKENS if _reads_tokens(spec) else HEADERS
    return fill("http_profile", maximum_header_size=largest, hsts=hsts)


def _attached(listener: Listener) -> dict[str, str]:
    """AS3's property -> object of the BIG-IP that is attached to the virtual server as it is."""
    found = {
        "policyWAF": listener.waf,
        "profileBotDefense": listener.bot_defense,
        "profileDOS": listener.dos,
        "profileAnalytics": listener.analytics,
    }
    return {name: path for name, path in found.items() if path is not None}


def _listeners(spec: Spec, irules: dict[str, str]) -> Iterator[Item]:
    for name, listener in spec.listeners.items():
        routes = _routes(spec, name).values()
        profiles = sorted({place.tls for place in places_of(spec, _upstreams(routes))})
        yield (
            f"listener_{name}",
            fill(
                "service_https",
                owner=spec.owner,
                address=str(listener.address),
                port=listener.port,
                redirect_http=listener.redirect_http,
                tcp_client="tcp_client",
                tcp_aws=f"tcp_aws_{name}",
                http="http" if listener.hsts is None else f"http_{name}",
                attached=_attached(listener),
                one_connect="one_connect",
                server_tls=f"tls_{name}",
                client_tls=profiles[0] if profiles else None,
                irule=f"irule_{name}",
            ),
        )
        if listener.hsts is not None:
            yield f"http_{name}", _http_profile(spec, listener.hsts)
        yield f"irule_{name}", fill("irule", base64=base64.b64encode(irules[name].encode()).decode())
        idle = _longest_timeout(spec, routes) + IDLE_MARGIN
        yield f"tcp_aws_{name}", fill("tcp_profile", idle_timeout=idle, syns=syns(listener.connect_timeout))
        yield from _client_side_tls(name, listener)


def _client_side_tls(name: str, listener: Listener) -> Iterator[Item]:
    tls = listener.tls
    trust_ca: object = None
    if tls.client_certificate is not None and isinstance(tls.client_certificate.ca, PemFile):
        trust_ca = f"clients_ca_{name}"
        yield f"clients_ca_{name}", fill("ca_bundle", bundle=_pem(tls.client_certificate.ca))
    elif tls.client_certificate is not None:
        trust_ca = _pem(tls.client_certificate.ca)
    yield (
        f"cert_{name}",
        fill(
            "certificate",
            certificate=_pem(tls.certificate),
            key=_pem(tls.key),
            chain=None if tls.chain is None else _pem(tls.chain),
        ),
    )
    yield (
        f"tls_{name}",
        fill(
            "tls_server",
            certificate=f"cert_{name}",
            tls1_2=tls.minimum_version == "1.2",
            mode="ignore" if tls.client_certificate is None else tls.client_certificate.mode,
            trust_ca=trust_ca,
        ),
    )


def _pem(source: str | PemFile) -> str | dict[str, str]:
    """A reference to a device's object, or the text of a PEM file."""
    return source.text if isinstance(source, PemFile) else {"bigip": source}


def _places(spec: Spec) -> Iterator[Item]:
    places = places_of(spec, _upstreams(spec.routes.values()))
    for place in {(one.hosts, one.region): one for one in places}.values():
        trust_ca: object = "generic"
        if isinstance(place.ca, PemFile):
            trust_ca = {"use": f"ca_{place.hosts}"}
            yield f"ca_{place.hosts}", fill("ca_bundle", bundle=_pem(place.ca))
        elif place.ca is not None:
            trust_ca = _pem(place.ca)
        yield place.tls, fill("tls_client", host=place.host, trust_ca=trust_ca)
    for place in {one.monitor: one for one in places}.values():
        asked = {"host": place.host, "readiness": place.readiness}
        yield place.monitor, fill("monitor", tls=place.tls, health=place.health, **asked)
    for place in places:
        yield (
            place.pool,
            fill(
                "pool",
                monitor=place.monitor,
                slow_ramp=place.slow_ramp,
                host=place.connected,
                prefix=f"{spec.gateway}-",
                addresses=place.addresses,
                port=place.port,
            ),
        )


def _data_groups(spec: Spec) -> Iterator[tuple[Item, DataGroupSpec]]:
    for name in spec.listeners:
        routes = _routes(spec, name)
        exact, prefixes = route_records(spec, routes)
        yield _data_group(spec, f"routes_{name}", "string", exact, f"routes of listener {name} with an exact path")
        if any(is_prefix(route) for route in routes.values()):
            purpose = f"routes of listener {name} that take every path below their own"
            yield _data_group(spec, f"prefixes_{name}", "string", prefixes, purpose)
    yield _data_group(spec, "access", "string", access_records(spec), "which principal may use which route")
    for item, records, purpose in (
        ("chat", chat_records(spec), "what OpenAI clients write in requests, and what is added"),
        ("targets", target_records(spec), "what each route's kind of upstream allows and adds"),
        ("validation", validation_records(spec), "what the requests of a route must look like"),
        ("guards", guard_records(spec), "which guards inspect what a route carries"),
        ("phrases", phrase_records(spec), "phrases of prompt injection and their weights"),
        ("shape", shape_records(spec), "what the answers of a route may tell"),
        ("audit", audit_records(spec), "what a record says about its route"),
        ("failover", failover_records(spec, _retried(spec)), "what may go to another region after an answer"),
        ("limits", limit_records(spec), "how much may be asked on which route"),
        ("regions", region_records(spec), "which of several upstreams and regions a request goes to"),
    ):
        if records:
            yield _data_group(spec, item, "string", records, purpose)
    for name, identity in spec.identities.items():
        if isinstance(identity, NetworkIdentity):
            purpose = f"whom identity {name} knows by network"
            yield _data_group(spec, f"networks_{name}", "ip", network_records(identity), purpose)
        elif isinstance(identity, ApiKeyIdentity):
            purpose = f"who holds which key of identity {name}"
            yield _data_group(spec, f"keys_{name}", "string", key_records(identity), purpose)


def _retried(spec: Spec) -> set[str]:
    return {
        upstream
        for name, route in spec.routes.items()
        if "retry" in stages_of(spec, name)
        for upstream in route.all_upstreams
        if may_retry(spec.upstreams[upstream])
    }


def _data_group(
    spec: Spec, item: str, kind: Literal["string", "ip"], records: Records, purpose: str
) -> tuple[Item, DataGroupSpec]:
    group = DataGroupSpec(object_path(spec.gateway, item), kind, "as3", purpose, len(records), keys(records))
    return (item, fill("data_group", type=kind, records=records)), group


def _reads_tokens(spec: Spec) -> bool:
    return any(isinstance(identity, JwtIdentity) for identity in spec.identities.values())


def _rotated_groups(spec: Spec) -> Iterator[DataGroupSpec]:
    if _reads_tokens(spec):
        purpose = "keys that verify the tokens of jwt identities"
        yield DataGroupSpec(jwks_group(spec.gateway), "string", "rotator", purpose, format=JWKS_FORMAT)
    if spec.audit is not None and spec.audit.subject == "hmac":
        purpose = "key of the pseudonyms in audit records"
        yield DataGroupSpec(audit_group(spec.gateway), "string", "apply", purpose, format=AUDIT_FORMAT)
    if initial_weights(spec):
        purpose = "weights that are in force in place of those in gateway.yaml"
        yield DataGroupSpec(weights_group(spec.gateway), "string", "weights", purpose, format=WEIGHTS_FORMAT)
    for role in sorted(spec.roles):
        purpose = f"signing keys and bearer tokens of role {role}"
        path = credential_group(spec.gateway, role)
        yield DataGroupSpec(path, "string", "rotator", purpose, format=CREDENTIAL_FORMAT)
