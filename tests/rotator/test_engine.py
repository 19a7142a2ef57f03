"""The engine, tick by tick: drift, generations, revocations, sync groups, reloads, dead devices."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from memory_devices import CLASSIFIER, NOW, SPEC, MemoryDevice, Sessions, World, generation, one_role

from bigip_sm.bigip.device import DataGroup, Record
from bigip_sm.bigip.records import META, Meta, decode_all
from bigip_sm.errors import AuthenticationFailed, DeviceError, SourceError
from rotator import clocks
from rotator.board import as_json
from rotator.engine import INTERVAL
from rotator.fleet import Unit
from rotator.store import Store


@pytest.fixture(autouse=True)
def _no_clock_of_aws() -> None:
    clocks.forget()


@pytest.fixture
def device() -> MemoryDevice:
    return MemoryDevice("bigip-a")


@pytest.fixture
def world(tmp_path: Path, device: MemoryDevice) -> World:
    made = World(tmp_path, device)
    made.engine.tick()
    made.engine.tick()
    return made


def writes(device: MemoryDevice) -> int:
    return device.log.count("write")


def change(device: MemoryDevice, name: str, data: Callable[[str], str] | None) -> None:
    """Edit one record, or remove it."""
    records = [record for record in device.groups[CLASSIFIER].records if record.name != name]
    (old,) = [record for record in device.groups[CLASSIFIER].records if record.name == name]
    if data is not None:
        records.append(Record(name, data(old.data)))
    device.groups[CLASSIFIER] = DataGroup(CLASSIFIER, "string", tuple(records))


def test_the_first_tick_brings_it(world: World, device: MemoryDevice) -> None:
    assert generation(device) == NOW * 1000
    assert world.engine.health() == []
    assert writes(device) == 1
    assert [event["devices"] for event in world.events("pushed")] == [["bigip-a"]]
    (session,) = world.events("session")
    assert session["arn"] == SPEC.roles["classifier"].arn


def test_a_quiet_hour_and_the_refresh_in_it(world: World, device: MemoryDevice) -> None:
    world.goes_on(2270)
    assert (writes(device), world.source.asked) == (1, 1)
    assert 34 <= device.log.count("read") <= 46  # one look a minute, give or take a tenth
    world.goes_on(140)
    assert (writes(device), world.source.asked) == (2, 2)
    assert generation(device) > (NOW + 2270) * 1000


def edited(device: MemoryDevice) -> None:
    (name,) = [record.name for record in device.groups[CLASSIFIER].records if record.name != META]
    change(device, name, lambda data: data.replace("token1", "tokenX"))


def emptied(device: MemoryDevice) -> None:
    device.groups[CLASSIFIER] = DataGroup(CLASSIFIER, "string")


def deleted(device: MemoryDevice) -> None:
    del device.groups[CLASSIFIER]


def poisoned(device: MemoryDevice) -> None:
    change(device, META, lambda data: "1|99999999999999|9999999999|9999999999|evil")


def garbled(device: MemoryDevice) -> None:
    change(device, META, lambda data: "rubbish")


def without_meta(device: MemoryDevice) -> None:
    change(device, META, None)


@pytest.mark.parametrize("drift", [edited, emptied, deleted, poisoned, garbled, without_meta])
def test_drift_is_repaired_in_the_next_cycle(
    world: World, device: MemoryDevice, drift: Callable[[MemoryDevice], None]
) -> None:
    before = device.groups[CLASSIFIER]
    drift(device)
    world.goes_on(INTERVAL * 1.1 + 1)
    assert device.groups[CLASSIFIER] == before
    assert world.source.asked == 1
    (event,) = world.events("repaired")
    assert event["devices"] == ["bigip-a"]
    text = world.engine.ledger.counters.text().decode()
    assert 'bigip_sm_rotator_drift_repaired_total{device="bigip-a",role="classifier"} 1.0' in text


def test_a_shorter_session_replaces_a_longer_one(world: World, device: MemoryDevice) -> None:
    world.source.life = 900.0
    world.engine.rotate_now()
    world.goes_on(3)
    held = {one.name: one for one in decode_all(device.groups[CLASSIFIER].records)}
    meta = held[META]
    assert isinstance(meta, Meta)
    assert meta.expires_at <= NOW + 903


def test_what_is_expired_is_never_pushed(world: World, device: MemoryDevice) -> None:
    """Through a whole outage: the last good one goes onto an empty device until it is over, and then no more."""
    world.source.error = SourceError("down")
    emptied(device)
    world.goes_on(70)
    assert device.groups[CLASSIFIER].records
    world.goes_on(3600, step=5)
    before = writes(device)
    emptied(device)
    world.goes_on(300, step=5)
    assert (device.groups[CLASSIFIER].records, writes(device)) == ((), before)
    assert any("nothing to push: down" in trouble for trouble in world.engine.health())
    world.source.error = None
    world.goes_on(80)
    assert device.groups[CLASSIFIER].records
    assert world.engine.health() == []


def test_health_fails_before_the_credential_does(world: World) -> None:
    world.source.error = SourceError("down")
    world.goes_on(2390, step=5)
    assert world.engine.health() == []
    world.goes_on(90, step=5)
    assert any("the credential ends in 1" in trouble and "down" in trouble for trouble in world.engine.health())


def test_health_fails_when_the_loop_hangs(world: World) -> None:
    world.now += 31
    assert world.engine.health()[0] == "the loop has not run for 31 s"


def test_a_dead_device_is_asked_less_and_less_and_comes_back(tmp_path: Path) -> None:
    dead, good = MemoryDevice("dead"), MemoryDevice("good")
    dead.dead = True
    world = World(tmp_path, dead, good)
    world.goes_on(600)
    assert generation(good) >= NOW * 1000
    assert 10 <= len(dead.log) <= 20
    assert world.engine.health() == ["classifier on dead: dead: dead"]
    assert world.events("failed")[0]["reason"] == "unreachable"
    assert len(world.events("failed")) == 1
    dead.dead = False
    world.goes_on(80)
    assert world.engine.health() == []
    assert world.events("recovered")[0]["devices"] == ["dead"]


def test_refused_logins_do_not_lock_the_user_out(tmp_path: Path) -> None:
    device = MemoryDevice("bigip-a")
    tried = []

    def refuse(what: str) -> None:
        tried.append(what)
        raise AuthenticationFailed("bigip-a", "no")

    device._asked = refuse  # type: ignore[method-assign]
    world = World(tmp_path, device)
    world.goes_on(3600, step=5)
    assert 5 <= len(tried) <= 14


def test_a_lying_device_harms_only_itself(tmp_path: Path) -> None:
    liar, good = MemoryDevice("liar"), MemoryDevice("good")
    liar.replace_records = lambda path, records: None  # type: ignore[method-assign]
    liar.create_data_group = lambda group: liar.groups.update({group.path: DataGroup(group.path)})  # type: ignore[method-assign]
    world = World(tmp_path, liar, good)
    world.goes_on(10)
    assert any("reads back differently" in trouble for trouble in world.engine.health())
    assert generation(good) >= NOW * 1000
    world.goes_on(3600, step=5)
    assert generation(good) > NOW * 1000


# Revocations


def test_a_revoked_credential_is_taken_away_and_a_later_one_taken(world: World, device: MemoryDevice) -> None:
    world.goes_on(100)
    old = generation(device)
    world.source.error = SourceError("down")
    world.engine.store.revoke("classifier", int(world.now * 1000))
    world.goes_on(70)
    assert [record.name for record in device.groups[CLASSIFIER].records] == [META]
    assert device.groups[CLASSIFIER].records[0].data.endswith("|revoked:first")
    assert world.engine.health()
    world.goes_on(200)
    assert writes(device) == 2
    world.source.error = None
    world.goes_on(80)
    assert generation(device) > old
    assert world.engine.health() == []


def test_a_revocation_reaches_another_rotator_through_the_device(world: World, device: MemoryDevice) -> None:
    """The second one knows nothing of the revocation but the mark; it asks for a later session by itself."""
    source = Sessions(lambda: world.now)
    second = world.rotator("second", source=source)
    for _ in range(3):
        second.tick()
    source.error = SourceError("down")
    mark = Meta(int(world.now * 1000), int(world.now), int(world.now) + 60, "revoked:ops")
    device.groups[CLASSIFIER] = DataGroup(CLASSIFIER, "string", (mark.encode(),))
    before = writes(device)
    for _ in range(150):
        world.now += 1
        second.tick()
    assert (writes(device), source.asked > 1) == (before, True)
    source.error = None
    for _ in range(80):
        world.now += 1
        second.tick()
    assert generation(device) > mark.generation


def test_a_revocation_while_the_push_is_in_hand(world: World, device: MemoryDevice) -> None:
    """It is written between the rotator's look and its write: the rotator sees it and takes its own push back."""
    world.goes_on(10)

    def meanwhile() -> None:
        device.before_write = lambda: None
        world.source.error = SourceError("down")
        world.engine.store.revoke("classifier", int((world.now + 5) * 1000))

    device.before_write = meanwhile
    world.engine.rotate_now()
    world.goes_on(3)
    assert [record.name for record in device.groups[CLASSIFIER].records] == [META]


