"""One BIG-IP as the rotator keeps it: opened when needed, logged in once, made anew when its files change."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from bigip_sm.bigip.device import Device
from bigip_sm.bigip.inventory import DeviceEntry


@runtime_checkable
class Bounded(Protocol):
    """A device client that can be used again with another deadline (a time of ``time.monotonic()``)."""

    deadline: float | None


@runtime_checkable
class Clocked(Protocol):
    """A device client that knows how many seconds the device's clock is ahead of ours."""

    clock_skew: float | None


class Target:
    """One device by name, opened when needed and kept open. For who holds ``in_hand``.

    ``connect`` is given the deadline, a time of ``time.monotonic()``. ``version`` tells of what the client was made
    (such as the CA file's time): when it changes, a new one is made.
    """

    def __init__(
        self, name: str, connect: Callable[[float], Device], version: Callable[[], object] = lambda: None
    ) -> None:
        self.name = name
        self._connect = connect
        self.version = version
        self.in_hand = threading.RLock()
        self._device: Device | None = None
        self._made_of: object = None

    def open(self, ends: float) -> Device:
        """The client, to be used until ``ends``. Raises DeviceError."""
        made_of = self.version()
        kept: Device | None = self._device
        if kept is not None and isinstance(kept, Bounded) and made_of == self._made_of:
            kept.deadline = ends
            return kept
        self.close()
        device = self._connect(ends)
        self._device, self._made_of = device, made_of
        return device

    def close(self) -> None:
        """Log out, which deletes the token; the next ``open`` logs in again. Never raises."""
        device, self._device = self._device, None
        if device is not None:
            device.close()


def target_of(entry: DeviceEntry) -> Target:
    """The device of an inventory's entry, as its user for rotations."""

    def version() -> object:
        return [_stamp(path) for path in (entry.ca, _password_file(entry)) if path is not None]

    return Target(entry.name, lambda ends: entry.connect("rotator", deadline=ends), version)


def _password_file(entry: DeviceEntry) -> Path | None:
    name = entry.rotator.password.file
    return entry.rotator.folder / name if name is not None else None


def _stamp(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError as error:
        return type(error)
    return found.st_mtime_ns, found.st_size, found.st_ino


def clock_skew(device: Device) -> float | None:
    """Seconds that the device's clock is ahead of ours, if its client knows."""
    return device.clock_skew if isinstance(device, Clocked) else None
