"""STS AssumeRole, through a chain of roles if there is one, limited by a session policy to what the gateway needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.spec.sources import StsSource
from rotator import clocks
from rotator.sources.clients import client, explained
from rotator.sources.sessions import SHORTEST, assumed


@dataclass(frozen=True)
class Sts:
    """Assumes ``arn`` at the STS endpoint of ``region`` as ``settings`` say. ``clock`` gives epoch seconds."""

    role: str
    arn: str
    region: str
    settings: StsSource = field(repr=False)
    policy: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = clocks.now

    polled: ClassVar[bool] = False

    def fetch(self) -> SessionCredentials:
        """A new session. Raises SourceError."""
        session: SessionCredentials | None = None
        for index, arn in enumerate((*self.settings.chain, self.arn)):
            request = self._request(arn, first=index == 0, last=index == len(self.settings.chain))
            with explained(self.role, f"AssumeRole of {arn} in {self.region}"):
                answer = client(self.role, "sts", self.region, credentials=session).assume_role(**request)
            session = assumed(self.role, answer, request["DurationSeconds"], self.clock())
        assert session is not None  # noqa: S101 - the loop runs at least once
        return session

    def _request(self, arn: str, *, first: bool, last: bool) -> dict[str, Any]:
        """The parameters of one AssumeRole.

        Source identity and transitive tags are set once: sessions further down inherit them and may not set them
        again (IAM User Guide, "Monitor and control actions taken with assumed roles" and "Passing session tags").
        """
        settings = self.settings
        # A session on the way is used at once, so it is as short as AWS makes them.
        request = assume_request(arn, settings.session_name, settings.duration if last else SHORTEST)
        tags = {
            key: value for key, value in settings.tags.items() if (first if key in settings.transitive_tags else last)
        }
        if tags:
            request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        if first and settings.source_identity is not None:
            request["SourceIdentity"] = settings.source_identity
        if first and settings.transitive_tags:
            request["TransitiveTagKeys"] = list(settings.transitive_tags)
        if last:
            if settings.external_id is not None:
                request["ExternalId"] = settings.external_id
            request |= limits(self.policy, settings.policy_arns)
        return request


def assume_request(arn: str, session_name: str, duration: int) -> dict[str, Any]:
    """What every kind of AssumeRole is asked with; ``duration`` is seconds."""
    return {"RoleArn": arn, "RoleSessionName": session_name, "DurationSeconds": duration}


def limits(policy: str | None, arns: tuple[str, ...]) -> dict[str, Any]:
    """The parameters that limit a session: an inline policy and managed ones."""
    found: dict[str, Any] = {}
    if policy is not None:
        found["Policy"] = policy
    if arns:
        found["PolicyArns"] = [{"arn": arn} for arn in arns]
    return found
