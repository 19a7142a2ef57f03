"""The credential records in a role's data group, format version 1.

=============================================  ======================================================================
record name                                    data
=============================================  ======================================================================
``sigv4/<service>/<region>/<yyyymmdd>``        ``1|<access key id>|<signing key, hex>|<not after>|<session token>``
``bearer/<region>``                            ``1|<not after>|<token>``
``meta``                                       ``1|<generation>|<issued at>|<expires at>|<rotator id>``
=============================================  ======================================================================

Times are epoch seconds, the generation is milliseconds since the epoch. All fields of one credential are in one
record, so that an iRule that looks it up never sees half of one. Encoding and decoding are equally strict: whatever
``decode`` takes, ``encode`` gives back byte for byte. Secrets are not shown by ``repr``, and a RecordError never
carries a value.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bigip_sm.bigip.device import Record
from bigip_sm.errors import RecordError

VERSION = "1"
MAX_DATA = 65_520
"""Longest data of a record that TMOS takes, bytes (its error 01070712)."""

MAX_AHEAD = 12 * 3600
"""A ``not after`` further ahead than this, in seconds, is invalid: no STS session lives longer."""

META = "meta"

_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,4})?-[a-z]+-[1-9]")
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_]{16,128}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.:~-]{1,32768}")
_ROTATOR = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")
_KEY = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"[1-9][0-9]{0,14}")
_DATE = re.compile(r"[0-9]{8}")


@dataclass(frozen=True)
class SigningRecord:
    """A SigV4 signing key (32 bytes) for one service, region and UTC date (``yyyymmdd``), with its session."""

    service: str
    region: str
    date: str
    access_key_id: str
    signing_key: bytes = field(repr=False)
    not_after: int
    session_token: str = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the record."""
        return f"sigv4/{self.service}/{self.region}/{self.date}"

    def encode(self) -> Record:
        """As a record. Raises RecordError if a value does not fit the format."""
        data = (self.access_key_id, self.signing_key.hex(), str(self.not_after), self.session_token)
        return _checked(self.name, data)


@dataclass(frozen=True)
class BearerRecord:
    """A bearer token for the OpenAI path of one region."""

    region: str
    not_after: int
    token: str = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the record."""
        return f"bearer/{self.region}"

    def encode(self) -> Record:
        """As a record. Raises RecordError if a value does not fit the format."""
        return _checked(self.name, (str(self.not_after), self.token))


@dataclass(frozen=True)
class Meta:
    """Whose credential this is. ``generation`` is its issue time in milliseconds: the higher is the newer."""

    generation: int
    issued_at: int
    expires_at: int
    rotator: str

    name = META

    def encode(self) -> Record:
        """As a record. Raises RecordError if a value does not fit the format."""
        return _checked(META, (str(self.generation), str(self.issued_at), str(self.expires_at), self.rotator))


Credential = SigningRecord | BearerRecord | Meta


def decode(record: Record) -> Credential:
    """The credential in ``record``. Raises RecordError if name or data are not exactly in the format."""
    kind, _, rest = record.name.partition("/")
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise RecordError(
            f"record {record.name!r}: names are sigv4/<service>/<region>/<yyyymmdd>, bearer/<region>, meta"
        )
    if len(record.data) > MAX_DATA or not record.data.isascii():
        raise RecordError(f"record {record.name!r}: the data is longer than {MAX_DATA} bytes or not ASCII")
    version, *fields = record.data.split("|")
    if version != VERSION:
        raise RecordError(f"record {record.name!r}: the data does not begin with {VERSION}|, the version of the format")
    return decoder(record.name, rest, fields)


def decode_all(records: Iterable[Record]) -> tuple[Credential, ...]:
    """Every credential of a data group. Raises RecordError at the first record that is not in the format."""
    return tuple(decode(record) for record in records)


def _signing(name: str, rest: str, fields: list[str]) -> SigningRecord:
    scope = _split(name, rest.split("/"), (_SERVICE, _REGION, _DATE), "sigv4/<service>/<region>/<yyyymmdd>")
    layout = "1|<access key id>|<64 hex digits>|<not after>|<session token>"
    access_key_id, key, not_after, token = _split(name, fields, (_ACCESS_KEY_ID, _KEY, _NUMBER, _TOKEN), layout)
    try:
        datetime.datetime.strptime(scope[2], "%Y%m%d")
    except ValueError:
        raise RecordError(f"record {name!r}: {scope[2]} is not a date") from None
    return SigningRecord(scope[0], scope[1], scope[2], access_key_id, bytes.fromhex(key), int(not_after), token)


def _bearer(name: str, rest: str, fields: list[str]) -> BearerRecord:
    (region,) = _split(name, [rest], (_REGION,), "bearer/<region>")
    not_after, token = _split(name, fields, (_NUMBER, _TOKEN), "1|<not after>|<token>")
    return BearerRecord(region, int(not_after), token)


def _meta(name: str, rest: str, fields: list[str]) -> Meta:
    if name != META:
        raise RecordError(f"record {name!r}: the name is meta, nothing more")
    layout = "1|<generation>|<issued at>|<expires at>|<rotator id>"
    generation, issued, expires, rotator = _split(name, fields, (_NUMBER, _NUMBER, _NUMBER, _ROTATOR), layout)
    return Meta(int(generation), int(issued), int(expires), rotator)


_DECODERS: dict[str, Callable[[str, str, list[str]], Credential]] = {"sigv4": _signing, "bearer": _bearer, META: _meta}


def _split(name: str, parts: list[str], patterns: tuple[re.Pattern[str], ...], layout: str) -> list[str]:
    """``parts`` if each matches its pattern as a whole; RecordError naming the part's number otherwise."""
    if len(parts) != len(patterns):
        raise RecordError(f"record {name!r}: {len(parts)} fields, not {len(patterns)} as in {layout}")
    for number, (part, pattern) in enumerate(zip(parts, patterns, strict=True), 1):
        if not pattern.fullmatch(part):
            raise RecordError(f"record {name!r}: field {number} is not as in {layout}")
    return parts


def _checked(name: str, fields: tuple[str, ...]) -> Record:
    """A record that ``decode`` takes. Raises RecordError if these fields do not make one."""
    record = Record(name, "|".join((VERSION, *fields)))
    decode(record)
    return record
