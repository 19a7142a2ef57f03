"""One rotation: every role from its source onto every device."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bigip_sm.bigip.inventory import Inventory
from bigip_sm.errors import BigipSmError, SourceError
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import credential_group
from rotator import clocks
from rotator.board import Board, History, as_json
from rotator.fleet import DEADLINE, rotate_all, units_of
from rotator.jwks import KeySets, identities
from rotator.keeper import generation
from rotator.keys import ROLE, KeysKeeper, WantedKeys
from rotator.material import make
from rotator.push import Result, Wanted
from rotator.sources import Source, source_for
from rotator.store import Store, utc

logger = logging.getLogger(__name__)

_SOURCES_AT_ONCE = 8


def rotate(
    spec: Spec,
    inventory: Inventory,
    roles: Sequence[str],
    *,
    rotator: str,
    store: Store | None = None,
    clock: Callable[[], float] = clocks.now,
    force: bool = False,
    deadline: float = DEADLINE,
    source: Callable[[Spec, str], Source] = source_for,
    key_sets: Callable[[Spec], KeySets] = KeySets,
) -> list[Result]:
    """Rotate ``roles`` once on every device. A result for each role and device, roles in the order given.

    ``rotator`` is written into the records; ``deadline`` is seconds for each unit; revocations are read from ``store``,
    journal and state are written to it. Never raises BigipSmError: what fails is a result. A role whose source fails is
    left alone on every device. With all roles of the spec come the key sets of its JWT issuers, as role ``jwks``.
    """
    revoked = store.revocations() if store is not None else {}

    def wanted(role: str) -> Wanted:
        rotation, upto = spec.roles[role].rotation, revoked.get(role, 0)
        empty = Wanted(role, credential_group(spec.gateway, role), revoked=upto, rotation=rotation)
        try:
            session = source(spec, role).fetch()
            if generation(session) <= upto:
                return Wanted(
                    role, empty.path, None, f"role {role}: it was revoked at {utc(upto / 1000)}", upto, rotation
                )
            material = make(spec, role, session, now=clock(), rotator=rotator)
        except BigipSmError as error:
            return Wanted(role, empty.path, None, str(error), upto, rotation)
        except Exception as error:
            # A library's own error may quote what it could not digest.
            reason = str(SourceError(f"role {role}: unexpected {type(error).__name__} from its source"))
            return Wanted(role, empty.path, None, reason, upto, rotation)
        return Wanted(role, empty.path, material, "", upto, rotation)

    with ThreadPoolExecutor(_SOURCES_AT_ONCE) as pool:
        found = dict(zip(roles, pool.map(wanted, roles), strict=True))
    units = units_of(inventory)
    good: list[Wanted | WantedKeys] = [one for one in found.values() if one.material is not None or one.revoked]
    if identities(spec) and list(roles) == list(spec.roles):
        keeper = KeysKeeper(spec, key_sets(spec))
        keeper.fetch(clock, time.monotonic)
        good.append(keeper.wanted())
    pushed = rotate_all(units, good, deadline=deadline, clock=clock, rotator=rotator, force=force) if good else []
    results = {(one.role, one.device): clocks.judged(one) for one in pushed}
    for role, one in found.items():
        if one not in good:
            logger.error("%s", one.problem)
            results |= {
                (role, entry.name): Result(role, entry.name, "failed", one.problem, failure="source")
                for entry in inventory.devices
            }
    shown = [*roles, *(one.role for one in good if isinstance(one, WantedKeys))]
    ordered = [results[role, entry.name] for role in shown for entry in inventory.devices]
    if store is not None:
        _write_down(store, spec, inventory, ordered, rotator, clock())
    return ordered


def exit_code(results: Sequence[Result]) -> int:
    """1 if anything failed, else 2 if anything is stale, else 0."""
    states = {result.state for result in results}
    return 1 if "failed" in states else 2 if "stale" in states else 0


def _write_down(
    store: Store, spec: Spec, inventory: Inventory, results: Sequence[Result], rotator: str, now: float
) -> None:
    """Journal and state, as the daemon writes them. A role that was not rotated keeps its place in the state."""
    board, history = Board(), History()
    board.expect([*spec.roles, ROLE], [entry.name for entry in inventory.devices])
    rotations = {name: role.rotation for name, role in spec.roles.items()}
    for result in results:
        before, after = board.note(result, now, rotations.get(result.role, WantedKeys.rotation))
        if after is not None:
            history.note(before, after)
    for event, details in history.drain():
        store.journal(event, now, gateway=spec.gateway, rotator=rotator, **details)
    rotated = {result.role for result in results}
    kept = [one for one in _credentials(store.state()) if one.get("role") in {*spec.roles, ROLE} - rotated]
    entries = [as_json(entry, now) for entry in board.entries().values() if entry is not None]
    roles: dict[str, Any] = {role: {"next_fetch": None, "problem": ""} for role in spec.roles}
    store.save_state({"rotator": rotator, "saved_at": utc(now), "roles": roles, "credentials": kept + entries})


def _credentials(state: dict[str, Any]) -> list[dict[str, Any]]:
    found = state.get("credentials")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
