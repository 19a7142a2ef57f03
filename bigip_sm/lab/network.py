"""The lab's map from addresses and host names of the real world to ports on 127.0.0.1.

Nothing in the lab listens on or connects to anything else. A destination that is not in the map cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"

Watcher = Callable[[str, int, int | None], None]
"""Called with host, port and the local port, which is None when nothing serves (host, port) any more."""


@dataclass
class Network:
    """Destinations are (host, port): host is an address or a DNS name as the configuration spells it."""

    _ports: dict[tuple[str, int], int] = field(default_factory=dict)
    _watchers: list[Watcher] = field(default_factory=list)

    def watch(self, watcher: Watcher) -> None:
        """Have ``watcher`` called with every change from now on."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Call ``watcher`` no more."""
        self._watchers.remove(watcher)

    def destinations(self) -> Mapping[tuple[str, int], int]:
        """(host, port) -> local port of everything that is served now."""
        return dict(self._ports)

    def publish(self, host: str, port: int, local_port: int) -> None:
        """Say that (host, port) is served on 127.0.0.1:local_port."""
        self._ports[host.lower(), port] = local_port
        self._tell(host, port, local_port)

    def withdraw(self, host: str, port: int) -> None:
        """Say that nothing serves (host, port) any more; unknown destinations are ignored."""
        if self._ports.pop((host.lower(), port), None) is not None:
            self._tell(host, port, None)

    def resolve(self, host: str, port: int) -> tuple[str, int]:
        """Where (host, port) is on this machine. Raises ConnectionRefusedError if nothing serves it."""
        local_port = self._ports.get((host.lower(), port))
        if local_port is None:
            raise ConnectionRefusedError(f"nothing in the lab serves {host}:{port}")
        return LOOPBACK, local_port

    def _tell(self, host: str, port: int, local_port: int | None) -> None:
        for watcher in self._watchers:
            watcher(host, port, local_port)
