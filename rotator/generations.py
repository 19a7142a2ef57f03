"""What a device holds, compared with what the rotator has: is it to be replaced? Pure.

The generation is the issue time of the credential. The higher wins, so that several rotators agree without talking.
What is not valid does not count, whatever its generation: a record that is garbled, missing, expired or from the future
must not keep a good credential out.

A group that holds ``meta`` alone, written by ``revoked:<rotator>``, is the mark of a revocation: whatever was issued up
to its generation is not to come back, what is issued later is welcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bigip_sm.bigip.device import DataGroup
from bigip_sm.bigip.records import MAX_AHEAD, META, BearerRecord, Meta, SigningRecord, decode_all
from bigip_sm.errors import RecordError
from rotator.material import SKEW, Material, token_owner

MARGIN = 30
"""The iRule does not use what ends within this many seconds."""

REVOKED = "revoked:"
"""How the rotator id begins in the ``meta`` of a revocation."""


@dataclass(frozen=True)
class Verdict:
    """``push``: replace what is there. ``fresh``: it is as good. ``older``: what is there is newer than ours.

    ``revoked``: what we have was revoked on the device. ``why`` is for people; ``present`` is what the device says
    about its credential and ``until`` when the first of its records ends (epoch seconds), if that can be read.
    ``drift``: what is there is not what a rotator leaves behind.
    """

    action: Literal["push", "fresh", "older", "revoked"]
    why: str
    present: Meta | None = None
    until: int | None = None
    drift: bool = False


def revocation(generation: int, now: float, expires_at: int, rotator: str) -> Meta:
    """The mark that revokes everything issued up to ``generation`` (ms), made by ``rotator`` at ``now``."""
    return Meta(generation, int(now), max(expires_at, int(now)), f"{REVOKED}{rotator}"[:128])


def judge(group: DataGroup | None, material: Material, now: float) -> Verdict:
    """Compare a role's data group (None: there is none) with ``material`` at ``now``, epoch seconds."""
    seen = read(group, now)
    if isinstance(seen, Verdict):
        if seen.action == "revoked" and seen.present and material.meta.generation > seen.present.generation:
            return Verdict("push", "the credential before it was revoked", seen.present)
        return seen
    meta, present = seen
    until = min((one.not_after for one in present.values()), default=None)
    missing = sorted(material.names - present.keys())
    if missing:
        return Verdict("push", f"record {missing[0]} is missing", meta, until, drift=True)
    if meta.generation > material.meta.generation:
        return Verdict("older", "the device holds a newer credential than the source gives", meta, until)
    if meta.generation < material.meta.generation:
        return Verdict("push", "the source has a newer credential", meta, until)
    if meta.expires_at < material.meta.expires_at:
        # Secrets Manager may tell the time of a version in whole seconds only.
        return Verdict("push", "the source has a credential that lasts longer", meta, until)
    wrong = _altered(present, material)
    if wrong:
        return Verdict("push", wrong, meta, until, drift=True)
    wrong = _to_renew(present, material)
    return Verdict("push", wrong, meta, until) if wrong else Verdict("fresh", "already fresh", meta, until)


def inspect(group: DataGroup | None, now: float) -> Verdict:
    """What a device holds, where we have nothing to compare it with: ``push`` says that it is of no use."""
    seen = read(group, now)
    if isinstance(seen, Verdict):
        return seen
    meta, present = seen
    return Verdict("fresh", "left as it is", meta, min(one.not_after for one in present.values()))


def read(group: DataGroup | None, now: float) -> tuple[Meta, Mapping[str, SigningRecord | BearerRecord]] | Verdict:
    """``meta`` and the other records by name; a verdict if they are of no use to the iRule."""
    if group is None:
        return Verdict("push", "the data group is missing", drift=True)
    try:
        found = {one.name: one for one in decode_all(group.records)}
    except RecordError as error:
        return Verdict("push", str(error), drift=True)
    meta = found.pop(META, None)
    if not isinstance(meta, Meta):
        missing = "record meta is missing" if group.records else "the data group is empty"
        return Verdict("push", missing, drift=True)
    present = {name: one for name, one in found.items() if isinstance(one, SigningRecord | BearerRecord)}
    if meta.generation > (now + SKEW) * 1000 or meta.issued_at > now + SKEW:
        return Verdict("push", "record meta is from the future", drift=True)
    if not present:
        if meta.rotator.startswith(REVOKED):
            return Verdict("revoked", "it was revoked; a credential that is issued later will be taken", meta)
        return Verdict("push", "it holds no credential", meta, drift=True)
    wrong, drift = _unusable(present, now)
    return Verdict("push", wrong, meta, drift=drift) if wrong else (meta, present)


def _unusable(present: Mapping[str, SigningRecord | BearerRecord], now: float) -> tuple[str, bool]:
    """Why the iRule could not work with a record, and whether that is drift; empty if it can."""
    for name, one in present.items():
        if one.not_after <= now + MARGIN:
            return f"record {name} has expired", False
        if one.not_after > now + MAX_AHEAD:
            return f"record {name} claims to be valid for more than 12 hours", True
    return "", False


def _altered(present: Mapping[str, SigningRecord | BearerRecord], material: Material) -> str:
    """Why records of our own generation are not as we would write them: empty if they are.

    Another rotator may have assumed the role in the same millisecond: with another access key its records are its own
    affair. Keys of a date that has just passed may stay, and so may tokens that another clock takes to be due.
    """
    scopes = {(one.service, one.region) for one in material.signing}
    for name, one in present.items():
        if name not in material.names and not (isinstance(one, SigningRecord) and (one.service, one.region) in scopes):
            return f"record {name} is not the gateway's"
    for ours in material.signing:
        theirs = present[ours.name]
        if not isinstance(theirs, SigningRecord) or theirs.access_key_id != ours.access_key_id:
            continue
        same = (theirs.signing_key, theirs.session_token) == (ours.signing_key, ours.session_token)
        if not same or abs(theirs.not_after - ours.not_after) > SKEW:
            return f"record {ours.name} was altered"
    for new in material.bearers:
        old = present[new.name]
        if not isinstance(old, BearerRecord) or material.other_tokens.get(old.token) == old.not_after:
            continue
        if token_owner(old.token) in ("", material.access_key_id):
            return f"record {new.name} was altered"
    return ""


def _to_renew(present: Mapping[str, SigningRecord | BearerRecord], material: Material) -> str:
    """Which bearer token is to be renewed: empty if none is."""
    for new in material.bearers:
        if present[new.name].not_after < new.not_after:
            return f"record {new.name} is to be renewed"
    return ""
