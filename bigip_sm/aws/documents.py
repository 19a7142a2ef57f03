"""Everything that people have to put into AWS for a gateway: one document for each role, endpoint and organization.

The permissions are those of ``permissions``; here they are bound to the VPC endpoints that the gateway goes through, so
that a credential that leaks is worth nothing outside the VPC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bigip_sm.aws.hosts import vpc_endpoint
from bigip_sm.aws.permissions import Permission, permissions_of
from bigip_sm.aws.policy import rotator_policy, trust_policy
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import RolesAnywhereSource, WebIdentitySource

ROTATOR = "bigip-sm-rotator"
"""Name of the role or user that the rotator is taken to run as, unless it is told."""


OPEN_NOTE = (
    "a VPC endpoint in {region} is not named in gateway.yaml, so aws:SourceVpce cannot be asked for what it serves"
)
ORGANIZATION_NOTES = (
    "a suggestion: it also keeps notebooks and pipelines from calling these directly; test it on one account first",
    "service control policies do not bind the management account",
)
FIPS_NOTE = "the FIPS runtime endpoint does not enforce endpoint policies on InvokeEndpoint"


@dataclass(frozen=True)
class Document:
    """One policy. ``name`` is that of its file, ``purpose`` where it belongs, ``notes`` what to know before."""

    name: str
    purpose: str
    policy: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def documents(spec: Spec, *, rotator: str | None = None, kms_key: str | None = None) -> list[Document]:
    """Every document for a gateway, in the order in which they are put into AWS.

    ``rotator`` is the ARN of the rotator's own identity, ``kms_key`` that of the key of its secrets, if it is not
    Secrets Manager's own.
    """
    found: list[Document] = []
    own = rotator_policy(spec, kms_key=kms_key)
    if own is not None:
        found.append(Document("rotator", "permissions of the rotator's own identity", own))
    for role in spec.roles:
        found += [_trust(spec, role, rotator), _permissions(spec, role)]
    found += _endpoint_policies(spec)
    guard = _organization(spec)
    return [*found, guard] if guard is not None else found


def signers_of(spec: Spec, upstream: str) -> tuple[str, ...]:
    """Every role that requests to an upstream are signed with, sorted; none if nothing is signed."""
    own = spec.upstreams[upstream].role
    by_group = {
        role for one in spec.routes.values() if upstream in one.all_upstreams for role in one.role_by_group.values()
    }
    return tuple(sorted(by_group | ({own} if own is not None else set())))


def methods_of(spec: Spec, upstream: str) -> tuple[str, ...]:
    """The methods of an upstream's routes, sorted."""
    routes = [route for route in spec.routes.values() if upstream in route.all_upstreams]
    return tuple(sorted({method for route in routes for method in route.match.methods}))


def source_vpces(spec: Spec, role: str) -> dict[Permission, frozenset[str] | None]:
    """What the gateway needs ``role`` for -> ids of the VPC endpoints that such requests come through.

    None if one of them is not known from the spec: behind private DNS, or given by its addresses.
    """
    found: dict[Permission, frozenset[str] | None] = {}
    for name, upstream in spec.upstreams.items():
        if role not in signers_of(spec, name):
            continue
        for needed in permissions_of(upstream, spec.roles[role].arn, methods_of(spec, name)):
            for region in upstream.regions:
                if _region(needed.resource) in (region.name, "*"):
                    before = found.get(needed, frozenset())
                    known = vpc_endpoint(region.vpc_endpoint or "") is not None
                    own = frozenset({_id(region.vpc_endpoint or "")})
                    found[needed] = before | own if known and before is not None else None
    return found


def _trust(spec: Spec, role: str, rotator: str | None) -> Document:
    _, partition, _, _, account, _ = spec.roles[role].arn.split(":", 5)
    notes: tuple[str, ...] = ()
    source = spec.roles[role].source
    principal = rotator or f"arn:{partition}:iam::{account}:role/{ROTATOR}"
    if isinstance(source, WebIdentitySource):
        principal = f"arn:{partition}:iam::{account}:oidc-provider/PROVIDER"
        notes = ("put your identity provider in the place of PROVIDER, and bind its claims aud and sub by a condition",)
    elif rotator is None and not isinstance(source, RolesAnywhereSource):
        notes = (f"the rotator is taken to be {principal}; say who it is with --rotator",)
    return Document(f"{role}-trust", f"trust policy of role {role}", trust_policy(spec, role, principal), notes)


