"""Assume the role, see that the session works, and only then make it the secret's current version.

Configuration is by environment variables, see ``Settings``. A failure raises WriterError, so that Lambda counts it and
tries again; the version that is current stays so.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # Lambda's own level would hide the result

LONGEST = 3600
"""Longest session, seconds: the function has a role's session itself, so this is role chaining (IAM User Guide)."""

PAUSE = 600
"""AWS asks for no more than one new version of a secret in this many seconds (Secrets Manager, PutSecretValue)."""

PROOFS = 5
"""How often a new session is tried: IAM takes some seconds to know it everywhere."""

_TOKEN = re.compile(r"[A-Za-z0-9-]{32,64}")


class WriterError(Exception):
    """The secret was not written. Not in the project's tree of errors, since the function is deployed alone."""


@dataclass(frozen=True)
class Settings:
    """What the environment variables of the same names, in capitals, say. Those with a default may be left out.

    ``duration`` is seconds, 900 to 3600. ``session_policy`` is a policy in JSON that limits the session.
    """

    role_arn: str
    secret_id: str
    session_name: str = "bigip-sm-writer"
    duration: int = LONGEST
    external_id: str | None = field(default=None, repr=False)
    source_identity: str | None = None
    session_policy: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings in ``environment``. Raises WriterError."""
        found = {name: environment[name.upper()] for name in cls.__dataclass_fields__ if environment.get(name.upper())}
        for name in ("role_arn", "secret_id"):
            if name not in found:
                raise WriterError(f"environment variable {name.upper()} is not set")
        seconds = found.pop("duration", str(LONGEST))
        if not re.fullmatch("[0-9]{3,4}", seconds) or not 900 <= int(seconds) <= LONGEST:
            raise WriterError(f"DURATION is 900 to {LONGEST} seconds: the function's own session is a role's already")
        return cls(duration=int(seconds), **found)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """What Lambda calls. ``event`` is EventBridge's; ``{"force": true}`` writes although the last version is young.

    Returns what was done: ``result`` is ``written``, ``written before`` (a repeated event) or ``kept``. Raises
    WriterError, which carries no secret.
    """
    given = event if isinstance(event, dict) else {}
    # An event that Lambda delivers again has the same id, so it makes the same version.
    token = given.get("id") if isinstance(given.get("id"), str) and _TOKEN.fullmatch(given["id"]) else None
    result = write(Settings.read(os.environ), token or str(uuid.uuid4()), force=given.get("force") is True)
    logger.info("%s", json.dumps(result))
    return result


def write(
    settings: Settings,
    token: str,
    *,
    force: bool = False,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Put a new session into the secret as the version ``token``. Raises WriterError; the secret is unchanged then."""
    with _explained(f"secret {settings.secret_id}"):
        secrets = _client("secretsmanager")
        known = secrets.describe_secret(SecretId=settings.secret_id)
        stages = known.get("VersionIdsToStages") or {}
        if token in stages:
            return {"result": "written before", "version": token}
        age = clock() - known["LastChangedDate"].timestamp() if "LastChangedDate" in known else float("inf")
        if any("AWSCURRENT" in one for one in stages.values()) and age < PAUSE and not force:
            return {"result": "kept", "reason": f"the secret was changed {age:.0f} s ago; AWS asks for {PAUSE} between"}
    with _explained(f"AssumeRole of {settings.role_arn}"):
        session = _assume(settings)
    with _explained(f"the new session of {settings.role_arn}"):
        _prove(session, settings.role_arn, pause)
    with _explained(f"secret {settings.secret_id}"):
        value = json.dumps({**session, "RoleArn": settings.role_arn, "Region": os.environ.get("AWS_REGION", "")})
        try:
            # Without stages, the new version becomes AWSCURRENT and the old one AWSPREVIOUS in one step.
            put = secrets.put_secret_value(SecretId=settings.secret_id, ClientRequestToken=token, SecretString=value)
        except secrets.exceptions.ResourceExistsException:
            return {"result": "written before", "version": token}
        return {"result": "written", "version": put["VersionId"], "expires": session["Expiration"]}


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Turn whatever boto3 raises in the block into a WriterError of one line, without a secret."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except WriterError:
        raise
    except ClientError as error:
        told = error.response.get("Error", {})
        raise WriterError(f"{doing}: {told.get('Code', 'Unknown')}: {told.get('Message', 'no message')}") from None
    except BotoCoreError as error:
        raise WriterError(f"{doing}: {error}") from None
    except Exception as error:
        # Its text is not shown: botocore quotes the answers that it cannot parse.
        raise WriterError(f"{doing}: the answer cannot be used ({type(error).__name__})") from None


def _assume(settings: Settings) -> dict[str, str]:
    """A new session, as the JSON of the secret has it."""
    request: dict[str, Any] = {
        "RoleArn": settings.role_arn,
        "RoleSessionName": settings.session_name,
        "DurationSeconds": settings.duration,
    }
    for parameter, value in (
        ("ExternalId", settings.external_id),
        ("SourceIdentity", settings.source_identity),
        ("Policy", settings.session_policy),
    ):
        if value is not None:
            request[parameter] = value
    found = _client("sts").assume_role(**request)["Credentials"]
    session = {key: str(found[key]) for key in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    return {**session, "Expiration": found["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")}


def _prove(session: Mapping[str, str], role_arn: str, pause: Callable[[float], None]) -> None:
    """Use the session once, for what needs no permission. Raises WriterError, or what boto3 raises the last time."""
    from botocore.exceptions import ClientError

    sts = _client(
        "sts",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    for attempt in range(1, PROOFS + 1):
        try:
            caller = sts.get_caller_identity()["Arn"]
            break
        except ClientError:
            if attempt == PROOFS:
                raise
            pause(1.0)
    name = role_arn.rpartition("/")[2]
    if f":assumed-role/{name}/" not in caller:
        raise WriterError(f"the new session is not one of {role_arn}")


def _client(service: str, **credentials: str) -> Any:
    """A boto3 client in the function's own region."""
    import boto3
    import botocore.session
    from botocore.config import Config

    session = botocore.session.Session()
    session.set_config_variable("sts_regional_endpoints", "regional")
    regional: Any = boto3.session.Session(botocore_session=session)
    retries: Any = {"mode": "standard", "total_max_attempts": 3}
    return regional.client(service, config=Config(connect_timeout=5, read_timeout=10, retries=retries), **credentials)
