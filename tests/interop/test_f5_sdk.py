"""F5's own Python SDK, unmodified, against the emulated BIG-IP.

It is the optional extra ``f5-sdk`` (``pip install -e '.[f5-sdk]'``); without it these tests are skipped.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from background_loop import BackgroundLoop
from control_plane import PASSWORDS, EmulatedDevice

from bigip_sm.lab.bigip.cluster import Cluster, DeviceGroup
from bigip_sm.lab.bigip.objects import DataGroup, Rule
from bigip_sm.lab.pki import Authority

# Written in 2019: invalid escapes, distutils, and urllib3 told to be silent.
pytestmark = pytest.mark.filterwarnings("ignore")

RECORDS = [{"name": "a", "data": "1"}]


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module ``f5.bigip``."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        return importlib.import_module("f5.bigip")
    except ImportError as error:
        pytest.skip(f"f5-sdk cannot be imported ({error}): pip install -e '.[f5-sdk]'")


@pytest.fixture
def transaction_manager(sdk: Any) -> Any:
    """The context manager of a transaction."""
    return importlib.import_module("f5.bigip.contexts").TransactionContextManager


@pytest.fixture
def device(emulated: EmulatedDevice) -> EmulatedDevice:
    """A device with the partition ``bigip_sm``."""
    emulated.plane.folders.add_partition("bigip_sm")
    return emulated


def connect(sdk: Any, device: EmulatedDevice, user: str = "admin", **more: Any) -> Any:
    options = {"port": device.port, "token": True, "verify": str(device.ca), **more}
    return sdk.ManagementRoot("127.0.0.1", user, PASSWORDS[user], **options)


def internals(root: Any) -> Any:
    return root.tm.ltm.data_group.internals


def make(root: Any, name: str = "words", **more: Any) -> Any:
    values = {"name": name, "partition": "bigip_sm", "type": "string", "records": RECORDS, **more}
    return internals(root).internal.create(**values)


def status_of(error: Any) -> int:
    return int(error.value.response.status_code)


def test_login_by_token_and_version(sdk: Any, device: EmulatedDevice) -> None:
    root = connect(sdk, device)
    assert root.tmos_version == "17.1.1"
    assert len(device.plane.tokens) == 1
    assert connect(sdk, device, token=False).tmos_version == "17.1.1"


def test_wrong_password(sdk: Any, device: EmulatedDevice) -> None:
    with pytest.raises(Exception, match="401") as refused:
        sdk.ManagementRoot("127.0.0.1", "admin", "wrong", port=device.port, token=True, verify=str(device.ca))
    assert "wrong" not in str(refused.value)


def test_data_group_is_created_loaded_modified_and_deleted(sdk: Any, device: EmulatedDevice) -> None:
    root = connect(sdk, device, "rotator")
    assert not internals(root).internal.exists(name="words", partition="bigip_sm")
    make(root)
    assert internals(root).internal.exists(name="words", partition="bigip_sm")
    group = internals(root).internal.load(name="words", partition="bigip_sm")
    assert group.records == RECORDS
    group.modify(records=[{"name": "b", "data": "x|y"}])
    assert device.config.get(DataGroup, "/bigip_sm/words") == DataGroup("/bigip_sm/words", "string", (("b", "x|y"),))
    assert [found.name for found in internals(root).get_collection()] == ["words"]
    group.refresh()
    group.delete()
    assert not internals(root).internal.exists(name="words", partition="bigip_sm")


def test_update_is_broken_as_on_a_device(sdk: Any, device: EmulatedDevice) -> None:
    """It deletes the type from the body, which TMOS wants since 14.1.0.1 (F5Networks/f5-common-python#1535)."""
    group = make(connect(sdk, device))
    with pytest.raises(Exception, match="invalid property value") as refused:
        group.update(records=[])
    assert status_of(refused) == 400


def test_data_group_in_a_folder(sdk: Any, device: EmulatedDevice) -> None:
    device.plane.folders.add_folder("/bigip_sm/App")
    root = connect(sdk, device)
    make(root, subPath="App")
    loaded = internals(root).internal.load(name="words", partition="bigip_sm", subPath="App")
    assert loaded.fullPath == "/bigip_sm/App/words"


def test_role_is_held_to_its_partition(sdk: Any, device: EmulatedDevice) -> None:
    root = connect(sdk, device, "rotator")
    with pytest.raises(Exception, match="01070822:3:") as refused:
        make(root, partition="Common")
    assert status_of(refused) == 403


def test_expired_token_is_not_renewed(sdk: Any, device: EmulatedDevice) -> None:
    root = connect(sdk, device)
    device.now = lambda: time.time() + 1201
    with pytest.raises(Exception, match="X-F5-Auth-Token has expired") as refused:
        internals(root).get_collection()
    assert status_of(refused) == 401


def test_transaction(sdk: Any, device: EmulatedDevice, transaction_manager: Any) -> None:
    root = connect(sdk, device)
    make(root)
    with transaction_manager(root.tm.transactions.transaction) as api:
        group = internals(api).internal.load(name="words", partition="bigip_sm")
        group.modify(records=[])
        make(api, "more")
        assert device.config.get(DataGroup, "/bigip_sm/more") is None
    assert device.config.get(DataGroup, "/bigip_sm/words") == DataGroup("/bigip_sm/words", "string")
    assert device.config.get(DataGroup, "/bigip_sm/more") is not None


def test_transaction_that_fails_or_only_validates(sdk: Any, device: EmulatedDevice, transaction_manager: Any) -> None:
    root = connect(sdk, device)
    make(root)

    def both() -> None:
        with transaction_manager(root.tm.transactions.transaction) as api:
            make(api, "more")
            make(api)

    with pytest.raises(Exception, match="transaction failed:01020066:3:"):
        both()
    with transaction_manager(root.tm.transactions.transaction, validate_only=True) as api:
        make(api, "more")
    assert device.config.get(DataGroup, "/bigip_sm/more") is None


def test_irule(sdk: Any, device: EmulatedDevice) -> None:
    rules = connect(sdk, device).tm.ltm.rules
    text = "when HTTP_REQUEST { HTTP::respond 200 }"
    rule = rules.rule.create(name="hello", partition="Common", apiAnonymous=text)
    assert device.config.get(Rule, "/Common/hello") == Rule("/Common/hello", text)
    with pytest.raises(Exception, match="01070151:3:"):
        rule.modify(apiAnonymous="when NOPE { }")
    rule.delete()
    assert not rules.rule.exists(name="hello", partition="Common")


def test_save(sdk: Any, device: EmulatedDevice) -> None:
    root = connect(sdk, device)
    make(root)
    root.tm.sys.config.exec_cmd("save")
    make(root, "unsaved")
    device.background.run(device.plane.reboot())
    deadline = time.monotonic() + 5
    while device.plane.restarting:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    names = [group.name for group in internals(connect(sdk, device)).get_collection()]
    assert names == ["words"]


def test_raw_as3_declaration(sdk: Any, device: EmulatedDevice) -> None:
    root = connect(sdk, device)
    group = {"class": "Data_Group", "keyDataType": "string", "records": [{"key": "a", "value": "1"}]}
    tenant = {"class": "Tenant", "A": {"class": "Application", "dg": group}}
    declaration = {"class": "ADC", "schemaVersion": "3.50.0", "id": "sdk", "T": tenant}
    url = f"https://127.0.0.1:{device.port}/mgmt/shared/appsvcs/declare"
    answer = root.icrs.post(url, json=declaration)
    assert answer.json()["results"][0]["message"] == "success"
    pool_names = [pool.name for pool in root.tm.ltm.pools.get_collection()]
    assert pool_names == []
    with pytest.raises(Exception, match="422"):
        root.icrs.post(url, json={**declaration, "T": {"class": "Pool"}})


@pytest.fixture
def pair(background: BackgroundLoop, tmp_path: Path) -> Iterator[tuple[EmulatedDevice, EmulatedDevice]]:
    """Two devices in a device group that is synced by hand."""
    authority = Authority.create("Management CA")
    devices = []
    for name in ("bigip-a", "bigip-b"):
        folder = tmp_path / name
        folder.mkdir()
        device = EmulatedDevice(name, background, folder, authority)
        device.plane.system.hostname = f"{name}.lab"
        device.start()
        devices.append(device)
    Cluster([device.plane.unit for device in devices], [DeviceGroup("/Common/pair")])
    yield devices[0], devices[1]
    for device in devices:
        device.stop()


def test_cluster(sdk: Any, pair: tuple[EmulatedDevice, EmulatedDevice]) -> None:
    first, second = pair
    root = connect(sdk, first)
    make(root, partition="Common")
    root.tm.cm.exec_cmd("run", utilCmdArgs="config-sync to-group pair")
    assert second.config.get(DataGroup, "/Common/words") is not None
    (entry,) = root.tm.cm.sync_status.load().entries.values()
    assert entry["nestedStats"]["entries"]["status"]["description"] == "In Sync"
    for device, state in ((first, "ACTIVE"), (second, "STANDBY")):
        (entry,) = connect(sdk, device).tm.cm.failover_status.load().entries.values()
        assert entry["nestedStats"]["entries"]["status"]["description"] == state
    assert {found.name: found.selfDevice for found in root.tm.cm.devices.get_collection()} == {
        "bigip-a.lab": "true",
        "bigip-b.lab": "false",
    }
    groups = root.tm.cm.device_groups.get_collection()
    assert [group.name for group in groups] == ["device_trust_group", "pair"]
    groups[1].sync_to()
    devices = groups[1].devices_s.get_collection()
    assert [found.name for found in devices] == ["bigip-a.lab", "bigip-b.lab"]
