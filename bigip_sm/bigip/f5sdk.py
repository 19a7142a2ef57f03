"""The device protocol over an ``f5.bigip.ManagementRoot``, for teams that already hold one. Needs the extra ``f5-sdk``.

f5-sdk is used for what it does well: names, paths and kinds of objects. Login, token, certificates, time-outs and
repetition are ours (``f5transport``), since it has them not or not right; docs/decisions/0001 says what was measured.
Its ``update`` is never called: it fails on BIG-IP 14.1 and later, and may report success for what was not written.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from bigip_sm.bigip.connection import DEFAULT_PATIENCE, Patience
from bigip_sm.bigip.device import DataGroup, Record, split_path
from bigip_sm.bigip.icontrol import DETACHED
from bigip_sm.bigip.session import Session
from bigip_sm.errors import AuthenticationFailed, DeviceError, DeviceTimeout, DeviceUnreachable, ObjectNotFound

if TYPE_CHECKING:
    from bigip_sm.bigip.f5transport import Channel

T = TypeVar("T")

_importing = threading.Lock()


class F5Sdk:
    """A BIG-IP over f5-sdk; fulfils ``bigip_sm.bigip.device.Device``. Use it as a context manager.

    One request at a time, whatever the number of threads: f5-sdk is not made for several.
    """

    def __init__(self, session: Session, root: Any, channel: Channel, patience: Patience = DEFAULT_PATIENCE) -> None:
        """Use ``connect`` or ``adopt``. ``close`` closes ``session``."""
        self.session = session
        self.name = session.name
        self.root = root
        self._channel = channel
        self._patience = patience
        self._lock = threading.RLock()
        self._loaded: tuple[str, Any] | None = None

    @classmethod
    def connect(
        cls,
        name: str,
        address: str,
        user: str,
        password: str,
        *,
        ca: Path | None = None,
        patience: Patience = DEFAULT_PATIENCE,
        deadline: float | None = None,
    ) -> F5Sdk:
        """A client with a ManagementRoot of its own; see ``Session`` for the arguments.

        Making one sends a login and a GET. Raises DeviceError, also if f5-sdk is not installed.
        """
        bigip, transport, calls = _library(name)
        session = Session(name, address, user, password, ca=ca, patience=patience, deadline=deadline)
        verify = str(ca) if ca else True
        made: list[Channel] = []

        class Root(bigip.ManagementRoot):  # type: ignore[misc, name-defined]  # f5-sdk has no types
            def _get_icr_session(self, *arguments: Any, **keywords: Any) -> Any:
                icrs = super()._get_icr_session(*arguments, **keywords)
                made.append(transport.secure(icrs, session, verify, patience))
                return icrs

        host, port = _host_and_port(address)
        # The password stays out of it: f5-sdk would keep it in two places.
        try:
            root = calls.send(
                session, patience, "GET /mgmt/tm/sys", lambda: Root(host, user, "", port=port, verify=verify)
            )
        except BaseException:
            session.close()
            raise
        return cls(session, root, made[0], patience)

    @classmethod
    def adopt(
        cls,
        name: str,
        root: Any,
        *,
        ca: Path | None = None,
        patience: Patience = DEFAULT_PATIENCE,
        deadline: float | None = None,
    ) -> F5Sdk:
        """A client over a ManagementRoot that was made with a user and a password. Nothing is sent yet.

        From now on the root verifies certificates (against ``ca``, else the file that it was made with, else the
        system's store), has time-outs, and its token is deleted by ``close``. Raises DeviceError.
        """
        _, transport, _ = _library(name)
        given = root.args
        if given.get("token_to_use"):
            raise AuthenticationFailed(
                name, "this ManagementRoot was made with token_to_use; make it with a user and a password instead"
            )
        own = given.get("verify")
        ca = ca or (Path(own) if isinstance(own, str) else None)
        address = f"{given['hostname']}:{given['port']}"
        user, password = str(given["username"]), str(given["password"])
        session = Session(name, address, user, password, ca=ca, patience=patience, deadline=deadline)
        token = getattr(root.icrs.session.auth, "token", None)
        if isinstance(token, str):
            session.adopt(token)
        return cls(session, root, transport.secure(root.icrs, session, str(ca) if ca else True, patience), patience)

    def __repr__(self) -> str:
        return f"F5Sdk({self.session!r})"

    def __enter__(self) -> F5Sdk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def deadline(self) -> float | None:
        """Time of ``time.monotonic()`` after which nothing is tried; None for ever."""
        return self.session.deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        self.session.deadline = deadline

    @property
    def clock_skew(self) -> float | None:
        """Seconds that the device's clock is ahead of ours, by its last answer; None before the first."""
        return self._channel.clock_skew if self._channel.clock_skew is not None else self.session.clock_skew

    def close(self) -> None:
        """Delete the token and close the connections. Never raises; may be called twice."""
        with self._lock:
            self._loaded = None
            self.session.close()
            self._channel.close()

    def version(self) -> str:
        """TMOS version, such as ``17.1.1``."""

        def read() -> str:
            answer = self.root.icrs.get(f"{self.root._meta_data['uri']}tm/sys/version")
            (stats,) = answer.json()["entries"].values()
            return str(stats["nestedStats"]["entries"]["Version"]["description"])

        return self._do("GET /mgmt/tm/sys/version", read)

    def partitions(self) -> tuple[str, ...]:
        """Names of the administrative partitions that the user may see, sorted."""

        def read() -> tuple[str, ...]:
            return tuple(sorted(str(one.name) for one in self.root.tm.auth.partitions.get_collection()))

        return self._do("GET partitions", read)

    def create_partition(self, name: str, description: str) -> None:
        """Make an administrative partition; its folder has the same name."""
        try:
            self._do(
                f"POST partition {name}",
                lambda: self.root.tm.auth.partitions.partition.create(name=name, description=description),
                repeat=False,
            )
        except (DeviceUnreachable, DeviceTimeout):
            # The connection broke and the POST may have been taken: look, never send it again blindly.
            if name not in self.partitions():
                raise

    def folder_detached(self, name: str) -> bool:
        """Whether the partition's folder is out of config sync. Raises ObjectNotFound."""
        folder = self._folder(name)
        return all(getattr(folder, key, "none") == value for key, value in DETACHED.items())

    def detach_folder(self, name: str) -> None:
        """Take the partition's folder out of config sync. Raises ObjectNotFound."""
        folder = self._folder(name)
        self._do(f"PATCH folder /{name}", lambda: folder.modify(**DETACHED), missing=f"folder /{name}")

    def data_group(self, path: str) -> DataGroup:
        """Read a data group. Raises ObjectNotFound."""
        found = self._load(path)
        self._loaded = (path, found)

        def records() -> DataGroup:
            # Records are left out when there are none, and so is the data of a record without any.
            listed = tuple(
                Record(str(one.get("name", "")), str(one.get("data", ""))) for one in getattr(found, "records", [])
            )
            return DataGroup(path, str(found.type), listed)

        return self._do(f"GET data group {path}", records)

    def create_data_group(self, group: DataGroup) -> None:
        """Make a data group. Raises RequestRefused with status 409 if it exists."""
        place = _place(group.path)
        records = _records(group.records)
        try:
            self._do(
                f"POST data group {group.path}",
                lambda: self._internal().create(type=group.type, records=records, **place),
                missing=f"partition of data group {group.path}",
                secrets=[record.data for record in group.records],
                repeat=False,
            )
        except (DeviceUnreachable, DeviceTimeout):
            try:
                present = self.data_group(group.path)
            except ObjectNotFound:
                present = None
            if present != group:
                raise

    def replace_records(self, path: str, records: Sequence[Record]) -> None:
        """Replace all records in one PATCH, which is one mcpd transaction. Raises ObjectNotFound.

        f5-sdk can only change what it has read: if the data group was not the last one read, it is read first.
        """
        known, self._loaded = self._loaded, None
        found = known[1] if known is not None and known[0] == path else self._load(path)
        self._do(
            f"PATCH data group {path}",
            lambda: found.modify(records=_records(records)),
            missing=f"data group {path}",
            secrets=[record.data for record in records],
        )

    def _internal(self) -> Any:
        return self.root.tm.ltm.data_group.internals.internal

    def _load(self, path: str) -> Any:
        place = _place(path)
        return self._do(
            f"GET data group {path}",
            # Without transform_subpath, a folder in a folder is refused by f5-sdk itself.
            lambda: self._internal().load(**place, transform_subpath=True),
            missing=f"data group {path}",
        )

    def _folder(self, name: str) -> Any:
        return self._do(
            f"GET folder /{name}", lambda: self.root.tm.sys.folders.folder.load(name=name), missing=f"folder /{name}"
        )

    def _do(
        self,
        shown: str,
        action: Callable[[], T],
        *,
        missing: str = "",
        secrets: Sequence[str] = (),
        repeat: bool = True,
    ) -> T:
        from bigip_sm.bigip.f5calls import send

        with self._lock:
            return send(self.session, self._patience, shown, action, missing=missing, secrets=secrets, repeat=repeat)


def _library(name: str) -> tuple[Any, Any, Any]:
    """The modules ``f5.bigip``, ``f5transport`` and ``f5calls``. Raises DeviceError if the extra is not installed."""
    with _importing, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has escapes that Python warns of
        try:
            modules = ("f5.bigip", "bigip_sm.bigip.f5transport", "bigip_sm.bigip.f5calls")
            bigip, transport, calls = map(importlib.import_module, modules)
        except ImportError as error:
            raise DeviceError(
                name, f"f5-sdk cannot be imported ({error.name} is missing): pip install 'bigip-sm[f5-sdk]'"
            ) from None
    return bigip, transport, calls


def _host_and_port(address: str) -> tuple[str, int]:
    """``host[:port]`` as f5-sdk wants it."""
    host, colon, port = address.rpartition(":")
    return (host, int(port)) if colon and port.isdigit() and not address.endswith("]") else (address, 443)


def _place(path: str) -> dict[str, str]:
    """A full path as f5-sdk wants it."""
    partition, folders, name = split_path(path)
    place = {"name": name, "partition": partition}
    return {**place, "subPath": folders} if folders else place


def _records(records: Sequence[Record]) -> list[dict[str, str]]:
    return [{"name": record.name, "data": record.data} for record in records]
