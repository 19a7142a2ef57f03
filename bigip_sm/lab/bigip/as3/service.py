"""``/mgmt/shared/appsvcs``: info, declare, task and settings.

Facts: AS3's documentation, ``src/nodejs/restWorker.js``, ``src/lib/declareHandler.js``, ``queue.js`` and
``util/restUtil.js``: what each call answers, the queue for bursts, and that a POST which takes longer than 45 s turns
into a task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.as3 import inspect, show
from bigip_sm.lab.bigip.as3.deploy import Deployer, per_app
from bigip_sm.lab.bigip.as3.query import Query, parse_query
from bigip_sm.lab.bigip.as3.request import Order, orders
from bigip_sm.lab.bigip.as3.schema import Schema
from bigip_sm.lab.bigip.as3.settings import Settings
from bigip_sm.lab.bigip.as3.storage import History
from bigip_sm.lab.bigip.as3.tasks import Task, Tasks
from bigip_sm.lab.bigip.replies import Json, Refusal, not_emulated, parse_object, reply
from bigip_sm.lab.bigip.system import System
from bigip_sm.lab.http import Request, Response

_logger = logging.getLogger(__name__)

VERSION = "3.56.0"
INFO = {"version": VERSION, "release": "10", "schemaCurrent": VERSION, "schemaMinimum": "3.0.0"}
QUEUE = 10
"""How many requests may wait when bursts are handled."""

_BASE = "/mgmt/shared/appsvcs"
_TOO_MANY = "Error: Too many configuration operations are in progress on the device. Please try again later"
_PER_APP_OFF = "Error: Per-application deployment has been disabled on the settings endpoint"


class Appsvcs:
    """AS3 on one device.

    ``duration`` is how many seconds a declaration takes, ``patience`` after how many a POST answers 202. Raises
    SchemaError if the schema file cannot be read.
    """

    def __init__(
        self, system: System, schema: Path | None, clock: Callable[[], float], sync_to: Callable[[str], None]
    ) -> None:
        self.patience = 45.0
        self.settings = Settings()
        self._schema = Schema.read(schema) if schema is not None else None
        self._deployer = Deployer(system, self._schema, clock, self.settings, sync_to)
        self._tasks = Tasks(system.config, clock, lambda: self.settings.tasks_in_data_group)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._at_work: set[asyncio.Task[None]] = set()

    @property
    def duration(self) -> float:
        """Seconds that a declaration takes."""
        return self._deployer.duration

    @duration.setter
    def duration(self, seconds: float) -> None:
        self._deployer.duration = seconds

    @property
    def history(self) -> History:
        """The stored declarations."""
        return self._deployer.history

    async def stop(self) -> None:
        """End what is at work."""
        for work in self._at_work:
            work.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def restart(self) -> None:
        """restnoded restarts: what is at work ends in the middle, its lock stays, its task is cancelled."""
        await self.stop()
        self._tasks.restart()

    async def handle(self, request: Request, account: Account) -> Response:
        """Answer one request below ``/mgmt/shared/appsvcs``. Raises Refusal."""
        if not account.administrator:
            user = f"https://localhost/mgmt/shared/authz/users/{account.name}"
            raise Refusal(401, f"Authorization failed: user={user} resource={request.path} verb={request.method}")
        if request.method != "GET":
            self._tasks.clean()
        parts = [part for part in request.path[len(_BASE) :].split("/") if part]
        match request.method, parts:
            case "GET", ["info"]:
                return reply(INFO)
            case "GET" | "POST" | "PATCH" | "DELETE", ["declare", *path]:
                return await self._declare(request, path)
            case "GET", ["task"]:
                return reply({"items": self._tasks.all()})
            case "GET", ["task", task_id]:
                return reply(self._tasks.get(task_id).as_json())
            case "GET", ["settings"]:
                return reply(self.settings.as_json())
            case "POST", ["settings"]:
                return reply(self.settings.replace(parse_object(request.body)))
            case method, ["settings"]:
                text = f"{_BASE}/settings: Only acceptable methods are Post and Get"
                raise Refusal(405, text, method=method)
        if parts and parts[0] in ("declare", "task", "info", "settings"):
            raise not_emulated(f"{request.method} {request.path}")
        raise Refusal(400, "Bad Request: Invalid path")

    async def _declare(self, request: Request, path: list[str]) -> Response:
        query = parse_query(request.method, request.query)
        if len(path) > 1 and path[1] == "applications" and not self.settings.per_app_allowed:
            raise Refusal(400, _PER_APP_OFF)
        found = orders(request.method, path, request.body, query, self._schema)
        if len(found) == 1 and found[0].action == "retrieve":
            if query.asynchronous:
                raise Refusal(400, 'query param "async" is not allowed for method=GET or action=retrieve.')
            return self._show(found[0])
        if any(order.action == "retrieve" for order in found):
            raise not_emulated("retrieve among several requests")
        return await self._submit(found, query)

    # reading

    def _show(self, order: Order) -> Response:
        """What is stored: of the named tenants or applications, or of all. Raises Refusal."""
        age = order.query.age
        if age == "list":
            listed = self.history.listing()
            return reply(listed) if listed else Response(204)
        stored = self.history.get(age)
        if stored is None or not inspect.tenants(stored):
            if order.tenants_in_path:
                raise Refusal(404, "declaration in specified path not found")
            return Response(204)
        return reply(self._shown(order, stored))

    def _shown(self, order: Order, stored: Json) -> Json:
        known = inspect.tenants(stored)
        wanted, about = order.tenants_in_path, order.per_app
        if about is not None:
            _refuse_missing(about.tenant, about.applications, known)
        missing = [name for name in wanted if name not in known]
        if missing:
            raise Refusal(404, f"specified Tenant(s) '{','.join(missing)}' not found in declaration")
        hidden = set(known) - {*wanted, "Common"} if wanted else set()
        declaration = {name: value for name, value in stored.items() if name not in hidden}
        declaration = show.shown(declaration, order.query.show, self._schema)
        if order.query.filter_class is not None:
            declaration = show.of_class(declaration, order.query.filter_class)
        if order.query.show_hash:
            declaration = show.with_hashes(declaration)
        return declaration if about is None else per_app(declaration, about.tenant, about.applications)

    # changing

    async def _submit(self, found: list[Order], query: Query) -> Response:
        """Run the orders; answer with their outcome, or 202 if that is asked for or takes too long.

        They run on when the client goes away, as on a device.
        """
        tasks = [self._tasks.new(order.id) for order in found]
        submitted = _joined([(202, task.submitted()) for task in tasks])
        if not query.asynchronous and self._full:
            for task in tasks:
                task.cancelled = True
            raise Refusal(503, _TOO_MANY)
        work = asyncio.get_running_loop().create_task(self._run_all(found, tasks))
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        if not query.asynchronous:
            await asyncio.wait({work}, timeout=self.patience)
            if not work.done():
                return submitted
            if all(task.answer is not None for task in tasks):
                return _joined([(task.status, task.answer) for task in tasks if task.answer is not None])
        return submitted

    @property
    def _full(self) -> bool:
        return self.settings.burst_handling and self._waiting >= QUEUE

    async def _run_all(self, found: list[Order], tasks: list[Task]) -> None:
        """One order after the other, after those that came before if bursts are handled."""
        if not self.settings.burst_handling:
            await self._run_each(found, tasks)
            return
        if self._full:
            for task in tasks:
                task.cancelled = True
            return
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            await self._run_each(found, tasks)
        finally:
            self._turn.release()

    async def _run_each(self, found: list[Order], tasks: list[Task]) -> None:
        for order, task in zip(found, tasks, strict=True):
            await self._run(order, task)

    async def _run(self, order: Order, task: Task) -> None:
        """Carry out one order and leave its answer in the task."""
        try:
            answer = await self._deployer.carry_out(order)
            status = answer.get("code", 200)
        except Refusal as refusal:
            answer, status = {**order.about(), **refusal.body}, refusal.status
        except Exception as error:  # whoever waits for the task must learn that it has ended
            _logger.exception("declaration failed in the lab itself")
            answer, status = {"code": 500, "message": f"the lab failed: {type(error).__name__}"}, 500
        task.answer, task.status = answer, status
        self._tasks.save()


def _refuse_missing(tenant: str, applications: tuple[str, ...], known: dict[str, Json]) -> None:
    """Raises Refusal (404) in the words of a per-application request."""
    if tenant not in known:
        raise Refusal(404, f"specified tenant '{tenant}' not found in declaration")
    for name in applications:
        if name not in known[tenant]:
            raise Refusal(404, f"specified Application '{name}' not found in '{tenant}'")


def _joined(answers: list[tuple[int, Json]]) -> Response:
    """One answer as it is; of several one with ``items`` and their common status, or 207."""
    if len(answers) == 1:
        status, body = answers[0]
        return reply(body, status)
    codes = {status for status, _ in answers}
    code = codes.pop() if len(codes) == 1 else 207
    return reply({"code": code, "items": [body for _, body in answers]}, code)
