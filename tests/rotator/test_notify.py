"""sd_notify over real sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    address = str(tmp_path / "notify") if request.param == "file" else f"@bigip-sm-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + address[1:] if address.startswith("@") else address)
        channel.settimeout(5)
        yield channel, address


def test_every_message(listener: tuple[socket.socket, str]) -> None:
    channel, address = listener
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready("all well")
    assert channel.recv(4096).decode().splitlines() == ["READY=1", "STATUS=all well"]
    notifier.alive("all well")
    assert channel.recv(4096).decode().splitlines()[0] == "WATCHDOG=1"
    notifier.reloading()
    reloading = channel.recv(4096).decode().splitlines()
    assert reloading[0] == "RELOADING=1"
    assert reloading[1].removeprefix("MONOTONIC_USEC=").isdecimal()
    notifier.stopping()
    assert channel.recv(4096).decode().startswith("STOPPING=1")


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_nobody_listens(address: str) -> None:
    Notifier({"NOTIFY_SOCKET": address} if address else {}).ready("x")


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "rubbish"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_watchdog(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog == seconds
