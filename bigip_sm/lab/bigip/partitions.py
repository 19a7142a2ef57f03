"""Administrative partitions and folders.

A partition comes with a top-level folder of the same name; a folder inherits its device group from its parent
until it is told otherwise (F5's "BIG-IP Systems: User Account Administration", "tmsh reference": ``sys folder``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from bigip_sm.lab.bigip.calls import exists_already, missing, new_path, refuse_unknown
from bigip_sm.lab.bigip.replies import Json, Refusal, icrd_refusal

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_NONE = "none"
_FLOATING = "/Common/traffic-group-1"
_LOCAL_ONLY = "/Common/traffic-group-local-only"
_PROPERTIES = ("deviceGroup", "inheritedDevicegroup", "trafficGroup", "inheritedTrafficGroup", "description")


@dataclass(frozen=True)
class Folder:
    """A folder.

    ``device_group`` is ``none`` or a path, ``inherited`` whether it is the parent's; the traffic group likewise.
    """

    path: str
    description: str = ""
    device_group: str = _NONE
    inherited: bool = True
    traffic_group: str = _FLOATING
    inherited_traffic_group: bool = True


class Folders:
    """All folders; the top-level ones are the partitions.

    ``root_group`` is the device group of the root folder, from which all inherit, ``device_groups`` are the paths of
    those that exist: a cluster sets both. Who subscribes is told the paths of folders that were made, changed or
    removed, and for each the device group that it belonged to until then.
    """

    def __init__(self) -> None:
        self.root_group = _NONE
        self.device_groups: Collection[str] = ()
        self._folders = {"/Common": Folder("/Common")}
        self._subscribers: list[Callable[[dict[str, str]], None]] = []

    def subscribe(self, callback: Callable[[dict[str, str]], None]) -> None:
        """Have ``callback`` called with every change."""
        self._subscribers.append(callback)

    def group_of(self, path: str) -> str:
        """The device group that a folder, or what lies in it, belongs to; ``none``: stays on this unit."""
        folder = self._folders.get(path)
        if folder is not None and not folder.inherited:
            return folder.device_group
        parent = path.rpartition("/")[0]
        return self.group_of(parent) if parent else self.root_group

    def restore(self, folders: tuple[Folder, ...]) -> None:
        """Make the folders what ``all`` gave before."""
        wanted = {folder.path: folder for folder in folders}
        changed = [path for path in {*wanted, *self._folders} if wanted.get(path) != self._folders.get(path)]
        self._replace(wanted, changed)

    def _replace(self, folders: dict[str, Folder], changed: list[str]) -> None:
        before = {path: self.group_of(path) for path in changed}
        self._folders = folders
        if changed:
            for callback in self._subscribers:
                callback(before)

    def partitions(self) -> tuple[str, ...]:
        """Names of the partitions, sorted."""
        return tuple(sorted(path[1:] for path in self._folders if path.count("/") == 1))

    def get(self, path: str) -> Folder:
        """A folder. Raises Refusal (404)."""
        try:
            return self._folders[path]
        except KeyError:
            raise missing("folder", path) from None

    def has(self, path: str) -> bool:
        """Whether the folder exists."""
        return path in self._folders

    def all(self) -> Iterator[Folder]:
        """Every folder, by path."""
        return (self._folders[path] for path in sorted(self._folders))

    def add_partition(self, name: str, description: str = "") -> Folder:
        """Make a partition and its folder. Raises Refusal (400 for a bad name, 409 if it exists)."""
        if not _NAME.fullmatch(name):
            raise icrd_refusal(400, f"01070734:3: Configuration error: {name!r} is not a legal partition name")
        if self.has(f"/{name}"):
            raise exists_already("folder", f"/{name}")
        return self.ensure(f"/{name}", description)

    def add_folder(self, path: str, description: str = "") -> Folder:
        """Make a folder in another one. Raises Refusal (400 for a bad name, 404 without a parent, 409)."""
        parent, _, name = path.rpartition("/")
        if not parent or not _NAME.fullmatch(name):
            raise icrd_refusal(400, f"01070734:3: Configuration error: {path!r} is not a legal folder name")
        self.get(parent)
        if self.has(path):
            raise exists_already("folder", path)
        return self.ensure(path, description)

    def ensure(self, path: str, description: str = "") -> Folder:
        """The folder, made if it does not exist."""
        if path not in self._folders:
            self._replace({**self._folders, path: Folder(path, description)}, [path])
        return self._folders[path]

    def remove(self, path: str) -> None:
        """Remove a folder and everything below it."""
        gone = [known for known in self._folders if known == path or known.startswith(f"{path}/")]
        self._replace({known: folder for known, folder in self._folders.items() if known not in gone}, gone)

    def change(self, path: str, changes: Json) -> Folder:
        """PATCH of ``sys folder``: device group and traffic group. Raises Refusal.

        A folder with a device group of its own cannot be in a floating traffic group (message as quoted in f5-sdk
        3.0.21, ``f5/bigip/tm/sys/folder.py``; its code was not found).
        """
        folder = self.get(path)
        for name, value in changes.items():
            if name == "deviceGroup" and isinstance(value, str):
                folder = replace(folder, device_group=self._device_group(value), inherited=False)
            elif name == "inheritedDevicegroup" and value in ("true", "false"):
                folder = replace(folder, inherited=value == "true")
            elif name == "trafficGroup" and value in (_FLOATING, _LOCAL_ONLY):
                folder = replace(folder, traffic_group=value, inherited_traffic_group=False)
            elif name == "inheritedTrafficGroup" and value in ("true", "false"):
                folder = replace(folder, inherited_traffic_group=value == "true")
            elif name == "description" and isinstance(value, str):
                folder = replace(folder, description=value)
            elif name in _PROPERTIES:
                raise icrd_refusal(400, f'invalid property value "{name}":{value!r}', 26214401)
            else:
                raise icrd_refusal(400, f'"{name}" unknown property', 2)
        if not folder.inherited and (folder.inherited_traffic_group or folder.traffic_group == _FLOATING):
            raise icrd_refusal(
                400,
                f"The floating traffic-group: {_FLOATING} can only be set on {path} "
                "if its device-group is inherited from the root folder",
            )
        self._replace({**self._folders, path: folder}, [path])
        return folder

    def _device_group(self, value: str) -> str:
        """``none``, or the path of a device group that exists. Raises Refusal (404)."""
        if value in ("", _NONE):
            return _NONE
        path = value if value.startswith("/") else f"/Common/{value}"
        if path not in self.device_groups:
            raise missing("device group", value)
        return path


def partition_json(folder: Folder) -> Json:
    """``auth partition`` as iControl REST shows it."""
    name = folder.path[1:]
    described = {"description": folder.description} if folder.description else {}
    return {
        "kind": "tm:auth:partition:partitionstate",
        "name": name,
        "fullPath": name,
        "selfLink": f"https://localhost/mgmt/tm/auth/partition/{name}",
        "defaultRouteDomain": 0,
        **described,
    }


def folder_json(folder: Folder, device_group: str) -> Json:
    """``sys folder`` as iControl REST shows it; ``device_group`` is the one that it belongs to."""
    parent, _, name = folder.path.rpartition("/")
    described = {"description": folder.description} if folder.description else {}
    return {
        "kind": "tm:sys:folder:folderstate",
        "name": name,
        "subPath": parent or "/",
        "fullPath": folder.path,
        "selfLink": f"https://localhost/mgmt/tm/sys/folder/{folder.path.replace('/', '~')}",
        "deviceGroup": device_group,
        "hidden": "false",
        "inheritedDevicegroup": "true" if folder.inherited else "false",
        "trafficGroup": folder.traffic_group,
        "inheritedTrafficGroup": "true" if folder.inherited_traffic_group else "false",
        **described,
    }


def parse_partition(body: Json) -> tuple[str, str]:
    """Name and description from a POST to ``auth/partition``. Raises Refusal (400)."""
    refuse_unknown(body, ("name", "description", "defaultRouteDomain"))
    if body.get("defaultRouteDomain", 0) != 0:
        raise Refusal(501, "defaultRouteDomain other than 0: not emulated by the lab")
    name, description = body.get("name"), body.get("description", "")
    if not isinstance(name, str) or not isinstance(description, str):
        raise icrd_refusal(400, "one or more properties must be specified", 26214401)
    return name, description


def parse_folder(body: Json) -> tuple[str, str]:
    """Full path and description from a POST to ``sys folder``. Raises Refusal (400)."""
    refuse_unknown(body, ("name", "partition", "subPath", "description"))
    description = body.get("description", "")
    if not isinstance(description, str):
        raise icrd_refusal(400, 'invalid property value "description"', 26214401)
    return new_path(body), description
