"""Putting a gateway on a BIG-IP: what it needs is made first, then the AS3 declaration is posted.

The order matters. An iRule names the credential data groups, and TMOS refuses a rule that names a group that does not
exist; the groups are in a partition of their own, since AS3 deletes what it does not know in its tenants. A group that
exists is never written here: its records belong to the rotator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bigip_sm.bigip.as3 import As3Client, Outcome
from bigip_sm.bigip.device import DataGroup, Device
from bigip_sm.bigip.subject_key import choose_key, read_key, uses_key, write_key
from bigip_sm.errors import DeviceError, ObjectNotFound, RequestRefused
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import PARTITION, audit_group, credential_group, jwks_group, weights_group
from bigip_sm.spec.usage import initial_weights

MINIMUM_TMOS = (15, 1)
"""Oldest TMOS version: AS3 supports none older since its release 3.50."""

_DESCRIPTION = "Credentials of bigip-sm gateways, written by its rotator"


@dataclass(frozen=True)
class Step:
    """One object that the gateway needs outside AS3, and what is to be done about it."""

    kind: Literal["partition", "folder", "data-group"]
    path: str
    effect: Literal["create", "detach", "keep"]


@dataclass(frozen=True)
class Observed:
    """What is on a device, as far as ``plan`` needs to know.

    ``groups`` maps the data groups of ``rotated_groups`` that exist to their type, ``detached`` tells whether the
    folder of the partition is out of config sync.
    """

    device: str
    version: str
    as3_version: str
    as3_schema: str
    partitions: tuple[str, ...]
    tenants: tuple[str, ...]
    detached: bool
    groups: Mapping[str, str]


@dataclass(frozen=True)
class Applied:
    """What was done on one device, or with a dry run would have been."""

    device: str
    steps: tuple[Step, ...]
    outcome: Outcome

    @property
    def changed(self) -> bool:
        """Whether anything is different from before."""
        return self.outcome.changed or any(step.effect != "keep" for step in self.steps)


def credential_groups(spec: Spec) -> tuple[str, ...]:
    """Full paths of the credential data groups of a gateway, one for each role, sorted."""
    return tuple(sorted(credential_group(spec.gateway, role) for role in spec.roles))


def rotated_groups(spec: Spec) -> tuple[str, ...]:
    """Full paths of every data group that the gateway needs outside AS3: of credentials, keys, weights."""
    tokens = any(identity.type == "jwt" for identity in spec.identities.values())
    groups = [*credential_groups(spec), *([jwks_group(spec.gateway)] if tokens else [])]
    weights = [weights_group(spec.gateway)] if initial_weights(spec) else []
    return (*groups, *([audit_group(spec.gateway)] if uses_key(spec) else []), *weights)


def observe(device: Device, as3: As3Client, spec: Spec) -> Observed:
    """Look at a device; changes nothing."""
    info = as3.info()
    partitions = device.partitions()
    groups: dict[str, str] = {}
    if PARTITION in partitions:
        for path in rotated_groups(spec):
            try:
                groups[path] = device.data_group(path).type
            except ObjectNotFound:
                continue
    return Observed(
        device.name,
        device.version(),
        info.version,
        info.schema_current,
        partitions,
        as3.tenants(),
        PARTITION in partitions and device.folder_detached(PARTITION),
        groups,
    )


def plan(spec: Spec, declaration: Mapping[str, Any], observed: Observed) -> tuple[Step, ...]:
    """What to make before the declaration, in order. Pure.

    Raises DeviceError if the device must not get this gateway: it is too old, or something that is not the gateway's
    is where the gateway would be.
    """
    _check_versions(declaration, observed)
    if spec.gateway in observed.partitions and spec.gateway not in observed.tenants:
        raise DeviceError(
            observed.device,
            f"partition {spec.gateway} exists and was not made by AS3, which would take it over and delete "
            "what is in it; give the gateway another name, or remove the partition",
        )
    for path, kind in observed.groups.items():
        if kind != "string":
            raise DeviceError(
                observed.device, f"data group {path} has type {kind}, not string; remove it and apply again"
            )
    made = PARTITION in observed.partitions
    return (
        Step("partition", f"/{PARTITION}", "keep" if made else "create"),
        Step("folder", f"/{PARTITION}", "keep" if observed.detached else "detach"),
        *(Step("data-group", path, "keep" if path in observed.groups else "create") for path in rotated_groups(spec)),
    )


def prepare(device: Device, steps: Sequence[Step]) -> None:
    """Do the steps of ``plan``. Repeating them, or losing a race against another ``apply``, does no harm."""
    for step in steps:
        try:
            if step.effect == "detach":
                device.detach_folder(step.path[1:])
            elif step.effect == "create" and step.kind == "partition":
                device.create_partition(step.path[1:], _DESCRIPTION)
            elif step.effect == "create":
                device.create_data_group(DataGroup(step.path))
        except RequestRefused as error:
            if error.status != 409:
                raise


def prepared(device: Device, as3: As3Client, spec: Spec, declaration: Mapping[str, Any]) -> tuple[Step, ...]:
    """Make what the declaration needs, on one device; returns what was done. Raises DeviceError as ``plan`` does.

    Units of a device group are all prepared before any of them gets the declaration: config sync may carry the iRule
    to the others at once, and there it must find the data groups that it names.
    """
    steps = plan(spec, declaration, observe(device, as3, spec))
    prepare(device, steps)
    return steps


def apply(
    device: Device, as3: As3Client, spec: Spec, declaration: Mapping[str, Any], *, dry_run: bool = False
) -> Applied:
    """Put a gateway on one device: prepare, then declare. With ``dry_run`` nothing is changed.

    Raises DeviceError (see ``plan`` for when it refuses) and DeclarationError.
    """
    steps = plan(spec, declaration, observe(device, as3, spec))
    if not dry_run:
        prepare(device, steps)
        if uses_key(spec):
            write_key(device, spec, choose_key([(device.name, read_key(device, spec))]))
    return Applied(device.name, steps, as3.declare(declaration, dry_run=dry_run))


def _check_versions(declaration: Mapping[str, Any], observed: Observed) -> None:
    if _numbers(observed.version) < MINIMUM_TMOS:
        wanted = ".".join(map(str, MINIMUM_TMOS))
        raise DeviceError(observed.device, f"TMOS {observed.version} is too old; {wanted} or newer is needed")
    wanted = str(declaration.get("schemaVersion", ""))
    if _numbers(observed.as3_schema) < _numbers(wanted):
        raise DeviceError(
            observed.device, f"AS3 {observed.as3_version} is too old for this declaration; install {wanted} or newer"
        )


def _numbers(version: str) -> tuple[int, ...]:
    """``17.1.1`` as (17, 1, 1); whatever is no number ends it."""
    numbers = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
