"""What the services have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.http import Request, Response

Pending = Callable[[str], Awaitable[Response]]
"""Makes the answer of an accepted request; it is given the id of the request."""


class Api(Protocol):
    """One service. ``signing`` is its name in credential scopes."""

    @property
    def signing(self) -> str:
        """Its name in credential scopes."""
        ...

    def admit(self, request: Request, region: str) -> Pending:
        """Check a request whose signature is good; returns what makes its answer. Raises Refusal."""
        ...

    def refuse(self, refusal: Refusal, request_id: str) -> Response:
        """A refusal in the format of the service."""
        ...
