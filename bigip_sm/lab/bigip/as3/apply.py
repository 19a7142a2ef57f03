"""Making a tenant's partition what the declaration says: difference, TMOS's checks, one transaction.

Whatever is in the tenant's partition and not in the declaration is deleted, whoever made it; nothing else is touched
(AS3's ``src/lib/audit.js``, ``diffProcessor.js``). A per-application request looks at the folders of its applications
only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from bigip_sm.lab.bigip.as3.text import braces_balance, in_script
from bigip_sm.lab.bigip.as3.translate import Desired
from bigip_sm.lab.bigip.checks import KINDS, TransactionError, check
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import (
    ClientSsl,
    DataGroup,
    HttpProfile,
    HttpsMonitor,
    Object,
    OneConnect,
    Pool,
    Rule,
    ServerSsl,
    SslCertificate,
    SslKey,
    StatisticsProfile,
    TcpProfile,
    VirtualServer,
)
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.replies import Json

_COMMANDS: dict[type, str] = {
    ClientSsl: "ltm profile client-ssl",
    DataGroup: "ltm data-group internal",
    HttpProfile: "ltm profile http",
    HttpsMonitor: "ltm monitor https",
    OneConnect: "ltm profile one-connect",
    Pool: "ltm pool",
    Rule: "ltm rule",
    ServerSsl: "ltm profile server-ssl",
    SslCertificate: "sys file ssl-cert",
    SslKey: "sys file ssl-key",
    StatisticsProfile: "ltm profile statistics",
    TcpProfile: "ltm profile tcp",
    VirtualServer: "ltm virtual",
}
"""TMSH's name of each class."""


def kind(each: Object) -> str:
    """TMSH's name of the object's class."""
    return _COMMANDS[type(each)]


@dataclass(frozen=True)
class Difference:
    """What one transaction would do to a tenant; ``before`` are the objects that it looked at."""

    before: tuple[Object, ...]
    put: tuple[Object, ...]
    delete: tuple[Object, ...]
    folders: tuple[str, ...]
    gone_folders: tuple[str, ...]

    @property
    def lines(self) -> int:
        """Lines of the script; 0 means no change. A replaced object is deleted and created."""
        return len(self.put) + len(self.delete) + len(self.folders) + len(self.gone_folders)

    def changes(self) -> list[Json]:
        """The list that a dry run shows at log level debug: N new, D deleted, E edited, one entry an object.

        AS3 lists an edited object property by property.
        """
        before = {(type(old), old.path): old for old in self.before}
        shown = [_change("D", old, None) for old in self.delete]
        for new in self.put:
            old = before.get((type(new), new.path))
            shown.append(_change("N" if old is None else "E", old, new))
        return shown

    def script(self) -> str:
        """The script in outline: its commands without the properties."""
        before = {(type(old), old.path) for old in self.before}
        gone = [*self.delete, *(new for new in self.put if (type(new), new.path) in before)]
        lines = [f"tmsh::create auth partition {path[1:]}" for path in self.folders if path.count("/") == 1]
        lines += [f"tmsh::create sys folder {path}" for path in self.folders if path.count("/") > 1]
        lines += [f"tmsh::delete {_COMMANDS[type(old)]} {old.path}" for old in gone]
        lines += [f"tmsh::create {_COMMANDS[type(new)]} {new.path}" for new in self.put]
        return "\n".join(lines)


