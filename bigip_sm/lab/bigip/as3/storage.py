"""What AS3 keeps in /Common: the declarations of the past, and the lock that it holds while it works.

Facts: AS3's ``src/lib/declarationProvider.js``, ``util/dataGroupUtil.js`` and ``mutex.js``. A declaration is a data
group of type integer: record 0 describes it, the others are 64,512 characters each of its zlib stream in base64.
Whoever may read /Common reads it in clear, and whoever syncs /Common syncs it.
"""

from __future__ import annotations

import base64
import copy
import datetime
import functools
import json
import zlib
from collections.abc import Callable

from bigip_sm.lab.bigip.as3 import inspect
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.replies import Json, Refusal

FOLDER = "/Common/appsvcs"
PREFIX = "/Common/____appsvcs_declaration-"
LOCK = f"{FOLDER}/____appsvcs_lock"
LOCK_LIFE = 120
"""Seconds after which somebody else's lock counts no more."""

_CHUNK = 64_512
_DESCRIPTION = "f5 AS3 declaration (see info in record 0)"


def chunks(text: str) -> list[str]:
    """A text as AS3 puts it into records: deflated, in base64, in pieces of 64,512 characters."""
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return [packed[start : start + _CHUNK] for start in range(0, len(packed), _CHUNK)]


@functools.lru_cache(maxsize=32)
def _unpacked(group: DataGroup) -> str:
    """The text in the records 1 to n."""
    packed = "".join(data for name, data in sorted(group.records, key=lambda record: int(record[0])) if name != "0")
    return zlib.decompress(base64.b64decode(packed)).decode()


class History:
    """The declarations stored on the device; each holds every tenant that AS3 knew then. Age 0 is the newest."""

    def __init__(self, config: Config, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock

    def _groups(self) -> list[DataGroup]:
        """The newest first."""
        found = [group for group in self._config.all(DataGroup) if group.path.startswith(PREFIX)]
        return sorted(found, key=_stamp, reverse=True)

    def __len__(self) -> int:
        """How many declarations are kept."""
        return len(self._groups())

    def get(self, age: int) -> Json | None:
        """The declaration of an age, free to change; None if there is none."""
        found = self._groups()
        if age >= len(found):
            return None
        stored: Json = json.loads(_unpacked(found[age]))
        return stored

    @property
    def newest(self) -> Json | None:
        """The declaration in force, or None."""
        return self.get(0)

    @property
    def tenants(self) -> list[str]:
        """Names of the tenants that AS3 knows."""
        return list(inspect.tenants(self.newest or {}))

    def listing(self) -> list[Json]:
        """Name, time and age of every declaration."""
        shown: list[Json] = []
        for age, group in enumerate(self._groups()):
            stamp = _stamp(group)
            name = group.path.rpartition("/")[2]
            shown.append({"name": name, "timestamp": stamp, "date": _iso(stamp), "age": age})
        return shown

    def store(self, declaration: Json, deployed: list[str], limit: int, *, encode_metadata: bool) -> Json:
        """Keep a declaration, and only the newest ``limit``; returns what is stored. Raises Refusal.

        The tenants in ``deployed`` are taken from it, the others stay as they were.
        """
        previous = self.newest or {}
        kept = {name: body for name, body in inspect.tenants(previous).items() if name not in deployed}
        named = inspect.tenants(declaration)
        new = {name: named[name] for name in deployed if inspect.applications(named.get(name, {}))}
        rest = {key: value for key, value in declaration.items() if key not in named}
        stored = copy.deepcopy({**rest, **kept, **new})
        groups = self._groups()
        stamp = max([int(self._clock() * 1000), *(_stamp(group) + 1 for group in groups)])
        group = _packed(stored, stamp, encode_metadata=encode_metadata)
        self._config.commit(put=[group], delete=groups[max(0, limit - 1) :])
        return stored


def _packed(declaration: Json, stamp: int, *, encode_metadata: bool) -> DataGroup:
    text = json.dumps(declaration, separators=(",", ":"), ensure_ascii=False)
    pieces = chunks(text)
    tenants = ",".join(inspect.tenants(declaration))
    about = f"date^{_iso(stamp)}|id^{declaration['id']}|tenants^{tenants}|blocks^{len(pieces)}"
    if encode_metadata:
        (about,) = chunks(about)
    if len(about) > 65_520:
        raise Refusal(
            422,
            "01070712:3: Max string size exceeded for field (class_value_item) max:65520: the names of the tenants do "
            "not fit into one record",
        )
    records = [(str(number), piece) for number, piece in enumerate([about, *pieces])]
    return DataGroup(f"{PREFIX}{stamp}", "integer", tuple(records), _DESCRIPTION)


def _stamp(group: DataGroup) -> int:
    return int(group.path[len(PREFIX) :])


def _iso(milliseconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Lock:
    """AS3's lock: a data group whose description is the time in milliseconds."""

    def __init__(self, config: Config, folders: Folders, clock: Callable[[], float]) -> None:
        self._config = config
        self._folders = folders
        self._clock = clock

    def acquire(self) -> bool:
        """Take the lock; False while somebody has it. One that is older than 2 minutes is removed first."""
        self._folders.ensure(FOLDER)
        found = self._config.get(DataGroup, LOCK)
        now = int(self._clock() * 1000)
        if found is not None:
            since = int(found.description) if found.description.isdecimal() else 0
            if now - since <= LOCK_LIFE * 1000:
                return False
            self._config.commit(delete=[found])
        self._config.commit(put=[DataGroup(LOCK, "string", (), str(now))])
        return True

    def refresh(self) -> None:
        """Make the lock as if it were taken now."""
        found = self._config.get(DataGroup, LOCK)
        if found is not None:
            self._config.commit(put=[DataGroup(LOCK, "string", (), str(int(self._clock() * 1000)))])

    def release(self) -> None:
        """Give the lock back.

        Raises Refusal (500) when it is gone, as when another unit's config sync has removed it
        (F5Networks/f5-appsvcs-extension#548).
        """
        found = self._config.get(DataGroup, LOCK)
        if found is None:
            url = "http://admin:XXXXXX@localhost:8100/mgmt/tm/ltm/data-group/internal/~Common~appsvcs~____appsvcs_lock"
            gone = f'{{"code":404,"message":"01020036:3: The requested value list ({LOCK}) was not found."}}'
            raise Refusal(500, f"DELETE {url} Attempting to release global lock response=404 body={gone}")
        self._config.commit(delete=[found])
