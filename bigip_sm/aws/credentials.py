"""The session that everything else is derived from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SessionCredentials:
    """One STS session. ``expiration`` and ``issued_at`` are epoch seconds; the secrets stay out of the repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: float
    issued_at: float
