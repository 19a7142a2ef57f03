"""``/mgmt/shared/appsvcs``: info, declare and task.

Facts: AS3's documentation and ``src/lib/declareHandler.js``: what each call answers, the lock, and that a POST
which takes longer than 45 s turns into a task.
"""

from __future__ import annotations

import asyncio
import copy
import datetime
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.as3 import classes, inspect
from bigip_sm.lab.bigip.as3.apply import apply
from bigip_sm.lab.bigip.as3.invalid import invalid
from bigip_sm.lab.bigip.as3.request import Order, parse, parse_query, removal
from bigip_sm.lab.bigip.as3.schema import Schema
from bigip_sm.lab.bigip.as3.tasks import History, Task, Tasks
from bigip_sm.lab.bigip.as3.translate import Desired, translate
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.replies import Json, Refusal, not_emulated, reply
from bigip_sm.lab.http import Request, Response

_logger = logging.getLogger(__name__)

VERSION = "3.56.0"
INFO = {"version": VERSION, "release": "10", "schemaCurrent": VERSION, "schemaMinimum": "3.0.0"}

_BASE = "/mgmt/shared/appsvcs"
_LOCKED = "Error: Configuration operation in progress on device localhost, please try again in 2 minutes"


class Appsvcs:
    """AS3 on one device.

    ``duration`` is how many seconds a declaration takes, ``patience`` after how many a POST answers 202. Raises
    SchemaError if the schema file cannot be read.
    """

    def __init__(self, config: Config, folders: Folders, schema: Path | None, clock: Callable[[], float]) -> None:
        self.duration = 0.0
        self.patience = 45.0
        self.history = History()
        self._config = config
        self._folders = folders
        self._schema = Schema.read(schema) if schema is not None else None
        self._clock = clock
        self._tasks = Tasks()
        self._locked = False
        self._at_work: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """End what is at work."""
        for work in self._at_work:
            work.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def handle(self, request: Request, account: Account) -> Response:
        """Answer one request below ``/mgmt/shared/appsvcs``. Raises Refusal."""
        if not account.administrator:
            user = f"https://localhost/mgmt/shared/authz/users/{account.name}"
            raise Refusal(401, f"Authorization failed: user={user} resource={request.path} verb={request.method}")
        parts = [part for part in request.path[len(_BASE) :].split("/") if part]
        match request.method, parts:
            case "GET", ["info"]:
                return reply(INFO)
            case "POST", ["declare"]:
                return await self._submit(parse(request.body, request.query, self._schema))
            case "GET", ["declare"]:
                return self._show(request, [])
            case "GET", ["declare", names]:
                return self._show(request, names.split(","))
            case "DELETE", ["declare"]:
                return await self._submit(removal(self.history.tenants, request.query))
            case "DELETE", ["declare", names]:
                return await self._submit(removal(names.split(","), request.query))
            case "GET", ["task"]:
                return reply({"items": self._tasks.all()})
            case "GET", ["task", task_id]:
                return reply(self._tasks.get(task_id).as_json())
        if parts and parts[0] in ("declare", "task", "info", "settings"):
            raise not_emulated(f"{request.method} {request.path}")
        raise Refusal(400, "Bad Request: Invalid path")

    def _show(self, request: Request, names: list[str]) -> Response:
        """``GET declare``: what is stored, of the named tenants or of all."""
        parse_query(request.query)
        stored = self.history.newest
        if stored is None:
            return Response(204)
        known = inspect.tenants(stored)
        missing = [name for name in names if name not in known]
        if missing:
            raise Refusal(404, f"specified Tenant(s) '{','.join(missing)}' not found in declaration")
        hidden = set(known) - set(names) if names else set()
        return reply({name: value for name, value in stored.items() if name not in hidden})

    async def _submit(self, order: Order) -> Response:
        """Run the order; answer with its outcome, or 202 if it is asynchronous or takes too long.

        The order runs on when the client goes away, as on a device.
        """
        task = Task(order.id)
        work = asyncio.get_running_loop().create_task(self._run(order, task))
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        if not order.asynchronous:
            await asyncio.wait({work}, timeout=self.patience)
            if task.answer is not None:
                return reply(task.answer, task.status)
        self._tasks.add(task)
        return reply(task.submitted(), 202)

    async def _run(self, order: Order, task: Task) -> None:
        """Carry out one order and leave its answer in the task."""
        try:
            answer = await self._deploy(order)
            status = answer.get("code", 200)
        except Refusal as refusal:
            extra: Json = {"host": "localhost", "tenant": order.tenants, "declarationId": order.id}
            answer, status = {**extra, **refusal.body}, refusal.status
        except Exception as error:  # whoever waits for the task must learn that it has ended
            _logger.exception("declaration failed in the lab itself")
            answer, status = {"code": 500, "message": f"the lab failed: {type(error).__name__}"}, 500
        task.answer, task.status = answer, status

    async def _deploy(self, order: Order) -> Json:
        if self._locked:
            raise order.refusal(503, _LOCKED)
        self._locked = True
        try:
            if self.duration:
                await asyncio.sleep(self.duration)
            wanted = self._validated(order)
            results = [self._one(order, desired) for desired in wanted]
        finally:
            self._locked = False
        return self._answer(order, results)

    def _validated(self, order: Order) -> list[Desired]:
        """What the tenants should hold. Raises Refusal (422) before anything is changed."""
        declaration = order.declaration
        known = self._schema.knows if self._schema is not None else classes.KNOWN_NAMES.__contains__
        inspect.check_names(declaration, known)
        if self._schema is not None:
            error = self._schema.first_error(copy.deepcopy(declaration))  # it fills in defaults
            if error is not None:
                raise invalid(*error.split(": ", 1))
        inspect.check_paths(declaration)
        inspect.check_node_names(declaration)
        inspect.check_duplicates(declaration)
        wanted = translate(declaration, self._config)
        if declaration.get("updateMode", "selective") == "complete":
            named = {desired.tenant for desired in wanted}
            wanted += [Desired(name, (), ()) for name in self.history.tenants if name not in named]
        return wanted

    def _one(self, order: Order, desired: Desired) -> Json:
        """Deploy one tenant."""
        result = apply(self._config, self._folders, desired, dry_run=order.dry_run)
        if order.dry_run:
            result["dryRun"] = True
        return {**result, "runTime": int(self.duration * 1000), "declarationId": order.id}

    def _answer(self, order: Order, results: list[Json]) -> Json:
        """The whole answer; stores the declaration unless it is a dry run."""
        deployed = [result["tenant"] for result in results if result["code"] == 200]
        stored: Any = order.declaration
        if not order.dry_run and deployed:
            stored = self.history.store(self._stamped(order.declaration), deployed, order.history_limit)
        codes = {result["code"] for result in results}
        answer: Json = {"results": results, "declaration": stored}
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
