"""``/mgmt/tm/cm``: config sync, sync and failover status, devices and device groups.

Shapes: f5-sdk 3.0.21 (``f5/bigip/tm/cm``), F5's Ansible module ``bigip_configsync_action``, and answers quoted in
CiscoTestAutomation/genieparser and e-XpertSolutions/f5-rest-client.
"""

from __future__ import annotations

from bigip_sm.lab.bigip.calls import LINK, Call, full_path, identity, missing
from bigip_sm.lab.bigip.cluster import STANDALONE, Cluster, DeviceGroup, Unit
from bigip_sm.lab.bigip.replies import Json, icrd_refusal, not_emulated

_COLLECTION = "/mgmt/tm/cm"


class ClusterApi:
    """The view of one unit on its cluster."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def command(self, call: Call) -> Json:
        """``{"command": "run", "utilCmdArgs": "config-sync to-group pair"}``. Raises Refusal."""
        if call.method != "POST" or call.rest:
            raise call.not_emulated()
        call.parameters()
        call.administrator()
        body = call.body()
        if set(body) != {"command", "utilCmdArgs"} or body["command"] != "run":
            raise not_emulated("cm with anything but the command run and its utilCmdArgs")
        match str(body["utilCmdArgs"]).split():
            case ["config-sync", "to-group", name]:
                self.sync_to(name)
            case ["config-sync", "force-full-load-push", "to-group", name]:
                self._needs_12_1()
                self.sync_to(name)
            case ["config-sync", "to-group", name, "force-full-load-push"]:
                self._needs_12_1()
                self.sync_to(name)
            case ["config-sync", "from-group", name]:
                cluster, group = self._find(name)
                cluster.push(cluster.newest(group), group)
            case _:
                raise not_emulated(f"run /cm {body['utilCmdArgs']}")
        return {"kind": "tm:cm:runstate", **body}

    def sync_to(self, name: str) -> None:
        """Push this unit's configuration to a device group. Raises Refusal (404)."""
        cluster, group = self._find(name)
        cluster.push(self._unit, group)

    def _needs_12_1(self) -> None:
        if self._unit.system.version_numbers < (12, 1):
            raise icrd_refusal(400, 'Syntax Error: unexpected argument "force-full-load-push"', 1)

    def _find(self, name: str) -> tuple[Cluster, DeviceGroup]:
        cluster = self._unit.cluster
        group = cluster.find(name) if cluster is not None else None
        if cluster is None or group is None:
            raise missing("device group", name if name.startswith("/") else f"/Common/{name}")
        return cluster, group

    def sync_status(self, call: Call) -> Json:
        """``cm sync-status``."""
        self._only_get(call)
        cluster = self._unit.cluster
        found = STANDALONE if cluster is None else cluster.status()
        details = {
            f"{LINK}{_COLLECTION}/syncStatus/0/details/{number}": _nested({"details": _text(line)})
            for number, line in enumerate(found.details)
        }
        entries = {
            "color": _text(found.colour),
            f"{LINK}{_COLLECTION}/syncStatus/0/details": _nested(details),
            "mode": _text(found.mode),
            "status": _text(found.status),
            "summary": _text(found.summary),
        }
        return self._stats("sync-status", entries)

    def failover_status(self, call: Call) -> Json:
        """``cm failover-status``: ACTIVE or STANDBY."""
        self._only_get(call)
        active = self._unit.active
        entries = {
            "color": _text("green" if active else "gray"),
            "status": _text("ACTIVE" if active else "STANDBY"),
            "summary": _text("1/1 active" if active else "1/1 standby"),
        }
        return self._stats("failover-status", entries)

    def _stats(self, name: str, entries: Json) -> Json:
        version = self._unit.system.version
        return {
            "kind": f"tm:cm:{name}:{name}stats",
            "selfLink": f"{LINK}{_COLLECTION}/{name}?ver={version}",
            "entries": {f"{LINK}{_COLLECTION}/{name}/0": _nested(entries)},
        }

    def _only_get(self, call: Call) -> None:
        if call.method != "GET":
            raise call.not_emulated()
        call.nothing_more()

    def device(self, call: Call) -> Json:
        """``cm device``: the units."""
        if call.method != "GET" or len(call.rest) > 1:
            raise call.not_emulated()
        call.parameters()
        units = (self._unit,) if self._unit.cluster is None else self._unit.cluster.units
        items = [self._device(unit) for unit in units]
        if not call.rest:
            kind = "tm:cm:device:devicecollectionstate"
            return {"kind": kind, "selfLink": f"{LINK}{_COLLECTION}/device", "items": items}
        return _pick(items, "device", full_path(call.rest[0]))

    def _device(self, unit: Unit) -> Json:
        shown = identity(f"/Common/{unit.name}", "tm:cm:device:devicestate", f"{_COLLECTION}/device")
        return {
            **shown,
            "failoverState": "active" if unit.active else "standby",
            "hostname": unit.name,
            "managementIp": "127.0.0.1",
            "selfDevice": "true" if unit is self._unit else "false",
            "version": unit.system.version,
        }

    def device_group(self, call: Call) -> Json:
        """``cm device-group``, and the devices of one."""
        if call.method != "GET" or len(call.rest) > 2 or call.rest[1:] not in ((), ("devices",)):
            raise call.not_emulated()
        call.parameters()
        cluster = self._unit.cluster
        collection = f"{_COLLECTION}/device-group"
        items = [_trust_group(collection)]
        items += [_group(group, collection) for group in (cluster.groups.values() if cluster is not None else ())]
        if not call.rest:
            kind = "tm:cm:device-group:device-groupcollectionstate"
            return {"kind": kind, "selfLink": f"{LINK}{collection}", "items": items}
        found = _pick(items, "device group", full_path(call.rest[0]))
        if len(call.rest) == 1:
            return found
        kind = "tm:cm:device-group:devices:devices"
        below = f"{collection}/{call.rest[0]}/devices"
        units = (self._unit,) if cluster is None else cluster.units
        return {
            "kind": f"{kind}collectionstate",
            "selfLink": f"{LINK}{below}",
            "items": [identity(f"/Common/{unit.name}", f"{kind}state", below) for unit in units],
        }


def _group(group: DeviceGroup, collection: str) -> Json:
    return {
        **identity(group.path, "tm:cm:device-group:device-groupstate", collection),
        "autoSync": "enabled" if group.auto_sync else "disabled",
        "fullLoadOnSync": "false",
        "saveOnAutoSync": "true" if group.save_on_auto_sync else "false",
        "type": "sync-failover",
    }


def _trust_group(collection: str) -> Json:
    """The device group that every BIG-IP has for its trust domain."""
    return {
        **identity("/Common/device_trust_group", "tm:cm:device-group:device-groupstate", collection),
        "autoSync": "enabled",
        "fullLoadOnSync": "false",
        "hidden": "true",
        "saveOnAutoSync": "false",
        "type": "sync-only",
    }


def _pick(items: list[Json], what: str, path: str) -> Json:
    for item in items:
        if item["fullPath"] == path:
            return item
    raise missing(what, path)


def _text(value: str) -> Json:
    return {"description": value}


def _nested(entries: Json) -> Json:
    return {"nestedStats": {"entries": entries}}
