"""STS AssumeRole, limited by a session policy to what the gateway needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.errors import SourceError
from rotator.sources.clients import client, explained


@dataclass(frozen=True)
class Sts:
    """Assumes ``arn`` at the STS endpoint of ``region`` for ``duration`` seconds. ``clock`` gives epoch seconds."""

    role: str
    arn: str
    region: str
    session_name: str
    duration: int
    external_id: str | None = field(default=None, repr=False)
    policy: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = time.time

    def fetch(self) -> SessionCredentials:
        """A new session. Its issue time is its end less its duration, by AWS's clock. Raises SourceError."""
        request: dict[str, Any] = {
            "RoleArn": self.arn,
            "RoleSessionName": self.session_name,
            "DurationSeconds": self.duration,
        }
        if self.external_id is not None:
            request["ExternalId"] = self.external_id
        if self.policy is not None:
            request["Policy"] = self.policy
        with explained(self.role, f"AssumeRole of {self.arn} in {self.region}"):
            found = client("sts", self.region).assume_role(**request)["Credentials"]
        expiration = found["Expiration"].timestamp()
        if expiration <= self.clock():
            raise SourceError(
                f"role {self.role}: AssumeRole returned a session that is over already; is this machine's clock right?"
            )
        return SessionCredentials(
            found["AccessKeyId"],
            found["SecretAccessKey"],
            found["SessionToken"],
            expiration,
            expiration - self.duration,
        )