# Device groups


def pair(tmp_path: Path) -> tuple[World, MemoryDevice, MemoryDevice]:
    a, b = MemoryDevice("a"), MemoryDevice("b")
    a.peers, b.peers = [b], [a]
    return World(tmp_path, a, b, units=[Unit("pair", [a.target(), b.target()])]), a, b


def test_an_auto_sync_group_is_written_through_one_member(tmp_path: Path) -> None:
    world, a, b = pair(tmp_path)
    world.goes_on(5)
    assert (writes(a), writes(b)) == (1, 0)
    assert generation(b) == generation(a)
    assert world.engine.health() == []
    assert set(world.engine.board.entries()) == {("classifier", "a"), ("classifier", "b")}


def test_the_other_member_is_written_when_the_first_is_dead(tmp_path: Path) -> None:
    world, a, b = pair(tmp_path)
    a.dead = True
    world.goes_on(5)
    assert (writes(a), writes(b)) == (0, 1)
    a.dead = False
    before = len(a.log)
    world.goes_on(70)
    assert writes(a) == 0
    assert len(a.log) > before
    assert world.engine.health() == []


def test_config_sync_that_does_not_come_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rotator.fleet.SYNC_WAIT", 0.1)
    monkeypatch.setattr("rotator.fleet.SYNC_PAUSE", 0.02)
    world, a, b = pair(tmp_path)
    a.peers = []
    world.goes_on(5)
    entry = world.engine.board.entries()["classifier", "b"]
    assert entry is not None
    assert entry.result.state == "stale"
    assert "config sync has not brought what a was given: the data group is missing" in entry.result.reason
    assert writes(b) == 0
    assert any(trouble.startswith("classifier on b: config sync") for trouble in world.engine.health())


