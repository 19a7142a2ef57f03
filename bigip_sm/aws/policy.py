"""IAM policies generated from the spec: no more than each part needs.

What is for people to put into AWS is a dict, as ``json.dumps`` and tests want it.
"""

from __future__ import annotations

import json
from typing import Any

from bigip_sm.aws.permissions import permissions_of
from bigip_sm.errors import CredentialError
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import ProfileSource, RolesAnywhereSource, SecretsManagerSource, StsSource, WebIdentitySource
from bigip_sm.spec.usage import upstreams_of

MAX_SESSION_POLICY = 2048
"""Longest session policy that AssumeRole takes, characters (STS API reference, parameter ``Policy``)."""


def permissions(spec: Spec, role: str) -> dict[str, tuple[str, ...]]:
    """What the gateway needs ``role`` for: action -> resources, sorted; of a resource that is ``*`` nothing else."""
    by_group = {
        name for one in spec.routes.values() if role in one.role_by_group.values() for name in one.all_upstreams
    }
    found: dict[str, set[str]] = {}
    for name, upstream in spec.upstreams.items():
        if upstream.role == role or name in by_group:
            methods = {
                method
                for route in spec.routes.values()
                if name in route.all_upstreams
                for method in route.match.methods
            }
            for action, resource in permissions_of(upstream, spec.roles[role].arn, sorted(methods)):
                found.setdefault(action, set()).add(resource)
    return {action: tuple(sorted(resources)) for action, resources in found.items()}


def session_policy(spec: Spec, role: str) -> str:
    """The policy that a session of ``role`` is limited to: what the gateway's upstreams need, as compact JSON.

    Actions with the same resources share a statement. Raises CredentialError if the policy is longer than STS takes:
    it is never widened to make it shorter.
    """
    needed = permissions(spec, role)
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action in sorted(needed, key=lambda one: (needed[one] == ("*",), one)):
        by_resources.setdefault(needed[action], []).append(action)
    statements = [
        {
            "Effect": "Allow",
            "Action": actions if len(actions) > 1 else actions[0],
            "Resource": "*" if resources == ("*",) else list(resources),
        }
        for resources, actions in by_resources.items()
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    if len(policy) > MAX_SESSION_POLICY:
        count = len({resource for resources in needed.values() for resource in resources})
        raise CredentialError(
            f"role {role}: its session policy names {count} resources and has {len(policy)} characters, AWS takes "
            f"{MAX_SESSION_POLICY}; divide the upstreams among several roles"
        )
    return policy


def rotator_policy(spec: Spec, *, kms_key: str | None = None) -> dict[str, Any] | None:
    """What the rotator's own AWS identity may do; None if its sources need no such identity.

    Sources that show a token or a certificate need none. ``kms_key`` is the ARN of the key of the secrets if that is
    not Secrets Manager's own.
    """
    statements: list[dict[str, Any]] = []
    read = sorted(
        {secret_arn(spec, name) for name, role in spec.roles.items() if isinstance(role.source, SecretsManagerSource)}
    )
    if read:
        actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
        statements.append(_allow("ReadSessions", actions, read))
        statements += _key(kms_key, ["kms:Decrypt"])
    for name, role in spec.roles.items():
        source = role.source
        if isinstance(source, StsSource | ProfileSource):
            first = source.chain[0] if isinstance(source, StsSource) and source.chain else role.arn
            statements.append(_allow(f"Assume{_identifier(name)}", _assume_actions(source), [first]))
    return _policy(statements) if statements else None


def writer_policy(spec: Spec, role: str, *, kms_key: str | None = None) -> dict[str, Any]:
    """What the function may do that keeps the secret of ``role`` fresh, beside writing its log.

    Raises CredentialError if the role's source is no secret.
    """
    actions = ["secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"]
    return _policy(
        [
            _allow("Assume", ["sts:AssumeRole"], [spec.roles[role].arn]),
            _allow("WriteSession", actions, [secret_arn(spec, role)]),
            *_key(kms_key, ["kms:Decrypt", "kms:GenerateDataKey"]),
        ]
    )


def trust_policy(spec: Spec, role: str, principal: str, *, external_id: str | None = None) -> dict[str, Any]:
    """Who may have sessions of ``role``: its trust policy.

    ``principal`` is the ARN of who assumes it: of the rotator's identity, of the writer's role, or of the identity
    provider; Roles Anywhere is its own. ``external_id`` replaces that of the source. Sources: IAM User Guide, "Role
    trust policies"; IAM Roles Anywhere guide, "Trust policy".
    """
    source = spec.roles[role].source
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole"]}
    conditions: dict[str, dict[str, str]] = {}
    if isinstance(source, WebIdentitySource):
        statement |= {"Principal": {"Federated": principal}, "Action": ["sts:AssumeRoleWithWebIdentity"]}
    elif isinstance(source, RolesAnywhereSource):
        actions = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
        statement |= {"Principal": {"Service": "rolesanywhere.amazonaws.com"}, "Action": actions}
        conditions["ArnEquals"] = {"aws:SourceArn": source.trust_anchor}
    elif isinstance(source, StsSource):
        statement["Action"] = _assume_actions(source)
        external_id = external_id or source.external_id
        if source.source_identity is not None:
            conditions.setdefault("StringEquals", {})["sts:SourceIdentity"] = source.source_identity
    if external_id is not None:
        conditions.setdefault("StringEquals", {})["sts:ExternalId"] = external_id
    return _policy([{**statement, **({"Condition": conditions} if conditions else {})}])


def secret_arn(spec: Spec, role: str) -> str:
    """ARN of the secret of ``role``, as a pattern if the spec has its name only: AWS adds six characters to a name.

    The secret is taken to be in the account of the role. Raises CredentialError if the role's source is no secret.
    """
    source = spec.roles[role].source
    if not isinstance(source, SecretsManagerSource):
        raise CredentialError(f"role {role}: its source is {source.type}, not a secret")
    if source.secret.startswith("arn:"):
        return source.secret
    _, partition, _, _, account, _ = spec.roles[role].arn.split(":", 5)
    regions = [region.name for upstream in upstreams_of(spec, role) for region in upstream.regions]
    region = source.region or (regions[0] if regions else "*")
    return f"arn:{partition}:secretsmanager:{region}:{account}:secret:{source.secret}-??????"


def _assume_actions(source: StsSource | ProfileSource) -> list[str]:
    actions = ["sts:AssumeRole"]
    if isinstance(source, StsSource) and source.source_identity is not None:
        actions.append("sts:SetSourceIdentity")
    if isinstance(source, StsSource) and source.tags:
        actions.append("sts:TagSession")
    return actions


def _key(kms_key: str | None, actions: list[str]) -> list[dict[str, Any]]:
    """Use of a customer's key, through Secrets Manager only."""
    if kms_key is None:
        return []
    suffix = "amazonaws.com.cn" if kms_key.startswith("arn:aws-cn:") else "amazonaws.com"
    through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{kms_key.split(':')[3]}.{suffix}"}}
    return [{**_allow("Key", actions, [kms_key]), "Condition": through}]


def _allow(name: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _identifier(name: str) -> str:
    """A name of the spec as part of a ``Sid``, which has letters and digits only."""
    return "".join(part.capitalize() for part in name.split("_"))
