"""A secret in AWS Secrets Manager that holds an STS session as JSON.

The keys are those of the credentials that STS returns: ``AccessKeyId``, ``SecretAccessKey``, ``SessionToken`` and
``Expiration`` (ISO 8601 with a time zone). Others are ignored. The value is never part of an error.
"""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.errors import SourceError
from rotator.sources.clients import client, explained

_KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.]\d{1,9})?(Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True)
class SecretsManager:
    """Reads the current version of ``secret`` in ``region`` for ``role``. ``clock`` gives epoch seconds."""

    role: str
    secret: str
    region: str
    clock: Callable[[], float] = time.time

    def fetch(self) -> SessionCredentials:
        """The session in the secret. It was issued when that version of the secret was made. Raises SourceError."""
        where = f"secret {self.secret} in {self.region}"
        with explained(self.role, where):
            # The stage is asked for by name: without it, what is returned is not the same everywhere.
            answer = client("secretsmanager", self.region).get_secret_value(
                SecretId=self.secret, VersionStage="AWSCURRENT"
            )
        try:
            return parse_session(answer.get("SecretString"), _timestamp(answer.get("CreatedDate")), self.clock())
        except ValueError as error:
            raise SourceError(f"role {self.role}: {where}: {error}") from None


def parse_session(text: str | None, created: float, now: float) -> SessionCredentials:
    """The session in a secret's text; ``created`` and ``now`` are epoch seconds. Raises ValueError with the reason."""
    if text is None:
        raise ValueError(f"the secret is binary; it should be JSON with {', '.join(_KEYS)}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"the secret is not JSON; it should be an object with {', '.join(_KEYS)}") from None
    if not isinstance(document, dict):
        raise ValueError(f"the secret is not a JSON object; it should have {', '.join(_KEYS)}")
    access_key_id = _text(document, "AccessKeyId")
    if access_key_id.startswith("AKIA"):
        raise ValueError("it holds a long-lived access key (AKIA...); only STS sessions (ASIA...) are taken")
    session = SessionCredentials(
        access_key_id,
        _text(document, "SecretAccessKey"),
        _text(document, "SessionToken"),
        _expiration(_text(document, "Expiration")),
        created,
    )
    if session.expiration <= now:
        raise ValueError(f"its session expired {now - session.expiration:.0f} s ago; whoever fills the secret is late")
    return session


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is missing; the secret should have {', '.join(_KEYS)}")
    if not value.isprintable() or not value.isascii() or "|" in value:
        raise ValueError(f"{key} has a character that no AWS credential has")
    return value


def _expiration(text: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("Expiration is not a time such as 2026-11-21T10:00:00Z (ISO 8601 with a time zone)")
    try:
        zone = match[2].replace("Z", "+0000").replace(":", "")
        return datetime.datetime.strptime(match[1].replace(" ", "T") + zone, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (ValueError, OverflowError):
        raise ValueError("Expiration is not a time that exists") from None


def _timestamp(moment: Any) -> float:
    if not isinstance(moment, datetime.datetime):
        raise ValueError("Secrets Manager does not say when this version was made (CreatedDate)")
    return moment.timestamp()
