"""Making a tenant's partition what the declaration says: difference, TMOS's checks, one transaction.

Whatever is in the tenant's partition and not in the declaration is deleted, whoever made it; nothing else is touched
(AS3's ``src/lib/audit.js``, ``diffProcessor.js``).
"""

from __future__ import annotations

from dataclasses import dataclass

from bigip_sm.lab.bigip.as3.text import braces_balance
from bigip_sm.lab.bigip.as3.translate import Desired
from bigip_sm.lab.bigip.checks import TransactionError, check
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Object, Rule
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.replies import Json


@dataclass(frozen=True)
class Difference:
    """What one transaction would do to a tenant."""

    put: tuple[Object, ...]
    delete: tuple[Object, ...]
    folders: tuple[str, ...]
    gone_folders: tuple[str, ...]

    @property
    def lines(self) -> int:
        """Lines of the script; 0 means no change. A replaced object is deleted and created."""
        return len(self.put) + len(self.delete) + len(self.folders) + len(self.gone_folders)


def difference(config: Config, folders: Folders, desired: Desired) -> Difference:
    """Compare a tenant's partition with what it should hold."""
    root = f"/{desired.tenant}"
    wanted = {(type(new), new.path): new for new in desired.objects}
    present = {(type(old), old.path): old for old in config.below(f"{root}/")}
    put = tuple(new for key, new in wanted.items() if present.get(key) != new)
    delete = tuple(old for key, old in present.items() if key not in wanted)
    wanted_folders = {root, *desired.folders} if desired.folders else set()
    known = {folder.path for folder in folders.all() if f"{folder.path}/".startswith(f"{root}/")}
    return Difference(put, delete, tuple(sorted(wanted_folders - known)), tuple(sorted(known - wanted_folders)))


def apply(config: Config, folders: Folders, desired: Desired, *, dry_run: bool) -> Json:
    """Bring one tenant to its desired state; returns AS3's result for it, without run time and id."""
    result: Json = {"host": "localhost", "tenant": desired.tenant}
    found = difference(config, folders, desired)
    if found.lines == 0:
        return {"code": 200, "message": "no change", **result}
    if not dry_run:
        try:
            _script(found)
            check(config, put=found.put, delete=found.delete)
        except TransactionError as error:
            return {"code": 422, "message": "declaration failed", "response": str(error), **result}
        for folder in found.folders:
            folders.ensure(folder)
        config.commit(put=found.put, delete=found.delete)
        for folder in found.gone_folders:
            folders.remove(folder)
    return {"code": 200, "message": "success", "lineCount": found.lines, **result}


def _script(found: Difference) -> None:
    """The TMSH script must parse: one unbalanced brace in a rule breaks all of it. Raises TransactionError."""
    for new in found.put:
        if isinstance(new, Rule) and not braces_balance(new.text):
            raise TransactionError(f"missing close-brace in the script that creates ltm rule {new.path}")
