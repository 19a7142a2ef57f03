"""Units in a device service cluster: device groups, config sync, failover.

Facts: F5's "BIG-IP Device Service Clustering: Administration"; statuses as in F5's Ansible module
``bigip_configsync_action``; details of sync-status as in e-XpertSolutions/f5-rest-client#34 and
F5Networks/f5-azure-arm-templates#44; that parallel writes to both units of an auto-sync pair collide:
F5Networks/f5-openstack-agent#405, F5Networks/f5-appsvcs-extension#525, #548.

Every change of a unit to what belongs to a device group gives it a new commit of its own there; units are in sync
when they have the same commit, whatever the contents. An auto-sync group pushes a commit after ``delay`` seconds,
unless another unit has made one of its own meanwhile: then neither is pushed and somebody has to choose.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.checks import TransactionError, check
from bigip_sm.lab.bigip.config import Change
from bigip_sm.lab.bigip.objects import Object
from bigip_sm.lab.bigip.partitions import Folder
from bigip_sm.lab.bigip.system import System

Colour = Literal["green", "yellow", "red", "gray", "blue"]

NO_GROUP = "none"


@dataclass(frozen=True)
class DeviceGroup:
    """A device group of all units of the cluster; ``path`` such as ``/Common/pair``."""

    path: str
    auto_sync: bool = False
    save_on_auto_sync: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class SyncStatus:
    """What ``cm sync-status`` says."""

    status: str
    colour: Colour
    summary: str
    details: tuple[str, ...]
    mode: str = "high-availability"


STANDALONE = SyncStatus(
    "Standalone", "green", " ", ("Optional action: Add a device to the trust domain",), "standalone"
)


@dataclass(eq=False)
class Unit:
    """One device as its cluster sees it; ``connected`` is the link to the others. Alone it has no cluster."""

    system: System
    cluster: Cluster | None = None
    connected: bool = True

    @property
    def name(self) -> str:
        """The host name."""
        return self.system.hostname

    @property
    def active(self) -> bool:
        """Whether the unit has the traffic."""
        return self.cluster is None or self.cluster.active is self

    def content(self, group: str) -> tuple[dict[tuple[type, str], Object], dict[str, Folder]]:
        """The objects and folders of this unit that belong to a device group."""
        folders = self.system.folders
        objects = {
            (type(each), each.path): each
            for each in self.system.config.objects()
            if folders.group_of(each.path.rpartition("/")[0]) == group
        }
        return objects, {each.path: each for each in folders.all() if folders.group_of(each.path) == group}


@dataclass
class _Progress:
    """How far a device group is: each unit's commit, the last one that all had, and why the last sync failed."""

    commits: dict[str, int] = field(default_factory=dict)
    common: int | None = None
    failure: str | None = None

    def ahead(self) -> list[str]:
        """Names of the units with a commit of their own."""
        return [name for name, number in self.commits.items() if number != self.common]


