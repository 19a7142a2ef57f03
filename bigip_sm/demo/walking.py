"""Carrying out a walk: each request through the real parts, and what came of it held against what was written."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterable

import httpx

from bigip_sm.demo.report import Findings, Step
from bigip_sm.demo.stage import Stage
from bigip_sm.demo.steps import apply_again, render, rotate_all, start
from bigip_sm.demo.walk import Walk, WalkCaller, WalkRequest, WalkStep
from bigip_sm.errors import LabError
from bigip_sm.lab.aws.runtime import ACCEPTED, SeenRequest

TIMEOUT = 30.0
"""Seconds that the gateway has for an answer."""


def walk_steps(walk: Walk) -> list[Step[Stage]]:
    """The steps of a walk, between putting the gateway up and applying it again."""
    told = [Step(step.title, functools.partial(_carry_out, walk, step)) for step in walk.steps]
    return [
        Step("Validate and render gateway.yaml", render),
        Step("Start the lab, apply the gateway, rotate credentials into it", _put_up),
        *told,
        Step("Apply again: nothing changes, credentials stay", apply_again),
    ]


def _put_up(stage: Stage, found: Findings) -> None:
    start(stage, found)
    applied = stage.apply()
    found.expect("AS3's answer", ["success"], [tenant.message for tenant in applied.outcome.tenants])
    rotate_all(stage, found)


def _carry_out(walk: Walk, step: WalkStep, stage: Stage, found: Findings) -> None:
    for request in step.requests:
        before = len(stage.seen())
        answer = _send(walk.callers[request.caller], request, stage)
        _judge(request, answer, stage.seen()[before:], found)


def _send(caller: WalkCaller, request: WalkRequest, stage: Stage) -> httpx.Response:
    """Send the request as often as it says, on one connection; the last answer. Raises LabError if there is none."""
    lab = stage.lab
    name = request.listener or next(iter(stage.spec.listeners))
    host, port = lab.listener(name)
    hostname = stage.spec.listeners[name].hostnames[0]
    headers = {"Content-Type": "application/json", **_proof(caller, stage), **request.headers, "Host": hostname}
    tls = ssl.create_default_context(cafile=str(lab.ca_file))
    if caller.certificate is not None:
        files = lab.client(caller.certificate)
        tls.load_cert_chain(files.certificate, files.key)
    plane = lab.data_plane
    real = plane.client_addresses
    if caller.address is not None:
        plane.client_addresses = lambda _peer: str(caller.address)
    try:
        with httpx.Client(verify=tls, timeout=TIMEOUT, trust_env=False) as client:
            for _ in range(request.repeat):
                answer = client.request(
                    request.method,
                    f"https://{host}:{port}{request.path}",
                    content=request.body or None,
                    headers=headers,
                    extensions={"sni_hostname": hostname},
                )
    except httpx.HTTPError as error:
        raise LabError(f"{request.method} {request.path}: {type(error).__name__}: {error}") from error
    finally:
        plane.client_addresses = real
    return answer


def _proof(caller: WalkCaller, stage: Stage) -> dict[str, str]:
    if caller.api_key is not None:
        return {caller.key_header: caller.api_key}
    if caller.identity is None:
        return {}
    issuer = stage.lab.issuers.by_name.get(caller.identity)
    if issuer is None:
        raise LabError(f"{caller.identity} is no jwt identity of this gateway, so nobody issues its tokens")
    token = issuer.token(
        caller.subject,
        groups=caller.groups,
        scopes=caller.scopes,
        principal=caller.principal_class,
        claims=caller.claims,
    )
    return {"Authorization": f"Bearer {token}"}


def _judge(request: WalkRequest, answer: httpx.Response, arrived: list[SeenRequest], found: Findings) -> None:
    expect, text = request.expect, answer.content.decode("utf-8", "replace")
    verdict = f"{answer.status_code} {answer.headers.get('X-Gateway-Reason', '')}".strip()
    found.expect(request.claim, f"{expect.status} {expect.reason}".strip(), verdict)
    if expect.reaches_aws is not None:
        wanted = [ACCEPTED] * request.repeat if expect.reaches_aws else []
        found.expect("  verdicts of AWS", wanted, [one.verdict for one in arrived])
    for name, part in expect.headers.items():
        value = answer.headers.get(name, "")
        found.expect(f"  {name}", part, part if part in value else value)
    _texts(found, "  the answer", text, expect.body_has, expect.body_lacks)
    sent = _sent(arrived[-1]) if arrived else ""
    _texts(found, "  what AWS got", sent, expect.sent_has, expect.sent_lacks)


def _texts(found: Findings, what: str, text: str, has: Iterable[str], lacks: Iterable[str]) -> None:
    for part in has:
        found.expect(f"{what} has", part, part if part in text else shown(text))
    for part in lacks:
        found.expect(f"{what} lacks {part}", True, part not in text)


def _sent(request: SeenRequest) -> str:
    head = [f"{request.method} {request.target.decode('latin-1')}"]
    head += [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in request.headers]
    return "\n".join([*head, "", request.body.decode("utf-8", "replace")])


def shown(text: str) -> str:
    """A text, short enough for a line."""
    return text if len(text) <= 120 else f"{text[:117]}..."
