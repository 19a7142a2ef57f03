"""devices.yaml: which BIG-IPs there are, and how to log in to them.

.. code-block:: yaml

   version: 1
   devices:
     bigip-a:
       address: 10.0.0.1            # host[:port], IPv6 in brackets
       ca: ca.pem                   # relative to this file; without it the system's store is used
       administrator: {user: admin, password: {env: BIGIP_ADMIN_PASSWORD}}
       rotator: {user: bigip-sm-rotator, password: {file: rotator.password}}
   sync_groups:                     # only where units cannot be written one by one
     pair: {sync: auto, members: [bigip-a, bigip-b]}

Passwords are named, never written here; they are read when a session is opened. ``administrator`` is who applies (AS3
takes nobody else), ``rotator`` a user with the role Manager on the partition ``bigip_sm`` and on nothing else.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bigip_sm.bigip.connection import DEFAULT_PATIENCE, Patience
from bigip_sm.bigip.icontrol import IControl
from bigip_sm.bigip.session import Session
from bigip_sm.errors import AuthenticationFailed
from bigip_sm.spec.forms import Form
from bigip_sm.spec.load import load_model
from bigip_sm.spec.scalars import Model

MAX_SECRET = 4096
"""Longest file with a password, bytes."""

_ADDRESS = r"^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(:[1-9][0-9]{0,4})?$"


def _reachable(address: str) -> str:
    """What the pattern cannot tell: the port is one, and in brackets is an IPv6 address."""
    host, _, port = address.rpartition(":") if re.search(r":\d+$", address) else (address, "", "443")
    if int(port) > 65535:
        raise ValueError(f"{port} is not a port; write a number from 1 to 65535")
    if host.startswith("["):
        try:
            IPv6Address(host.strip("[]"))
        except ValueError:
            raise ValueError(f"{host} is not an IPv6 address; write one such as [2001:db8::1]") from None
    return address


DeviceName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"),
    Form("a device name", "1 to 64 letters, digits, _, . and -", "bigip-a"),
]
Address = Annotated[
    str,
    Field(pattern=_ADDRESS),
    AfterValidator(_reachable),
    Form("a management address", "host or host:port, an IPv6 address in brackets", "10.0.0.1:443"),
]
User = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.@\\-]{1,64}$"),
    Form("a user name", "1 to 64 letters, digits, _, ., @, \\ and -", "bigip-sm-rotator"),
]
Variable = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"),
    Form("the name of an environment variable", "letters, digits and _", "BIGIP_PASSWORD"),
]
Kind = Literal["administrator", "rotator"]


class SecretRef(Model):
    """Where a password is: in an environment variable, or in a file that only its owner may read."""

    env: Variable | None = Field(default=None, description="Environment variable that holds the password")
    file: str | None = Field(
        default=None, min_length=1, max_length=4096, description="File that holds it, relative to the inventory"
    )

    @model_validator(mode="after")
    def _one(self) -> SecretRef:
        if (self.env is None) == (self.file is None):
            raise ValueError("a password is in one place; write either {env: NAME} or {file: PATH}")
        return self


class LoginModel(Model):
    """A user of the device and where its password is."""

    user: User
    password: SecretRef = Field(repr=False, description="{env: NAME} or {file: PATH}, never the password itself")


class DeviceModel(Model):
    """One BIG-IP, or one unit of a pair."""

    address: Address = Field(description="Management address: host[:port], IPv6 in brackets")
    ca: str | None = Field(default=None, description="PEM file with the CA of the device's certificate")
    administrator: LoginModel = Field(description="Who applies: a user with the role Administrator")
    rotator: LoginModel = Field(description="Who rotates: a user with the role Manager on partition bigip_sm")


class SyncGroupModel(Model):
    """A device group whose config sync covers the partition bigip_sm, because its folder cannot be taken out of it."""

    sync: Literal["auto", "manual"] = Field(
        description="auto: one member is written and the device group brings it to the others; manual: each is written"
    )
    members: tuple[DeviceName, ...] = Field(min_length=2, description="Its devices, by their names under devices")


class InventoryModel(Model):
    """The whole of devices.yaml."""

    version: Literal[1]
    devices: dict[DeviceName, DeviceModel] = Field(min_length=1)
    sync_groups: dict[DeviceName, SyncGroupModel] = Field(
        default_factory=dict, description="Device groups that cannot do without config sync of the credentials"
    )

    @model_validator(mode="after")
    def _known_members(self) -> InventoryModel:
        seen: dict[str, str] = {}
        for name, group in self.sync_groups.items():
            for member in group.members:
                if member not in self.devices:
                    raise ValueError(f"sync_groups.{name} names {member}, which is no device; name one under devices")
                if member in seen:
                    raise ValueError(
                        f"{member} is in sync group {name} and in {seen[member]}; name it once, in one of them"
                    )
                seen[member] = name
            if name in self.devices:
                raise ValueError(f"sync group {name} is named like a device; choose another name")
        return self


@dataclass(frozen=True)
class Login:
    """A user, and the place of the password: relative file names are relative to ``folder``."""

    user: str
    password: SecretRef
    folder: Path

    def read_password(self, device: str, environment: Mapping[str, str] | None = None) -> str:
        """The password. Raises AuthenticationFailed, which never carries it, if it cannot be had."""
        if self.password.env is not None:
            found = (os.environ if environment is None else environment).get(self.password.env, "")
            if not found:
                raise AuthenticationFailed(
                    device, f"environment variable {self.password.env}, the password of {self.user}, is not set"
                )
            return found
        try:
            return _read_secret(self.folder / str(self.password.file))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise AuthenticationFailed(
                device, f"file {self.password.file}, the password of {self.user}: {reason}"
            ) from None


@dataclass(frozen=True)
class DeviceEntry:
    """A device of the inventory. ``address`` is ``host[:port]``; ``ca`` None means the system's store."""

    name: str
    address: str
    ca: Path | None
    administrator: Login
    rotator: Login

    def session(self, who: Kind, *, patience: Patience = DEFAULT_PATIENCE, deadline: float | None = None) -> Session:
        """A session as that user; nothing is sent yet. Raises DeviceError if password or CA cannot be read."""
        login = self.administrator if who == "administrator" else self.rotator
        password = login.read_password(self.name)
        return Session(self.name, self.address, login.user, password, ca=self.ca, patience=patience, deadline=deadline)

    def connect(self, who: Kind, *, patience: Patience = DEFAULT_PATIENCE, deadline: float | None = None) -> IControl:
        """A device client as that user; see ``session``."""
        return IControl(self.session(who, patience=patience, deadline=deadline))


