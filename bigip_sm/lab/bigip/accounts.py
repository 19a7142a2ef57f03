"""Local user accounts of the emulated BIG-IP and what their role lets them do.

Roles: F5's "BIG-IP Systems: User Account Administration". The lab knows ``admin`` (everything) and ``manager``
(data groups of its partitions); any other role may log in and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

ALL_PARTITIONS = "all-partitions"


@dataclass(frozen=True)
class Account:
    """A local user. ``partitions`` are those the role holds for; ``all-partitions`` means every one."""

    name: str
    password: str = field(repr=False)
    role: str
    partitions: tuple[str, ...] = (ALL_PARTITIONS,)

    @property
    def administrator(self) -> bool:
        """Whether the account may do everything."""
        return self.role == "admin"

    def manages(self, partition: str) -> bool:
        """Whether the account may read and change the objects of ``partition``."""
        if self.administrator:
            return True
        return self.role == "manager" and not {partition, ALL_PARTITIONS}.isdisjoint(self.partitions)


class Accounts:
    """All local users."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._accounts = {account.name: account for account in accounts}

    def check(self, name: str, password: str) -> Account | None:
        """The account, if the password is its own."""
        account = self._accounts.get(name)
        if account is None or not hmac.compare_digest(account.password.encode(), password.encode()):
            return None
        return account

    def basic(self, header: str) -> Account | None:
        """The account of an ``Authorization: Basic`` header, or None."""
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self.check(name, password) if colon else None
