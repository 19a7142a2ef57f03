"""Carrying out one order: lock, validation, one transaction a tenant, the stored declaration.

Facts: AS3's ``src/lib/declarationHandler.js`` (order of work, what is answered), ``audit.js``, ``util/perAppUtil.js``.
"""

from __future__ import annotations

import asyncio
import copy
import datetime
from collections.abc import Callable
from dataclasses import replace

from bigip_sm.lab.bigip.as3 import classes, inspect, patching, show
from bigip_sm.lab.bigip.as3.apply import Difference, Scope, apply, as_config, difference
from bigip_sm.lab.bigip.as3.invalid import invalid
from bigip_sm.lab.bigip.as3.request import Order
from bigip_sm.lab.bigip.as3.schema import Schema
from bigip_sm.lab.bigip.as3.settings import Settings
from bigip_sm.lab.bigip.as3.storage import History, Lock
from bigip_sm.lab.bigip.as3.translate import Desired, translate
from bigip_sm.lab.bigip.replies import Json, Refusal
from bigip_sm.lab.bigip.system import System

_LOCKED = "Error: Configuration operation in progress on device localhost, please try again in 2 minutes"
_WRONG_HASH = (
    "The hash you submitted does not match the hash on the current Tenant. This usually indicates there was a change "
    "to the Tenant since you pulled this hash. You will want to do a GET and see what the changes are."
)
_REFRESH = 90.0