@dataclass(frozen=True)
class SyncGroup:
    """Devices whose partition ``bigip_sm`` is config-synced: ``auto`` by the device group, ``manual`` by people."""

    name: str
    sync: Literal["auto", "manual"]
    members: tuple[str, ...]


@dataclass(frozen=True)
class Inventory:
    """The devices of an inventory file, in the order in which they are written, and their sync groups if any."""

    devices: tuple[DeviceEntry, ...] = field(default=())
    sync_groups: tuple[SyncGroup, ...] = field(default=())


def load_inventory(path: Path, text: str | None = None) -> Inventory:
    """Read an inventory file (or ``text`` in its place). Raises SpecError with every problem, OSError."""
    model = load_model(InventoryModel, path, text)
    folder = path.parent
    return Inventory(
        tuple(
            DeviceEntry(
                name,
                device.address,
                folder / device.ca if device.ca is not None else None,
                Login(device.administrator.user, device.administrator.password, folder),
                Login(device.rotator.user, device.rotator.password, folder),
            )
            for name, device in model.devices.items()
        ),
        tuple(SyncGroup(name, group.sync, group.members) for name, group in model.sync_groups.items()),
    )


def _read_secret(path: Path) -> str:
    """The text of a file without its final newline. Raises OSError, or ValueError with the reason."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError("is not a regular file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ValueError("others may read or change it; only its owner should: chmod 600")
        content = file.read(MAX_SECRET + 1)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(content) > MAX_SECRET or "\n" in text:
        raise ValueError(f"should hold one line of at most {MAX_SECRET} bytes")
    return text
