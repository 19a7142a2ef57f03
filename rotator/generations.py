"""What a device holds, compared with what the rotator has: is it to be replaced? Pure.

The generation is the issue time of the credential. The higher wins, so that several rotators agree without talking.
What is not valid does not count, whatever its generation: a record that is garbled, missing, expired or from the future
must not keep a good credential out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bigip_sm.bigip.device import DataGroup
from bigip_sm.bigip.records import MAX_AHEAD, META, BearerRecord, Meta, SigningRecord, decode_all
from bigip_sm.errors import RecordError
from rotator.material import SKEW, Material

MARGIN = 30
"""The iRule does not use what ends within this many seconds."""

BEARER_RENEWAL = 2 / 3
"""Bearer tokens with less than this share of a new one's life are pushed anew."""


@dataclass(frozen=True)
class Verdict:
    """``push``: replace what is there. ``fresh``: it is as good. ``older``: what is there is newer than ours.

    ``why`` is for people, ``present`` what the device says about its credential, if that can be read.
    """

    action: Literal["push", "fresh", "older"]
    why: str
    present: Meta | None = None


def judge(group: DataGroup | None, material: Material, now: float) -> Verdict:
    """Compare a role's data group (None: there is none) with ``material`` at ``now``, epoch seconds."""
    if group is None:
        return Verdict("push", "the data group is missing")
    try:
        found = {one.name: one for one in decode_all(group.records)}
    except RecordError as error:
        return Verdict("push", str(error))
    meta = found.pop(META, None)
    if not isinstance(meta, Meta):
        return Verdict("push", "the data group is empty" if not group.records else "record meta is missing")
    present = {name: one for name, one in found.items() if isinstance(one, SigningRecord | BearerRecord)}
    wrong = _future(meta, now) or _unusable(present, material, now)
    if wrong:
        return Verdict("push", wrong, meta)
    if meta.generation > material.meta.generation:
        return Verdict("older", "the device holds a newer credential than the source gives", meta)
    if meta.generation < material.meta.generation:
        return Verdict("push", "the source has a newer credential", meta)
    if meta.expires_at < material.meta.expires_at:
        # Secrets Manager may tell the time of a version in whole seconds only.
        return Verdict("push", "the source has a credential that lasts longer", meta)
    wrong = _drifted(present, material, now)
    return Verdict("push", wrong, meta) if wrong else Verdict("fresh", "already fresh", meta)


def _future(meta: Meta, now: float) -> str:
    """Why ``meta`` cannot be true: empty if it can."""
    if meta.generation > (now + SKEW) * 1000 or meta.issued_at > now + SKEW:
        return "record meta is from the future"
    return ""


def _unusable(present: dict[str, SigningRecord | BearerRecord], material: Material, now: float) -> str:
    """Why the iRule could not work with these records: empty if it can."""
    for name in sorted(material.names - present.keys()):
        return f"record {name} is missing"
    for name, one in present.items():
        if one.not_after <= now + MARGIN:
            return f"record {name} has expired"
        if one.not_after > now + MAX_AHEAD:
            return f"record {name} claims to be valid for more than 12 hours"
    return ""


def _drifted(present: dict[str, SigningRecord | BearerRecord], material: Material, now: float) -> str:
    """Why records of our own generation are not as we would write them: empty if they are.

    Another rotator may have assumed the role in the same millisecond: with another access key its records are its own
    affair. Keys of a date that has just passed may stay. Bearer tokens are minted anew each time, so only their end
    and their region are compared.
    """
    scopes = {(one.service, one.region) for one in material.signing}
    for name, one in present.items():
        if name not in material.names and not (isinstance(one, SigningRecord) and (one.service, one.region) in scopes):
            return f"record {name} is not the gateway's"
    for ours in material.signing:
        theirs = present[ours.name]
        if not isinstance(theirs, SigningRecord) or theirs.access_key_id != ours.access_key_id:
            continue
        if (theirs.signing_key, theirs.session_token) != (ours.signing_key, ours.session_token):
            return f"record {ours.name} was altered"
    for new in material.bearers:
        if present[new.name].not_after - now < BEARER_RENEWAL * (new.not_after - now):
            return f"record {new.name} is to be renewed"
    return ""
