"""From a session to what a BIG-IP is given: signing keys, bearer tokens, and whose they are. Pure.

The secret access key goes in and does not come out: a signing key is good for one UTC date, one region and one service,
a bearer token for an hour and one region.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bigip_sm.aws.bearer import PREFIX, mint
from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.aws.sigv4 import signing_key
from bigip_sm.bigip.device import Record
from bigip_sm.bigip.records import MAX_AHEAD, BearerRecord, Meta, SigningRecord
from bigip_sm.errors import CredentialError
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import credential_group
from bigip_sm.spec.usage import bearer_regions_of, scopes_of

SKEW = 15 * 60
"""How far clocks may be apart, seconds: keys exist for every date within that of now and of the end."""

BEARER_LIFE = 3600
"""Longest life of a bearer token, seconds: whoever reads one can use it until then."""

BEARER_SLOT = 20 * 60
"""Bearer tokens are minted anew this often, seconds, counted from the issue of the session."""

SHORTEST = 60
"""A session with less than this left, in seconds, is not worth pushing."""


@dataclass(frozen=True)
class Material:
    """Everything for one role: ``path`` is its data group.

    ``other_tokens`` are the bearer tokens of the same session that are right now, were shortly before or will be soon,
    with the end of each.
    """

    role: str
    path: str
    access_key_id: str
    meta: Meta
    signing: tuple[SigningRecord, ...]
    bearers: tuple[BearerRecord, ...]
    other_tokens: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """Names of the records that the iRule needs: all but ``meta``."""
        return frozenset({one.name for one in self.signing} | {one.name for one in self.bearers})

    @property
    def until(self) -> int:
        """When the first of its records ends, epoch seconds."""
        return min([one.not_after for one in self.signing] + [one.not_after for one in self.bearers])

    def records(self) -> tuple[Record, ...]:
        """As records, sorted by name. Raises RecordError if a value does not fit the format."""
        encoded = [one.encode() for one in self.signing] + [one.encode() for one in self.bearers]
        return tuple(sorted([*encoded, self.meta.encode()]))


def make(spec: Spec, role: str, session: SessionCredentials, *, now: float, rotator: str) -> Material:
    """The material of ``role`` from ``session`` at ``now`` (epoch seconds). Raises CredentialError if it is too old."""
    # A "not after" 12 h ahead is invalid on the device; a session of just that length is cut by what clocks may differ.
    end = min(int(session.expiration), int(now) + MAX_AHEAD - SKEW)
    if end - now < SHORTEST:
        raise CredentialError(f"role {role}: its session ends in {end - now:.0f} s; it is not pushed")
    borne = bearer_regions_of(spec, role)
    signing = tuple(
        SigningRecord(
            service,
            region,
            date,
            session.access_key_id,
            signing_key(session.secret_access_key, date, region, service),
            end,
            session.session_token,
        )
        for service, region in scopes_of(spec, role)
        for date in utc_dates(now - SKEW, end + SKEW)
    )
    slot = max(0, int((now - session.issued_at) // BEARER_SLOT))
    bearers = tuple(_bearer(session, region, slot, end) for region in borne)
    others = (_bearer(session, region, near, end) for region in borne for near in range(max(0, slot - 3), slot + 2))
    meta = Meta(round(session.issued_at * 1000), int(session.issued_at), int(session.expiration), rotator)
    return Material(
        role,
        credential_group(spec.gateway, role),
        session.access_key_id,
        meta,
        signing,
        bearers,
        {one.token: one.not_after for one in others if one.not_after > now},
    )


def _bearer(session: SessionCredentials, region: str, slot: int, end: int) -> BearerRecord:
    """The token that every rotator with this session mints in this slot: so an altered one can be told."""
    minted = min(int(session.issued_at) + slot * BEARER_SLOT, end - 1)
    life = min(BEARER_LIFE, end - minted)
    return BearerRecord(region, minted + life, mint(session, region, now=minted, expires=life))


def token_owner(token: str) -> str:
    """The access key id in a bearer token; empty if it is no token."""
    try:
        query = base64.b64decode(token.removeprefix(PREFIX), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    return query.partition("X-Amz-Credential=")[2].partition("%2F")[0]


def utc_dates(begin: float, end: float) -> Iterator[str]:
    """Every UTC date (``yyyymmdd``) that touches the time from ``begin`` to ``end``, epoch seconds."""
    day = int(begin // 86400)
    while day * 86400 <= end:
        yield datetime.datetime.fromtimestamp(day * 86400, datetime.timezone.utc).strftime("%Y%m%d")
        day += 1
