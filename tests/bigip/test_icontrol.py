"""The device client on the emulated control plane, and on a device that breaks off."""

from __future__ import annotations

import pytest
from control_plane import PASSWORDS, EmulatedDevice
from scripted_device import Say, ScriptedDevice

from bigip_sm.bigip.device import DataGroup, Device, Record
from bigip_sm.bigip.icontrol import IControl
from bigip_sm.errors import AuthenticationFailed, DeviceError, DeviceUnreachable, ObjectNotFound, RequestRefused
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import DataGroup as LabGroup

PATH = "/bigip_sm/quickstart.chat"
COLLECTION = "/mgmt/tm/ltm/data-group/internal"
RECORDS = (Record("a", "1|ünï|x y"), Record("b"), Record("c/d/e", "z" * 65_000))


@pytest.fixture
def prepared(emulated: EmulatedDevice) -> EmulatedDevice:
    with emulated.connect("admin") as device:
        device.create_partition("bigip_sm", "for tests")
    return emulated


def protocol(device: IControl) -> Device:
    """Type checkers refuse this if the client does not fulfil the protocol."""
    return device


def test_version_and_partitions(emulated: EmulatedDevice) -> None:
    with emulated.connect("admin") as device:
        assert protocol(device).version()[:2].isdigit()
        assert device.partitions() == ("Common",)
        device.create_partition("bigip_sm", "for tests")
        assert device.partitions() == ("Common", "bigip_sm")
        with pytest.raises(RequestRefused, match="HTTP 409"):
            device.create_partition("bigip_sm", "again")
    assert len(emulated.plane.tokens) == 0


def test_folder_is_detached_once(prepared: EmulatedDevice) -> None:
    with prepared.connect("admin") as device:
        assert not device.folder_detached("bigip_sm")
        device.detach_folder("bigip_sm")
        assert device.folder_detached("bigip_sm")
        with pytest.raises(ObjectNotFound, match="folder /nowhere does not exist"):
            device.folder_detached("nowhere")
    folder = prepared.plane.folders.get("/bigip_sm")
    assert (folder.device_group, folder.inherited) == ("none", False)


def test_data_group_is_made_read_and_replaced(prepared: EmulatedDevice) -> None:
    with prepared.connect("rotator") as device:
        with pytest.raises(ObjectNotFound, match=f"bigip-a: data group {PATH} does not exist"):
            device.data_group(PATH)
        with pytest.raises(ObjectNotFound):
            device.replace_records(PATH, RECORDS)
        device.create_data_group(DataGroup(PATH))
        assert device.data_group(PATH) == DataGroup(PATH)
        device.replace_records(PATH, RECORDS)
        assert device.data_group(PATH) == DataGroup(PATH, "string", RECORDS)
        device.replace_records(PATH, ())
        assert device.data_group(PATH).records == ()
        with pytest.raises(RequestRefused, match="HTTP 409"):
            device.create_data_group(DataGroup(PATH))


def test_data_group_in_a_folder(prepared: EmulatedDevice) -> None:
    prepared.plane.folders.ensure("/bigip_sm/sub")
    group = DataGroup("/bigip_sm/sub/x", "ip", (Record("10.0.0.0/8", "office"),))
    with prepared.connect("admin") as device:
        device.create_data_group(group)
        assert device.data_group(group.path) == group


def test_what_the_user_may_not(prepared: EmulatedDevice) -> None:
    with prepared.connect("rotator") as device:
        with pytest.raises((AuthenticationFailed, RequestRefused), match="Access Denied"):
            device.data_group("/Common/x")
        with pytest.raises((AuthenticationFailed, RequestRefused)):
            device.create_partition("other", "")
    with prepared.connect("guest") as device, pytest.raises((AuthenticationFailed, RequestRefused)):
        device.create_data_group(DataGroup(PATH))


