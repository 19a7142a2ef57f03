"""``/mgmt/tm/sys``, ``auth``, ``cli`` and ``net`` as far as clients look at them.

Shapes: f5-sdk 3.0.21, f5networks.f5_modules 1.39, F5Networks/terraform-provider-bigip 1.28 (which reads cli version
and net self), F5's "iControl REST API User Guide".
"""

from __future__ import annotations

from bigip_sm.lab.bigip import partitions
from bigip_sm.lab.bigip.calls import LINK, Call, full_path, identity
from bigip_sm.lab.bigip.replies import Json, icrd_refusal, not_emulated
from bigip_sm.lab.bigip.system import MODULES, System

_PARTITION_IN_USE = (
    "0107082a:3: All objects must be removed from a partition ({name}) before the partition may be removed, "
    "type ID (973)"
)


class SystemApi:
    """The collections of one unit."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._folders = system.folders

    def _link(self, path: str) -> str:
        return f"{LINK}/mgmt/tm/{path}?ver={self._system.version}"

    def sys(self, call: Call) -> Json:
        """The bare collection, which f5-sdk and Ansible read for the version in its link."""
        if call.method != "GET" or call.rest:
            raise call.not_emulated(404 if call.rest else 501)
        names = ("config", "folder", "provision", "version")
        items = [{"reference": {"link": self._link(f"sys/{name}")}} for name in names]
        return {"kind": "tm:sys:syscollectionstate", "selfLink": self._link("sys"), "items": items}

    def version(self, call: Call) -> Json:
        """``sys version``."""
        shown = {
            "Product": "BIG-IP",
            "Title": "Main Package",
            "Version": self._system.version,
            "Build": "0.0.0",
            "Edition": "Lab",
        }
        return self._stats(call, "sys/version", "tm:sys:version:versionstats", shown)

    def cli_version(self, call: Call) -> Json:
        """``cli version``."""
        shown = {"active": self._system.version, "latest": self._system.version, "supported": self._system.version}
        return self._stats(call, "cli/version", "tm:cli:version:versionstats", shown)

    def _stats(self, call: Call, path: str, kind: str, shown: dict[str, str]) -> Json:
        if call.method != "GET":
            raise call.not_emulated()
        call.nothing_more()
        entries = {name: {"description": value} for name, value in shown.items()}
        stats = {f"{LINK}/mgmt/tm/{path}/0": {"nestedStats": {"entries": entries}}}
        return {"kind": kind, "selfLink": self._link(path), "entries": stats}

    def provision(self, call: Call) -> Json:
        """``sys provision``: which modules are provisioned."""
        if call.method != "GET" or len(call.rest) > 1:
            raise call.not_emulated()
        call.parameters()
        items = [self._module(name) for name in MODULES]
        if not call.rest:
            kind = "tm:sys:provision:provisioncollectionstate"
            return {"kind": kind, "selfLink": self._link("sys/provision"), "items": items}
        for item in items:
            if item["name"] == call.rest[0]:
                return item
        raise icrd_refusal(404, f"01020036:3: The requested module ({call.rest[0]}) was not found.")

    def _module(self, name: str) -> Json:
        return {
            "kind": "tm:sys:provision:provisionstate",
            "name": name,
            "fullPath": name,
            "generation": 1,
            "selfLink": self._link(f"sys/provision/{name}"),
            "cpuRatio": 0,
            "diskRatio": 0,
            "level": "nominal" if name in self._system.provisioned else "none",
            "memoryRatio": 0,
        }

    def config(self, call: Call) -> Json:
        """``sys config``: ``{"command": "save"}`` writes the running configuration to disk."""
        if call.method != "POST":
            raise call.not_emulated()
        call.nothing_more()
        call.administrator()
        body = call.body()
        if body != {"command": "save"}:
            raise not_emulated(f"sys config with {sorted(body)} but for the command save")
        self._system.save()
        return {"kind": "tm:sys:config:savestate", **body}

    def self_ips(self, call: Call) -> Json:
        """``net self``: one address of the unit."""
        if call.method != "GET":
            raise call.not_emulated()
        call.nothing_more()
        shown = identity("/Common/self-lab", "tm:net:self:selfstate", "/mgmt/tm/net/self")
        item = {**shown, "address": "10.20.0.1/24", "floating": "disabled", "vlan": "/Common/internal"}
        return {"kind": "tm:net:self:selfcollectionstate", "selfLink": self._link("net/self"), "items": [item]}

    def partition(self, call: Call) -> Json | None:
        """``auth partition``."""
        call.administrator()
        call.parameters()
        match call.method, call.rest:
            case "GET", ():
                found = [self._folders.get(f"/{name}") for name in self._folders.partitions()]
                kind = "tm:auth:partition:partitioncollectionstate"
                return {"kind": kind, "items": [partitions.partition_json(folder) for folder in found]}
            case "GET", (name,):
                return partitions.partition_json(self._folders.get(f"/{name}"))
            case "POST", ():
                name, description = partitions.parse_partition(call.body())
                return partitions.partition_json(self._folders.add_partition(name, description))
            case "DELETE", (name,) if name != "Common":
                self._remove(f"/{name}")
                return None
        raise call.not_emulated()

    def _remove(self, path: str) -> None:
        """Remove a partition or folder that is empty. Raises Refusal (400, 404)."""
        self._folders.get(path)
        below = any(folder.path.startswith(f"{path}/") for folder in self._folders.all())
        if below or any(True for _ in self._system.config.below(f"{path}/")):
            raise icrd_refusal(400, _PARTITION_IN_USE.format(name=path[1:]))
        self._folders.remove(path)

    def folder(self, call: Call) -> Json | None:
        """``sys folder``."""
        call.administrator()
        call.parameters()
        match call.method, call.rest:
            case "GET", ():
                items = [self._folder_json(folder) for folder in self._folders.all()]
                return {"kind": "tm:sys:folder:foldercollectionstate", "items": items}
            case "GET", (name,):
                return self._folder_json(self._folders.get(full_path(name)))
            case "PATCH", (name,):
                return self._folder_json(self._folders.change(full_path(name), call.body()))
            case "POST", ():
                path, description = partitions.parse_folder(call.body())
                return self._folder_json(self._folders.add_folder(path, description))
            case "DELETE", (name,) if full_path(name).count("/") > 1:
                self._remove(full_path(name))
                return None
        raise call.not_emulated()

    def _folder_json(self, folder: partitions.Folder) -> Json:
        return partitions.folder_json(folder, self._folders.group_of(folder.path))
