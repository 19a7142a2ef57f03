"""IAM policies generated from the spec."""

from __future__ import annotations

import json

from bigip_sm.errors import CredentialError
from bigip_sm.spec.model import Spec

MAX_SESSION_POLICY = 2048
"""Longest session policy that AssumeRole takes, characters (STS API reference, parameter ``Policy``)."""


def endpoint_arns(spec: Spec, role: str) -> tuple[str, ...]:
    """ARNs of every SageMaker endpoint that the gateway reaches with ``role``, sorted.

    They are in the role's own partition and account. SageMaker writes endpoint names in ARNs in lower case, and a
    policy with capitals denies in silence.
    """
    _, partition, _, _, account, _ = spec.roles[role].arn.split(":", 5)
    return tuple(
        sorted(
            {
                f"arn:{partition}:sagemaker:{region.name}:{account}:endpoint/{upstream.endpoint.lower()}"
                for upstream in spec.upstreams.values()
                if upstream.role == role
                for region in upstream.regions
            }
        )
    )


def session_policy(spec: Spec, role: str) -> str:
    """The policy that a session of ``role`` is limited to: what the gateway's upstreams need, as compact JSON.

    ``CallWithBearerToken`` has no resource of its own (SageMaker guide, OpenAI-compatible endpoints). Raises
    CredentialError if the policy is longer than STS takes: it is never widened to make it shorter.
    """
    statements: list[dict[str, object]] = [
        {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": list(endpoint_arns(spec, role))}
    ]
    if any(upstream.role == role and upstream.kind == "sagemaker-openai" for upstream in spec.upstreams.values()):
        statements.append({"Effect": "Allow", "Action": "sagemaker:CallWithBearerToken", "Resource": "*"})
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    if len(policy) > MAX_SESSION_POLICY:
        raise CredentialError(
            f"role {role}: its session policy names {len(endpoint_arns(spec, role))} endpoints and has {len(policy)} "
            f"characters, AWS takes {MAX_SESSION_POLICY}; divide the upstreams among several roles"
        )
    return policy