def test_refused_records_are_not_quoted(prepared: EmulatedDevice) -> None:
    with prepared.connect("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        too_long = Record("bearer/us-east-1", "SECRETSECRET" * 6000)
        with pytest.raises(RequestRefused) as caught:
            device.replace_records(PATH, [too_long])
    assert PATH in str(caught.value)
    assert "SECRETSECRET" not in str(caught.value)
    assert "SECRETSECRET" not in repr(caught.value) + repr(too_long) + repr(DataGroup(PATH, records=(too_long,)))


def test_reboot_with_new_tokens(prepared: EmulatedDevice) -> None:
    with prepared.connect("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        prepared.stop()
        prepared.start()
        prepared.plane.tokens._tokens.clear()
        assert device.data_group(PATH) == DataGroup(PATH)


def test_expired_token_is_renewed(prepared: EmulatedDevice) -> None:
    with prepared.connect("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        before = prepared.now
        prepared.now = lambda: before() + 1201
        assert device.data_group(PATH) == DataGroup(PATH)
        assert len(prepared.plane.tokens) == 1
    assert len(prepared.plane.tokens) == 0


def test_token_limit(prepared: EmulatedDevice) -> None:
    for _ in range(100):
        prepared.plane.tokens.issue(prepared.plane._api._accounts.check("rotator", PASSWORDS["rotator"]))  # type: ignore[arg-type]
    with prepared.connect("rotator") as device, pytest.raises(AuthenticationFailed, match="as many login tokens"):
        device.data_group(PATH)


def test_patch_that_was_applied_before_the_reset_is_repeated(prepared: EmulatedDevice) -> None:
    with prepared.connect("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        prepared.plane.faults.append(Fault(method="PATCH", reset=True))
        device.replace_records(PATH, RECORDS)
    group = prepared.config.get(LabGroup, PATH)
    assert group is not None
    assert len(group.records) == len(RECORDS)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_restjavad_restarts(prepared: EmulatedDevice, status: int) -> None:
    prepared.plane.faults.append(Fault(method="GET", status=status, html=True, times=2))
    with prepared.connect("admin") as device:
        assert "bigip_sm" in device.partitions()


def test_broken_post_is_looked_after_not_sent_again(scripted: ScriptedDevice) -> None:
    there = {"name": "quickstart.chat", "type": "string", "records": [{"name": "a", "data": "1"}]}
    group = DataGroup(PATH, "string", (Record("a", "1"),))
    with IControl(scripted.session()) as device:
        scripted.script = [Say(reset=True), Say(there)]
        device.create_data_group(group)
        scripted.script = [Say(reset=True), Say({"message": "01020036:3: not found"}, 404)]
        with pytest.raises(DeviceUnreachable, match="it may have been done or not"):
            device.create_data_group(group)
        scripted.script = [Say(reset=True), Say({"items": [{"name": "bigip_sm"}]})]
        device.create_partition("bigip_sm", "")
        scripted.script = [Say(reset=True), Say({"items": []})]
        with pytest.raises(DeviceUnreachable):
            device.create_partition("bigip_sm", "")
    assert scripted.seen().count(f"POST {COLLECTION}") == 2


@pytest.mark.parametrize("body", [None, [], b"<html>", {}, {"entries": [1]}, {"entries": {"x": {"nestedStats": 1}}}])
def test_answers_that_are_none(scripted: ScriptedDevice, body: object) -> None:
    scripted.script = [Say(body)]
    with IControl(scripted.session()) as device, pytest.raises(DeviceError):
        device.version()


@pytest.mark.parametrize(
    "found", [{"records": [1]}, {"records": "x"}, {"records": [{"name": "a"}, {"name": "a"}]}, {"records": {"a": 1}}]
)
def test_odd_records(scripted: ScriptedDevice, found: object) -> None:
    scripted.script = [Say(found)]
    with IControl(scripted.session()) as device, pytest.raises(DeviceError):
        device.data_group(PATH)
