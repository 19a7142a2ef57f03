"""AS3's records of what it was asked to do: ``GET task``.

Facts: AS3's ``src/lib/asyncHandler.js``: every POST, PATCH and DELETE has a record, also one that is answered at once;
kept are the 25 newest finished ones and those at work, none longer than a week; results come without the overall
status; what was at work when restnoded restarted is "task cancelled" for good. With ``asyncTaskStorage`` memory a
restart forgets everything.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from bigip_sm.lab.bigip.as3.storage import FOLDER, chunks
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.bigip.replies import Json, Refusal

KEPT = 25
WEEK = 7 * 24 * 3600
STORE = f"{FOLDER}/dataStore"
"""The data group in which AS3 keeps the records; the lab writes their ids, times and states, not their results."""


@dataclass
class Task:
    """One declaration at work or finished. ``answer`` is the body AS3 would give synchronously."""

    declaration_id: str
    created: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: int = 0
    answer: Json | None = field(default=None, repr=False)
    cancelled: bool = False

    @property
    def pending(self) -> bool:
        """Whether it is still at work."""
        return self.answer is None and not self.cancelled

    def _shown(self, message: str) -> Json:
        blank: Json = {"message": message, "tenant": "", "host": "", "runTime": 0, "code": 0}
        link = f"https://localhost/mgmt/shared/appsvcs/task/{self.id}"
        results = [{**blank, "declarationId": self.declaration_id}]
        return {"id": self.id, "results": results, "declaration": {}, "selfLink": link}

    def submitted(self) -> Json:
        """The body of the 202."""
        return self._shown("Declaration successfully submitted")

    def as_json(self) -> Json:
        """What ``GET task/<id>`` shows, always with HTTP 200."""
        shown = self._shown("task cancelled" if self.cancelled else "in progress")
        if self.answer is not None:
            results = self.answer.get("results")
            shown["results"] = [dict(self.answer)] if results is None else results
            shown["declaration"] = self.answer.get("declaration", {})
            if "traces" in self.answer:
                shown["traces"] = self.answer["traces"]
        return shown


class Tasks:
    """All records. ``in_data_group`` says whether they outlive a restart."""

    def __init__(self, config: Config, clock: Callable[[], float], in_data_group: Callable[[], bool]) -> None:
        self._config = config
        self._clock = clock
        self._in_data_group = in_data_group
        self._tasks: dict[str, Task] = {}

    def new(self, declaration_id: str) -> Task:
        """A record of something that begins now."""
        task = Task(declaration_id, self._clock())
        self._tasks[task.id] = task
        self.save()
        return task

    def clean(self) -> None:
        """Forget what is a week old, and the oldest finished ones. AS3 does it with every request but GET."""
        now = self._clock()
        alive = [task for task in self._tasks.values() if now - task.created < WEEK]
        finished = [task for task in alive if not task.pending]
        forgotten = {task.id for task in finished[: max(0, len(finished) - KEPT)]}
        self._tasks = {task.id: task for task in alive if task.id not in forgotten}

    def save(self) -> None:
        """Write the records into their data group, if that is where they are kept."""
        if not self._in_data_group():
            return
        listed = [
            {"name": task.id, "timestamp": int(task.created * 1000), "status": _state(task)}
            for task in reversed(self._tasks.values())
        ]
        pieces = chunks(json.dumps(listed))
        records = tuple((f"as3_async_records{number}", piece) for number, piece in enumerate(pieces))
        self._config.commit(put=[DataGroup(STORE, "string", records)])

    def restart(self) -> None:
        """restnoded has restarted."""
        if not self._in_data_group():
            self._tasks.clear()
            return
        for task in self._tasks.values():
            if task.pending:
                task.cancelled = True
        self.clean()
        self.save()

    def get(self, task_id: str) -> Task:
        """A task. Raises Refusal (404)."""
        try:
            return self._tasks[task_id]
        except KeyError:
            refusal = Refusal(404, f"No record found with ID of {task_id}")
            del refusal.body["code"]
            raise refusal from None

    def all(self) -> list[Json]:
        """Every task, newest first."""
        return [task.as_json() for task in reversed(self._tasks.values())]


def _state(task: Task) -> str:
    return "pending" if task.pending else "cancelled" if task.cancelled else "complete"
