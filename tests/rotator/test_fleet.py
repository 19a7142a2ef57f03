"""Devices that are kept open, and what the inventory says about how they are written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from control_plane import EmulatedDevice

from bigip_sm.bigip.device import DataGroup
from bigip_sm.bigip.inventory import Inventory, load_inventory
from bigip_sm.errors import AuthenticationFailed, SpecError
from bigip_sm.lab.bigip.faults import Fault
from rotator.fleet import Job, Unit, units_of
from rotator.push import Wanted
from rotator.targets import target_of

PATH = "/bigip_sm/quickstart.chat"

INVENTORY = """
version: 1
devices:
  a: &unit
    address: 10.0.0.1
    administrator: {user: admin, password: {env: ADMIN}}
    rotator: {user: rotator, password: {env: ROTATOR}}
  b: *unit
  c: *unit
  d: *unit
sync_groups:
  pair: {sync: auto, members: [c, a]}
  byhand: {sync: manual, members: [b, d]}
"""


def test_units_of_an_inventory() -> None:
    units = units_of(load_inventory(Path("devices.yaml"), INVENTORY))
    assert [(unit.name, [target.name for target in unit.targets]) for unit in units] == [
        ("pair", ["a", "c"]),
        ("b", ["b"]),
        ("d", ["d"]),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("members: [c, a]", "members: [c, x]"), "sync_groups.pair names x, which is no device"),
        (("members: [b, d]", "members: [b, a]"), "a is in sync group byhand and in pair"),
        (("byhand:", "b:"), "sync group b is named like a device"),
        (("members: [c, a]", "members: [c]"), "at least 2"),
        (("sync: auto", "sync: maybe"), "sync_groups.pair.sync"),
    ],
)
def test_groups_that_cannot_be(change: tuple[str, str], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_inventory(Path("devices.yaml"), INVENTORY.replace(*change))
    assert says in str(caught.value)


@pytest.fixture
def unit(emulated: EmulatedDevice) -> Iterator[Unit]:
    with emulated.connect("admin") as client:
        client.create_partition("bigip_sm", "")
        client.create_data_group(DataGroup(PATH))
    (made,) = units_of(Inventory((emulated.entry(),)))
    yield made
    made.close()
    assert len(emulated.plane.tokens) == 0


def look(unit: Unit) -> str:
    (result,) = unit.rotate(Job([Wanted("chat", PATH)], time.monotonic() + 5))
    return result.reason


def logins(device: EmulatedDevice) -> list[object]:
    seen: list[object] = []
    issue = device.plane.tokens.issue

    def counted(*arguments: object) -> object:
        seen.append(arguments)
        return issue(*arguments)  # type: ignore[arg-type]  # passed on as they are

    device.plane.tokens.issue = counted  # type: ignore[method-assign,assignment]  # of this test's device only
    return seen


def test_a_session_is_used_again(emulated: EmulatedDevice, unit: Unit) -> None:
    seen = logins(emulated)
    assert [look(unit) for _ in range(5)] == ["the data group is empty"] * 5
    assert (len(seen), len(emulated.plane.tokens)) == (1, 1)


def test_a_token_is_renewed_before_it_ends(emulated: EmulatedDevice, unit: Unit) -> None:
    seen = logins(emulated)
    look(unit)
    device = unit.targets[0].open(time.monotonic() + 5)
    session = device.session  # type: ignore[attr-defined]  # an IControl
    session._token_ends -= 1200 * 0.91
    look(unit)
    assert (len(seen), len(emulated.plane.tokens)) == (2, 1)


@pytest.mark.parametrize("change", ["ca", "password"])
def test_files_that_changed_are_read_again(emulated: EmulatedDevice, unit: Unit, change: str) -> None:
    seen = logins(emulated)
    look(unit)
    path = emulated.ca if change == "ca" else emulated.folder / "rotator.password"
    path.write_text(path.read_text())
    os.utime(path, (1, 1))
    look(unit)
    assert (len(seen), len(emulated.plane.tokens)) == (2, 1)


def test_a_refused_login_reads_the_password_anew(emulated: EmulatedDevice, unit: Unit) -> None:
    emulated.plane.faults.append(Fault(method="POST", path="/mgmt/shared/authn", status=401))
    assert "refused" in look(unit)
    assert look(unit) == "the data group is empty"


def test_one_request_in_flight_on_each_device(emulated: EmulatedDevice, unit: Unit) -> None:
    """A second rotation of the same device waits for the first, and gives up at its own deadline."""
    target = unit.targets[0]
    release = _held(target.in_hand)
    try:
        (result,) = unit.rotate(Job([Wanted("chat", PATH)], time.monotonic() + 0.1))
        assert (result.state, result.failure) == ("failed", "timeout")
        assert "another rotation is still in hand there" in result.reason
    finally:
        release()


def _held(lock: object) -> Callable[[], None]:
    """Have another thread hold a lock; call the result to let it go."""
    import threading

    taken, released = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:  # type: ignore[attr-defined]  # an RLock, whose type has no public name
            taken.set()
            released.wait(10)

    threading.Thread(target=hold, daemon=True).start()
    assert taken.wait(5)
    return released.set


def test_a_password_that_cannot_be_read(emulated: EmulatedDevice) -> None:
    entry = emulated.entry()
    (emulated.folder / "rotator.password").chmod(0o644)
    target = target_of(entry)
    with pytest.raises(AuthenticationFailed, match="others may read or change it"):
        target.open(time.monotonic() + 5)