class Cluster:
    """Units that trust each other; the first is active, and the first device group is that of the root folder.

    All units run in one event loop; ``delay`` is the seconds until an auto-sync. Before the first config sync a
    group awaits it, with auto-sync too. Raises LabError for units of one name.
    """

    def __init__(self, units: Sequence[Unit], groups: Sequence[DeviceGroup], *, delay: float = 0.05) -> None:
        names = [unit.name for unit in units]
        if len(names) < 2 or len(set(names)) != len(names):
            raise LabError(f"a cluster needs at least two units of different host names, not {', '.join(names)}")
        self.units = tuple(units)
        self.groups = {group.path: group for group in groups}
        self.active = self.units[0]
        self.delay = delay
        self._numbers = itertools.count(1)
        self._progress = {group.path: _Progress(dict.fromkeys(names, 0)) for group in groups}
        self._syncing = False
        self._waiting: dict[tuple[str, str], asyncio.TimerHandle] = {}
        for unit in self.units:
            unit.cluster = self
            unit.system.folders.device_groups = tuple(self.groups)
            unit.system.folders.root_group = groups[0].path if groups else NO_GROUP
            unit.system.config.subscribe(self._watch(unit))
            unit.system.folders.subscribe(self._watch_folders(unit))

    def fail_over(self, unit: Unit) -> None:
        """Make ``unit`` the active one."""
        self.active = unit

    def find(self, name: str) -> DeviceGroup | None:
        """The device group of that name or full path."""
        return self.groups.get(name if name.startswith("/") else f"/Common/{name}")

    # changes

    def _watch(self, unit: Unit) -> Callable[[tuple[Change, ...]], None]:
        def committed(changes: tuple[Change, ...]) -> None:
            paths = {each.path for change in changes for each in (change.before, change.after) if each is not None}
            folders = unit.system.folders
            self._changed(unit, {folders.group_of(path.rpartition("/")[0]) for path in paths})

        return committed

    def _watch_folders(self, unit: Unit) -> Callable[[dict[str, str]], None]:
        def changed(before: dict[str, str]) -> None:
            folders = unit.system.folders
            self._changed(unit, {*before.values(), *(folders.group_of(path) for path in before)})

        return changed

    def _changed(self, unit: Unit, groups: set[str]) -> None:
        """The unit has a new commit in each of the groups; auto-sync groups push it a little later."""
        if self._syncing:
            return
        for path in groups - {NO_GROUP}:
            progress = self._progress[path]
            progress.commits[unit.name] = next(self._numbers)
            key = (path, unit.name)
            if self.groups[path].auto_sync and progress.common is not None and key not in self._waiting:
                loop = asyncio.get_running_loop()
                self._waiting[key] = loop.call_later(self.delay, self._auto_sync, unit, self.groups[path])

    def _auto_sync(self, unit: Unit, group: DeviceGroup) -> None:
        """Push the unit's changes, unless another unit has changes of its own: a conflict that stays."""
        self._waiting.pop((group.path, unit.name), None)
        if self._progress[group.path].ahead() == [unit.name] and self.push(unit, group) and group.save_on_auto_sync:
            for other in self.units:
                other.system.save()

    def sync_now(self) -> None:
        """Do the automatic syncs that wait for their delay."""
        for (path, name), timer in list(self._waiting.items()):
            timer.cancel()
            (unit,) = (each for each in self.units if each.name == name)
            self._auto_sync(unit, self.groups[path])

    def stop(self) -> None:
        """Forget the syncs that wait for their delay."""
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()

    # config sync

    def push(self, source: Unit, group: DeviceGroup) -> bool:
        """Overwrite the group's content of every other connected unit with that of ``source``; whether it worked.

        A unit on which it does not load keeps what it has, and the group tells so until the next sync.
        """
        progress = self._progress[group.path]
        progress.failure = None
        number = next(self._numbers)
        progress.common = progress.commits[source.name] = number
        for target in self.units:
            if target is source or not (target.connected and source.connected):
                continue
            try:
                self._load(source, target, group.path)
            except TransactionError as error:
                progress.failure = f"Sync error on {target.name}: Load failed from /Common/{source.name} {error}"
            else:
                progress.commits[target.name] = number
        return progress.failure is None

    def newest(self, group: DeviceGroup) -> Unit:
        """The unit that has changed the group's content last."""
        commits = self._progress[group.path].commits
        return max(self.units, key=lambda unit: commits[unit.name])

    def _load(self, source: Unit, target: Unit, path: str) -> None:
        """Raises TransactionError, and changes nothing, if the target refuses what the source has."""
        wanted, folders = source.content(path)
        present, present_folders = target.content(path)
        put = [new for key, new in wanted.items() if present.get(key) != new]
        delete = [old for key, old in present.items() if key not in wanted]
        check(target.system.config, put=put, delete=delete)
        own = [each for each in target.system.folders.all() if each.path not in {**folders, **present_folders}]
        self._syncing = True
        try:
            target.system.folders.restore((*own, *folders.values()))
            target.system.config.commit(put=put, delete=delete)
        finally:
            self._syncing = False

    # status

    def status(self) -> SyncStatus:
        """The worst of all device groups, as the device sums it up."""
        names = [unit.name for unit in self.units]
        connected = tuple(f"{unit.name}: {'connected' if unit.connected else 'disconnected'}" for unit in self.units)
        if not all(unit.connected for unit in self.units):
            return SyncStatus("Disconnected", "red", "One or more devices are unreachable", connected)
        found = [self._group_status(group, names) for group in self.groups.values()]
        worst = max(found, key=lambda each: _WORST.index(each.status), default=_in_sync("the cluster"))
        details = tuple(line for each in found for line in each.details)
        return SyncStatus(worst.status, worst.colour, worst.summary, (*connected, *details))

    def _group_status(self, group: DeviceGroup, names: list[str]) -> SyncStatus:
        progress = self._progress[group.path]
        ahead = progress.ahead()
        if progress.failure is not None:
            advice = "Recommended action: Review the error message and determine corrective action on the device"
            summary = "A validation error occurred while syncing to a remote device"
            return SyncStatus("Sync Failure", "red", summary, (progress.failure, advice))
        if progress.common is None:
            advice = f"Recommended action: Synchronize one of the devices to group {group.path}"
            summary = "The device group is awaiting the initial config sync"
            lines = (f"{group.name} (Awaiting Initial Sync): {summary}", advice)
            return SyncStatus("Awaiting Initial Sync", "blue", summary, lines)
        if not ahead:
            return _in_sync(group.name)
        if len(ahead) == 1 and progress.commits[ahead[0]] > progress.common:
            summary = f"Changes Pending: {ahead[0]} has newer changes"
            advice = f"Recommended action: Synchronize {ahead[0]} to group {group.path}"
        elif all(progress.commits[name] < progress.common for name in ahead):
            summary = f"Not all devices have the last configuration of {group.name}"
            advice = f"Recommended action: Synchronize {self.newest(group).name} to group {group.path}"
            return SyncStatus("Not All Devices Synced", "yellow", summary, (f"{group.name}: {summary}", advice))
        else:
            summary = f"There is a possible change conflict between {' and '.join(ahead)}."
            advice = (
                f"Recommended action: Synchronize the device with the most current configuration to group {group.path}"
            )
        line = f"{group.name} (Changes Pending): {summary}"
        return SyncStatus("Changes Pending", "yellow", summary, (line, advice))


def _in_sync(name: str) -> SyncStatus:
    summary = "All devices in the device group are in sync"
    return SyncStatus("In Sync", "green", summary, (f"{name} (In Sync): {summary}",))


_WORST = ("In Sync", "Not All Devices Synced", "Changes Pending", "Awaiting Initial Sync", "Sync Failure")
"""Statuses of a device group, the worst last."""
