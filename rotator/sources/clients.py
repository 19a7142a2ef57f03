"""boto3 clients as the rotator wants them: regional, with time-outs, few retries, and no secret in an error.

Endpoint URLs, the CA bundle, proxies and, unless they are given, credentials come from the standard ``AWS_*``
environment and files. boto3 is imported here only, when a client is made: it costs a third of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.bigip.text import one_line
from bigip_sm.errors import SourceError
from rotator.clocks import note_aws

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 20
ATTEMPTS = 3


def aws_session(region: str, profile: str | None = None) -> Any:
    """A boto3 session, of a profile if one is named. Raises botocore's ProfileNotFound."""
    import boto3
    import botocore.session

    session = botocore.session.Session(profile=profile)
    # Older botocore sends STS to its global endpoint by default; regional ones are nearer and have their own limits.
    session.set_config_variable("sts_regional_endpoints", "regional")
    return boto3.session.Session(botocore_session=session, region_name=region)


def client(
    role: str,
    service: str,
    region: str,
    *,
    session: Any = None,
    credentials: SessionCredentials | None = None,
    unsigned: bool = False,
) -> Any:
    """A boto3 client: of ``session`` (default: a new one), signing with ``credentials`` or not at all if so told.

    ``role`` is named in errors. Raises SourceError if the configured endpoint is not HTTPS (but for this machine).
    """
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra="bigip-sm-rotator",
        signature_version=UNSIGNED if unsigned else None,
    )
    given: dict[str, str] = {}
    if credentials is not None:
        given = {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }
    made: Any = (session or aws_session(region)).client(service, region_name=region, config=config, **given)
    url = str(made.meta.endpoint_url)
    if not _safe(url):
        raise SourceError(
            f"role {role}: {service} endpoint {url} is not https: secrets would cross the network in clear"
        )
    made.meta.events.register("after-call", note_aws)
    return made


@contextmanager
def explained(role: str, doing: str) -> Iterator[None]:
    """Turn whatever AWS's libraries raise in the block into a SourceError of one line."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except SourceError:
        raise
    except NoCredentialsError:
        cure = "set AWS_PROFILE or the AWS_* variables, under systemd in its environment file"
        raise SourceError(f"role {role}: {doing}: this process has no AWS credentials of its own; {cure}") from None
    except ClientError as error:
        told = error.response.get("Error", {})
        reason = f"{told.get('Code', 'Unknown')}: {told.get('Message', 'no message')}"
        raise SourceError(one_line(f"role {role}: {doing}: {reason}")) from None
    except BotoCoreError as error:
        raise SourceError(one_line(f"role {role}: {doing}: {error}")) from None
    except Exception as error:
        # Its text is not shown: botocore quotes the answers that it cannot parse, and there may be a secret in them.
        raise SourceError(f"role {role}: {doing}: the answer cannot be used ({type(error).__name__})") from None


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