def _permissions(spec: Spec, role: str) -> Document:
    """What the gateway may do with the role, from its VPC endpoints only."""
    statements: list[dict[str, Any]] = []
    needed = source_vpces(spec, role)
    for sources in sorted(set(needed.values()), key=lambda ids: (ids is None, sorted(ids or ()))):
        for actions, resources in _grouped(one for one, ids in needed.items() if ids == sources):
            statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resources}
            if sources is not None:
                statement["Condition"] = {"StringEquals": {"aws:SourceVpce": sorted(sources)}}
            statements.append(statement)
    open_regions = sorted({_region(one.resource) for one, ids in needed.items() if ids is None})
    notes = tuple(OPEN_NOTE.format(region=region) for region in open_regions if region != "*")
    policy = {"Version": "2012-10-17", "Statement": statements}
    return Document(f"{role}-permissions", f"permissions of role {role}", policy, notes)


def _grouped(needed: Iterable[Permission]) -> list[tuple[list[str], list[str]]]:
    """(actions, resources) of statements: actions with the same resources share one."""
    by_action: dict[str, set[str]] = {}
    for one in needed:
        by_action.setdefault(one.action, set()).add(one.resource)
    groups: dict[tuple[str, ...], list[str]] = {}
    for action, resources in sorted(by_action.items()):
        groups.setdefault(tuple(sorted(resources)), []).append(action)
    return [(actions, list(resources)) for resources, actions in groups.items()]


def _endpoint_policies(spec: Spec) -> Iterator[Document]:
    """One policy for each VPC endpoint, by whichever name: what goes through it, and signed with which roles."""
    through: dict[str, dict[str, set[Permission]]] = {}  # id of the endpoint -> role -> what it may do there
    fips: set[str] = set()
    for name, upstream in spec.upstreams.items():
        for region in upstream.regions:
            host = region.vpc_endpoint or ""
            if vpc_endpoint(host) is None:
                continue
            for role in signers_of(spec, name):
                needed = permissions_of(upstream, spec.roles[role].arn, methods_of(spec, name))
                here = {one for one in needed if _region(one.resource) in (region.name, "*")}
                through.setdefault(_id(host), {}).setdefault(role, set()).update(here)
            if getattr(upstream, "fips", False):
                fips.add(_id(host))
    for endpoint, roles in sorted(through.items()):
        statements = [one for role, needed in sorted(roles.items()) for one in _for_role(spec, role, needed)]
        notes = (FIPS_NOTE,) if endpoint in fips else ()
        policy = {"Version": "2012-10-17", "Statement": statements}
        yield Document(f"{endpoint}-endpoint", f"policy of the VPC endpoint {endpoint}", policy, notes)


def _for_role(spec: Spec, role: str, needed: Iterable[Permission]) -> Iterator[dict[str, Any]]:
    """Statements of an endpoint's policy: everybody may ask, as long as it is the role."""
    condition = {"ArnEquals": {"aws:PrincipalArn": spec.roles[role].arn}}
    for actions, resources in _grouped(needed):
        allowed = {"Effect": "Allow", "Action": actions, "Resource": resources}
        yield {**allowed, "Principal": "*", "Condition": condition}


def _organization(spec: Spec) -> Document | None:
    """A service control policy: nobody else, and from nowhere else, calls what the gateway stands before."""
    needed = {one: ids for role in spec.roles for one, ids in source_vpces(spec, role).items()}
    named = [one for one in needed if one.resource != "*"]
    if not named or any(ids is None for ids in needed.values()):
        return None
    statement = {
        "Sid": "OnlyThroughTheGateway",
        "Effect": "Deny",
        "Action": sorted({one.action for one in named}),
        "Resource": sorted({one.resource for one in named}),
        "Condition": {
            "StringNotEquals": {"aws:SourceVpce": sorted({one for ids in needed.values() for one in ids or ()})},
            "BoolIfExists": {"aws:ViaAWSService": "false"},
        },
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return Document("organization", "service control policy for the account", policy, ORGANIZATION_NOTES)


def _region(arn: str) -> str:
    return "*" if arn == "*" else arn.split(":", 5)[3]


def _id(host: str) -> str:
    """The id in an endpoint's DNS name, as in ``vpce-0a1b2c3d4e5f60718-abcdefgh.runtime.sagemaker...``."""
    return "-".join(host.split(".", 1)[0].split("-")[:2])
