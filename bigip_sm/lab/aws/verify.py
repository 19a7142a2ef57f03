"""Verification of Signature Version 4, as strict as AWS or stricter, and written apart from the code that signs.

Everything is computed anew from the request as it arrived. Both forms are understood: the Authorization header and
the presigned query. Order and wording of the refusals follow AWS's front end (AWS sheet, section 1.5).
"""

from __future__ import annotations

import calendar
import functools
import hashlib
import hmac
import re
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from bigip_sm.lab.aws import canonical, refusal
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.sessions import Session, SessionStore
from bigip_sm.lab.http import Request

WINDOW = 300
"""Seconds that the signer's clock may be off (5 minutes for most services)."""

MAX_PRESIGNED_LIFE = 604800
"""Longest life of a presigned request, in seconds."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_HEADER_FIELDS = ("Credential", "SignedHeaders", "Signature")
_QUERY_FIELDS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
    "Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True)
class Claim:
    """What a request says about its signature. ``date`` to ``terminator`` are the credential scope."""

    access_key_id: str
    date: str
    region: str
    service: str
    terminator: str
    timestamp: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    parameters: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)  # the query without the signature
    expires: int | None = None  # seconds; only presigned requests have it

    @property
    def scope(self) -> str:
        """The credential scope as it is signed."""
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}"


@dataclass(frozen=True)
class Verified:
    """A request that was signed with a key of ``session`` for this service and region."""

    session: Session
    region: str
    service: str


def verify(
    request: Request, sessions: SessionStore, *, now: float, services: Collection[str], regions: Collection[str]
) -> Verified:
    """Verify the signature of a request at ``now`` (epoch seconds); raises Refusal.

    ``services`` and ``regions`` are those that the credential scope may name here.
    """
    claim = read_claim(request)
    check_time(claim, now)
    check_scope(claim, services, regions)
    session = check_session(claim, sessions, now)
    check_signature(claim, session, request)
    return Verified(session, claim.region, claim.service)


def read_claim(request: Request) -> Claim:
    """Read the Authorization header or the presigned query; raises Refusal if there is none, or not just one."""
    path, _, query = request.target.partition(b"?")
    if not path.startswith(b"/"):
        raise Refusal(400, "MalformedHttpRequestException", "The request target is not a path")
    try:
        parameters = canonical.query_parameters(query)
    except canonical.NotCanonical as error:
        raise Refusal(400, "MalformedQueryString", f"The query string holds {error}") from None
    presigned = any(name in (b"X-Amz-Algorithm", b"X-Amz-Signature") for name, _ in parameters)
    authorizations = request.values("authorization")
    if not authorizations and not presigned:
        raise refusal.missing_authentication()
    if len(authorizations) + presigned != 1:
        raise refusal.incomplete("A request is signed once, in the Authorization header or in the query.")
    if presigned:
        return _presigned_claim(request, parameters)
    return _header_claim(request, authorizations[0], parameters)


def _header_claim(request: Request, authorization: str, parameters: list[tuple[bytes, bytes]]) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    fields: dict[str, str] = {}
    for part in rest.split(",") if algorithm == _ALGORITHM else ():
        name, equals, value = part.strip(" ").partition("=")
        if not equals or name in fields or name not in _HEADER_FIELDS:
            raise refusal.incomplete(
                f"'{name}' not a valid key=value pair (missing equal-sign) in Authorization header."
            )
        fields[name] = value
    dates = request.values("x-amz-date")
    tokens = request.values("x-amz-security-token")
    missing = [f"Authorization header requires '{name}' parameter." for name in _HEADER_FIELDS if not fields.get(name)]
    if len(dates) != 1 or len(tokens) > 1:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing:
        raise refusal.incomplete(" ".join(missing))
    return Claim(
        *_credential(fields["Credential"]),
        timestamp=dates[0],
        signed_headers=_signed_headers(fields["SignedHeaders"]),
        signature=fields["Signature"],
        token=tokens[0] if tokens else None,
        parameters=tuple(parameters),
    )


def _presigned_claim(request: Request, parameters: list[tuple[bytes, bytes]]) -> Claim:
    if request.values("x-amz-date") or request.values("x-amz-security-token"):
        raise refusal.incomplete("A presigned request carries its date and token in the query only.")
    return presigned_claim(parameters)


def presigned_claim(parameters: list[tuple[bytes, bytes]]) -> Claim:
    """Read the parameters of a presigned query; raises Refusal if one is missing, twice there, or unreadable."""
    fields: dict[str, str] = {}
    for name, value in parameters:
        if name.lower().startswith(b"x-amz-"):
            key = name.decode("latin-1")
            if key in fields:
                raise refusal.incomplete(f"AWS query-string parameters must include '{key}' once.")
            fields[key] = value.decode("latin-1")
    missing = [
        f"AWS query-string parameters must include '{name}'."
        for name in (*_QUERY_FIELDS, "X-Amz-Expires")
        if not fields.get(name)
    ]
    if missing:
        raise refusal.incomplete(" ".join(missing))
    if fields["X-Amz-Algorithm"] != _ALGORITHM:
        raise refusal.incomplete("Unsupported AWS 'algorithm'.")
    life = fields["X-Amz-Expires"]
    if not re.fullmatch("[0-9]{1,6}", life) or not 1 <= int(life) <= MAX_PRESIGNED_LIFE:
        raise refusal.incomplete(f"X-Amz-Expires must be between 1 and {MAX_PRESIGNED_LIFE} seconds.")
    return Claim(
        *_credential(fields["X-Amz-Credential"]),
        timestamp=fields["X-Amz-Date"],
        signed_headers=_signed_headers(fields["X-Amz-SignedHeaders"]),
        signature=fields["X-Amz-Signature"],
        token=fields.get("X-Amz-Security-Token"),
        parameters=tuple((name, value) for name, value in parameters if name != b"X-Amz-Signature"),
        expires=int(life),
    )


def _credential(text: str) -> tuple[str, str, str, str, str]:
    parts = text.split("/")
    if len(parts) != 5:
        raise refusal.incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{text}'"
        )
    return parts[0], parts[1], parts[2], parts[3], parts[4]


def _signed_headers(text: str) -> tuple[str, ...]:
    names = text.split(";")
    if names != sorted(set(names)) or text != text.lower() or "" in names:
        raise refusal.incomplete("'SignedHeaders' must be lower case, sorted and without duplicates.")
    return tuple(names)


def check_time(claim: Claim, now: float) -> None:
    """Refuse a signature from a clock that is off by more than WINDOW, or a presigned one past its life."""
    if not _TIMESTAMP.fullmatch(claim.timestamp):
        raise _bad_date(claim.timestamp)
    try:
        signed_at = calendar.timegm(time.strptime(claim.timestamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _bad_date(claim.timestamp) from None
    life = WINDOW if claim.expires is None else claim.expires
    if now - signed_at > life:
        raise refusal.invalid_signature(
            f"Signature expired: {claim.timestamp} is now earlier than {_stamp(now - life)} "
            f"({_stamp(now)} - {life // 60} min.)"
        )
    if signed_at - now > WINDOW:
        raise refusal.invalid_signature(
            f"Signature not yet current: {claim.timestamp} is still later than {_stamp(now + WINDOW)} "
            f"({_stamp(now)} + {WINDOW // 60} min.)"
        )


def _bad_date(text: str) -> Refusal:
    return refusal.incomplete(
        f"Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


def _stamp(seconds: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def check_scope(claim: Claim, services: Collection[str], regions: Collection[str]) -> None:
    """Refuse a credential scope of another region, service, terminator or day; every fault is named."""
    faults = []
    if claim.region not in regions:
        faults.append(f"Credential should be scoped to a valid region, not '{claim.region}'.")
    if claim.service not in services:
        faults.append(f"Credential should be scoped to correct service: '{min(services)}'.")
    if claim.terminator != "aws4_request":
        faults.append(f"Credential should be scoped with a valid terminator: 'aws4_request', not '{claim.terminator}'.")
    if claim.date != claim.timestamp[:8]:
        faults.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.timestamp[:8]}', from '{claim.timestamp}'."
        )
    if faults:
        raise refusal.invalid_signature(" ".join(faults))


def check_session(claim: Claim, sessions: SessionStore, now: float) -> Session:
    """The session of the access key; refuses unknown ones, a token that is not its own, and a session that is over."""
    session = sessions.find(claim.access_key_id)
    if session is None:
        raise refusal.unrecognized()
    if (claim.token or "").encode() != (session.session_token or "").encode():
        raise refusal.unrecognized()
    if session.expired(now):
        raise refusal.expired()
    return session


def check_signature(claim: Claim, session: Session, request: Request) -> None:
    """Refuse if a header that must be signed is not, or if the signature is not that of the request."""
    required = {"host"} | {
        name.lower().decode("latin-1") for name, _ in request.headers if name.lower().startswith(b"x-amz-")
    }
    for name in sorted(required.difference(claim.signed_headers)):
        shown = "Host' or ':authority" if name == "host" else name
        raise refusal.invalid_signature(f"'{shown}' must be a 'SignedHeader' in the AWS Authorization.")
    canonical_request = b"\n".join(
        (
            request.method.encode("ascii"),
            canonical.canonical_path(request.target.partition(b"?")[0]),
            canonical.canonical_query(claim.parameters),
            canonical.canonical_headers(request.headers, claim.signed_headers),
            ";".join(claim.signed_headers).encode("latin-1"),
            hashlib.sha256(request.body).hexdigest().encode("ascii"),
        )
    )
    digest = hashlib.sha256(canonical_request).hexdigest()
    to_sign = f"{_ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{digest}"
    key = _signing_key(session.secret_access_key, claim.date, claim.region, claim.service)
    expected = hmac.new(key, to_sign.encode("utf-8"), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise refusal.invalid_signature(
            _MISMATCH,
            f"\n\nThe Canonical String for this request should have been\n"
            f"'{canonical_request.decode('latin-1')}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n",
        )


@functools.lru_cache(maxsize=256)
def _signing_key(secret: str, *scope: str) -> bytes:
    key = b"AWS4" + secret.encode("utf-8")
    for part in (*scope, "aws4_request"):
        key = hmac.new(key, part.encode("utf-8"), hashlib.sha256).digest()
    return key
