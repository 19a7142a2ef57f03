"""The AS3 client: declare, follow the task, and say in one line what came of it.

It uses the token of a ``Session`` rather than Basic authentication. F5 recommends Basic for long declarations because
AS3 works with the caller's authorization for as long as it runs; a token that is fresh when the declaration is posted
outlives the longest run waited for here, works for remote users too, and the password crosses the wire once.

AS3's answers have corners (AS3 3.56, ``/mgmt/shared/appsvcs``): a task is always HTTP 200, with code 0 in its results
while it runs; "task cancelled" has code 0 as well and is final; finished tasks are forgotten after a while (404); a
declaration that is posted while another one runs gets 503, at once or in the task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bigip_sm.bigip.connection import Answer
from bigip_sm.bigip.session import Session, patient
from bigip_sm.errors import DeclarationError, DeviceTimeout, DeviceUnreachable, RequestRefused

_ROOT = "/mgmt/shared/appsvcs"
NO_CHANGE = "no change"
_CANCELLED = "task cancelled"
_RESTARTING = frozenset({404, 502, 503, 504})


@dataclass(frozen=True)
class Info:
    """Version of AS3 on the device, and the newest ``schemaVersion`` it takes."""

    version: str
    schema_current: str


@dataclass(frozen=True)
class TenantResult:
    """What AS3 did for one tenant. ``code`` is 200 when the tenant is as declared."""

    name: str
    code: int
    message: str

    @property
    def changed(self) -> bool:
        """Whether the tenant is, or in a dry run would be, different from before."""
        return self.message != NO_CHANGE


@dataclass(frozen=True)
class Outcome:
    """What AS3 did, or with ``dry_run`` would do, for every tenant of a declaration."""

    tenants: tuple[TenantResult, ...]
    dry_run: bool = False

    @property
    def changed(self) -> bool:
        """Whether any tenant changed."""
        return any(tenant.changed for tenant in self.tenants)


@dataclass(frozen=True)
class Pace:
    """How a declaration is waited for, in seconds: in all, between looks at a task, and after a first "busy"."""

    deadline: float = 600.0
    poll: float = 1.0
    busy: float = 3.0


DEFAULT_PACE = Pace()


class As3Client:
    """AS3 on one device. The session is the caller's: closing it is not this class's affair."""

    def __init__(self, session: Session, *, pace: Pace = DEFAULT_PACE) -> None:
        self.session = session
        self.name = session.name
        self._pace = pace

    def info(self) -> Info:
        """The installed version. Raises RequestRefused if AS3 is not installed, or still starting."""
        answer = self.session.exchange("GET", f"{_ROOT}/info")
        body = answer.body
        if answer.status == 404:
            raise RequestRefused(self.name, 404, "AS3 is not installed on this device, or is still starting")
        if answer.status != 200 or not isinstance(body, dict):
            raise RequestRefused(self.name, answer.status, f"AS3 does not tell its version: {self._said(answer)}")
        return Info(str(body.get("version", "")), str(body.get("schemaCurrent", "")))

    def tenants(self) -> tuple[str, ...]:
        """Names of the tenants that AS3 has made, sorted."""
        answer = self.session.exchange("GET", f"{_ROOT}/declare")
        if answer.status == 204:
            return ()
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise RequestRefused(self.name, answer.status, f"AS3 does not show its tenants: {self._said(answer)}")
        # AS3 wraps the ADC in an AS3 request only when asked to.
        stored = answer.body.get("declaration", answer.body)
        return tuple(
            sorted(name for name, item in stored.items() if isinstance(item, dict) and item.get("class") == "Tenant")
        )

    def declare(self, declaration: Mapping[str, Any], *, dry_run: bool = False) -> Outcome:
        """Post a declaration (class ADC) and wait for the end of it. With ``dry_run`` nothing is changed.

        Raises DeclarationError, with what AS3 says about each tenant, if any of them is not as declared afterwards;
        DeviceTimeout if AS3 is still busy at the deadline.
        """
        request = {
            "class": "AS3",
            "action": "dry-run" if dry_run else "deploy",
            "persist": True,
            "declaration": dict(declaration),
        }
        with patient(self.session, self._pace.deadline):
            self.session.refresh_token(self._pace.deadline)
            for _ in self._until_deadline(self._pace.busy, 2.0, "AS3 is busy with other declarations"):
                status, body = self._post(request)
                if status not in (502, 503, 504) and 503 not in _codes(body):
                    return self._outcome(status, body, dry_run)
        raise AssertionError("the loop above ends by returning or raising")

    def _post(self, request: Mapping[str, Any]) -> tuple[int, Any]:
        """Post, and if AS3 goes on in the background, wait. Returns the final status (0: of a task) and body."""
        answer = self.session.exchange("POST", f"{_ROOT}/declare", request)
        if answer.status != 202:
            return answer.status, answer.body
        task = answer.body.get("id") if isinstance(answer.body, dict) else None
        if not isinstance(task, str) or not task.replace("-", "").isalnum():
            raise DeclarationError(self.name, "AS3 took the declaration but named no task to wait for")
        return 0, self._follow(task)

    def _follow(self, task: str) -> Any:
        """The body of a task once it has ended."""
        for _ in self._until_deadline(self._pace.poll, 1.2, "AS3 has not finished the declaration"):
            try:
                answer = self.session.exchange("GET", f"{_ROOT}/task/{task}")
            except DeviceUnreachable:
                # restjavad restarts under load; the task goes on, or comes back as cancelled.
                continue
            if answer.status == 404 and "No record found" in self._said(answer):
                raise DeclarationError(self.name, "AS3 has forgotten the task; apply again to see how it ended")
            if answer.status in _RESTARTING:
                continue
            if answer.status != 200:
                raise RequestRefused(self.name, answer.status, f"task of the declaration: {self._said(answer)}")
            if _cancelled(answer.body):
                raise DeclarationError(self.name, "AS3 was restarted and cancelled the declaration; apply it again")
            if _final(answer.body):
                return answer.body
        raise AssertionError("the loop above ends by returning or raising")

    def _until_deadline(self, pause: float, growth: float, reason: str) -> Iterator[None]:
        """Yield, then sleep, ever longer up to 10 times ``pause``. Raises DeviceTimeout at the deadline."""
        longest = pause * 10
        while True:
            yield
            left = (self.session.deadline or 0.0) - time.monotonic()
            if left <= 2 * pause:  # as long again for the request that follows
                raise DeviceTimeout(self.name, f"{reason} after {self._pace.deadline:g} s; apply again later")
            time.sleep(pause)
            pause = min(pause * growth, longest)

    def _outcome(self, status: int, body: Any, dry_run: bool) -> Outcome:
        results = tuple(self._results(body))
        failed = [result for result in results if result.code != 200]
        if not failed and results and status in (0, 200):
            return Outcome(results, dry_run)
        problems = "; ".join(f"tenant {one.name}: {one.code} {one.message}" for one in failed)
        done = ", ".join(one.name for one in results if one.code == 200)
        if done:
            problems += f" (deployed all the same: {done})"
        if not failed:
            problems = f"HTTP {status}: {_message(body, self.session.shown)}"
        raise DeclarationError(self.name, f"AS3: {problems}")

    def _results(self, body: Any) -> Iterator[TenantResult]:
        """One result a tenant; where AS3 goes through a tenant twice (Common), the worse one."""
        seen: dict[str, TenantResult] = {}
        for result in _result_list(body):
            names = result.get("tenant")
            code = result.get("code")
            for name in names if isinstance(names, list) else [names]:
                new = TenantResult(
                    str(name or "?"), code if isinstance(code, int) else 0, _message(result, self.session.shown)
                )
                old = seen.get(new.name)
                if old is None or (old.code == 200 and (new.code != 200 or new.changed)):
                    seen[new.name] = new
        yield from seen.values()

    def _said(self, answer: Answer) -> str:
        return self.session.message(answer)


def _result_list(body: Any) -> list[dict[str, Any]]:
    results = body.get("results") if isinstance(body, dict) else None
    return [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []


def _codes(body: Any) -> set[Any]:
    return {result.get("code") for result in _result_list(body)}


def _cancelled(body: Any) -> bool:
    return any(result.get("message") == _CANCELLED for result in _result_list(body))


def _final(body: Any) -> bool:
    """Whether a task has ended: every result has a code."""
    codes = _codes(body)
    return bool(codes) and 0 not in codes


def _message(result: Any, shown: Callable[[str], str]) -> str:
    """AS3's message with what TMOS or the validation adds to it (``response``, ``errors``), on one line."""
    if not isinstance(result, dict):
        return "no message"
    parts = [str(result.get("message") or "no message")]
    if isinstance(result.get("response"), str):
        parts.append(result["response"])
    if isinstance(result.get("errors"), list):
        parts.extend(str(error) for error in result["errors"])
    return ": ".join(shown(part) for part in parts)