# Reloads


def test_a_reload_keeps_sessions_and_drops_what_is_gone(tmp_path: Path) -> None:
    gone, stays = MemoryDevice("gone"), MemoryDevice("stays")
    world = World(tmp_path, gone, stays)
    world.goes_on(5)
    new = MemoryDevice("new")
    world.engine.load(world.spec, [Unit(one.name, [one.target()]) for one in (stays, new)])
    assert gone.log[-1] == "close"
    world.goes_on(5)
    assert world.source.asked == 1
    assert generation(new) == generation(stays)
    assert set(world.engine.board.entries()) == {("classifier", "stays"), ("classifier", "new")}
    count = len(gone.log)
    world.goes_on(200)
    assert len(gone.log) == count


def test_a_role_that_is_new_is_brought(world: World, device: MemoryDevice) -> None:
    world.engine.load(SPEC, [Unit("bigip-a", [device.target()])])
    world.goes_on(5)
    assert set(device.groups) == {CLASSIFIER, "/bigip_sm/quickstart.chat"}
    world.engine.load(one_role(SPEC), [Unit("bigip-a", [device.target()])])
    assert set(world.engine.board.entries()) == {("classifier", "bigip-a")}


def test_a_source_that_cannot_be_made_changes_nothing(world: World, device: MemoryDevice) -> None:
    def broken(spec: object, role: str) -> Sessions:
        raise SourceError("no region")

    world.engine._source = broken
    with pytest.raises(SourceError):
        world.engine.load(SPEC, [])
    world.goes_on(70)
    assert world.engine.health() == []


