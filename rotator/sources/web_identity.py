"""STS AssumeRoleWithWebIdentity: a token of an identity provider that the role trusts, such as Kubernetes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.errors import SourceError
from bigip_sm.spec.sources import WebIdentitySource
from rotator import clocks
from rotator.sources.clients import client, explained
from rotator.sources.files import read
from rotator.sources.sessions import assumed
from rotator.sources.sts import assume_request, limits

VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE"
"""Environment variable with the token's path, as AWS SDKs have it."""

SHORTEST_TOKEN, LONGEST_TOKEN = 4, 20_000
"""Bounds of a token's length, characters (STS API reference, ``WebIdentityToken``)."""


@dataclass(frozen=True)
class WebIdentity:
    """Shows the token of an identity provider to STS in ``region``. ``clock`` gives epoch seconds."""

    role: str
    arn: str
    region: str
    settings: WebIdentitySource
    policy: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = clocks.now

    polled: ClassVar[bool] = False

    def fetch(self) -> SessionCredentials:
        """A new session. The token is read anew, since whoever issues it replaces it. Raises SourceError."""
        request = assume_request(self.arn, self.settings.session_name, self.settings.duration)
        request |= limits(self.policy, self.settings.policy_arns)
        token = self._token()
        with explained(self.role, f"AssumeRoleWithWebIdentity of {self.arn} in {self.region}"):
            # Unsigned: with the token's variable set, botocore would look for credentials by this very call.
            sts = client(self.role, "sts", self.region, unsigned=True)
            answer = sts.assume_role_with_web_identity(WebIdentityToken=token, **request)
        return assumed(self.role, answer, self.settings.duration, self.clock())

    def _token(self) -> str:
        place = self.settings.token_file or os.environ.get(VARIABLE, "")
        if not place:
            raise SourceError(f"role {self.role}: no token file: set {VARIABLE}, or token_file in the source")
        token = read(self.role, "token file", Path(place), LONGEST_TOKEN + 2).strip()
        if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
            raise SourceError(
                f"role {self.role}: token file {place} holds {len(token)} characters; "
                f"a token has {SHORTEST_TOKEN} to {LONGEST_TOKEN}"
            )
        if not re.fullmatch(rb"[\x21-\x7e]+", token):
            raise SourceError(f"role {self.role}: token file {place} holds something that is not one token")
        return token.decode("ascii")
