"""What the rotator keeps on disk, none of it secret: journal, state, revocations.

Three files for each gateway, in a folder that only the rotator's user may enter:

* ``<gateway>.journal.jsonl``: one JSON object a line for everything that changed, kept to ``JOURNAL_SIZE`` and one
  older file;
* ``<gateway>.state.json``: the last known state of every role on every device, for ``status``;
* ``<gateway>.revoked.json``: up to which generation (ms) a role's credentials were revoked.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import functools
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

JOURNAL_SIZE = 8 * 1024**2
"""Bytes of the journal after which a new file is begun."""


def default_folder() -> Path:
    """Where systemd says (``STATE_DIRECTORY``), else below the user's own state directory."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "bigip-sm-rotator"


def utc(moment: float) -> str:
    """Epoch seconds as ``2026-11-21T12:00:00Z``."""
    return datetime.datetime.fromtimestamp(int(moment), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """The files of one gateway. A full disk must not stop a rotation: failures to write are logged, once each time."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder = folder
        self.gateway = gateway
        self._journal = folder / f"{gateway}.journal.jsonl"
        self._state = folder / f"{gateway}.state.json"
        self._revoked = folder / f"{gateway}.revoked.json"
        self._revocations: tuple[object, dict[str, int]] = (None, {})
        self._complained = False

    def journal(self, event: str, now: float, **details: Any) -> None:
        """Append one event. ``details`` must hold no secret."""
        line = json.dumps({"time": utc(now), "event": event, **details}, separators=(",", ":")) + "\n"
        self._try(functools.partial(self._append, line))

    def events(self) -> Iterator[dict[str, Any]]:
        """Every event of the journal, oldest first; a line that was cut short is left out."""
        for path in (self._journal.with_suffix(".jsonl.1"), self._journal):
            with contextlib.suppress(OSError), path.open() as file:
                for line in file:
                    with contextlib.suppress(ValueError):
                        yield json.loads(line)

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state file."""
        self._try(functools.partial(self._write, self._state, state))

    def state(self) -> dict[str, Any]:
        """What was saved last; empty if nothing was."""
        found = _read(self._state)
        return found if found is not None else {}

    def revocations(self) -> dict[str, int]:
        """Role -> generation (ms) up to which everything is revoked. Read anew only when the file changed."""
        try:
            file = self._revoked.stat()
        except OSError:
            return {}
        version = (file.st_mtime_ns, file.st_ctime_ns, file.st_ino)
        if version != self._revocations[0]:
            found = _read(self._revoked)
            if found is None or not all(isinstance(upto, int) for upto in found.values()):
                logger.error("%s cannot be read; what was revoked before it changed stays so", self._revoked)
                found = self._revocations[1]
            self._revocations = version, found
        return self._revocations[1]

    def revoke(self, role: str, generation: int) -> None:
        """Remember that everything issued up to ``generation`` is revoked. Raises OSError."""
        self._make_folder()
        with (self.folder / ".lock").open("w") as lock:
            self._hand_over(lock.fileno())
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = dict(self.revocations())
            known[role] = max(generation, known.get(role, 0))
            self._write(self._revoked, known)

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _write(self, path: Path, document: Mapping[str, Any]) -> None:
        """Replace a file in one step, so that a reader sees the old or the new one."""
        descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=f".{path.name}.")
        try:
            self._hand_over(descriptor)
            with os.fdopen(descriptor, "w") as file:
                json.dump(document, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _append(self, line: str) -> None:
        if self._journal.exists() and self._journal.stat().st_size > JOURNAL_SIZE:
            self._journal.replace(self._journal.with_suffix(".jsonl.1"))
        descriptor = os.open(self._journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            self._hand_over(descriptor)
            file.write(line)

    def _hand_over(self, descriptor: int) -> None:
        """Give a file to the folder's owner. Somebody ran ``revoke`` as root: the daemon must be able to read it."""
        if os.geteuid() == 0:
            owner = self.folder.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            self._make_folder()
            write()
            self._complained = False
        except OSError as error:
            if not self._complained:
                logger.error("%s cannot be written: %s", self.folder, error.strerror or type(error).__name__)
            self._complained = True


def _read(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is none, empty if the file is not there."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def now_ms(now: float | None = None) -> int:
    """The time as a generation: milliseconds since the epoch."""
    return int((time.time() if now is None else now) * 1000)
