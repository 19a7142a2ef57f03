"""Telling systemd how we are: sd_notify(3) over its datagram socket.

A library would be larger than these lines: one datagram to the address in ``NOTIFY_SOCKET``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends states to systemd; does nothing where nobody listens. Never raises."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An address that begins with @ is in the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = _watchdog(environment)

    def send(self, *lines: str) -> None:
        """Send assignments such as ``READY=1``."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(1.0)
            channel.sendto("\n".join(lines).encode(), self._address)

    def ready(self, status: str) -> None:
        """The daemon is up (again)."""
        self.send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again; ``ready`` ends it."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self, status: str) -> None:
        """Feed the watchdog."""
        self.send("WATCHDOG=1", f"STATUS={status}")

    def stopping(self) -> None:
        """The daemon is about to end."""
        self.send("STOPPING=1", "STATUS=finishing the pushes in hand")


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Within how many seconds systemd wants to hear from this process; None if it does not."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else None
