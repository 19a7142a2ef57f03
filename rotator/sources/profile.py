"""What AWS SDKs find by themselves: a profile, the environment, a container or an instance.

A session of the role is used as it is. With everything else (a long-lived access key, another role's session, a session
that does not tell its end) the role is assumed, so what goes to a BIG-IP is a session of the role in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.errors import SourceError
from bigip_sm.spec.sources import ProfileSource
from rotator import clocks
from rotator.sources.clients import aws_session, client, explained
from rotator.sources.sessions import assumed, checked, issue_time, resolved
from rotator.sources.sts import assume_request, limits

LONGEST = 43200
"""Longest session of any kind, seconds."""


@dataclass
class Profile:
    """Credentials of ``settings.profile``, or those that the SDK finds. ``clock`` gives epoch seconds.

    A session that was found only tells its end: it counts as issued when it was first seen.
    """

    role: str
    arn: str
    region: str
    settings: ProfileSource
    policy: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = clocks.now
    _session: Any = field(default=None, init=False, repr=False)
    _first_seen: tuple[str, float] = field(default=("", 0.0), init=False, repr=False)

    polled: ClassVar[bool] = False

    def fetch(self) -> SessionCredentials:
        """The session that was found if it is one of the role, else a new one. Raises SourceError."""
        try:
            return self._fetch()
        except SourceError:
            self._session = None  # the next one reads anew what files and environment say
            raise

    def _fetch(self) -> SessionCredentials:
        whose = f"profile {self.settings.profile}" if self.settings.profile else "the credentials that AWS SDKs find"
        with explained(self.role, f"{whose} in {self.region}"):
            if self._session is None:  # kept, since it refreshes what it found by itself
                self._session = aws_session(self.region, self.settings.profile)
            credentials = self._session.get_credentials()
            if credentials is None:
                raise SourceError(
                    f"role {self.role}: {whose}: there are none; set AWS_PROFILE or the AWS_* variables, "
                    "or name a profile in the source"
                )
            sts = client(self.role, "sts", self.region, session=self._session)
            access_key_id, secret, token, end = resolved(credentials)
            if token and end is not None and is_session_of(sts.get_caller_identity().get("Arn", ""), self.arn):
                return self._found(SessionCredentials(access_key_id, secret, token, end, 0.0))
        with explained(self.role, f"AssumeRole of {self.arn} in {self.region} with {whose}"):
            request = assume_request(self.arn, self.settings.session_name, self.settings.duration)
            answer = sts.assume_role(**request, **limits(self.policy, self.settings.policy_arns))
        return assumed(self.role, answer, self.settings.duration, self.clock())

    def _found(self, session: SessionCredentials) -> SessionCredentials:
        if self._first_seen[0] != session.access_key_id:
            self._first_seen = (session.access_key_id, issue_time(session.expiration, LONGEST, self.clock()))
        known = SessionCredentials(
            session.access_key_id,
            session.secret_access_key,
            session.session_token,
            session.expiration,
            self._first_seen[1],
        )
        return checked(self.role, known, self.clock())


def is_session_of(caller: str, role_arn: str) -> bool:
    """Whether ``caller``, an ARN as GetCallerIdentity tells it, is a session of the role.

    ``arn:aws:sts::123456789012:assumed-role/NAME/SESSION``: the path of the role is not in it, and names are unique
    in an account whatever their path.
    """
    _, partition, _, _, account, role = role_arn.split(":", 5)
    name = role.rpartition("/")[2]
    return caller.startswith(f"arn:{partition}:sts::{account}:assumed-role/{name}/")
