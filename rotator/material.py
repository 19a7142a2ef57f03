"""From a session to what a BIG-IP is given: signing keys, bearer tokens, and whose they are. Pure.

The secret access key goes in and does not come out: a signing key is good for one UTC date, one region and one service,
a bearer token for an hour and one region.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from bigip_sm.aws.bearer import mint
from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.aws.sigv4 import signing_key
from bigip_sm.bigip.device import Record
from bigip_sm.bigip.records import MAX_AHEAD, BearerRecord, Meta, SigningRecord
from bigip_sm.errors import CredentialError
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import credential_group

SKEW = 15 * 60
"""How far clocks may be apart, seconds: keys exist for every date within that of now and of the end."""

BEARER_LIFE = 3600
"""Longest life of a bearer token, seconds: whoever reads one can use it until then."""

SHORTEST = 60
"""A session with less than this left, in seconds, is not worth pushing."""

_SERVICE = "sagemaker"


@dataclass(frozen=True)
class Material:
    """Everything for one role: ``path`` is its data group."""

    role: str
    path: str
    meta: Meta
    signing: tuple[SigningRecord, ...]
    bearers: tuple[BearerRecord, ...]

    @property
    def names(self) -> frozenset[str]:
        """Names of the records that the iRule needs: all but ``meta``."""
        return frozenset({one.name for one in self.signing} | {one.name for one in self.bearers})

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
    signed, borne = _regions(spec, role, "sagemaker"), _regions(spec, role, "sagemaker-openai")
    signing = tuple(
        SigningRecord(
            _SERVICE,
            region,
            date,
            session.access_key_id,
            signing_key(session.secret_access_key, date, region, _SERVICE),
            end,
            session.session_token,
        )
        for region in signed
        for date in utc_dates(now - SKEW, end + SKEW)
    )
    life = min(BEARER_LIFE, end - int(now))
    bearers = tuple(
        BearerRecord(region, int(now) + life, mint(session, region, now=now, expires=life)) for region in borne
    )
    meta = Meta(round(session.issued_at * 1000), int(session.issued_at), int(session.expiration), rotator)
    return Material(role, credential_group(spec.gateway, role), meta, signing, bearers)


def utc_dates(begin: float, end: float) -> Iterator[str]:
    """Every UTC date (``yyyymmdd``) that touches the time from ``begin`` to ``end``, epoch seconds."""
    day = int(begin // 86400)
    while day * 86400 <= end:
        yield datetime.datetime.fromtimestamp(day * 86400, datetime.timezone.utc).strftime("%Y%m%d")
        day += 1


def _regions(spec: Spec, role: str, kind: str) -> list[str]:
    """Regions of the role's upstreams of one kind, sorted."""
    return sorted(
        {
            region.name
            for upstream in spec.upstreams.values()
            if upstream.role == role and upstream.kind == kind
            for region in upstream.regions
        }
    )
