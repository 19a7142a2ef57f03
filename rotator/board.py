"""What is known of every role on every device: the one picture that metrics, health, state file and status show."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bigip_sm.spec.sources import Rotation
from rotator.push import STALE_AFTER, Result
from rotator.store import utc


@dataclass(frozen=True)
class Entry:
    """One role on one device. Times are epoch seconds.

    ``result`` is the last one; generation and ends in it are the last known, even where the device cannot be asked
    now. ``failing_since`` is when it last worked no more, None while it does.
    """

    result: Result
    checked_at: float
    rotation: Rotation = field(default_factory=Rotation)
    pushed_at: float | None = None
    failing_since: float | None = None

    @property
    def stale_at(self) -> float | None:
        """From when what the device holds is late to be replaced; None if it holds nothing of use."""
        found = self.result
        if found.generation is None or found.expires_at is None or found.until is None:
            return None
        late = self.rotation.late(found.generation / 1000, found.expires_at)
        return min(late, found.until - STALE_AFTER)

    def trouble(self, now: float) -> str:
        """Why this needs somebody before requests are refused; empty if it does not."""
        found = self.result
        if self.stale_at is None:
            return found.reason or "no usable credential is known to be there"
        if found.failure == "clock":
            return found.reason
        if now >= self.stale_at:
            ends = (found.until or 0) - now
            when = f"ends in {ends:.0f} s" if ends > 0 else "has ended"
            return (
                f"the credential {when}: {found.reason if found.state in ('failed', 'stale') else 'not replaced yet'}"
            )
        return ""


class Board:
    """Entries by role and device. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Entry | None] = {}

    def expect(self, roles: Iterable[str], devices: Iterable[str]) -> None:
        """Forget everything but these roles on these devices; of those not heard of yet, something is missing."""
        devices = list(devices)
        with self._lock:
            known = self._entries
            self._entries = {(role, device): known.get((role, device)) for role in roles for device in devices}

    def note(self, result: Result, now: float, rotation: Rotation) -> tuple[Entry | None, Entry | None]:
        """Keep a result. Returns the entries before and after; the latter None if nobody expects it any more."""
        key = (result.role, result.device)
        with self._lock:
            if key not in self._entries:
                return None, None
            before = self._entries[key]
            self._entries[key] = after = _entry(before, result, now, rotation)
            return before, after

    def entries(self) -> dict[tuple[str, str], Entry | None]:
        """Everything that is expected; None for what was not checked yet."""
        with self._lock:
            return dict(self._entries)

    def answered(self, role: str) -> Sequence[Result]:
        """The last results of one role on the devices that answered."""
        silent = ("unreachable", "timeout", "authentication")
        found = [entry for (name, _), entry in self.entries().items() if name == role and entry is not None]
        return [entry.result for entry in found if entry.result.failure not in silent]

    def troubles(self, now: float) -> list[str]:
        """One line for everything that needs somebody before requests are refused."""
        return [
            f"{role} on {device}: {trouble}"
            for (role, device), entry in self.entries().items()
            if (trouble := entry.trouble(now) if entry else "not checked yet")
        ]


def _entry(before: Entry | None, result: Result, now: float, rotation: Rotation) -> Entry:
    kept, since, pushed = result, None, now if result.wrote else None
    if result.state == "failed":
        since = before.failing_since if before and before.failing_since is not None else now
        if result.generation is None and result.failure != "source" and before is not None:
            was = before.result
            kept = replace(result, generation=was.generation, expires_at=was.expires_at, until=was.until)
    if pushed is None and before is not None:
        pushed = before.pushed_at
    return Entry(kept, now, rotation, pushed, since)


class History:
    """What is to be journalled: events of one kind in one line, with all the devices that they happened on."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str, int | None, int | None, str], set[str]] = {}

    def note(self, before: Entry | None, after: Entry, *, repaired: bool = False) -> None:
        """Take in a result, if it is worth a line: something was written, or began to fail, or works again."""
        found = after.result
        failure = found.failure if found.state == "failed" else ""
        was = before.result.failure if before is not None and before.result.state == "failed" else ""
        if found.wrote:
            self._add("revoked" if found.revoked else "repaired" if repaired else "pushed", found, found.reason)
        if failure and failure != was:
            self._add("failed", found, failure)
        elif was and not failure:
            self._add("recovered", found, was)

    def _add(self, event: str, found: Result, reason: str) -> None:
        key = (event, found.role, found.generation, found.expires_at, reason)
        self._events.setdefault(key, set()).add(found.device)

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """Every event since the last call, with its details."""
        events, self._events = self._events, {}
        return [
            (
                event,
                {
                    "role": role,
                    "generation": generation,
                    "expires_at": utc(expires_at) if expires_at is not None else None,
                    "reason": reason,
                    "devices": sorted(devices),
                },
            )
            for (event, role, generation, expires_at, reason), devices in events.items()
        ]


def as_json(entry: Entry, now: float) -> dict[str, Any]:
    """An entry for the state file and ``status``."""
    found = entry.result
    return {
        "role": found.role,
        "device": found.device,
        "result": found.state,
        "generation": found.generation,
        "age": round(now - found.generation / 1000) if found.generation is not None else None,
        "expires_at": found.expires_at,
        "expires_in": round(found.expires_at - now) if found.expires_at is not None else None,
        "usable_until": found.until,
        "checked_at": utc(entry.checked_at),
        "pushed_at": utc(entry.pushed_at) if entry.pushed_at is not None else None,
        "failing_since": utc(entry.failing_since) if entry.failing_since is not None else None,
        "error": found.reason if found.state in ("failed", "stale") else "",
    }
