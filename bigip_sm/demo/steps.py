"""The nine steps of the demonstration. Each does one thing through the real parts and checks what came of it."""

from __future__ import annotations

import json

from bigip_sm.bigip.icontrol import IControl
from bigip_sm.bigip.records import BearerRecord, Meta, SigningRecord, decode_all
from bigip_sm.bigip.session import Session
from bigip_sm.demo.clients import Caller, chat_body
from bigip_sm.demo.report import Findings, Step
from bigip_sm.demo.stage import Stage
from bigip_sm.errors import DeviceUnreachable
from bigip_sm.lab.aws.runtime import ACCEPTED
from bigip_sm.lab.seed import ANYBODY, STRANGER

LISTENER = "public"
INVOKE = "/endpoints/churn-v7/invocations"
CHAT = "/v1/chat/completions"
QUESTION = b'{"instances": [[42, 1, 0.5]]}'
FORGERY = "forged-by-the-caller"
FORGED_HEADERS = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential={FORGERY}/20260101/us-east-1/sagemaker/aws4_request",
    "X-Amz-Security-Token": FORGERY,
    "X-Amz-Date": "20200101T000000Z",
    "X-Amz-Target": FORGERY,
    "X-Amzn-SageMaker-Custom-Attributes": f"principal={FORGERY}",
    "X-Amzn-SageMaker-Target-Model": FORGERY,
    "X-Forwarded-User": FORGERY,
    "Cookie": f"session={FORGERY}",
}
HOURS_LATER = 2 * 3600.0


def steps() -> list[Step[Stage]]:
    """The steps, in order; they build on each other."""
    return [
        Step("Validate and render gateway.yaml", render),
        Step("Start the lab: BIG-IP, STS, Secrets Manager, SageMaker", start),
        Step("Apply the gateway to the BIG-IP", _apply),
        Step("A request before any rotation is refused", _before_rotation),
        Step("Rotate credentials into the BIG-IP", _rotate),
        Step("A caller invokes a model and forges identity", _invoke),
        Step("A chat completion streams through the openai SDK", _chat),
        Step("Callers and credentials that must be refused", _refuse),
        Step("Apply again: nothing changes, credentials stay", _apply_quickstart_again),
    ]


def render(stage: Stage, found: Findings) -> None:
    """The gateway is valid, and renders to the same bytes twice."""
    from bigip_sm import render as rendering
    from bigip_sm.lint import lint_declaration, lint_irule, validate_schema

    rendered = stage.rendered
    again = rendering.declaration_text(rendering.render(stage.spec))
    found.expect("rendering twice gives the same bytes", True, rendering.declaration_text(rendered) == again)
    wrong = [one for one in lint_declaration(rendered.declaration) if one.level == "error"]
    found.expect("errors that our lint finds in the declaration", 0, len(wrong))
    for name, text in rendered.irules.items():
        wrong = [one for one in lint_irule(text, f"{name}.tcl") if one.level == "error"]
        found.expect(f"errors that our lint finds in the iRule of {name}", 0, len(wrong))
    if stage.schema is None:
        found.note("F5's AS3 schema is not at hand (BIGIP_SM_AS3_SCHEMA): its check was left out")
    else:
        found.expect("findings of F5's AS3 schema", 0, len(validate_schema(rendered.declaration, stage.schema)))


def start(stage: Stage, found: Findings) -> None:
    """The lab is there, and its certificate is verified."""
    lab = stage.lab
    with stage.device.connect("administrator") as device:
        found.expect("TMOS of the emulated BIG-IP answers over HTTPS", True, bool(device.version()))
    session = Session("lab", lab.management, "admin", "not its password", ca=None)
    try:
        with IControl(session) as device:
            device.version()
        seen = "accepted"
    except DeviceUnreachable:
        seen = "refused"
    found.expect("a certificate of an unknown CA", "refused", seen)
    found.note(f"BIG-IP management on {lab.management}; SageMaker runtime in {', '.join(_regions(stage))}")


def _apply(stage: Stage, found: Findings) -> None:
    applied = stage.apply()
    made = [f"{step.kind} {step.path}" for step in applied.steps if step.effect == "create"]
    groups = sorted(f"data-group /bigip_sm/{stage.spec.gateway}.{role}" for role in stage.spec.roles)
    found.expect("made before the declaration", ["partition /bigip_sm", *groups], made)
    found.expect("AS3's answer", ["success"], [tenant.message for tenant in applied.outcome.tenants])
    address, port = stage.lab.listener(LISTENER)
    found.note(f"virtual server {stage.spec.listeners[LISTENER].address} is on {address}:{port} here")


def _before_rotation(stage: Stage, found: Findings) -> None:
    answer = Caller(stage.lab, LISTENER, stage.lab.client("alice")).post(INVOKE, QUESTION)
    found.expect("the gateway's answer", "503 credentials-missing", answer.verdict)
    found.expect("requests that reached AWS", 0, len(stage.seen()))


