"""Where the rotator gets a role's session from: one small class for each type of source in gateway.yaml.

What they give is always a session of STS, never a long-lived access key.
"""

from __future__ import annotations

from typing import Protocol

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.aws.policy import session_policy
from bigip_sm.errors import SourceError
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import ProfileSource, RolesAnywhereSource, SecretsManagerSource, StsSource
from bigip_sm.spec.usage import upstreams_of


class Source(Protocol):
    """One role's source. For one thread at a time; it may remember what it saw, so keep it."""

    @property
    def polled(self) -> bool:
        """True: someone else renews the session, so ask often. False: each fetch makes one, so ask when one is due."""

    def fetch(self) -> SessionCredentials:
        """The session that is current now, not yet expired. Raises SourceError, which never carries a secret."""


def source_for(spec: Spec, role: str) -> Source:
    """The source that gateway.yaml names for ``role``; nothing is sent yet. Raises CredentialError."""
    from rotator.sources.profile import Profile
    from rotator.sources.roles_anywhere import RolesAnywhere
    from rotator.sources.secrets_manager import SecretsManager
    from rotator.sources.sts import Sts
    from rotator.sources.web_identity import WebIdentity

    source, arn = spec.roles[role].source, spec.roles[role].arn
    if isinstance(source, RolesAnywhereSource):
        return RolesAnywhere(role, arn, source.region or source.trust_anchor.split(":")[3], source)
    region = source.region or _first_region(spec, role)
    if isinstance(source, SecretsManagerSource):
        return SecretsManager(role, source.secret, region)
    policy = session_policy(spec, role) if source.session_policy == "generated" else None
    if isinstance(source, StsSource):
        return Sts(role, arn, region, source, policy)
    if isinstance(source, ProfileSource):
        return Profile(role, arn, region, source, policy)
    return WebIdentity(role, arn, region, source, policy)


def _first_region(spec: Spec, role: str) -> str:
    for upstream in upstreams_of(spec, role):
        return upstream.regions[0].name
    raise SourceError(f"role {role}: no upstream uses it, so its source needs a region")