class Deployer:
    """Deploys, redeploys, patches and removes. ``duration`` is how many seconds each takes.

    ``sync_to`` launches a config sync to a device group; it raises Refusal for an unknown one.
    """

    def __init__(
        self,
        system: System,
        schema: Schema | None,
        clock: Callable[[], float],
        settings: Settings,
        sync_to: Callable[[str], None],
    ) -> None:
        self.duration = 0.0
        self.history = History(system.config, clock)
        self._system = system
        self._schema = schema
        self._clock = clock
        self._settings = settings
        self._sync_to = sync_to
        self._lock = Lock(system.config, system.folders, clock)
        self._working = False

    async def carry_out(self, order: Order) -> Json:
        """The body of the answer, with ``code`` when it is not 200. Raises Refusal."""
        if order.problem is not None:
            raise Refusal(422, order.problem)
        if order.action == "patch":
            order = self._patched(order)
        if self._working or not self._lock.acquire():
            raise order.refusal(503, _LOCKED)
        self._working = True
        try:
            await self._take_time()
            answer = self._deploy(order)
        except asyncio.CancelledError:
            self._working = False
            raise  # restnoded is gone: nobody gives the lock back
        except BaseException:
            self._release()
            raise
        self._release()
        if not order.dry_run and order.persist:
            self._system.save()
        if not order.dry_run and order.sync_to_group:
            self._launch_sync(order)
        return answer

    def _release(self) -> None:
        self._working = False
        self._lock.release()

    async def _take_time(self) -> None:
        left = self.duration
        while left > 0:
            await asyncio.sleep(min(left, _REFRESH))
            left -= _REFRESH
            self._lock.refresh()

    def _launch_sync(self, order: Order) -> None:
        try:
            self._sync_to(order.sync_to_group)
        except Refusal as refusal:
            message = f"failed to launch config-sync to {order.sync_to_group} ({refusal})"
            raise order.refusal(500, message) from refusal

    # what is to be deployed

    def _patched(self, order: Order) -> Order:
        """The stored declaration after the patch, narrowed to the tenants that its paths lead into."""
        stored = self.history.newest or {}
        known = inspect.tenants(stored)
        added = {f"/{name}" for name in order.tenants_in_path} & {
            each["path"] for each in order.operations if each.get("op") == "add"
        }
        if not added and not set(order.tenants_in_path) & set(known):
            stored = {}  # AS3 then patches its own error message
        hidden = set(known) - {*order.tenants_in_path, "Common"}
        document = {name: value for name, value in stored.items() if name not in hidden}
        declaration = patching.patched(document, order.operations)
        declaration.setdefault("id", order.id)
        if declaration.get("class") != "ADC":
            raise order.refusal(422, "declaration is invalid")
        return replace(order, action="deploy", declaration=declaration)

    def _resolved(self, order: Order) -> Order:
        """The order with the whole declaration that is to be deployed. Raises Refusal (404)."""
        stored = self.history.newest or {}
        if order.action == "redeploy":
            old = self.history.get(order.age)
            if old is None:
                raise order.refusal(404, f"cannot retrieve declaration of age {order.age} from localhost")
            if order.redeploy_mode != "original":
                old["updateMode"] = order.redeploy_mode
            order = replace(order, declaration=old)
        elif order.per_app is not None:
            order = replace(order, declaration=self._merged(order, inspect.tenants(stored)))
        declaration = dict(order.declaration)
        if declaration.get("updateMode", "selective") == "complete":
            for name in inspect.tenants(stored):
                declaration.setdefault(name, {"class": "Tenant"})
        return replace(order, declaration=declaration)

    def _merged(self, order: Order, known: dict[str, Json]) -> Json:
        """A per-application declaration with the tenant's other applications, or without those to be removed."""
        about = order.per_app
        if about is None:
            return order.declaration
        before = known.get(about.tenant)
        if order.action == "deploy":
            tenant = {**(before or {}), **order.declaration[about.tenant]}
            return {**order.declaration, about.tenant: tenant}
        if before is None:
            raise order.refusal(404, f"specified tenant '{about.tenant}' not found in declaration")
        for name in about.applications:
            if name not in before:
                raise order.refusal(404, f"specified Application '{name}' not found in '{about.tenant}'")
        left = {name: body for name, body in before.items() if name not in about.applications}
        if not inspect.applications(left):
            left = {"class": "Tenant"}
        return {**order.declaration, about.tenant: left}

    # deployment

    def _deploy(self, order: Order) -> Json:
        order = self._resolved(order)
        previous = self.history.newest or {}
        wanted = self.validated(order.declaration)
        results: list[Json] = []
        traces: Json = {}
        for desired in wanted:
            result, trace = self._one(order, desired, previous)
            results.append(result)
            traces.update(trace)
        if not results:
            results = [{"code": 200, "message": "no change", "host": "localhost"}]
        return self._answer(order, results, traces)

    def validated(self, declaration: Json) -> list[Desired]:
        """What the tenants should hold. Raises Refusal (422) before anything is changed."""
        known = self._schema.knows if self._schema is not None else classes.KNOWN_NAMES.__contains__
        inspect.check_names(declaration, known)
        if self._schema is not None:
            error = self._schema.first_error(copy.deepcopy(declaration))  # it fills in defaults
            if error is not None:
                raise invalid(*error.split(": ", 1))
        inspect.check_paths(declaration)
        inspect.check_node_names(declaration)
        inspect.check_duplicates(declaration)
        return translate(declaration, self._system.config)

    def _one(self, order: Order, desired: Desired, previous: Json) -> tuple[Json, Json]:
        """Deploy one tenant; its result and its traces."""
        result: Json = {"host": "localhost", "tenant": desired.tenant}
        result |= {"runTime": int(self.duration * 1000), "declarationId": order.id}
        warnings = [warning for warning in order.warnings if warning["tenant"] == desired.tenant]
        if warnings:
            result["warnings"] = warnings
        if order.dry_run:
            result["dryRun"] = True
        if self._hash_differs(order, desired.tenant, previous):
            return {"code": 422, "message": _WRONG_HASH, **result}, {}
        config, folders = self._system.config, self._system.folders
        found = difference(config, folders, desired, self._scope(order, desired, previous))
        traces = _traces(desired, found) if order.controls.get("traceResponse") else {}
        if found.lines == 0:
            return {"code": 200, "message": "no change", **result}, traces
        refused = None if order.dry_run else apply(config, folders, desired, found)
        if refused is not None:
            return {"code": 422, "message": "declaration failed", "response": refused, **result}, traces
        if order.dry_run and order.controls.get("logLevel") == "debug":
            result["changes"] = found.changes()
        return {"code": 200, "message": "success", "lineCount": found.lines, **result}, traces

    def _hash_differs(self, order: Order, tenant: str, previous: Json) -> bool:
        given = inspect.tenants(order.declaration)[tenant].get(show.LOCK_KEY)
        known = inspect.tenants(previous).get(tenant)
        return bool(given) and order.per_app is None and known is not None and show.tenant_hash(known) != given

    def _scope(self, order: Order, desired: Desired, previous: Json) -> Scope:
        applications = None
        if order.per_app is not None and desired.folders:
            applications = order.per_app.applications
            if any(f"/{desired.tenant}/Shared" == folder for folder in desired.folders):
                applications = (*applications, "Shared")
        if not order.query.unchecked:
            return Scope(applications)
        stub = {name: value for name, value in previous.items() if name not in inspect.tenants(previous)}
        known = inspect.tenants(previous).get(desired.tenant)
        if known is None:
            return Scope(applications, ())
        (before,) = translate({**stub, desired.tenant: known}, self._system.config)
        return Scope(applications, before.objects)

    def _answer(self, order: Order, results: list[Json], traces: Json) -> Json:
        """The whole answer; stores the declaration unless it is a dry run."""
        deployed = [result["tenant"] for result in results if result["code"] == 200 and "tenant" in result]
        stored = _without_keys(order.declaration)
        if not order.dry_run:
            encode = self._settings.encode_metadata
            stored = self.history.store(self._stamped(stored), deployed, order.history_limit, encode_metadata=encode)
        codes = {result["code"] for result in results}
        answer: Json = {"results": results, "declaration": _affected(stored, results)}
        if order.query.show_hash:
            answer["declaration"] = show.with_hashes(answer["declaration"])
        if order.query.filter_class is not None:
            answer["declaration"] = show.of_class(answer["declaration"], order.query.filter_class)
        if order.per_app is not None and order.action == "deploy":
            answer["declaration"] = per_app(answer["declaration"], order.per_app.tenant, order.per_app.applications)
        if traces:
            answer["traces"] = traces
        if order.dry_run:
            answer["dryRun"] = True
        if codes - {200}:
            answer["code"] = codes.pop() if len(codes) == 1 else 207
        return answer

    def _stamped(self, declaration: Json) -> Json:
        """The declaration with the controls that AS3 writes into what it stores."""
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.timezone.utc).isoformat(timespec="milliseconds")
        controls = {
            "class": "Controls",
            **declaration.get("controls", {}),
            "archiveTimestamp": now.replace("+00:00", "Z"),
        }
        return {**declaration, "updateMode": declaration.get("updateMode", "selective"), "controls": controls}


def per_app(declaration: Json, tenant: str, applications: tuple[str, ...]) -> Json:
    """A declaration as a per-application request sees it; without names all applications of the tenant."""
    found = inspect.applications(inspect.tenants(declaration).get(tenant, {}))
    wanted = {name: body for name, body in found.items() if not applications or name in applications}
    return {"schemaVersion": declaration.get("schemaVersion"), **wanted}


def _without_keys(declaration: Json) -> Json:
    """Without the lock keys, which are not stored."""
    stripped = {
        name: {key: value for key, value in body.items() if key != show.LOCK_KEY}
        for name, body in inspect.tenants(declaration).items()
    }
    return {**declaration, **stripped}


def _affected(declaration: Json, results: list[Json]) -> Json:
    """The declaration with the tenants that were worked on only."""
    named = {result.get("tenant") for result in results}
    others = set(inspect.tenants(declaration)) - named
    return {name: value for name, value in declaration.items() if name not in others}


def _traces(desired: Desired, found: Difference) -> Json:
    return {
        f"{desired.tenant}Desired": as_config(desired.objects),
        f"{desired.tenant}Current": as_config(found.before),
        f"{desired.tenant}Diff": found.changes(),
        f"{desired.tenant}Script": found.script(),
    }
