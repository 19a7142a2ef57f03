"""The lab's map from addresses and host names of the real world to ports on 127.0.0.1.

Nothing in the lab listens on or connects to anything else. A destination that is not in the map cannot be reached.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"


@dataclass
class Network:
    """Destinations are (host, port): host is an address or a DNS name as the configuration spells it."""

    _ports: dict[tuple[str, int], int] = field(default_factory=dict)

    def publish(self, host: str, port: int, local_port: int) -> None:
        """Say that (host, port) is served on 127.0.0.1:local_port."""
        self._ports[host.lower(), port] = local_port

    def withdraw(self, host: str, port: int) -> None:
        """Say that nothing serves (host, port) any more; unknown destinations are ignored."""
        self._ports.pop((host.lower(), port), None)

    def resolve(self, host: str, port: int) -> tuple[str, int]:
        """Where (host, port) is on this machine. Raises ConnectionRefusedError if nothing serves it."""
        local_port = self._ports.get((host.lower(), port))
        if local_port is None:
            raise ConnectionRefusedError(f"nothing in the lab serves {host}:{port}")
        return LOOPBACK, local_port
