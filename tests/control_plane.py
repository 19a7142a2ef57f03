"""An emulated BIG-IP for synchronous clients: its control plane, served from the background loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from background_loop import BackgroundLoop

from bigip_sm.bigip.connection import Patience
from bigip_sm.bigip.icontrol import IControl
from bigip_sm.bigip.inventory import DeviceEntry, Login, SecretRef
from bigip_sm.bigip.session import Session
from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.device import ControlPlane
from bigip_sm.lab.pki import Authority, server_context

PASSWORDS = {"admin": "administrator-password", "rotator": "rotator-password", "guest": "guest-password"}
QUICK = Patience(connect=2.0, read=5.0, repeats=3, backoff=0.01)


@dataclass
class EmulatedDevice:
    """A running control plane. ``now`` is the device's clock."""

    name: str
    background: BackgroundLoop
    folder: Path
    authority: Authority
    now: Callable[[], float] = time.time
    config: Config = field(default_factory=Config)
    port: int = 0

    def __post_init__(self) -> None:
        accounts = [
            Account("admin", PASSWORDS["admin"], "admin"),
            Account("rotator", PASSWORDS["rotator"], "manager", ("bigip_sm",)),
            Account("guest", PASSWORDS["guest"], "guest"),
        ]
        tls = server_context(self.authority.issue(self.name, hosts=["127.0.0.1"]))
        self.plane = ControlPlane(self.config, accounts=accounts, tls=tls, schema=None, clock=lambda: self.now())
        self.ca = self.folder / "management-ca.pem"
        self.ca.write_text(self.authority.certificate_pem)

    def start(self) -> None:
        """Serve; on the same port as before, if it was served before."""
        self.port = self.background.run(self.plane.start(self.port))

    def stop(self) -> None:
        """Stop serving."""
        self.background.run(self.plane.stop())

    def session(self, user: str) -> Session:
        """A session as one of the users in ``PASSWORDS``."""
        return Session(self.name, f"127.0.0.1:{self.port}", user, PASSWORDS[user], ca=self.ca, patience=QUICK)

    def connect(self, user: str) -> IControl:
        """A device client as one of the users in ``PASSWORDS``."""
        return IControl(self.session(user))

    def entry(self) -> DeviceEntry:
        """The device as the inventory describes it; passwords are in files in ``folder``."""
        logins = []
        for user in ("admin", "rotator"):
            file = self.folder / f"{user}.password"
            file.write_text(PASSWORDS[user])
            file.chmod(0o600)
            logins.append(Login(user, SecretRef(file=file.name), self.folder))
        return DeviceEntry(self.name, f"127.0.0.1:{self.port}", self.ca, *logins)