# What is written down


def test_state_and_journal(world: World) -> None:
    world.goes_on(10)
    state = world.engine.store.state()
    (entry,) = state["credentials"]
    assert (entry["role"], entry["device"], entry["result"], entry["error"]) == (
        "classifier",
        "bigip-a",
        "fresh",
        "",
    ) or (entry["result"] == "pushed")
    assert state["roles"]["classifier"]["next_fetch"].startswith("2026-11-21T12:3")
    assert all(
        event["rotator"] == "first" and event["gateway"] == "quickstart" for event in world.engine.store.events()
    )


def test_a_full_disk_stops_nothing(tmp_path: Path, device: MemoryDevice) -> None:
    (tmp_path / "first").write_text("not a folder")
    world = World(tmp_path, device)
    world.goes_on(60)
    assert generation(device) >= NOW * 1000


def test_a_device_that_hangs_beyond_its_deadline_is_reported(tmp_path: Path, device: MemoryDevice) -> None:
    world = World(tmp_path, device)
    jobs: list[Callable[[], None]] = []

    class Stuck:
        def submit(self, job: Callable[[], None]) -> None:
            jobs.append(job)

    world.engine._runner = Stuck()
    world.goes_on(200)
    assert len(jobs) == 1
    assert world.engine.health() == ["classifier on bigip-a: bigip-a: not done after 120 s"]


def test_clocks_apart_are_told(world: World, device: MemoryDevice) -> None:
    for ahead, state in ((61.0, "fresh"), (-241.0, "failed"), (0.0, "fresh")):
        device.clock_skew = ahead
        world.goes_on(70)
        entry = world.engine.board.entries()["classifier", "bigip-a"]
        assert entry is not None
        assert entry.result.state == state
        assert as_json(entry, world.now)["usable_until"] is not None
        assert bool(world.engine.health()) == (state == "failed")


def test_stop_waits_for_what_is_in_hand(tmp_path: Path) -> None:
    """With real threads: no new push is begun, the one in hand is read back, everybody is logged out."""
    from rotator.engine import Engine

    device, slow = MemoryDevice("bigip-a"), 0.3
    device.before_write = lambda: time.sleep(slow)
    source = Sessions(time.time)
    units = [Unit("bigip-a", [device.target()])]
    engine = Engine(one_role(SPEC), units, Store(tmp_path, "g"), rotator="r", source=lambda spec, role: source)
    while not any(turn.since for turn in engine._turns):
        engine.tick()
        time.sleep(0.01)
    time.sleep(0.05)
    engine.stop()
    assert device.log[-1] == "close"
    assert device.log.count("write") in (0, 1)
    if "write" in device.log:
        assert device.log[-3:] == ["write", "read", "close"]


@pytest.mark.parametrize("error", [DeviceError("bigip-a", "no"), RuntimeError("secret")])
def test_one_role_that_fails_leaves_the_others(tmp_path: Path, device: MemoryDevice, error: Exception) -> None:
    world = World(tmp_path, device)
    read = device.data_group

    def failing(path: str) -> DataGroup:
        if path == CLASSIFIER:
            raise error
        return read(path)

    device.data_group = failing  # type: ignore[method-assign]
    world.engine.load(SPEC, [Unit("bigip-a", [device.target()])])
    world.goes_on(5)
    assert "/bigip_sm/quickstart.chat" in device.groups
    assert not any("secret" in trouble for trouble in world.engine.health())
