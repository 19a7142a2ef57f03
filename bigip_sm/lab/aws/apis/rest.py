"""Private REST APIs of API Gateway (its guide, "Invoke a private API")."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from bigip_sm.lab.aws import refusal
from bigip_sm.lab.aws.apis.api import Pending
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.http import Request, Response


@dataclass(frozen=True)
class RestApi:
    """A REST API: ``root`` is the stage and the path that it serves, with all below if it ends in a slash."""

    api: str
    root: str


class RestApis:
    """The REST APIs behind one VPC endpoint; they answer with what they were asked.

    An API is named by the first label of Host, or by ``x-apigw-api-id`` where Host is the VPC endpoint's own name.
    """

    signing = "execute-api"

    def __init__(self, apis: Collection[RestApi]) -> None:
        self.apis = apis

    def admit(self, request: Request, region: str) -> Pending:
        """Find the API and the resource."""
        host = request.header("host") or ""
        ids = request.values("x-apigw-api-id")
        own = host.partition(".")[0]
        wanted = own if not host.startswith("vpce-") else (ids[0] if len(ids) == 1 else "")
        roots = [one.root for one in self.apis if one.api == wanted]
        if not roots:
            raise Refusal(403, "ForbiddenException", "Forbidden")
        path = request.path
        if not any(path == root or (root.endswith("/") and path.startswith(root)) for root in roots):
            raise refusal.missing_authentication()  # API Gateway's answer where no resource has the path

        async def answer(request_id: str) -> Response:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
            passed = {name: value for name, value in headers.items() if not name.startswith(("x-amz", "authorization"))}
            seen = {"method": request.method, "path": path, "query": request.query, "headers": passed, "api": wanted}
            body = json.dumps({**seen, "body": request.body.decode("latin-1")}).encode()
            return Response(200, [("x-amzn-RequestId", request_id), ("Content-Type", "application/json")], body)

        return answer

    def refuse(self, refusal_: Refusal, request_id: str) -> Response:
        """The type in a header, only a message in the body."""
        headers = [("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", refusal_.kind)]
        body = json.dumps({"message": refusal.full_message(refusal_)}).encode()
        return Response(refusal_.status, [*headers, ("Content-Type", "application/json")], body)
