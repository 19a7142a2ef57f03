"""Answers of the emulated management interface, in the shapes that restjavad and icrd use.

Shapes: F5's "iControl REST API User Guide", chapter "About the response format"; error texts as in the sources
named beside each use.
"""

from __future__ import annotations

import json
from typing import Any

from bigip_sm.errors import LabError
from bigip_sm.lab.http import Response

Json = dict[str, Any]
"""A JSON object; its values are whatever JSON has."""


class Refusal(LabError):
    """An answer that refuses, raised where the reason is found. ``status`` is HTTP's, ``body`` is JSON."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        self.status = status
        self.body: Json = {"code": status, "message": message, **more}
        super().__init__(message)

    def response(self) -> Response:
        """The refusal as an HTTP answer."""
        return reply(self.body, self.status)


def reply(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status, [("Content-Type", "application/json; charset=UTF-8")], json.dumps(body).encode())


def icrd_refusal(status: int, message: str, api_error: int = 3) -> Refusal:
    """A refusal by ``icrd`` (``/mgmt/tm``): mcpd's text with ``errorStack`` and ``apiError``."""
    return Refusal(status, message, errorStack=[], apiError=api_error)


def not_emulated(what: str, status: int = 501) -> Refusal:
    """The lab's own refusal: a real BIG-IP would do something here that the lab does not do."""
    return Refusal(status, f"{what}: not emulated by the lab")


def authorization_required() -> Response:
    """What Apache answers to a request without credentials: HTML, not JSON."""
    headers = [
        ("Content-Type", "text/html; charset=iso-8859-1"),
        ("WWW-Authenticate", 'Basic realm="Enterprise Manager"'),
    ]
    page = b"<!DOCTYPE HTML><html><head><title>401 Unauthorized</title></head><body><h1>Unauthorized</h1></body></html>"
    return Response(401, headers, page)


def parse_object(body: bytes) -> Json:
    """The JSON object in a request body. Raises Refusal (400)."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Refusal(400, f"Found invalid JSON body in the request. {error}") from error
    if not isinstance(value, dict):
        raise Refusal(400, "Found invalid JSON body in the request. Expected an object.")
    return value
