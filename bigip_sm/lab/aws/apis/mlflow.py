"""MLflow on SageMaker: a strict door in front of MLflow's own server (AWS sheet, section 1.9)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection

from bigip_sm.errors import LabError
from bigip_sm.lab.aws import refusal
from bigip_sm.lab.aws.apis.api import Pending
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.http import Request, Response

Forward = Callable[[str, bytes, list[tuple[str, str]], bytes], Awaitable[Response]]
"""Sends method, target, headers and body to MLflow's server."""

_SIGNED = re.compile(r"SignedHeaders=([a-z0-9;-]+)")
_PASSED = frozenset({"accept", "content-type", "x-mlflow-experiment-id", "range"})
"""Headers that reach MLflow's server. What AWS passes on beyond these is not known."""


class MlflowApi:
    """Tracking servers, or apps, with the ARNs ``arns``. ``header`` names one of them on every request, and is signed.

    A missing header is answered 500, as a user of SageMaker reports. That it must be signed is not documented; AWS's
    own client signs it, so here it has to be.
    """

    def __init__(self, signing: str, header: str, arns: Collection[str], forward: Forward) -> None:
        self.signing = signing
        self.header = header
        self.arns = arns
        self._forward = forward

    def admit(self, request: Request, region: str) -> Pending:
        """Check that the request names a server of this region, in a header that is signed."""
        named = request.values(self.header)
        if len(named) != 1:
            raise Refusal(500, "InternalFailure", "Internal Server Error")
        signed = _SIGNED.search(request.header("authorization") or "")
        if signed is None or self.header not in signed[1].split(";"):
            message = f"'{self.header}' must be a 'SignedHeader' in the AWS Authorization."
            raise refusal.invalid_signature(message)
        if named[0] not in self.arns or named[0].split(":")[3] != region:
            raise refusal.access_denied(f"User is not authorized to perform: sagemaker-mlflow on resource: {named[0]}")

        async def answer(request_id: str) -> Response:
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
            passed = [(name, value) for name, value in headers if name.lower() in _PASSED]
            try:
                made = await self._forward(request.method, request.target, passed, request.body)
            except LabError as error:
                return self.refuse(Refusal(503, "ServiceUnavailable", str(error)), request_id)
            made.headers.append(("x-amzn-RequestId", request_id))
            return made

        return answer

    def refuse(self, refusal_: Refusal, request_id: str) -> Response:
        """rest-json."""
        return refusal.rest_json(refusal_, request_id)
