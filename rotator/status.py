"""What every device holds now, joined with what the rotator wrote down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bigip_sm.bigip.inventory import Inventory
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import credential_group
from rotator import clocks
from rotator.fleet import DEADLINE, check, rotate_all, units_of
from rotator.jwks import identities
from rotator.keys import WantedKeys
from rotator.push import Result, Wanted
from rotator.store import Store


@dataclass(frozen=True)
class Row:
    """One role on one device. ``age`` is seconds, ``expires_at`` epoch seconds, ``next`` when the source is asked next.

    ``error`` is what is wrong now, else the last thing that was according to the rotator. Where the device cannot be
    asked, the other values are those that the rotator last saw.
    """

    role: str
    device: str
    state: str
    generation: int | None
    age: int | None
    expires_at: int | None
    expires_in: int | None
    next: str | None
    error: str

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def look(
    spec: Spec,
    inventory: Inventory,
    roles: Sequence[str],
    store: Store,
    *,
    deadline: float = DEADLINE,
    clock: Callable[[], float] = clocks.now,
) -> list[Row]:
    """Read every device; a row for each role and device, roles in the order given. Changes nothing, never raises.

    With all roles of the spec come the key sets of its JWT issuers.
    """
    wanted: list[Wanted | WantedKeys] = [
        Wanted(role, credential_group(spec.gateway, role), rotation=spec.roles[role].rotation) for role in roles
    ]
    if identities(spec) and list(roles) == list(spec.roles):
        wanted.append(WantedKeys(spec, {}))
    found = rotate_all(units_of(inventory), wanted, deadline=deadline, clock=clock, push=check)
    by_place = {(result.role, result.device): clocks.judged(result) for result in found}
    state = store.state()
    noted = {(one.get("role"), one.get("device")): one for one in state.get("credentials", []) if isinstance(one, dict)}
    next_at = {role: one.get("next_fetch") for role, one in state.get("roles", {}).items() if isinstance(one, dict)}
    return [
        _row(by_place[one.role, entry.name], noted.get((one.role, entry.name), {}), next_at.get(one.role), clock())
        for one in wanted
        for entry in inventory.devices
    ]


def exit_code(rows: Sequence[Row]) -> int:
    """1 if anything failed, else 2 if anything is stale, else 0."""
    states = {row.state for row in rows}
    return 1 if "failed" in states else 2 if "stale" in states else 0


def _row(result: Result, noted: Mapping[str, Any], next_at: str | None, now: float) -> Row:
    generation, expires_at = result.generation, result.expires_at
    if result.failure in ("unreachable", "timeout", "authentication"):
        generation, expires_at = noted.get("generation"), noted.get("expires_at")
    error = result.reason if result.state in ("failed", "stale") else str(noted.get("error") or "")
    return Row(
        result.role,
        result.device,
        result.state,
        generation,
        round(now - generation / 1000) if generation is not None else None,
        expires_at,
        round(expires_at - now) if expires_at is not None else None,
        next_at,
        error,
    )
