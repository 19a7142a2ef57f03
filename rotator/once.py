"""One rotation: every role from its source onto every device."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bigip_sm.bigip.device import Device
from bigip_sm.bigip.inventory import DeviceEntry, Inventory
from bigip_sm.errors import BigipSmError, SourceError
from bigip_sm.spec.model import Spec
from rotator.material import Material, make
from rotator.push import DEADLINE, Result, Target, push_all
from rotator.sources import Source, source_for

logger = logging.getLogger(__name__)

_SOURCES_AT_ONCE = 8


def rotate(
    spec: Spec,
    inventory: Inventory,
    roles: Sequence[str],
    *,
    rotator: str,
    clock: Callable[[], float] = time.time,
    force: bool = False,
    deadline: float = DEADLINE,
    source: Callable[[Spec, str], Source] = source_for,
) -> list[Result]:
    """Rotate ``roles`` once on every device. A result for each role and device, roles in the order given.

    ``rotator`` is written into the records; ``deadline`` is seconds for each device. Never raises BigipSmError: what
    fails is a result. A role whose source fails is left alone on every device.
    """

    def material(role: str) -> Material | str:
        try:
            return make(spec, role, source(spec, role).fetch(), now=clock(), rotator=rotator)
        except BigipSmError as error:
            return str(error)
        except Exception as error:
            # A library's own error may quote what it could not digest.
            return str(SourceError(f"role {role}: unexpected {type(error).__name__} from its source"))

    with ThreadPoolExecutor(_SOURCES_AT_ONCE) as pool:
        made = dict(zip(roles, pool.map(material, roles), strict=True))
    targets = [Target(entry.name, _connector(entry)) for entry in inventory.devices]
    good = [found for found in made.values() if isinstance(found, Material)]
    pushed = push_all(targets, good, clock=clock, force=force, deadline=deadline) if good else []
    results = {(result.role, result.device): result for result in pushed}
    for role, found in made.items():
        if isinstance(found, str):
            logger.error("%s", found)
            results |= {(role, one.name): Result(role, one.name, "failed", found) for one in inventory.devices}
    return [results[role, entry.name] for role in roles for entry in inventory.devices]


def exit_code(results: Sequence[Result]) -> int:
    """1 if anything failed, else 2 if anything is stale, else 0."""
    states = {result.state for result in results}
    return 1 if "failed" in states else 2 if "stale" in states else 0


def _connector(entry: DeviceEntry) -> Callable[[float], Device]:
    return lambda deadline: entry.connect("rotator", deadline=deadline)
