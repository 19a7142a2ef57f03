"""Refusals of the emulated AWS, in the words of AWS (AWS sheet, section 1.5).

Most types and texts of authentication failures are those of AWS's common front end; few were captured from the
SageMaker runtime itself.
"""

from __future__ import annotations

import json
import re

from bigip_sm.errors import LabError
from bigip_sm.lab.http import Response

ACCOUNT = "123456789012"
"""The account that everything belongs to; moto's default."""


class Refusal(LabError):
    """The emulated AWS does not do what was asked. ``kind`` is the error type, without a namespace.

    ``detail`` follows the message in the answer only: AWS quotes the canonical request there, session token included.
    """

    def __init__(self, status: int, kind: str, message: str | None, detail: str = "") -> None:
        self.status = status
        self.kind = kind
        self.message = message
        self.detail = detail
        super().__init__(f"{status} {kind}: {message}")


def missing_authentication() -> Refusal:
    """Nothing in the request says who is calling."""
    return Refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")


def incomplete(message: str) -> Refusal:
    """What says who is calling cannot be read."""
    return Refusal(403, "IncompleteSignatureException", message)


def invalid_signature(message: str, detail: str = "") -> Refusal:
    """The signature is well formed but not good for this request, at this time, here."""
    return Refusal(403, "InvalidSignatureException", message, detail)


def unrecognized() -> Refusal:
    """The access key is unknown, or its session token is missing or another one."""
    return Refusal(403, "UnrecognizedClientException", "The security token included in the request is invalid.")


def expired() -> Refusal:
    """The session is over."""
    return Refusal(403, "ExpiredTokenException", "The security token included in the request is expired")


def access_denied(message: str) -> Refusal:
    """The caller is known and may not do this."""
    return Refusal(403, "AccessDeniedException", message)


def validation(message: str) -> Refusal:
    """A value in the request is not acceptable."""
    return Refusal(400, "ValidationError", message)


def unknown_operation() -> Refusal:
    """No operation has this host, method and path."""
    return Refusal(404, "UnknownOperationException", "The requested operation is not supported")


def full_message(refusal: Refusal) -> str | None:
    """Message and detail, as an answer has them."""
    return refusal.message + refusal.detail if refusal.message is not None else None


def rest_json(refusal: Refusal, request_id: str) -> Response:
    """The refusal as a service with the rest-json protocol sends it."""
    return Response(
        refusal.status,
        [*_headers(request_id), ("x-amzn-ErrorType", refusal.kind)],
        json.dumps({"message": full_message(refusal)}).encode(),
    )


def openai(refusal: Refusal, request_id: str) -> Response:
    """The refusal in OpenAI's envelope, as on the OpenAI-compatible path (AWS sheet, section 1.7)."""
    code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", refusal.kind.removesuffix("Exception")).lower()
    kind = "server_error" if refusal.status >= 500 or refusal.kind == "ModelError" else "invalid_request_error"
    body = {"error": {"message": refusal.message, "type": kind, "code": code}}
    return Response(refusal.status, _headers(request_id), json.dumps(body).encode())


def _headers(request_id: str) -> list[tuple[str, str]]:
    return [("x-amzn-RequestId", request_id), ("Content-Type", "application/json")]
