"""The device protocol on iControl REST (F5's iControl REST user guide; the tmsh reference for property names)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from bigip_sm.bigip.connection import DEFAULT_PATIENCE, Answer, Patience
from bigip_sm.bigip.device import DataGroup, Record, split_path
from bigip_sm.bigip.session import Session
from bigip_sm.errors import DeviceError, DeviceTimeout, DeviceUnreachable, ObjectNotFound

_DATA_GROUPS = "/mgmt/tm/ltm/data-group/internal"
_PARTITIONS = "/mgmt/tm/auth/partition"
DETACHED = {
    "deviceGroup": "none",
    "inheritedDevicegroup": "false",
    "trafficGroup": "/Common/traffic-group-local-only",
    "inheritedTrafficGroup": "false",
}
"""A folder out of config sync. A floating traffic group needs the root's device group, so both are set."""


class IControl:
    """A BIG-IP over iControl REST; fulfils ``bigip_sm.bigip.device.Device``. Use it as a context manager."""

    def __init__(self, session: Session) -> None:
        """Take over ``session``: ``close`` closes it."""
        self.session = session
        self.name = session.name

    @classmethod
    def connect(
        cls,
        name: str,
        address: str,
        user: str,
        password: str,
        *,
        ca: Path | None = None,
        patience: Patience = DEFAULT_PATIENCE,
        deadline: float | None = None,
    ) -> IControl:
        """A client with a session of its own; see ``Session`` for the arguments."""
        return cls(Session(name, address, user, password, ca=ca, patience=patience, deadline=deadline))

    def __repr__(self) -> str:
        return f"IControl({self.session!r})"

    def __enter__(self) -> IControl:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def deadline(self) -> float | None:
        """Time of ``time.monotonic()`` after which nothing is tried; None for ever."""
        return self.session.deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        self.session.deadline = deadline

    @property
    def clock_skew(self) -> float | None:
        """Seconds that the device's clock is ahead of ours, by its last answer; None before the first."""
        return self.session.clock_skew

    def close(self) -> None:
        """Delete the token and close the connection. Never raises; may be called twice."""
        self.session.close()

    def version(self) -> str:
        """TMOS version, such as ``17.1.1``."""
        answer = self.session.get("/mgmt/tm/sys/version")
        for entry in self._entries(answer):
            version = entry.get("Version")
            if isinstance(version, dict) and isinstance(version.get("description"), str):
                return str(version["description"])
        raise DeviceError(self.name, "the answer about its version holds no version")

    def partitions(self) -> tuple[str, ...]:
        """Names of the administrative partitions that the user may see, sorted."""
        items = self._items(self._object(self.session.get(_PARTITIONS)), "items")
        return tuple(sorted(str(item.get("name", "")) for item in items))

    def create_partition(self, name: str, description: str) -> None:
        """Make an administrative partition; its folder has the same name."""
        try:
            self.session.post(_PARTITIONS, {"name": name, "description": description}, missing=f"partition {name}")
        except (DeviceUnreachable, DeviceTimeout):
            # The connection broke and the POST may have been taken: look, never send it again blindly.
            if name not in self.partitions():
                raise

    def folder_detached(self, name: str) -> bool:
        """Whether the partition's folder is out of config sync. Raises ObjectNotFound."""
        present = self._object(self.session.get(_folder_url(name), missing=f"folder /{name}"))
        return all(present.get(key, "none") == value for key, value in DETACHED.items())

    def detach_folder(self, name: str) -> None:
        """Take the partition's folder out of config sync. Raises ObjectNotFound."""
        self.session.patch(_folder_url(name), DETACHED, missing=f"folder /{name}")

    def data_group(self, path: str) -> DataGroup:
        """Read a data group. Raises ObjectNotFound."""
        found = self._object(self.session.get(_data_group_url(path), missing=f"data group {path}"))
        # Records are left out when there are none, and so is the data of a record without any.
        records = tuple(
            Record(str(record.get("name", "")), str(record.get("data", ""))) for record in self._items(found, "records")
        )
        try:
            return DataGroup(path, str(found.get("type", "")), records)
        except ValueError as error:
            raise DeviceError(self.name, str(error)) from None

    def create_data_group(self, group: DataGroup) -> None:
        """Make a data group. Raises RequestRefused with status 409 if it exists."""
        partition, folder, name = split_path(group.path)
        body: dict[str, Any] = {"name": name, "partition": partition, "type": group.type}
        if folder:
            body["subPath"] = folder
        body["records"] = _records(group.records)
        secrets = [record.data for record in group.records]
        try:
            self.session.post(_DATA_GROUPS, body, missing=f"partition of data group {group.path}", secrets=secrets)
        except (DeviceUnreachable, DeviceTimeout):
            try:
                present = self.data_group(group.path)
            except ObjectNotFound:
                present = None
            if present != group:
                raise

    def replace_records(self, path: str, records: Sequence[Record]) -> None:
        """Replace all records in one PATCH, which is one mcpd transaction. Raises ObjectNotFound.

        PATCH, because PUT fails on some versions (with ``type`` before 14.1, without it since).
        """
        self.session.patch(
            _data_group_url(path),
            {"records": _records(records)},
            missing=f"data group {path}",
            secrets=[record.data for record in records],
        )

    def _object(self, answer: Answer) -> dict[str, Any]:
        if not isinstance(answer.body, dict):
            raise DeviceError(self.name, "an answer is not the JSON object that iControl REST sends")
        return answer.body

    def _items(self, found: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """The list of objects at ``key``, which is left out when it is empty."""
        items = found.get(key, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise DeviceError(self.name, f"{key} of an answer is not a list of JSON objects")
        return items

    def _entries(self, answer: Answer) -> list[dict[str, Any]]:
        """The ``entries`` of every ``nestedStats`` in a statistics answer."""
        found = self._object(answer)
        try:
            return [dict(stats["nestedStats"]["entries"]) for stats in found["entries"].values()]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DeviceError(self.name, "an answer is not the statistics that iControl REST sends") from None


def _folder_url(name: str) -> str:
    return f"/mgmt/tm/sys/folder/~{quote(name)}"


def _data_group_url(path: str) -> str:
    split_path(path)
    return f"{_DATA_GROUPS}/{quote(path.replace('/', '~'), safe='~')}"


def _records(records: Sequence[Record]) -> list[dict[str, str]]:
    return [{"name": record.name, "data": record.data} for record in records]
