"""Where the rotator gets a role's session from: one small class for each type of source in gateway.yaml."""

from __future__ import annotations

from typing import Protocol

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.aws.policy import session_policy
from bigip_sm.errors import SourceError
from bigip_sm.spec.model import SecretsManagerSource, Spec


class Source(Protocol):
    """One role's source."""

    def fetch(self) -> SessionCredentials:
        """The session that is current now, not yet expired. Raises SourceError, which never carries a secret."""


def source_for(spec: Spec, role: str) -> Source:
    """The source that gateway.yaml names for ``role``; nothing is sent yet. Raises CredentialError."""
    from rotator.sources.secrets_manager import SecretsManager
    from rotator.sources.sts import Sts

    source = spec.roles[role].source
    region = source.region or _first_region(spec, role)
    if isinstance(source, SecretsManagerSource):
        return SecretsManager(role, source.secret, region)
    return Sts(
        role,
        spec.roles[role].arn,
        region,
        session_name=source.session_name,
        duration=source.duration,
        external_id=source.external_id,
        policy=session_policy(spec, role),
    )


def _first_region(spec: Spec, role: str) -> str:
    for upstream in spec.upstreams.values():
        if upstream.role == role:
            return upstream.regions[0].name
    raise SourceError(f"role {role}: no upstream uses it, so its source needs a region")
