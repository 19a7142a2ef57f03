"""Whom the emulated AWS knows: sessions of roles, and the access keys of users."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bigip_sm.aws.credentials import SessionCredentials

_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True)
class Session:
    """An access key as AWS knows it; a user's own has neither token nor ``expiration`` (epoch seconds).

    ``source_identity`` and ``transitive_tags`` are what sessions inherit that are made with this one.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    principal: str  # ARN of the role or the user
    session_token: str | None = field(default=None, repr=False)
    expiration: float | None = None
    source_identity: str | None = None
    transitive_tags: frozenset[str] = frozenset()  # keys in lower case

    def expired(self, now: float) -> bool:
        """Whether the session is over at ``now`` (epoch seconds)."""
        return self.expiration is not None and now >= self.expiration


class SessionStore:
    """Access key id -> session. ``clock`` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        """Make a session known, whoever made it; the same access key id again replaces it."""
        self._sessions[session.access_key_id] = session

    def find(self, access_key_id: str) -> Session | None:
        """The session of that access key id, expired or not; None if there is none."""
        return self._sessions.get(access_key_id)

    def all(self) -> tuple[Session, ...]:
        """Every session and access key that was ever made known."""
        return tuple(self._sessions.values())

    def issue(self, role_arn: str, duration: float) -> SessionCredentials:
        """Make a session of the role that lives ``duration`` seconds from now, as STS would."""
        now = self._clock()
        credentials = SessionCredentials(
            access_key_id=_key_id("ASIA"),
            secret_access_key=_random_base64(30),
            session_token="IQoJb3JpZ2luX2Vj" + _random_base64(400),
            expiration=now + duration,
            issued_at=now,
        )
        self.add(
            Session(
                credentials.access_key_id,
                credentials.secret_access_key,
                role_arn,
                credentials.session_token,
                credentials.expiration,
            )
        )
        return credentials

    def add_user(self, user_arn: str) -> Session:
        """Make a long-lived access key for an IAM user."""
        session = Session(_key_id("AKIA"), _random_base64(30), user_arn)
        self.add(session)
        return session

    def expire(self, access_key_id: str) -> None:
        """End a session now. Unknown ones are ignored."""
        session = self._sessions.get(access_key_id)
        if session is not None:
            self._sessions[access_key_id] = replace(session, expiration=self._clock())


def _key_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))


def _random_base64(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode("ascii")
