"""From a declaration to the objects that each tenant should have on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bigip_sm.lab.bigip.as3 import classes, inspect
from bigip_sm.lab.bigip.as3.invalid import lab_gap
from bigip_sm.lab.bigip.as3.scope import Item, Scope
from bigip_sm.lab.bigip.as3.translate_data import data_group, irule
from bigip_sm.lab.bigip.as3.translate_pool import monitor, pool
from bigip_sm.lab.bigip.as3.translate_profiles import (
    http_profile,
    multiplex_profile,
    statistics_profile,
    tcp_profile,
)
from bigip_sm.lab.bigip.as3.translate_service import service
from bigip_sm.lab.bigip.as3.translate_tls import ca_bundle, certificate, tls_client, tls_server
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Object
from bigip_sm.lab.bigip.replies import Json

_TRANSLATE: dict[str, Callable[[Scope, Item], list[Object]]] = {
    "CA_Bundle": ca_bundle,
    "Certificate": certificate,
    "Data_Group": data_group,
    "HTTP_Profile": http_profile,
    "Monitor": monitor,
    "Multiplex_Profile": multiplex_profile,
    "Pool": pool,
    "Service_HTTP": service,
    "Service_HTTPS": service,
    "Service_TCP": service,
    "Statistics_Profile": statistics_profile,
    "TCP_Profile": tcp_profile,
    "TLS_Client": tls_client,
    "TLS_Server": tls_server,
    "iRule": irule,
}


@dataclass(frozen=True)
class Desired:
    """What a tenant should hold: its objects and folders. Without folders the tenant is to be deleted."""

    tenant: str
    objects: tuple[Object, ...]
    folders: tuple[str, ...]


def translate(declaration: Json, config: Config) -> list[Desired]:
    """Every tenant of the declaration, in its order. Raises Refusal (422) for whatever is wrong or not emulated."""
    scope = Scope(declaration, config)
    inspect.check_structure(declaration)
    if "Common" in declaration:
        raise lab_gap("/Common", "tenant Common is")
    for item in inspect.items(declaration):
        if item.kind not in classes.ITEMS:
            raise lab_gap(item.path, f"class {item.kind} is")
        classes.ITEMS[item.kind].check(item.path, item.body)
    return [_tenant(scope, name, body) for name, body in inspect.tenants(declaration).items()]


def _tenant(scope: Scope, name: str, body: Json) -> Desired:
    classes.TENANT.check(f"/{name}", body)
    objects: list[Object] = []
    folders = []
    for application_name, application in inspect.applications(body).items():
        where = f"/{name}/{application_name}"
        classes.APPLICATION.check(where, application)
        folders.append(where)
        for item_name, item in application.items():
            if item_name not in classes.APPLICATION.properties:
                found = Item(name, application_name, item_name, item)
                objects += _TRANSLATE[found.kind](scope, found)
    return Desired(name, tuple(objects), tuple(folders))
