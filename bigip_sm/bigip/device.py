"""What the project needs of a BIG-IP, as a protocol, and the values that go over it.

``bigip_sm.bigip.icontrol.IControl`` is the implementation on iControl REST. Anything else that fulfils ``Device``
(a client that a team already holds, for instance) can take its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

_PATH = re.compile(r"/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+")


@dataclass(frozen=True, order=True)
class Record:
    """One record of a data group. ``data`` may be a secret, so it is never shown."""

    name: str
    data: str = field(default="", repr=False)


@dataclass(frozen=True)
class DataGroup:
    """An internal data group. ``path`` is the full path (``/partition[/folder]/name``).

    ``records`` are kept sorted by name, as the device lists them. ``type`` is ``string``, ``ip`` or ``integer``.
    Raises ValueError if the path is not one or a record's name is given twice.
    """

    path: str
    type: str = "string"
    records: tuple[Record, ...] = ()

    def __post_init__(self) -> None:
        split_path(self.path)
        ordered = tuple(sorted(self.records))
        if len({record.name for record in ordered}) != len(ordered):
            raise ValueError(f"data group {self.path}: a record name is given twice")
        object.__setattr__(self, "records", ordered)


def split_path(path: str) -> tuple[str, str, str]:
    """``/partition[/folder...]/name`` as (partition, folders, name); folders is empty or ``a/b``.

    Raises ValueError if ``path`` is not a full path.
    """
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is not a full path such as /partition/name")
    partition, *folders, name = path[1:].split("/")
    return partition, "/".join(folders), name


class Device(Protocol):
    """A BIG-IP, as ``apply`` and the rotator use it. Every method raises errors of ``bigip_sm.errors.DeviceError``."""

    name: str

    def version(self) -> str:
        """TMOS version, such as ``17.1.1``."""

    def partitions(self) -> tuple[str, ...]:
        """Names of the administrative partitions that the user may see, sorted."""

    def create_partition(self, name: str, description: str) -> None:
        """Make an administrative partition; its folder has the same name."""

    def folder_detached(self, name: str) -> bool:
        """Whether the partition's folder is out of config sync. Raises ObjectNotFound."""

    def detach_folder(self, name: str) -> None:
        """Take the partition's folder out of config sync. Raises ObjectNotFound."""

    def data_group(self, path: str) -> DataGroup:
        """Read a data group. Raises ObjectNotFound."""

    def create_data_group(self, group: DataGroup) -> None:
        """Make a data group. Raises RequestRefused with status 409 if it exists."""

    def replace_records(self, path: str, records: Sequence[Record]) -> None:
        """Replace all records of a data group in one step. Raises ObjectNotFound."""

    def close(self) -> None:
        """Log out and close the connection. Never raises; may be called twice."""
