"""The HTTPS front of STS and Secrets Manager: it verifies every signature, then lets moto do the work.

It adds what moto leaves out (AWS sheet, section 4): signatures and expiry, roles that must exist, their external id
and longest session, the limit on role chaining. Sessions that moto makes up become known to the emulated AWS.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import parse_qs
from xml.sax.saxutils import escape, unescape

from bigip_sm.errors import LabError
from bigip_sm.lab.aws.moto import MotoServer
from bigip_sm.lab.aws.refusal import Refusal, full_message, validation
from bigip_sm.lab.aws.sessions import Session, SessionStore
from bigip_sm.lab.aws.verify import Verified, verify
from bigip_sm.lab.http import Request, Response

CHAINED_SESSION = 3600
"""Longest session in seconds for a role that is assumed with another role's session."""

_STS_KINDS = {
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
}
_NOT_FORWARDED = ("host", "connection", "content-length", "transfer-encoding", "expect", "accept-encoding")


@dataclass(frozen=True)
class Role:
    """An IAM role that may be assumed, with ``external_id`` if it asks for one; ``max_session`` is in seconds."""

    arn: str
    external_id: str | None = None
    max_session: int = 3600


class Front:
    """``roles`` maps ARNs; ``calls`` lists what was admitted, such as ``sts:AssumeRole``, in order."""

    def __init__(
        self,
        moto: MotoServer,
        sessions: SessionStore,
        regions: Collection[str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.roles: dict[str, Role] = {}
        self.calls: list[str] = []
        self._moto = moto
        self._sessions = sessions
        self._regions = regions
        self._clock = clock

    async def handle(self, request: Request) -> Response:
        """Answer one request of either service; every refusal is an answer in the format of that service."""
        is_json = request.header("x-amz-target") is not None
        try:
            service = ("secretsmanager",) if is_json else ("sts",)
            caller = verify(request, self._sessions, now=self._clock(), services=service, regions=self._regions)
            if is_json:
                return await self._secrets_manager(request)
            return await self._sts(request, caller)
        except Refusal as error:
            return (_json_error if is_json else _xml_error)(error)
        except LabError as error:
            failure = Refusal(500, "InternalFailure", str(error))
            return (_json_error if is_json else _xml_error)(failure)

    async def _secrets_manager(self, request: Request) -> Response:
        prefix, _, action = (request.header("x-amz-target") or "").partition(".")
        if prefix != "secretsmanager" or not action.isalpha():
            raise Refusal(400, "UnknownOperationException", None)
        self.calls.append(f"secretsmanager:{action}")
        answer = await self._forward(request)
        if 400 <= answer.status < 500:
            answer.status = 400  # as in json 1.1 always; moto says 404 for a secret that does not exist
        return answer

    async def _sts(self, request: Request, caller: Verified) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()}
        action = form.get("Action", "")
        if action not in ("AssumeRole", "GetCallerIdentity"):
            raise Refusal(400, "InvalidAction", f"Could not find operation {action} for version 2011-06-15")
        if action == "AssumeRole":
            self._admit(form, caller.session)
        self.calls.append(f"sts:{action}")
        answer = await self._forward(request)
        if action == "AssumeRole" and answer.status == 200:
            return self._learn(answer, form["RoleArn"], int(form.get("DurationSeconds", "3600")))
        return answer

    def _admit(self, form: dict[str, str], caller: Session) -> None:
        """Refuse what STS would refuse (STS API reference, AssumeRole)."""
        duration = form.get("DurationSeconds", "3600")
        if not re.fullmatch("[0-9]{1,6}", duration) or not 900 <= int(duration) <= 43200:
            raise validation(
                f"1 validation error detected: Value '{duration}' at 'durationSeconds' failed to satisfy constraint: "
                "Member must have value between 900 and 43200"
            )
        name = form.get("RoleSessionName", "")
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII):
            raise validation(
                f"1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\w+=,.@-]* and have 2 to 64 characters"
            )
        role = self.roles.get(form.get("RoleArn", ""))
        if role is None or (role.external_id is not None and form.get("ExternalId") != role.external_id):
            raise Refusal(
                403,
                "AccessDenied",
                f"User: {caller.principal} is not authorized to perform: sts:AssumeRole on resource: "
                f"{form.get('RoleArn', '')}",
            )
        if caller.session_token is not None and int(duration) > CHAINED_SESSION:
            raise validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            )
        if int(duration) > role.max_session:
            raise validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")

    async def _forward(self, request: Request) -> Response:
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in request.headers
            if name.lower().decode("latin-1") not in _NOT_FORWARDED
        ]
        answer = await self._moto.forward(request.method, request.target, headers, request.body)
        kept = ("content-type", "x-amzn-requestid", "x-amzn-errortype")
        passed = [(name, value) for name, value in answer.headers.items() if name.lower() in kept]
        return Response(answer.status_code, passed, answer.content)

    def _learn(self, answer: Response, role_arn: str, duration: int) -> Response:
        """Make the session in moto's answer known; returns the answer with its end by the lab's clock."""
        assert isinstance(answer.body, bytes)  # noqa: S101 - moto's answers are forwarded whole
        text = answer.body.decode("utf-8")
        access_key_id, secret, token = (
            _element(text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        )
        end = int(self._clock()) + duration
        self._sessions.add(Session(access_key_id, secret, role_arn, token, end))
        expiration = time.strftime("<Expiration>%Y-%m-%dT%H:%M:%SZ<", time.gmtime(end))
        return Response(answer.status, answer.headers, re.sub("<Expiration>[^<]*<", expiration, text).encode())


def _element(xml: str, name: str) -> str:
    match = re.search(f"<{name}>([^<]*)</{name}>", xml)
    if match is None:
        raise LabError(f"moto's answer to AssumeRole has no {name}")
    return unescape(match.group(1))


def _json_error(refusal: Refusal) -> Response:
    """Protocol json 1.1: refusals have status 400 and carry their type in the body."""
    status = 500 if refusal.status >= 500 else 400
    headers = [("x-amzn-RequestId", str(uuid.uuid4())), ("Content-Type", "application/x-amz-json-1.1")]
    body = {"__type": refusal.kind, "message": full_message(refusal)}
    return Response(status, headers, json.dumps(body).encode())


def _xml_error(refusal: Refusal) -> Response:
    """Protocol query, with the names that STS has for what other services call differently."""
    request_id = str(uuid.uuid4())
    kind = _STS_KINDS.get(refusal.kind, refusal.kind)
    status = 400 if kind == "IncompleteSignature" else refusal.status
    body = (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{kind}</Code><Message>{escape(full_message(refusal) or '')}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    headers = [("x-amzn-RequestId", request_id), ("Content-Type", "text/xml")]
    return Response(status, headers, body.encode())
