"""From what AWS answers to the session that the rest works with, and what is refused on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.errors import SourceError

SHORTEST = 900
"""Shortest session that AWS makes, seconds (STS API reference, ``DurationSeconds``)."""


def assumed(role: str, answer: Mapping[str, Any], duration: int, now: float) -> SessionCredentials:
    """The session in an answer of STS. Issue time: its end less ``duration``, so by AWS's clock, in seconds.

    Raises SourceError if there is none, or if it is over at ``now`` (epoch seconds).
    """
    try:
        found = answer["Credentials"]
        end = found["Expiration"].timestamp()
        session = SessionCredentials(
            found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], end, issued_at=end - duration
        )
    except (KeyError, TypeError, AttributeError):
        raise SourceError(f"role {role}: the answer of STS holds no session") from None
    return checked(role, session, now)


def checked(role: str, session: SessionCredentials, now: float) -> SessionCredentials:
    """``session`` if it is one and not over. Raises SourceError."""
    if not session.session_token or not session.access_key_id.startswith("ASIA"):
        raise SourceError(f"role {role}: what AWS gave is not a session (ASIA... with a token); it is not used")
    if session.expiration <= now:
        raise SourceError(
            f"role {role}: AWS gave a session that is over already; is this machine's clock right? "
            f"(it ended {now - session.expiration:.0f} s ago)"
        )
    return session


def issue_time(expiration: float, longest: float, now: float) -> float:
    """When a session was issued that only tells its end: ``now``, if sessions of 900 to ``longest`` seconds allow it.

    Epoch seconds. A wrong clock of this machine cannot move it out of what AWS can have done.
    """
    return min(max(now, expiration - longest), expiration - SHORTEST)


def resolved(credentials: Any) -> tuple[str, str, str, float | None]:
    """(access key id, secret key, session token or "", end in epoch seconds if it has one) of botocore credentials."""
    frozen = credentials.get_frozen_credentials()
    # botocore has no public name for it. Without one, the session counts as one whose end nobody knows.
    end = getattr(credentials, "_expiry_time", None)
    return frozen.access_key, frozen.secret_key, frozen.token or "", end.timestamp() if end is not None else None
