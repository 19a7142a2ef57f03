"""devices.yaml: what is read, what is refused with its line, and where passwords come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigip_sm.bigip.inventory import DeviceEntry, Login, SecretRef, load_inventory
from bigip_sm.errors import AuthenticationFailed, SpecError

GOOD = """\
version: 1
devices:
  bigip-a:
    address: 10.0.0.1:8443
    ca: ca.pem
    administrator: {user: admin, password: {env: BIGIP_ADMIN_PASSWORD}}
    rotator: {user: rotator, password: {file: rotator.password}}
  bigip-b:
    address: "[2001:db8::1]"
    administrator: {user: admin, password: {env: BIGIP_ADMIN_PASSWORD}}
    rotator: {user: rotator, password: {env: BIGIP_PASSWORD}}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_inventory(Path("devices.yaml"), text)
    return str(caught.value).splitlines()


def test_devices_in_order_with_paths_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    path.write_text(GOOD)
    first, second = load_inventory(path).devices
    assert first == DeviceEntry(
        "bigip-a",
        "10.0.0.1:8443",
        tmp_path / "ca.pem",
        Login("admin", SecretRef(env="BIGIP_ADMIN_PASSWORD"), tmp_path),
        Login("rotator", SecretRef(file="rotator.password"), tmp_path),
    )
    assert (second.name, second.address, second.ca) == ("bigip-b", "[2001:db8::1]", None)


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "bigip.example.com", "bigip:8443", "[::1]:443", "localhost"],
)
def test_addresses(address: str) -> None:
    assert load_inventory(Path("x"), GOOD.replace("10.0.0.1:8443", f'"{address}"')).devices[0].address == address


@pytest.mark.parametrize(
    "address",
    ["https://10.0.0.1", "10.0.0.1/x", "a b", "", "host:0", "::1", "user@host", "host:123456", "-host"],
)
def test_bad_addresses(address: str) -> None:
    (line,) = problems(GOOD.replace("10.0.0.1:8443", f'"{address}"'))
    assert line.startswith("devices.yaml:4: ")


def test_port_out_of_range() -> None:
    (line,) = problems(GOOD.replace("10.0.0.1:8443", '"10.0.0.1:65536"'))
    assert line.startswith("devices.yaml:4: ")
    assert "write a number from 1 to 65535" in line
    (line,) = problems(GOOD.replace("10.0.0.1:8443", '"[1:2::3::4]:443"'))
    assert "is not an IPv6 address" in line


def test_every_problem_has_its_line() -> None:
    text = GOOD.replace("ca: ca.pem", "certificate: ca.pem").replace("{env: BIGIP_PASSWORD}", "{}")
    first, second = problems(text)
    assert first.startswith("devices.yaml:5: ")
    assert second.startswith("devices.yaml:11: ")
    assert "write either {env: NAME} or {file: PATH}" in second


def test_a_password_in_the_file_is_refused_and_not_repeated() -> None:
    (line,) = problems(GOOD.replace("{env: BIGIP_PASSWORD}", "hunter2-hunter2"))
    assert line.startswith("devices.yaml:11: ")
    assert "hunter2" not in line


def test_password_from_the_environment(tmp_path: Path) -> None:
    login = Login("rotator", SecretRef(env="BIGIP_PASSWORD"), tmp_path)
    assert login.read_password("bigip-a", {"BIGIP_PASSWORD": "x"}) == "x"
    with pytest.raises(AuthenticationFailed) as caught:
        login.read_password("bigip-a", {"BIGIP_PASSWORD": ""})
    assert str(caught.value) == "bigip-a: environment variable BIGIP_PASSWORD, the password of rotator, is not set"


@pytest.mark.parametrize(
    ("content", "password"), [("pass word\n", "pass word"), ("x\r\n", "x"), ("ü", "ü"), (" x ", " x ")]
)
def test_password_from_a_file(tmp_path: Path, content: str, password: str) -> None:
    file = tmp_path / "secret"
    file.write_text(content, newline="")
    file.chmod(0o600)
    assert Login("rotator", SecretRef(file="secret"), tmp_path).read_password("bigip-a") == password
    assert Login("rotator", SecretRef(file=str(file)), Path("/nowhere")).read_password("bigip-a") == password


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644])
def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")
    file.chmod(mode)
    with pytest.raises(AuthenticationFailed, match="others may read or change it") as caught:
        Login("rotator", SecretRef(file="secret"), tmp_path).read_password("bigip-a")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff\xfe", b"x" * 5000])
def test_unusable_password_files(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(AuthenticationFailed, match="bigip-a: file secret, the password of rotator: "):
        Login("rotator", SecretRef(file="secret"), tmp_path).read_password("bigip-a")


@pytest.mark.parametrize("name", [".", "missing"])
def test_no_password_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(AuthenticationFailed):
        Login("rotator", SecretRef(file=name), tmp_path).read_password("bigip-a")
