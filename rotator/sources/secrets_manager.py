"""A secret in AWS Secrets Manager that holds an STS session as JSON.

The keys are those of the credentials that STS returns: ``AccessKeyId``, ``SecretAccessKey``, ``SessionToken`` and
``Expiration`` (ISO 8601 with a time zone). Others are ignored. The value is never part of an error.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.errors import SourceError
from rotator import clocks
from rotator.sources.clients import client, explained

_KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.]\d{1,9})?(Z|[+-]\d\d:?\d\d)")


@dataclass
class SecretsManager:
    """Reads the current version of ``secret`` in ``region`` for ``role``. ``clock`` gives epoch seconds.

    The value is read when the current version is another one than last time; until then only its id is asked for, which
    is cheap and leaves the value where it is.
    """

    role: str
    secret: str
    region: str
    clock: Callable[[], float] = clocks.now
    _client: Any = field(default=None, init=False, repr=False)
    _version: str = field(default="", init=False, repr=False)
    _found: SessionCredentials | str = field(default="", init=False, repr=False)

    polled: ClassVar[bool] = True

    def fetch(self) -> SessionCredentials:
        """The session in the secret. It was issued when that version of the secret was made. Raises SourceError."""
        where = f"secret {self.secret} in {self.region}"
        try:
            with explained(self.role, where):
                if self._client is None:
                    self._client = client(self.role, "secretsmanager", self.region)
                if not (self._version and self._is_current()):
                    self._read()
        except SourceError:
            self._client = None  # the next one reads anew what the environment says about credentials and endpoints
            raise
        if isinstance(self._found, str):
            raise SourceError(f"role {self.role}: {where}: {self._found}")
        late = self.clock() - self._found.expiration
        if late >= 0:
            raise SourceError(
                f"role {self.role}: {where}: its session expired {late:.0f} s ago; whoever fills the secret is late"
            )
        return self._found

    def _is_current(self) -> bool:
        """Whether the version that was read is still the current one."""
        stages = self._client.describe_secret(SecretId=self.secret).get("VersionIdsToStages") or {}
        return "AWSCURRENT" in stages.get(self._version, ())

    def _read(self) -> None:
        """Read the current version: a session, or why it is none."""
        # The stage is asked for by name: without it, what is returned is not the same everywhere.
        answer = self._client.get_secret_value(SecretId=self.secret, VersionStage="AWSCURRENT")
        try:
            self._found = parse_session(answer.get("SecretString"), _timestamp(answer.get("CreatedDate")))
        except ValueError as error:
            self._found = str(error)
        self._version = str(answer.get("VersionId", ""))


def parse_session(text: str | None, created: float) -> SessionCredentials:
    """The session in a secret's text, made at ``created`` (epoch seconds). Raises ValueError with the reason."""
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
    if not access_key_id.startswith("ASIA"):
        raise ValueError("AccessKeyId is not that of an STS session (ASIA...)")
    return SessionCredentials(
        access_key_id,
        _text(document, "SecretAccessKey"),
        _text(document, "SessionToken"),
        _expiration(_text(document, "Expiration")),
        created,
    )


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
