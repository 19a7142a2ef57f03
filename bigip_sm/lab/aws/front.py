"""The HTTPS front of STS and Secrets Manager: it verifies every signature, then lets moto do the work.

It adds what moto leaves out (AWS sheet, section 4): signatures and expiry, and the rules of ``assume``. Sessions that
moto makes up become known to the emulated AWS.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Collection
from urllib.parse import parse_qs
from xml.sax.saxutils import escape, unescape

from bigip_sm.errors import LabError
from bigip_sm.lab.aws.assume import Role, WebIdentity, admit, admit_token, duration_of, transitive_keys
from bigip_sm.lab.aws.moto import MotoServer
from bigip_sm.lab.aws.refusal import Refusal, full_message
from bigip_sm.lab.aws.sessions import Session, SessionStore
from bigip_sm.lab.aws.verify import Verified, verify
from bigip_sm.lab.http import Request, Response

_STS_KINDS = {
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
}
_NOT_FORWARDED = ("host", "connection", "content-length", "transfer-encoding", "expect", "accept-encoding")


class Front:
    """``roles`` maps ARNs, ``web_identities`` tokens of identity providers.

    ``calls`` lists what was admitted, such as ``sts:AssumeRole``, in order.
    """

    def __init__(
        self,
        moto: MotoServer,
        sessions: SessionStore,
        regions: Collection[str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.roles: dict[str, Role] = {}
        self.web_identities: dict[str, WebIdentity] = {}
        self.calls: list[str] = []
        self._moto = moto
        self._sessions = sessions
        self._regions = regions
        self._clock = clock

    async def handle(self, request: Request) -> Response:
        """Answer one request of either service; every refusal is an answer in the format of that service."""
        is_json = request.header("x-amz-target") is not None
        try:
            if not is_json and _form(request).get("Action") == "AssumeRoleWithWebIdentity":
                return await self._web_identity(request)
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
        form = _form(request)
        action = form.get("Action", "")
        if action not in ("AssumeRole", "GetCallerIdentity"):
            raise Refusal(400, "InvalidAction", f"Could not find operation {action} for version 2011-06-15")
        if action == "AssumeRole":
            admit(form, caller.session, self.roles)
        self.calls.append(f"sts:{action}")
        answer = await self._forward(request)
        if action == "AssumeRole" and answer.status == 200:
            return self._learn(answer, form, caller.session)
        return answer

    async def _web_identity(self, request: Request) -> Response:
        """AssumeRoleWithWebIdentity, which nobody signs: the token says who is calling."""
        form = _form(request)
        admit_token(form, self.web_identities, self.roles, self._clock())
        self.calls.append("sts:AssumeRoleWithWebIdentity")
        answer = await self._forward(request)
        return self._learn(answer, form, None) if answer.status == 200 else answer

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

    def _learn(self, answer: Response, form: dict[str, str], caller: Session | None) -> Response:
        """Make the session in moto's answer known; returns the answer with its end by the lab's clock."""
        assert isinstance(answer.body, bytes)  # noqa: S101 - moto's answers are forwarded whole
        text = answer.body.decode("utf-8")
        access_key_id, secret, token = (
            _element(text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        )
        end = int(self._clock()) + duration_of(form)
        source_identity, inherited = form.get("SourceIdentity"), frozenset[str]()
        if caller is not None:
            source_identity, inherited = source_identity or caller.source_identity, caller.transitive_tags
        tags = inherited | transitive_keys(form)
        self._sessions.add(Session(access_key_id, secret, form["RoleArn"], token, end, source_identity, tags))
        expiration = time.strftime("<Expiration>%Y-%m-%dT%H:%M:%SZ<", time.gmtime(end))
        return Response(answer.status, answer.headers, re.sub("<Expiration>[^<]*<", expiration, text).encode())


def _form(request: Request) -> dict[str, str]:
    """The parameters of a request with the query protocol."""
    return {name: values[0] for name, values in parse_qs(request.body.decode("latin-1"), True).items()}


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
