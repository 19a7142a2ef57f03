"""The AS3 client against the corners of AS3's answers."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from scripted_device import Say, ScriptedDevice

from bigip_sm.bigip.as3 import As3Client, Outcome, Pace, TenantResult
from bigip_sm.errors import DeclarationError, DeviceTimeout, DeviceUnreachable, RequestRefused

DECLARE = "POST /mgmt/shared/appsvcs/declare"
TASK = "GET /mgmt/shared/appsvcs/task/1f2e-3d"
ADC = {"class": "ADC", "schemaVersion": "3.50.0", "t1": {"class": "Tenant"}}
PACE = Pace(deadline=3.0, poll=0.01, busy=0.01)


def done(*results: tuple[str, int, str], status: int = 200, **more: Any) -> Say:
    body = {"results": [{"tenant": t, "code": c, "message": m, "host": "localhost"} for t, c, m in results], **more}
    return Say(body, status)


SUBMITTED = Say(
    {
        "id": "1f2e-3d",
        "results": [{"message": "Declaration successfully submitted", "tenant": "", "code": 0}],
        "selfLink": "https://localhost/mgmt/shared/appsvcs/task/1f2e-3d",
    },
    202,
)
RUNNING = Say({"id": "1f2e-3d", "results": [{"message": "in progress", "tenant": "", "code": 0}]})
LOCK = {
    "code": 503,
    "message": "Error: Configuration operation in progress on device localhost, please try again in 2 minutes",
    "tenant": ["t1"],
}
GOOD = done(("t1", 200, "success"))


def declare(scripted: ScriptedDevice, *, dry_run: bool = False, pace: Pace = PACE) -> Outcome:
    with scripted.session() as session:
        return As3Client(session, pace=pace).declare(ADC, dry_run=dry_run)


def test_success(scripted: ScriptedDevice) -> None:
    scripted.script = [GOOD]
    outcome = declare(scripted)
    assert outcome == Outcome((TenantResult("t1", 200, "success"),))
    assert outcome.changed
    sent = json.loads(next(request for request in scripted.requests if request.path.endswith("declare")).body)
    assert sent == {"class": "AS3", "action": "deploy", "persist": True, "declaration": ADC}


def test_no_change(scripted: ScriptedDevice) -> None:
    scripted.script = [done(("t1", 200, "no change"))]
    assert not declare(scripted).changed


def test_dry_run(scripted: ScriptedDevice) -> None:
    scripted.script = [done(("t1", 200, "success"), dryRun=True)]
    outcome = declare(scripted, dry_run=True)
    assert outcome.dry_run
    assert outcome.changed
    assert json.loads(scripted.requests[1].body)["action"] == "dry-run"


@pytest.mark.parametrize("between", [[], [RUNNING], [RUNNING, Say(b"<html>", 503), Say(b"<html>", 404), RUNNING]])
def test_task_is_followed(scripted: ScriptedDevice, between: list[Say]) -> None:
    scripted.script = [SUBMITTED, *between, GOOD]
    assert declare(scripted).tenants == (TenantResult("t1", 200, "success"),)
    assert scripted.seen().count(DECLARE) == 1
    assert scripted.seen()[-2] == TASK


def test_connection_lost_while_following(scripted: ScriptedDevice) -> None:
    scripted.script = [SUBMITTED, *[Say(reset=True)] * 6, GOOD]
    assert declare(scripted).changed
    assert scripted.seen().count(DECLARE) == 1


def test_cancelled_task_is_final(scripted: ScriptedDevice) -> None:
    scripted.script = [SUBMITTED, RUNNING, done(("", 0, "task cancelled"))]
    with pytest.raises(DeclarationError, match="AS3 was restarted and cancelled the declaration"):
        declare(scripted)


def test_forgotten_task(scripted: ScriptedDevice) -> None:
    scripted.script = [SUBMITTED, Say({"message": "No record found with ID of 1f2e-3d"}, 404)]
    with pytest.raises(DeclarationError, match="forgotten the task"):
        declare(scripted)


@pytest.mark.parametrize("task", [None, 7, "../../tm/x"])
def test_odd_task_name(scripted: ScriptedDevice, task: Any) -> None:
    scripted.script = [Say({"id": task}, 202)]
    with pytest.raises(DeclarationError, match="named no task"):
        declare(scripted)


@pytest.mark.parametrize(
    "busy",
    [
        [Say(LOCK, 503)],
        [Say({"code": 503, "message": "Too many configuration operations are in progress"}, 503), Say(b"<html>", 502)],
        [SUBMITTED, Say({"results": [LOCK]})],
    ],
)
def test_lock_is_waited_for(scripted: ScriptedDevice, busy: list[Say]) -> None:
    scripted.script = [*busy, GOOD]
    assert declare(scripted).changed
    assert scripted.seen().count(DECLARE) >= 2


def test_lock_is_not_waited_for_for_ever(scripted: ScriptedDevice) -> None:
    scripted.script = [Say(LOCK, 503)]
    started = time.monotonic()
    with pytest.raises(DeviceTimeout, match="AS3 is busy with other declarations"):
        declare(scripted, pace=Pace(0.3, 0.01, 0.01))
    assert time.monotonic() - started < 1


def test_endless_task(scripted: ScriptedDevice) -> None:
    scripted.script = [SUBMITTED, RUNNING]
    with pytest.raises(DeviceTimeout, match="AS3 has not finished"):
        declare(scripted, pace=Pace(0.3, 0.01, 0.01))


def test_tmos_refuses(scripted: ScriptedDevice) -> None:
    result = {
        "tenant": "t1",
        "code": 422,
        "message": "declaration failed",
        "response": "01070151:3: Rule [/t1/gateway/r] error: Unable to find value_list (/bigip_sm/t1.x)\nreferenced",
    }
    scripted.script = [Say({"results": [result], "code": 422, "declaration": {"secret": "never shown"}}, 422)]
    with pytest.raises(DeclarationError) as caught:
        declare(scripted)
    assert str(caught.value) == (
        "bigip-a: AS3: tenant t1: 422 declaration failed: 01070151:3: Rule [/t1/gateway/r] error: "
        "Unable to find value_list (/bigip_sm/t1.x) referenced"
    )


def test_partly_deployed(scripted: ScriptedDevice) -> None:
    scripted.script = [done(("t1", 200, "success"), ("t2", 422, "declaration failed"), status=207, code=207)]
    with pytest.raises(DeclarationError, match=r"tenant t2: 422 declaration failed \(deployed all the same: t1\)"):
        declare(scripted)


@pytest.mark.parametrize("through_task", [False, True])
def test_invalid_declaration(scripted: ScriptedDevice, through_task: bool) -> None:
    problem = {
        "code": 422,
        "message": "declaration is invalid",
        "errors": ["/t1/A/dg/records/0/value: should be string"],
        "tenant": ["t1"],
    }
    scripted.script = [SUBMITTED, Say({"results": [problem]})] if through_task else [Say(problem, 422)]
    with pytest.raises(DeclarationError, match="declaration is invalid: /t1/A/dg/records/0/value: should be string"):
        declare(scripted)


@pytest.mark.parametrize("answer", [Say({}), Say([]), Say(b"<html>"), Say({"results": []}), Say({"results": [1]})])
def test_an_answer_without_results_is_no_success(scripted: ScriptedDevice, answer: Say) -> None:
    scripted.script = [answer]
    with pytest.raises(DeclarationError):
        declare(scripted)


def test_tenant_that_is_worked_on_twice_counts_once(scripted: ScriptedDevice) -> None:
    scripted.script = [done(("Common", 200, "success"), ("t1", 200, "success"), ("Common", 200, "no change"))]
    assert declare(scripted).tenants == (TenantResult("Common", 200, "success"), TenantResult("t1", 200, "success"))
    scripted.script = [done(("Common", 200, "success"), ("Common", 422, "declaration failed"))]
    with pytest.raises(DeclarationError, match="tenant Common: 422"):
        declare(scripted)


def test_declaration_is_not_posted_twice_after_a_reset(scripted: ScriptedDevice) -> None:
    scripted.script = [Say(reset=True)]
    with pytest.raises(DeviceUnreachable, match="it may have been done or not"):
        declare(scripted)
    assert scripted.seen().count(DECLARE) == 1


def test_old_token_is_renewed_before_a_declaration(scripted: ScriptedDevice) -> None:
    scripted.script = [GOOD]
    scripted.login = [Say({"token": {"token": "OLD", "timeout": 2}})]
    scripted.tokens = {"OLD"}
    with scripted.session() as session:
        session.get("/mgmt/x")
        As3Client(session, pace=PACE).declare(ADC)
        assert "OLD" not in scripted.tokens
        assert len(scripted.tokens) == 1


def test_info_and_tenants(scripted: ScriptedDevice) -> None:
    with scripted.session() as session:
        as3 = As3Client(session, pace=PACE)
        scripted.script = [Say({"version": "3.56.0", "release": "10", "schemaCurrent": "3.56.0"})]
        assert as3.info().schema_current == "3.56.0"
        scripted.script = [Say({"message": "Public URI path not registered"}, 404)]
        with pytest.raises(RequestRefused, match="AS3 is not installed"):
            as3.info()
        scripted.script = [Say(None, 204)]
        assert as3.tenants() == ()
        scripted.script = [Say({**ADC, "updateMode": "selective", "controls": {"class": "Controls"}})]
        assert as3.tenants() == ("t1",)
