"""What STS refuses when a role is assumed: the rules that moto leaves out (STS API reference, AssumeRole)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bigip_sm.lab.aws.refusal import Refusal, validation
from bigip_sm.lab.aws.sessions import Session

CHAINED_SESSION = 3600
"""Longest session in seconds for a role that is assumed with another role's session."""

MAX_POLICY = 2048
"""Longest inline session policy, characters."""

_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)

Form = Mapping[str, str]
"""Parameters of a request, by name."""


@dataclass(frozen=True)
class Role:
    """An IAM role that may be assumed, with ``external_id`` if it asks for one; ``max_session`` is in seconds."""

    arn: str
    external_id: str | None = None
    max_session: int = 3600


@dataclass(frozen=True)
class WebIdentity:
    """What a token of an identity provider is good for: one role, until ``expiration`` (epoch seconds)."""

    role_arn: str
    expiration: float


def duration_of(form: Form) -> int:
    """The seconds asked for; 3600 if nothing is said."""
    return int(form.get("DurationSeconds", "3600"))


def transitive_keys(form: Form) -> frozenset[str]:
    """The transitive tag keys, in lower case: STS does not tell keys apart by case."""
    return frozenset(key.lower() for key in _members(form, "TransitiveTagKeys.member.{}"))


def admit(form: Form, caller: Session, roles: Mapping[str, Role]) -> None:
    """Raises Refusal if ``caller`` may not assume the role so."""
    _check_values(form)
    role = roles.get(form.get("RoleArn", ""))
    if role is None or (role.external_id is not None and form.get("ExternalId") != role.external_id):
        raise Refusal(
            403,
            "AccessDenied",
            f"User: {caller.principal} is not authorized to perform: sts:AssumeRole on resource: "
            f"{form.get('RoleArn', '')}",
        )
    if caller.session_token is not None and duration_of(form) > CHAINED_SESSION:
        raise validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if duration_of(form) > role.max_session:
        raise validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if (
        caller.source_identity is not None
        and form.get("SourceIdentity", caller.source_identity) != caller.source_identity
    ):
        raise Refusal(403, "AccessDenied", "The source identity of a session cannot be changed")
    if caller.transitive_tags & {key.lower() for key in _members(form, "Tags.member.{}.Key")}:
        raise Refusal(
            400,
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
            "from the calling session.",
        )


def admit_token(form: Form, tokens: Mapping[str, WebIdentity], roles: Mapping[str, Role], now: float) -> None:
    """Raises Refusal if the token does not let anybody assume the role at ``now``, epoch seconds."""
    _check_values(form)
    known = tokens.get(form.get("WebIdentityToken", ""))
    if known is None:
        raise Refusal(400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider")
    if known.expiration <= now:
        raise Refusal(400, "ExpiredTokenException", f"Token expired: current date/time {now:.0f} must be before it")
    role = roles.get(form.get("RoleArn", ""))
    if role is None or role.arn != known.role_arn:
        raise Refusal(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    if duration_of(form) > role.max_session:
        raise validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def _check_values(form: Form) -> None:
    duration = form.get("DurationSeconds", "3600")
    if not re.fullmatch("[0-9]{1,6}", duration) or not 900 <= int(duration) <= 43200:
        raise validation(
            f"1 validation error detected: Value '{duration}' at 'durationSeconds' failed to satisfy constraint: "
            "Member must have value between 900 and 43200"
        )
    for key, place in (("RoleSessionName", "roleSessionName"), ("SourceIdentity", "sourceIdentity")):
        value = form.get(key, "" if key == "RoleSessionName" else "unset")
        if not _NAME.fullmatch(value):
            raise validation(
                f"1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\w+=,.@-]* and have 2 to 64 characters"
            )
    policy = form.get("Policy", "{}")
    if len(policy) > MAX_POLICY:
        raise validation(f"1 validation error detected: 'policy' must have length less than or equal to {MAX_POLICY}")
    try:
        json.loads(policy)
    except ValueError:
        raise Refusal(400, "MalformedPolicyDocument", "Syntax errors in policy.") from None


def _members(form: Form, pattern: str) -> Iterator[str]:
    """The values of a list parameter; ``pattern`` has ``{}`` for the index, from 1."""
    index = 1
    while (value := form.get(pattern.format(index))) is not None:
        yield value
        index += 1
