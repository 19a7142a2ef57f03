"""What every implementation of the device protocol keeps to, against the emulated control plane and broken devices."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from control_plane import PASSWORDS, EmulatedDevice
from control_plane import QUICK as EMULATED_QUICK
from scripted_device import PASSWORD, QUICK, USER, Say, ScriptedDevice

from bigip_sm.bigip.device import DataGroup, Device, Record
from bigip_sm.bigip.f5sdk import F5Sdk
from bigip_sm.bigip.icontrol import IControl
from bigip_sm.errors import (
    AuthenticationFailed,
    DeviceError,
    DeviceTimeout,
    DeviceUnreachable,
    ObjectNotFound,
    RequestRefused,
)
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.objects import DataGroup as LabGroup

# f5-sdk compares versions with distutils, which warns of its own end.
pytestmark = pytest.mark.filterwarnings("ignore:distutils Version classes are deprecated:DeprecationWarning")

PATH = "/bigip_sm/quickstart.chat"
COLLECTION = "/mgmt/tm/ltm/data-group/internal"
RECORDS = (Record("a", "1|ünï|x y"), Record("b"), Record("c/d/e", "z" * 65_000))
SYS = Say({"kind": "tm:sys:syscollectionstate", "selfLink": "https://localhost/mgmt/tm/sys?ver=17.1.2", "items": []})
GROUP = {
    "kind": "tm:ltm:data-group:internal:internalstate",
    "name": "quickstart.chat",
    "partition": "bigip_sm",
    "fullPath": PATH,
    "selfLink": "https://localhost/mgmt/tm/ltm/data-group/internal/~bigip_sm~quickstart.chat?ver=17.1.2",
    "type": "string",
    "records": [{"name": "a", "data": "1"}],
}
PARTITIONS = {"kind": "tm:auth:partition:partitioncollectionstate"}

Client = IControl | F5Sdk
Connect = Callable[..., Client]


def adopted(
    name: str, address: str, user: str, password: str, *, ca: Path, distrusted: Path | None = None, **more: Any
) -> F5Sdk:
    """Over a ManagementRoot as a team makes one: logged in by itself, verification off."""
    from f5.bigip import ManagementRoot

    host, _, port = address.partition(":")
    root = ManagementRoot(host, user, password, port=int(port), token=True, verify=str(ca), timeout=30)
    assert root.icrs.session.auth.token
    root.icrs.session.verify = False
    return F5Sdk.adopt(name, root, ca=distrusted or ca, **more)


@pytest.fixture(params=["icontrol", "f5-sdk", "f5-sdk adopted"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """How to make a client."""
    if request.param == "icontrol":
        return IControl.connect
    try:
        F5Sdk.connect("bigip-a", "127.0.0.1:1", "nobody", "", deadline=0.0)
    except DeviceTimeout:
        return F5Sdk.connect if request.param == "f5-sdk" else adopted
    except DeviceError as error:
        pytest.skip(str(error))
    raise AssertionError("the deadline is over before it begins")


@pytest.fixture
def open_as(connect: Connect, emulated: EmulatedDevice) -> Callable[[str], Client]:
    """A client of the emulated device as one of its users. The partition bigip_sm is there."""
    with emulated.connect("admin") as device:
        device.create_partition("bigip_sm", "for tests")

    def open_(user: str) -> Client:
        address = f"127.0.0.1:{emulated.port}"
        return connect(emulated.name, address, user, PASSWORDS[user], ca=emulated.ca, patience=EMULATED_QUICK)

    return open_


@pytest.fixture
def scripted_client(connect: Connect, scripted: ScriptedDevice) -> Callable[..., Client]:
    """A client of the scripted device, which is asked for what it is only after that."""

    def open_(**more: Any) -> Client:
        scripted.script = [SYS]
        client = connect(
            "bigip-a", f"127.0.0.1:{scripted.port}", USER, PASSWORD, ca=scripted.ca, **{"patience": QUICK, **more}
        )
        scripted.requests.clear()
        return client

    return open_


def protocol(device: Client) -> Device:
    """Type checkers refuse this if a client does not fulfil the protocol."""
    return device


def test_version_and_partitions(open_as: Callable[[str], Client], emulated: EmulatedDevice) -> None:
    with open_as("admin") as device:
        assert protocol(device).version()[:2].isdigit()
        assert device.partitions() == ("Common", "bigip_sm")
        device.create_partition("other", "for tests")
        assert device.partitions() == ("Common", "bigip_sm", "other")
        with pytest.raises(RequestRefused, match="HTTP 409"):
            device.create_partition("other", "again")
    assert len(emulated.plane.tokens) == 0


def test_folder_is_detached_once(open_as: Callable[[str], Client], emulated: EmulatedDevice) -> None:
    with open_as("admin") as device:
        assert not device.folder_detached("bigip_sm")
        device.detach_folder("bigip_sm")
        assert device.folder_detached("bigip_sm")
        with pytest.raises(ObjectNotFound, match="folder /nowhere does not exist"):
            device.folder_detached("nowhere")
        with pytest.raises(ObjectNotFound, match="folder /nowhere does not exist"):
            device.detach_folder("nowhere")
    folder = emulated.plane.folders.get("/bigip_sm")
    assert (folder.device_group, folder.inherited) == ("none", False)


def test_data_group_is_made_read_and_replaced(open_as: Callable[[str], Client]) -> None:
    with open_as("rotator") as device:
        with pytest.raises(ObjectNotFound, match=f"bigip-a: data group {PATH} does not exist"):
            device.data_group(PATH)
        with pytest.raises(ObjectNotFound):
            device.replace_records(PATH, RECORDS)
        device.create_data_group(DataGroup(PATH))
        assert device.data_group(PATH) == DataGroup(PATH)
        device.replace_records(PATH, RECORDS)
        assert device.data_group(PATH) == DataGroup(PATH, "string", RECORDS)
        device.replace_records(PATH, RECORDS[:1])
        device.replace_records(PATH, RECORDS[:2])
        assert device.data_group(PATH).records == RECORDS[:2]
        device.replace_records(PATH, ())
        assert device.data_group(PATH).records == ()
        with pytest.raises(RequestRefused, match="HTTP 409"):
            device.create_data_group(DataGroup(PATH))
        with pytest.raises(ObjectNotFound):
            device.create_data_group(DataGroup("/bigip_sm/no/folder"))


def test_data_group_in_a_folder(open_as: Callable[[str], Client], emulated: EmulatedDevice) -> None:
    for folder in ("/bigip_sm/sub", "/bigip_sm/sub/deeper"):
        emulated.plane.folders.ensure(folder)
    with open_as("admin") as device:
        for path in ("/bigip_sm/sub/x", "/bigip_sm/sub/deeper/x"):
            group = DataGroup(path, "ip", (Record("10.0.0.0/8", "office"),))
            device.create_data_group(group)
            assert device.data_group(path) == group
            device.replace_records(path, [Record("10.1.0.0/16")])
            assert device.data_group(path).records == (Record("10.1.0.0/16"),)


def test_what_the_user_may_not(open_as: Callable[[str], Client]) -> None:
    with open_as("rotator") as device:
        with pytest.raises((AuthenticationFailed, RequestRefused), match="Access Denied"):
            device.data_group("/Common/x")
        with pytest.raises((AuthenticationFailed, RequestRefused)):
            device.create_partition("other", "")
    with open_as("guest") as device, pytest.raises((AuthenticationFailed, RequestRefused)):
        device.create_data_group(DataGroup(PATH))


def test_wrong_password(connect: Connect, emulated: EmulatedDevice) -> None:
    if connect is adopted:
        pytest.skip("a ManagementRoot cannot be made with it")

    def use() -> None:
        address = f"127.0.0.1:{emulated.port}"
        with connect(emulated.name, address, "rotator", "wrong-password", ca=emulated.ca) as device:
            device.data_group(PATH)

    with pytest.raises(AuthenticationFailed, match="login of user rotator refused") as caught:
        use()
    assert "wrong-password" not in str(caught.value)


def test_refused_records_are_not_quoted(open_as: Callable[[str], Client]) -> None:
    with open_as("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        too_long = Record("bearer/us-east-1", "SECRETSECRET" * 6000)
        with pytest.raises(RequestRefused) as caught:
            device.replace_records(PATH, [too_long])
        told = repr(device)
    assert PATH in str(caught.value)
    assert "SECRETSECRET" not in str(caught.value) + repr(caught.value) + told
    assert caught.value.__cause__ is None
    assert PASSWORDS["rotator"] not in told


def test_nothing_secret_is_logged(open_as: Callable[[str], Client], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("icontrol", "icontrol.session", "icontrol.authtoken", "f5", "urllib3", "requests"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        with open_as("rotator") as device:
            token = device.session.token()
            device.create_data_group(DataGroup(PATH, records=(Record("a", "SECRET-ONE-SECRET"),)))
            device.replace_records(PATH, [Record("a", "SECRET-TWO-SECRET")])
            device.data_group(PATH)
            with pytest.raises(ObjectNotFound):
                device.data_group(f"{PATH}.not")
        for name in ("icontrol", "icontrol.session", "icontrol.authtoken", "f5", "urllib3", "requests"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    assert len(token) > 10
    for secret in ("SECRET-ONE", "SECRET-TWO", token, PASSWORDS["rotator"]):
        assert secret not in caplog.text


def test_token_is_one_and_is_deleted(open_as: Callable[[str], Client], emulated: EmulatedDevice) -> None:
    device = open_as("rotator")
    for _ in range(3):
        with pytest.raises(ObjectNotFound):
            device.data_group(PATH)
        assert len(emulated.plane.tokens) == 1
    device.close()
    device.close()
    assert len(emulated.plane.tokens) == 0


def test_reboot_with_new_tokens(open_as: Callable[[str], Client], emulated: EmulatedDevice) -> None:
    with open_as("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        emulated.stop()
        emulated.start()
        emulated.plane.tokens._tokens.clear()
        assert device.data_group(PATH) == DataGroup(PATH)


def test_expired_token_is_renewed(open_as: Callable[[str], Client], emulated: EmulatedDevice) -> None:
    with open_as("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        before = emulated.now
        emulated.now = lambda: before() + 1201
        assert device.data_group(PATH) == DataGroup(PATH)
        assert len(emulated.plane.tokens) == 1
    assert len(emulated.plane.tokens) == 0


def test_patch_that_was_applied_before_the_reset_is_repeated(
    open_as: Callable[[str], Client], emulated: EmulatedDevice
) -> None:
    with open_as("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        emulated.plane.faults.append(Fault(method="PATCH", reset=True))
        device.replace_records(PATH, RECORDS)
    group = emulated.config.get(LabGroup, PATH)
    assert group is not None
    assert len(group.records) == len(RECORDS)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_restjavad_restarts(open_as: Callable[[str], Client], emulated: EmulatedDevice, status: int) -> None:
    with open_as("admin") as device:
        emulated.plane.faults.append(Fault(method="GET", status=status, html=True, times=2))
        assert "bigip_sm" in device.partitions()
        emulated.plane.faults.append(Fault(method="GET", status=status, html=True, times=50))
        with pytest.raises(RequestRefused, match=f"HTTP {status}"):
            device.partitions()
        emulated.plane.faults.clear()


def test_broken_post_is_looked_after_not_sent_again(
    scripted_client: Callable[..., Client], scripted: ScriptedDevice
) -> None:
    group = DataGroup(PATH, "string", (Record("a", "1"),))
    with scripted_client() as device:
        scripted.script = [Say(reset=True), Say(GROUP)]
        device.create_data_group(group)
        scripted.script = [Say(reset=True), Say({"message": "01020036:3: not found"}, 404)]
        with pytest.raises(DeviceUnreachable, match="it may have been done or not"):
            device.create_data_group(group)
        link = "https://localhost/mgmt/tm/auth/partition/bigip_sm?ver=17.1.2"
        here = {"kind": "tm:auth:partition:partitionstate", "name": "bigip_sm", "selfLink": link}
        scripted.script = [Say(reset=True), Say({**PARTITIONS, "items": [here]})]
        device.create_partition("bigip_sm", "")
        scripted.script = [Say(reset=True), Say({**PARTITIONS, "items": []})]
        with pytest.raises(DeviceUnreachable):
            device.create_partition("bigip_sm", "")
    assert scripted.seen().count(f"POST {COLLECTION}") + scripted.seen().count(f"POST {COLLECTION}/") == 2


@pytest.mark.parametrize("body", [None, [], b"<html>", {}, {"entries": [1]}, {"entries": {"x": {"nestedStats": 1}}}])
def test_answers_that_are_none(scripted_client: Callable[..., Client], scripted: ScriptedDevice, body: object) -> None:
    with scripted_client() as device:
        scripted.script = [Say(body)]
        with pytest.raises(DeviceError):
            device.version()
        with pytest.raises(DeviceError):
            device.replace_records(PATH, RECORDS) if isinstance(device, F5Sdk) else device.version()


@pytest.mark.parametrize(
    "records", [[1], "x", [{"name": "a"}, {"name": "a"}], {"a": 1}], ids=["numbers", "text", "twice", "mapping"]
)
def test_odd_records(scripted_client: Callable[..., Client], scripted: ScriptedDevice, records: object) -> None:
    with scripted_client() as device:
        scripted.script = [Say({**GROUP, "records": records})]
        with pytest.raises(DeviceError):
            device.data_group(PATH)


def test_a_second_401_is_about_rights(scripted_client: Callable[..., Client], scripted: ScriptedDevice) -> None:
    with scripted_client() as device:
        scripted.script = [Say({"message": "Authorization failed"}, 401)]
        with pytest.raises(AuthenticationFailed, match="Authorization failed"):
            device.data_group(PATH)
    assert sum(one == "POST /mgmt/shared/authn/login" for one in scripted.seen()) <= 2


@pytest.mark.parametrize("say", [Say(delay=60), Say(drip=0.05)], ids=["silent", "a byte at a time"])
def test_the_deadline_holds(scripted_client: Callable[..., Client], scripted: ScriptedDevice, say: Say) -> None:
    with scripted_client() as device:
        scripted.script = [say]
        device.deadline = time.monotonic() + 0.4
        begun = time.monotonic()
        with pytest.raises(DeviceTimeout):
            device.data_group(PATH)
        assert time.monotonic() - begun < 1.5
        with pytest.raises(DeviceTimeout, match="the time allowed for this device is over"):
            device.data_group(PATH)


def test_the_certificate_is_verified(connect: Connect, emulated: EmulatedDevice, scripted: ScriptedDevice) -> None:
    more: dict[str, Any] = {"patience": EMULATED_QUICK}
    if connect is adopted:
        more["distrusted"] = scripted.ca  # such a root has logged in already, without any verification

    def use() -> None:
        ca = emulated.ca if connect is adopted else scripted.ca
        address = f"127.0.0.1:{emulated.port}"
        with connect(emulated.name, address, "rotator", PASSWORDS["rotator"], ca=ca, **more) as device:
            device.data_group(PATH)

    with pytest.raises(DeviceUnreachable, match=r"certificate|TLS failed") as caught:
        use()
    assert "\n" not in str(caught.value)


def test_a_redirect_is_not_followed(
    scripted_client: Callable[..., Client], scripted: ScriptedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[str] = []
    scripted.on_request = lambda request: answered.append(request.path)
    with scripted_client() as device:
        answered.clear()
        scripted.script = [Say({}, 302)]
        with pytest.raises(DeviceError):
            device.data_group(PATH)
    assert len(set(answered)) == 1


def test_one_request_at_a_time_whatever_the_threads(
    scripted_client: Callable[..., Client], scripted: ScriptedDevice
) -> None:
    with scripted_client() as device:
        scripted.script = [Say(GROUP, delay=0.01)]
        scripted.most_in_flight = 0
        found: list[DataGroup] = []
        threads = [threading.Thread(target=lambda: found.append(device.data_group(PATH))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert found == [DataGroup(PATH, "string", (Record("a", "1"),))] * 8
    assert scripted.most_in_flight == 1


def test_the_clock_of_the_device_is_seen(open_as: Callable[[str], Client]) -> None:
    with open_as("rotator") as device:
        with pytest.raises(ObjectNotFound):
            device.data_group(PATH)
        assert device.clock_skew is not None
        assert abs(device.clock_skew) < 2


def test_a_cycle_of_the_rotator_costs_three_requests(
    open_as: Callable[[str], Client], emulated: EmulatedDevice
) -> None:
    """Read, replace, read back: f5-sdk does not read again what it has just read."""
    with open_as("rotator") as device:
        device.create_data_group(DataGroup(PATH))
        before = emulated.config.get(LabGroup, PATH)
        counted = count_requests(emulated)
        device.data_group(PATH)
        device.replace_records(PATH, RECORDS[:1])
        device.data_group(PATH)
        assert counted == ["GET", "PATCH", "GET"]
        assert before != emulated.config.get(LabGroup, PATH)


def count_requests(emulated: EmulatedDevice) -> list[str]:
    methods: list[str] = []
    handle = emulated.plane._api.handle

    async def watch(request: Any) -> Any:
        methods.append(request.method)
        return await handle(request)

    emulated.plane._api.handle = watch  # type: ignore[method-assign]  # for this device only
    return methods


# --- what only f5-sdk has


def test_a_root_with_somebody_elses_token_is_refused() -> None:
    class Root:
        args = {"token_to_use": "x", "hostname": "127.0.0.1", "port": 443, "username": "admin", "password": "admin"}

    with pytest.raises(DeviceError) as caught:
        F5Sdk.adopt("bigip-a", Root())
    if "cannot be imported" in str(caught.value):
        pytest.skip(str(caught.value))
    assert "was made with token_to_use; make it with a user and a password instead" in str(caught.value)


def test_without_f5_sdk_there_is_one_clear_line() -> None:
    program = (
        "import sys\n"
        "sys.modules['f5'] = None\n"
        "from bigip_sm.bigip.f5sdk import F5Sdk\n"
        "from bigip_sm.errors import DeviceError\n"
        "try:\n"
        "    F5Sdk.connect('bigip-a', '127.0.0.1:1', 'u', 'p')\n"
        "except DeviceError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.startswith("bigip-a: f5-sdk cannot be imported (f5")
    assert ran.stdout.endswith("pip install 'bigip-sm[f5-sdk]'\n")