def _rotate(stage: Stage, found: Findings) -> None:
    rotate_all(stage, found)
    kinds = {SigningRecord: "signing key", BearerRecord: "bearer token", Meta: "meta"}
    for role in sorted(stage.spec.roles):
        group = stage.records[f"/bigip_sm/{stage.spec.gateway}.{role}"]
        kind = "signing key" if stage.spec.roles[role].source.type == "secrets-manager" else "bearer token"
        held = sorted({kinds[type(record)] for record in decode_all(group.records)})
        found.expect(f"records of role {role}", ["meta", kind] if kind > "meta" else [kind, "meta"], held)


def _invoke(stage: Stage, found: Findings) -> None:
    before = len(stage.seen())
    answer = Caller(stage.lab, LISTENER, stage.lab.client("alice")).post(INVOKE, QUESTION, FORGED_HEADERS)
    found.expect("the gateway's answer", "200", answer.verdict)
    arrived = stage.seen()[before:]
    found.expect("verdict of AWS on the signature", [ACCEPTED], [request.verdict for request in arrived])
    for request in arrived:
        attributes = [value.decode("latin-1") for value in request.values("X-Amzn-SageMaker-Custom-Attributes")]
        found.expect("identity that SageMaker receives", ["principal=staff%3Aalice,route=churn"], attributes)
        found.expect("body that SageMaker receives", QUESTION, request.body)
        forged = [name.decode("latin-1") for name, value in request.headers if FORGERY.encode() in value]
        found.expect("forged headers that SageMaker receives", [], forged)
    found.note(f"the model says {json.loads(answer.body) if answer.status == 200 else answer.body!r}")


def _chat(stage: Stage, found: Findings) -> None:
    before = len(stage.seen())
    produced = stage.lab.chat("llama-3-3-70b-v3").produced
    already = len(produced)
    streamed = Caller(stage.lab, LISTENER, stage.lab.client("alice")).stream_chat("Where do you come from?")
    times = produced[already:]
    found.expect("verdict of AWS on the bearer token", [ACCEPTED], [one.verdict for one in stage.seen()[before:]])
    found.expect("tokens that the client got", len(times), streamed.pieces)
    found.expect("the first was there before the model made the last", True, streamed.first_at < times[-1])
    found.note(f"first token {1000 * (times[-1] - streamed.first_at):.0f} ms before the last was made: {streamed.text}")


def _refuse(stage: Stage, found: Findings) -> None:
    lab, before = stage.lab, len(stage.seen())
    stranger = Caller(lab, LISTENER, lab.client(STRANGER)).post(INVOKE, QUESTION)
    found.expect("a caller whom the route does not allow", "403 not-allowed", stranger.verdict)
    nobody = Caller(lab, LISTENER, None).post(INVOKE, QUESTION)
    found.expect("a caller without a certificate", "401 unauthenticated", nobody.verdict)
    lab.clock_offset = HOURS_LATER
    try:
        late = Caller(lab, LISTENER, lab.client("alice")).post(INVOKE, QUESTION)
        late_chat = Caller(lab, LISTENER, lab.client(ANYBODY)).post(CHAT, chat_body("Still there?"))
    finally:
        lab.clock_offset = 0.0
    found.expect("two hours later, without a rotation: signing key", "503 credentials-expired", late.verdict)
    found.expect("two hours later, without a rotation: bearer token", "503 credentials-expired", late_chat.verdict)
    found.expect("requests that reached AWS", 0, len(stage.seen()) - before)


def rotate_all(stage: Stage, found: Findings) -> None:
    """Every role and every issuer's keys are rotated in, and no secret access key is on the BIG-IP."""
    code, report = stage.rotate()
    found.expect("exit code of bigip-sm-rotator once", 0, code)
    found.expect("result for every role", ["pushed"], sorted({entry["result"] for entry in report["results"]}))
    stage.records = stage.credentials()
    data = "".join(record.data for group in stage.records.values() for record in group.records)
    known = stage.lab.cloud.sessions.all()
    found.expect("secret access keys on the BIG-IP", 0, sum(one.secret_access_key in data for one in known))


def apply_again(stage: Stage, found: Findings) -> None:
    """Applying the same file again changes nothing, and leaves the credentials alone."""
    applied = stage.apply()
    found.expect("anything changed", False, applied.changed)
    found.expect("AS3's answer", ["no change"], [tenant.message for tenant in applied.outcome.tenants])
    found.expect("credentials are byte for byte the same", True, stage.credentials() == stage.records)


def _apply_quickstart_again(stage: Stage, found: Findings) -> None:
    apply_again(stage, found)
    answer = Caller(stage.lab, LISTENER, stage.lab.client("alice")).post(INVOKE, QUESTION)
    found.expect("a request still gets its answer", "200", answer.verdict)


def _regions(stage: Stage) -> list[str]:
    return sorted({region.name for upstream in stage.spec.upstreams.values() for region in upstream.regions})
