"""Lambda's Invoke (botocore's model of lambda 2015-03-31)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from bigip_sm.lab.aws import canonical, refusal
from bigip_sm.lab.aws.apis.api import Pending
from bigip_sm.lab.aws.refusal import ACCOUNT, Refusal
from bigip_sm.lab.http import Request, Response

_ROUTE = re.compile(r"/2015-03-31/functions/(?P<name>[A-Za-z0-9_-]{1,64})/invocations")


class LambdaApi:
    """Functions by name, each with its qualifiers; they answer what they were asked."""

    signing = "lambda"

    def __init__(self, functions: Mapping[str, frozenset[str]]) -> None:
        self.functions = functions

    def admit(self, request: Request, region: str) -> Pending:
        """Check path, qualifier, type of invocation and payload."""
        route = _ROUTE.fullmatch(request.path)
        if route is None or request.method != "POST":
            raise refusal.unknown_operation()
        query = canonical.query_parameters(request.target.partition(b"?")[2])
        if any(name != b"Qualifier" for name, _ in query) or len(query) > 1:
            raise Refusal(400, "InvalidParameterValueException", "Invoke has no such parameter")
        qualifier = query[0][1].decode() if query else "$LATEST"
        name = route["name"]
        if qualifier not in self.functions.get(name, frozenset()) | {"$LATEST"} or name not in self.functions:
            arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"
            raise Refusal(404, "ResourceNotFoundException", f"Function not found: {arn}")
        kind = request.header("x-amz-invocation-type") or "RequestResponse"
        if kind not in ("RequestResponse", "Event"):
            raise Refusal(400, "InvalidParameterValueException", f"{kind} is no type of invocation here")
        try:
            event = json.loads(request.body or b"null")
        except ValueError:
            message = "Could not parse request body into json: Could not parse payload into json"
            raise Refusal(400, "InvalidRequestContentException", message) from None

        async def answer(request_id: str) -> Response:
            if kind == "Event":
                return Response(202, [("x-amzn-RequestId", request_id)])
            headers = [("x-amzn-RequestId", request_id), ("X-Amz-Executed-Version", qualifier)]
            if isinstance(event, dict) and event.get("fail") is True:
                headers.append(("X-Amz-Function-Error", "Unhandled"))
            return Response(
                200, [*headers, ("Content-Type", "application/json")], json.dumps({"asked": event}).encode()
            )

        return answer

    def refuse(self, refusal_: Refusal, request_id: str) -> Response:
        """rest-json, with Lambda's own members."""
        body = {"Type": "User" if refusal_.status < 500 else "Service", "message": refusal.full_message(refusal_)}
        headers = [("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", refusal_.kind)]
        return Response(refusal_.status, [*headers, ("Content-Type", "application/json")], json.dumps(body).encode())
