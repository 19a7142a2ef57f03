"""boto3 clients as the rotator wants them: regional, with time-outs, few retries, and no secret in an error.

Credentials and everything else come from the standard ``AWS_*`` environment and files, endpoint URLs and the CA bundle
included. boto3 is imported here only, when a client is made: it costs a third of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from bigip_sm.bigip.text import one_line
from bigip_sm.errors import SourceError

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 20
ATTEMPTS = 3


def client(service: str, region: str) -> Any:
    """A boto3 client. Raises SourceError if the configured endpoint is not HTTPS (but for this machine itself)."""
    import boto3
    import botocore.session
    from botocore.config import Config

    session = botocore.session.Session()
    # Older botocore sends STS to its global endpoint by default; regional ones are nearer and have their own limits.
    session.set_config_variable("sts_regional_endpoints", "regional")
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra="bigip-sm-rotator",
    )
    regional: Any = boto3.session.Session(botocore_session=session, region_name=region)
    made = regional.client(service, config=config)
    url = str(made.meta.endpoint_url)
    if not _safe(url):
        raise SourceError(f"{service} endpoint {url} is not https: secrets would cross the network in clear")
    return made


@contextmanager
def explained(role: str, doing: str) -> Iterator[None]:
    """Turn whatever botocore raises in the block into a SourceError of one line."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        reason = f"{told.get('Code', 'Unknown')}: {told.get('Message', 'no message')}"
        raise SourceError(one_line(f"role {role}: {doing}: {reason}")) from None
    except BotoCoreError as error:
        raise SourceError(one_line(f"role {role}: {doing}: {error}")) from None


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