@dataclass(frozen=True)
class Scope:
    """How a tenant is compared.

    ``applications`` are the only ones looked at, None: all of the partition. ``previous`` is what AS3 believes to be
    on the device (``unchecked=true``), None: it looks.
    """

    applications: tuple[str, ...] | None = None
    previous: tuple[Object, ...] | None = None

    def covers(self, tenant: str, path: str) -> bool:
        """Whether an object or folder of the tenant is looked at."""
        if self.applications is None:
            return True
        folders = [f"/{tenant}/{name}" for name in self.applications]
        return path == f"/{tenant}" or any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def difference(config: Config, folders: Folders, desired: Desired, scope: Scope) -> Difference:
    """Compare a tenant's partition with what it should hold."""
    root = f"/{desired.tenant}"
    current = config.below(f"{root}/") if scope.previous is None else scope.previous
    before = tuple(old for old in current if scope.covers(desired.tenant, old.path))
    present = {(type(old), old.path): old for old in before}
    wanted = {(type(new), new.path): new for new in desired.objects if scope.covers(desired.tenant, new.path)}
    put = tuple(new for key, new in wanted.items() if present.get(key) != new)
    delete = tuple(old for key, old in present.items() if key not in wanted)
    wanted_folders = {root, *desired.folders} if desired.folders else set()
    known = {folder.path for folder in folders.all() if f"{folder.path}/".startswith(f"{root}/")}
    missing = sorted(path for path in wanted_folders - known if scope.covers(desired.tenant, path))
    gone = sorted(path for path in known - wanted_folders if scope.covers(desired.tenant, path))
    return Difference(before, put, delete, tuple(missing), tuple(gone))


def apply(config: Config, folders: Folders, desired: Desired, found: Difference) -> str | None:
    """Bring one tenant to its desired state; mcpd's words if it refuses, and then nothing has changed."""
    put = tuple(_as_created(new) for new in found.put)
    try:
        _script(found)
        _refuse_surprises(config, found)
        check(config, put=put, delete=found.delete)
    except TransactionError as error:
        return str(error)
    for folder in found.folders:
        folders.ensure(folder)
    config.commit(put=put, delete=found.delete)
    for folder in found.gone_folders:
        folders.remove(folder)
    return None


def _as_created(new: Object) -> Object:
    """The object as the device has it afterwards: Tcl reads the text of a rule once more."""
    return dataclasses.replace(new, text=in_script(new.text)) if isinstance(new, Rule) else new


def _script(found: Difference) -> None:
    """The TMSH script must parse: one unbalanced brace in a rule breaks all of it. Raises TransactionError."""
    for new in found.put:
        if isinstance(new, Rule) and not braces_balance(new.text):
            raise TransactionError(f"missing close-brace in the script that creates ltm rule {new.path}")


def _refuse_surprises(config: Config, found: Difference) -> None:
    """What AS3 creates must not be there, what it deletes must be: ``unchecked`` can be wrong about it.

    Raises TransactionError.
    """
    before = {(type(old), old.path) for old in found.before}
    for gone in found.delete:
        if config.get(type(gone), gone.path) is None:
            raise TransactionError(f"01020036:3: The requested {KINDS[type(gone)]} ({gone.path}) was not found.")
    for new in found.put:
        there = config.get(type(new), new.path) is not None
        if there and (type(new), new.path) not in before:
            partition = new.path.split("/")[1]
            what = f"The requested {KINDS[type(new)]} ({new.path})"
            raise TransactionError(f"01020066:3: {what} already exists in partition {partition}.")


def as_config(objects: Iterable[Object]) -> Json:
    """Objects as AS3 lists them in traces: path -> command and properties."""
    return {each.path: _described(each) for each in objects}


def _change(kind: str, old: Object | None, new: Object | None) -> Json:
    one = new or old
    shown: Json = {"kind": kind, "path": [one.path] if one is not None else [], "tags": ["tmsh"]}
    if one is not None:
        shown["command"] = _COMMANDS[type(one)]
    for side, each in (("lhs", old), ("rhs", new)):
        if each is not None:
            shown[side] = _described(each)
            shown[f"{side}Command"] = _COMMANDS[type(each)]
    return shown


def _described(each: Object) -> Json:
    properties = {
        field.name: _plain(getattr(each, field.name)) for field in dataclasses.fields(each) if field.name != "path"
    }
    if isinstance(each, SslKey):
        properties["pem"] = "***"  # AS3 shows it; a lab's answers end up in logs
    return {"command": _COMMANDS[type(each)], "properties": properties, "ignore": []}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value
