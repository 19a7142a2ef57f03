"""Key sets of JWT issuers on the devices, beside the credentials."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from memory_devices import NOW, SPEC, Inline, MemoryDevice, Sessions, one_role

from bigip_sm.bigip.device import DataGroup, Record
from bigip_sm.errors import SourceError
from bigip_sm.spec.identities import JwtIdentity
from bigip_sm.spec.model import Spec
from rotator.engine import Engine
from rotator.fleet import Unit
from rotator.jwks import LIFE, KeySets, not_after
from rotator.keys import EVERY, WantedKeys, check_keys
from rotator.store import Store

PATH = "/bigip_sm/quickstart.jwks"


def spec() -> Spec:
    identity = JwtIdentity(type="jwt", issuer="https://idp.example.com", audience="models", jwks="https://idp/keys")
    return one_role(SPEC).model_copy(update={"identities": {**SPEC.identities, "okta": identity}})


@cache
def document(*key_ids: str) -> bytes:
    def number(value: int) -> str:
        return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode().rstrip("=")

    keys = []
    for key_id in key_ids:
        public = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
        keys.append({"kty": "RSA", "kid": key_id, "n": number(public.n), "e": number(public.e)})
    return json.dumps({"keys": keys}).encode()


class World:
    """One engine, devices, and an issuer that gives ``document`` or raises it."""

    def __init__(self, folder: Path, *devices: MemoryDevice) -> None:
        self.now = NOW
        self.document: bytes | Exception = document("one")
        self.asked = 0
        self.devices = devices
        self.folder = folder
        self.engine = self.rotator("first")

    def rotator(self, name: str, ahead: float = 0.0) -> Engine:
        source = Sessions(lambda: self.now)
        return Engine(
            spec(),
            [Unit(device.name, [device.target()]) for device in self.devices],
            Store(self.folder / name, "quickstart"),
            rotator=name,
            clock=lambda: self.now + ahead,
            ticks=lambda: self.now - NOW,
            runner=Inline(),
            source_runner=Inline(),
            source=lambda spec, role: source,
            key_sets=lambda spec: KeySets(spec, self.get),
        )

    def get(self, url: str) -> bytes:
        assert url == "https://idp/keys"
        self.asked += 1
        if isinstance(self.document, Exception):
            raise self.document
        return self.document

    def goes_on(self, seconds: float, *engines: Engine, step: float = 5.0) -> None:
        ends = self.now + seconds
        while self.now < ends:
            self.now += step
            for engine in engines or (self.engine,):
                engine.tick()

    def names(self, device: MemoryDevice) -> list[str]:
        return [record.name for record in device.groups[PATH].records] if PATH in device.groups else []


@pytest.fixture
def device() -> MemoryDevice:
    return MemoryDevice("bigip-a")


@pytest.fixture
def world(tmp_path: Path, device: MemoryDevice) -> World:
    made = World(tmp_path, device)
    made.goes_on(5)
    return made


def writes(device: MemoryDevice) -> int:
    return device.log.count("write")


def test_keys_are_brought_and_followed(world: World, device: MemoryDevice) -> None:
    assert world.names(device) == ["okta/b25l"]
    assert world.engine.health() == []
    world.document = document("one", "two")
    world.goes_on(EVERY * 1.1 + 70)
    assert world.names(device) == ["okta/b25l", "okta/dHdv"]
    assert 2 <= world.asked <= 3
    state = world.engine.state(world.now, world.now - NOW)
    roles: Any = state["roles"]
    assert roles["jwks"]["problem"] == ""


def test_the_last_good_keys_stay_through_an_outage(world: World, device: MemoryDevice) -> None:
    world.document = SourceError("no answer")
    world.goes_on(3600)
    assert world.names(device) == ["okta/b25l"]
    assert world.engine.health() == []
    device.groups[PATH] = DataGroup(PATH)
    world.goes_on(70)
    assert world.names(device) == ["okta/b25l"]


def test_a_rotator_that_was_just_started_leaves_what_it_cannot_better(world: World, device: MemoryDevice) -> None:
    world.document = SourceError("no answer")
    before = device.groups[PATH]
    world.goes_on(100, world.rotator("second"))
    assert device.groups[PATH] == before


def test_no_keys_at_all_are_told(tmp_path: Path, device: MemoryDevice) -> None:
    world = World(tmp_path, device)
    world.document = b"rubbish"
    world.goes_on(10)
    (trouble,) = world.engine.health()
    assert "no keys of okta: identity okta: identity okta: the issuer's key set is not JSON" in trouble


@pytest.mark.parametrize("left", [{}, {PATH: DataGroup(PATH)}], ids=["deleted", "emptied"])
def test_drift_is_repaired(world: World, device: MemoryDevice, left: dict[str, DataGroup]) -> None:
    before = device.groups.pop(PATH)
    device.groups.update(left)
    world.goes_on(70)
    assert device.groups[PATH] == before


def test_a_key_of_somebody_else_is_removed(world: World, device: MemoryDevice) -> None:
    before = device.groups[PATH]
    forged = Record("okta/Zm9yZ2Vk", before.records[0].data)
    device.groups[PATH] = DataGroup(PATH, "string", (*before.records, forged))
    world.goes_on(70)
    assert device.groups[PATH] == before


def test_two_rotators_do_not_quarrel_over_the_end_of_keys(world: World, device: MemoryDevice) -> None:
    """Ends move on each hour; who has not asked again yet leaves the later end."""
    second = world.rotator("second", ahead=-20.0)
    before = writes(device)
    world.goes_on(4 * 3600, world.engine, second, step=20)
    credentials = 2 * 4 * 1.5 + 2
    assert writes(device) - before <= 2 * 4 + credentials
    assert not_after(device.groups[PATH].records[0]) > world.now + LIFE - 3600


def test_keys_without_a_jwt_identity_are_nobodys_business(tmp_path: Path, device: MemoryDevice) -> None:
    source = Sessions(lambda: NOW)
    unit = Unit("bigip-a", [device.target()])
    engine = Engine(
        one_role(SPEC),
        [unit],
        Store(tmp_path, "quickstart"),
        rotator="r",
        clock=lambda: NOW,
        runner=Inline(),
        source_runner=Inline(),
        source=lambda spec, role: source,
    )
    engine.tick()
    engine.tick()
    assert PATH not in device.groups
    assert engine.health() == []


def test_looking_changes_nothing(world: World, device: MemoryDevice) -> None:
    before, client = writes(device), device.target().open(0.0)
    result = check_keys(client, WantedKeys(spec(), {}), now=world.now)
    assert (result.state, writes(device)) == ("fresh", before)
    device.groups.pop(PATH)
    assert check_keys(client, WantedKeys(spec(), {}), now=world.now).state == "failed"
