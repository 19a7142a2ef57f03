"""What the tests of the emulated AWS share: requests signed by botocore, as they would arrive."""

from __future__ import annotations

import calendar
import dataclasses
import time
from collections.abc import Sequence

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.lab.aws.sessions import Session
from bigip_sm.lab.http import Request

REGION = "us-east-1"
HOST = "runtime.sagemaker.us-east-1.amazonaws.com"
PATH = "/endpoints/churn-v7/invocations"
ROLE = "arn:aws:iam::123456789012:role/bigip-classifier"


def sign(
    session: SessionCredentials | Session,
    *,
    target: str = PATH,
    headers: Sequence[tuple[str, str]] = (("Content-Type", "application/json"),),
    body: bytes = b'{"a": 1}',
    host: str = HOST,
    service: str = "sagemaker",
    region: str = REGION,
    presign: int | None = None,
) -> Request:
    """A request signed by botocore now, in the Authorization header or, with ``presign`` seconds, in the query."""
    request = AWSRequest("POST", f"https://{host}{target}", data=body)
    for name, value in [("Host", host), *headers]:
        request.headers[name] = value
    credentials = Credentials(session.access_key_id, session.secret_access_key, session.session_token)
    if presign is None:
        SigV4Auth(credentials, service, region).add_auth(request)
    else:  # a presigned request has no body here, botocore would move it into the query
        SigV4QueryAuth(credentials, service, region, expires=presign).add_auth(request)
    wire = str(request.url).removeprefix(f"https://{host}")
    fields = [(name.encode(), str(value).encode("latin-1")) for name, value in request.headers.items()]
    return Request("POST", wire.encode("ascii"), fields, body, host, ("127.0.0.1", 1))


def signed_at(request: Request) -> float:
    """The time of the X-Amz-Date header in epoch seconds."""
    return calendar.timegm(time.strptime(request.header("x-amz-date") or "", "%Y%m%dT%H%M%SZ"))


def with_header(request: Request, name: str, value: str | None, *, add: bool = False) -> Request:
    """The request with the header replaced, removed (None), or with ``add`` there once more."""
    kept = [field for field in request.headers if add or field[0].lower() != name.lower().encode()]
    new = [] if value is None else [(name.encode(), value.encode("latin-1"))]
    return dataclasses.replace(request, headers=kept + new)


def edited(request: Request, name: str, old: str, new: str) -> Request:
    """The request with ``old`` replaced in one header, which must hold it."""
    value = request.header(name)
    assert value is not None
    assert old in value
    return with_header(request, name, value.replace(old, new, 1))
