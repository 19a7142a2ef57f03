"""Taking a role's credentials away: off every device at once, and off AWS by a policy that somebody must attach."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bigip_sm.bigip.device import Device
from bigip_sm.bigip.inventory import Inventory
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import credential_group
from rotator import clocks
from rotator.fleet import DEADLINE, rotate_all, units_of
from rotator.push import Result, Wanted, revoke_role
from rotator.store import Store, now_ms, utc

POLICY_NAME = "AWSRevokeOlderSessions"
"""The name that IAM's own console gives to such a policy."""


@dataclass(frozen=True)
class Revoked:
    """What was done: ``upto`` is the generation (ms) up to which everything is revoked."""

    role: str
    arn: str
    upto: int
    results: tuple[Result, ...]

    @property
    def policy(self) -> dict[str, Any]:
        """The policy that ends live sessions: denies everything to those issued before the next full second."""
        moment = utc(math.ceil(self.upto / 1000))
        condition = {"DateLessThan": {"aws:TokenIssueTime": moment}}
        statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition}
        return {"Version": "2012-10-17", "Statement": [statement]}

    @property
    def command(self) -> str:
        """The AWS CLI command that attaches the policy to the role."""
        name = self.arn.rpartition("/")[2]
        document = json.dumps(self.policy, separators=(",", ":"))
        return f"aws iam put-role-policy --role-name {name} --policy-name {POLICY_NAME} --policy-document '{document}'"


def revoke(
    spec: Spec,
    inventory: Inventory,
    role: str,
    store: Store,
    *,
    rotator: str,
    clock: Callable[[], float] = clocks.now,
    deadline: float = DEADLINE,
) -> Revoked:
    """Revoke everything of ``role`` that was issued until now. Raises OSError if that cannot be remembered.

    It is remembered first: what a running rotator has in hand is then not pushed again. A device that holds something
    later (clocks differ) is emptied as well.
    """
    upto = now_ms(clock())
    for _ in range(2):
        store.revoke(role, upto)
        wanted = Wanted(role, credential_group(spec.gateway, role), revoked=upto)
        results = rotate_all(
            units_of(inventory), [wanted], deadline=deadline, clock=clock, rotator=rotator, push=_take_away
        )
        later = max((one.generation or 0 for one in results if one.state == "fresh"), default=0)
        if later <= upto:
            break
        upto = later
    results = [_still_there(result) if result.state == "fresh" else result for result in results]
    emptied = [result.device for result in results if result.wrote]
    store.journal("revoked", clock(), gateway=spec.gateway, rotator=rotator, role=role, upto=upto, devices=emptied)
    return Revoked(role, spec.roles[role].arn, upto, tuple(results))


def _still_there(result: Result) -> Result:
    return replace(result, state="failed", reason=f"{result.device}: config sync has not taken it away yet")


def _take_away(device: Device, wanted: Wanted, *, now: float, rotator: str, **_: Any) -> Result:
    return revoke_role(device, wanted, now=now, rotator=rotator)
