"""The runtime of Amazon Bedrock: invoke and converse, whole and as streams (botocore's model of bedrock-runtime)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Collection
from typing import Any
from urllib.parse import unquote

from bigip_sm.lab.aws import refusal
from bigip_sm.lab.aws.apis.api import Pending
from bigip_sm.lab.aws.eventstream import MEDIA_TYPE, json_event
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.http import Request, Response

WORDS = ("This ", "answer ", "comes ", "from ", "Bedrock.")
_ROUTE = re.compile(r"/model/(?P<model>[^/]+)/(?P<operation>[a-z-]+)")
_USAGE = {"inputTokens": 3, "outputTokens": len(WORDS), "totalTokens": 3 + len(WORDS)}


class BedrockApi:
    """Bedrock with ``models``, which all say WORDS. A colon in an id must be %3A on the wire, as SDKs send it."""

    signing = "bedrock"

    def __init__(self, models: Collection[str]) -> None:
        self.models = models

    def admit(self, request: Request, region: str) -> Pending:
        """Check path and body."""
        route = _ROUTE.fullmatch(request.path)
        operations = {
            "invoke": self._invoke,
            "converse": self._converse,
            "invoke-with-response-stream": self._invoke_stream,
            "converse-stream": self._converse_stream,
            "count-tokens": self._count,
        }
        if route is None or request.method != "POST" or route["operation"] not in operations:
            raise refusal.unknown_operation()
        if ":" in route["model"] or unquote(route["model"]) not in self.models:
            raise Refusal(400, "ValidationException", "The provided model identifier is invalid.")
        try:
            body = json.loads(request.body)
        except ValueError:
            raise Refusal(400, "ValidationException", "Malformed input request, please reformat it.") from None
        if not isinstance(body, dict):
            raise Refusal(400, "ValidationException", "Malformed input request: expected type: JSONObject.")
        if route["operation"].startswith("converse") and not isinstance(body.get("messages"), list):
            raise Refusal(400, "ValidationException", "messages: is required.")
        return operations[route["operation"]](body)

    def refuse(self, refusal_: Refusal, request_id: str) -> Response:
        """rest-json."""
        return refusal.rest_json(refusal_, request_id)

    def _invoke(self, body: dict[str, Any]) -> Pending:
        async def answer(request_id: str) -> Response:
            return _json(request_id, {"completion": "".join(WORDS), "received": body})

        return answer

    def _converse(self, body: dict[str, Any]) -> Pending:
        async def answer(request_id: str) -> Response:
            message = {"role": "assistant", "content": [{"text": "".join(WORDS)}]}
            whole = {"output": {"message": message}, "stopReason": "end_turn", "usage": _USAGE}
            return _json(request_id, {**whole, "metrics": {"latencyMs": 1}})

        return answer

    def _count(self, body: dict[str, Any]) -> Pending:
        async def answer(request_id: str) -> Response:
            return _json(request_id, {"inputTokens": 3})

        return answer

    def _invoke_stream(self, body: dict[str, Any]) -> Pending:
        async def frames() -> AsyncIterator[bytes]:
            for word in WORDS:
                text = json.dumps({"completion": word}).encode()
                yield json_event("chunk", {"bytes": base64.b64encode(text).decode()})

        async def answer(request_id: str) -> Response:
            headers = [("X-Amzn-Bedrock-Content-Type", "application/json")]
            return Response(200, [*_headers(request_id, MEDIA_TYPE), *headers], frames())

        return answer

    def _converse_stream(self, body: dict[str, Any]) -> Pending:
        async def frames() -> AsyncIterator[bytes]:
            yield json_event("messageStart", {"role": "assistant"})
            for word in WORDS:
                yield json_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}})
            yield json_event("contentBlockStop", {"contentBlockIndex": 0})
            yield json_event("messageStop", {"stopReason": "end_turn"})
            yield json_event("metadata", {"usage": _USAGE, "metrics": {"latencyMs": 1}})

        async def answer(request_id: str) -> Response:
            return Response(200, _headers(request_id, MEDIA_TYPE), frames())

        return answer


def _json(request_id: str, members: dict[str, Any]) -> Response:
    return Response(200, _headers(request_id, "application/json"), json.dumps(members).encode())


def _headers(request_id: str, content_type: str) -> list[tuple[str, str]]:
    return [("x-amzn-RequestId", request_id), ("Content-Type", content_type)]
