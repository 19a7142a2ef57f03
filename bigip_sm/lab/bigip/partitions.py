"""Administrative partitions and folders.

A partition comes with a top-level folder of the same name; a folder inherits its device group from its parent
until it is told otherwise (F5's "BIG-IP Systems: User Account Administration", "tmsh reference": ``sys folder``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

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
    """All folders; the top-level ones are the partitions."""

    def __init__(self) -> None:
        self._folders = {"/Common": Folder("/Common")}

    def partitions(self) -> tuple[str, ...]:
        """Names of the partitions, sorted."""
        return tuple(sorted(path[1:] for path in self._folders if path.count("/") == 1))

    def get(self, path: str) -> Folder:
        """A folder. Raises Refusal (404)."""
        try:
            return self._folders[path]
        except KeyError:
            raise icrd_refusal(404, f"01020036:3: The requested folder ({path}) was not found.") from None

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
            raise icrd_refusal(409, f"01020066:3: The requested folder (/{name}) already exists in partition {name}.")
        return self.ensure(f"/{name}", description)

    def ensure(self, path: str, description: str = "") -> Folder:
        """The folder, made if it does not exist."""
        return self._folders.setdefault(path, Folder(path, description))

    def remove(self, path: str) -> None:
        """Remove a folder and everything below it."""
        self._folders = {
            known: folder
            for known, folder in self._folders.items()
            if known != path and not known.startswith(f"{path}/")
        }

    def change(self, path: str, changes: Json) -> Folder:
        """PATCH of ``sys folder``: device group and traffic group. Raises Refusal.

        A folder with a device group of its own cannot be in a floating traffic group (message as quoted in f5-sdk
        3.0.21, ``f5/bigip/tm/sys/folder.py``; its code was not found).
        """
        folder = self.get(path)
        for name, value in changes.items():
            if name == "deviceGroup" and isinstance(value, str):
                folder = replace(folder, device_group=_device_group(value), inherited=False)
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
        self._folders[path] = folder
        return folder


def _device_group(value: str) -> str:
    """``none`` or empty; any other device group would have to exist, and the lab has none."""
    if value in ("", _NONE):
        return _NONE
    raise icrd_refusal(404, f"01020036:3: The requested device group ({value}) was not found.")


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


def folder_json(folder: Folder) -> Json:
    """``sys folder`` as iControl REST shows it."""
    parent, _, name = folder.path.rpartition("/")
    described = {"description": folder.description} if folder.description else {}
    return {
        "kind": "tm:sys:folder:folderstate",
        "name": name,
        "subPath": parent or "/",
        "fullPath": folder.path,
        "selfLink": f"https://localhost/mgmt/tm/sys/folder/{folder.path.replace('/', '~')}",
        "deviceGroup": folder.device_group,
        "hidden": "false",
        "inheritedDevicegroup": "true" if folder.inherited else "false",
        "trafficGroup": folder.traffic_group,
        "inheritedTrafficGroup": "true" if folder.inherited_traffic_group else "false",
        **described,
    }


def parse_partition(body: Json) -> tuple[str, str]:
    """Name and description from a POST to ``auth/partition``. Raises Refusal (400)."""
    unknown = set(body) - {"name", "description", "defaultRouteDomain"}
    if unknown:
        raise icrd_refusal(400, f'"{min(unknown)}" unknown property', 2)
    if body.get("defaultRouteDomain", 0) != 0:
        raise Refusal(501, "defaultRouteDomain other than 0: not emulated by the lab")
    name, description = body.get("name"), body.get("description", "")
    if not isinstance(name, str) or not isinstance(description, str):
        raise icrd_refusal(400, "one or more properties must be specified", 26214401)
    return name, description
