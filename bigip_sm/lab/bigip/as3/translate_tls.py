"""TLS_Server, TLS_Client, Certificate and CA_Bundle as objects of the device.

Names of objects: ``<c>.crt``, ``<c>.key`` and ``<c>-bundle.crt`` for a Certificate, the item's own name for a CA_Bundle
(AS3's ``src/lib/map_as3.js``). A ``{bigip}`` reference makes no object.
"""

from __future__ import annotations

from typing import Any, Literal

from bigip_sm.lab.bigip.as3 import classes
from bigip_sm.lab.bigip.as3.invalid import invalid, lab_gap
from bigip_sm.lab.bigip.as3.scope import Item, Scope
from bigip_sm.lab.bigip.as3.text import decoded
from bigip_sm.lab.bigip.objects import ClientSsl, Object, ServerSsl, SslCertificate, SslKey

GENERIC_CA = "/Common/ca-bundle.crt"
"""What ``trustCA: generic`` stands for."""

Version = Literal["1.0", "1.1", "1.2", "1.3"]
_VERSIONS: tuple[Version, ...] = ("1.0", "1.1", "1.2", "1.3")


def certificate(scope: Scope, item: Item) -> list[Object]:
    """The files of a Certificate item that are given inline."""
    made: list[Object] = []
    for name, suffix, kind in _FILES:
        value = item.body.get(name)
        if value is None or _is_reference(value):
            _file_path(scope, item, name, suffix, kind)
            continue
        made.append(kind(f"{item.path}{suffix}", decoded(value, f"{item.path}/{name}")))
    return made


def ca_bundle(scope: Scope, item: Item) -> list[Object]:
    """The file of a CA_Bundle item that is given inline."""
    value = item.body["bundle"]
    if _is_reference(value):
        bundle_path(scope, item)
        return []
    return [SslCertificate(item.path, decoded(value, f"{item.path}/bundle"))]


_FILES: tuple[tuple[str, str, type[SslCertificate] | type[SslKey]], ...] = (
    ("certificate", ".crt", SslCertificate),
    ("privateKey", ".key", SslKey),
    ("chainCA", "-bundle.crt", SslCertificate),
)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and ("bigip" in value or "use" in value)


def _file_path(scope: Scope, item: Item, name: str, suffix: str, kind: type) -> str | None:
    """Path on the device of one file of a Certificate item; None if the item does not have it."""
    value = item.body.get(name)
    if value is None:
        return None
    if isinstance(value, dict) and "bigip" in value:
        return scope.on_device(f"{item.path}/{name}", value["bigip"], kind)
    if isinstance(value, dict) and "use" in value:
        where = f"{item.path}/{name}/use"
        return bundle_path(scope, scope.item(item, where, str(value["use"]), "CA_Bundle"))
    return f"{item.path}{suffix}"


def bundle_path(scope: Scope, item: Item) -> str:
    """Path on the device of the file that a CA_Bundle item stands for."""
    value = item.body.get("bundle")
    if isinstance(value, dict) and "bigip" in value:
        return scope.on_device(f"{item.path}/bundle", value["bigip"], SslCertificate)
    return item.path


def tls_server(scope: Scope, item: Item) -> list[Object]:
    """The client-ssl profile of a TLS_Server item."""
    entries = item.body["certificates"]
    where = f"{item.path}/certificates"
    if not entries:
        raise invalid(where, "should NOT have fewer than 1 items")
    if len(entries) > 1:
        raise lab_gap(where, "more than one certificate is")
    classes.TLS_SERVER_CERTIFICATE.check(f"{where}/0", entries[0])
    source = scope.item(item, f"{where}/0/certificate", entries[0]["certificate"], "Certificate")
    paths = [_file_path(scope, source, name, suffix, kind) for name, suffix, kind in _FILES]
    crt, key, chain = paths
    if crt is None or key is None:
        raise lab_gap(f"{source.path}/privateKey", "a server certificate without its key is")
    mode = item.body.get("authenticationMode", "ignore")
    if mode != "ignore" and "authenticationTrustCA" not in item.body:
        raise invalid(item.path, "should have required property 'authenticationTrustCA'")
    lowest, highest = _versions(item)
    profile = ClientSsl(
        item.path,
        certificates=((crt, key),),
        chain=chain,
        client_certificate=mode,
        trusted_ca=_trusted_ca(scope, item),
        minimum_version=lowest,
        maximum_version=highest,
        renegotiation=item.body.get("renegotiationEnabled", True),
    )
    return [profile]


def _trusted_ca(scope: Scope, item: Item) -> str | None:
    value = item.body.get("authenticationTrustCA")
    where = f"{item.path}/authenticationTrustCA"
    if value is None:
        return None
    if isinstance(value, str):
        return bundle_path(scope, scope.item(item, where, value, "CA_Bundle"))
    if isinstance(value, dict) and set(value) == {"bigip"}:
        return scope.on_device(where, value["bigip"], SslCertificate)
    raise invalid(where, "should be a pointer or {bigip}")


def tls_client(scope: Scope, item: Item) -> list[Object]:
    """The server-ssl profile of a TLS_Client item."""
    body = item.body
    lowest, highest = _versions(item)
    profile = ServerSsl(
        item.path,
        server_name=_host(body.get("sendSNI", "none")),
        authenticate_name=_host(body.get("serverName", "none")),
        verify=body.get("validateCertificate", False),
        ca_file=_ca_file(scope, item),
        minimum_version=lowest,
        maximum_version=highest,
        sni_default=body.get("sniDefault", False),
    )
    return [profile]


def _host(name: str) -> str | None:
    return None if name == "none" else name


def _ca_file(scope: Scope, item: Item) -> str | None:
    value = item.body.get("trustCA", "generic")
    where = f"{item.path}/trustCA"
    if isinstance(value, dict) and len(value) == 1:
        if "use" in value:
            return bundle_path(scope, scope.item(item, f"{where}/use", str(value["use"]), "CA_Bundle"))
        if "bigip" in value:
            return scope.on_device(where, value["bigip"], SslCertificate)
    if value not in ("generic", "none"):
        raise invalid(where, "should be equal to one of the allowed values")
    return GENERIC_CA if value == "generic" else None


def _versions(item: Item) -> tuple[Version, Literal["1.2", "1.3"]]:
    """Lowest and highest TLS version; by AS3's defaults 1.0, 1.1 and 1.2. Raises Refusal (422).

    TLS 1.3 counts with a cipher group only: TMOS's default cipher string is taken to have none of its suites, which
    is the stricter reading and not confirmed on a device.
    """
    if {"ciphers", "cipherGroup"} <= set(item.body):
        raise invalid(item.path, "should NOT be valid")
    enabled = [version for version in _VERSIONS if item.body.get(_flag(version), version != "1.3")]
    on = [version for version in enabled if version != "1.3" or "cipherGroup" in item.body]
    if not on or on != list(_VERSIONS[_VERSIONS.index(on[0]) : _VERSIONS.index(on[-1]) + 1]):
        raise lab_gap(item.path, f"the set of TLS versions {', '.join(on) or 'none'} is")
    highest = on[-1]
    if highest == "1.2" or highest == "1.3":
        return on[0], highest
    raise lab_gap(item.path, f"TLS {highest} as the highest version is")


def _flag(version: Version) -> str:
    return f"tls{version.replace('.', '_')}Enabled"
