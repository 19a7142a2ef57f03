"""AS3's asynchronous tasks and the declarations that it keeps.

Facts: AS3's ``src/lib/asyncHandler.js`` (25 newest finished records, results without the overall status) and
``declarationProvider.js``.
"""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass, field

from bigip_sm.lab.bigip.as3 import inspect
from bigip_sm.lab.bigip.replies import Json, Refusal

KEPT = 25


@dataclass
class Task:
    """One declaration at work or finished. ``answer`` is the body AS3 would give synchronously."""

    declaration_id: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: int = 0
    answer: Json | None = field(default=None, repr=False)

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
        shown = self._shown("in progress")
        if self.answer is not None:
            results = self.answer.get("results")
            shown["results"] = [dict(self.answer)] if results is None else results
            shown["declaration"] = self.answer.get("declaration", {})
        return shown


class Tasks:
    """All tasks; of the finished ones the 25 newest."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def add(self, task: Task) -> None:
        """Remember a task, and forget the oldest finished ones."""
        self._tasks[task.id] = task
        finished = [known.id for known in self._tasks.values() if known.answer is not None]
        for old in finished[: max(0, len(finished) - KEPT)]:
            del self._tasks[old]

    def get(self, task_id: str) -> Task:
        """A task. Raises Refusal (404)."""
        try:
            return self._tasks[task_id]
        except KeyError:
            raise Refusal(404, f"No record found with ID of {task_id}") from None

    def all(self) -> list[Json]:
        """Every task, newest first."""
        return [task.as_json() for task in reversed(self._tasks.values())]


class History:
    """The declarations stored on the device, newest last; each holds every tenant that AS3 knows then."""

    def __init__(self) -> None:
        self._declarations: list[Json] = []

    @property
    def newest(self) -> Json | None:
        """The declaration in force, or None."""
        return self._declarations[-1] if self._declarations else None

    @property
    def tenants(self) -> list[str]:
        """Names of the tenants that AS3 knows."""
        return list(inspect.tenants(self.newest or {}))

    def __len__(self) -> int:
        """How many declarations are kept."""
        return len(self._declarations)

    def store(self, declaration: Json, deployed: list[str], limit: int) -> Json:
        """Keep a declaration, and only the newest ``limit``; returns what is stored.

        The tenants in ``deployed`` are taken from it, the others stay as they were.
        """
        previous = self.newest or {}
        kept = {name: body for name, body in inspect.tenants(previous).items() if name not in deployed}
        named = inspect.tenants(declaration)
        new = {name: named[name] for name in deployed if inspect.applications(named.get(name, {}))}
        rest = {key: value for key, value in declaration.items() if key not in named}
        stored = copy.deepcopy({**rest, **kept, **new})
        self._declarations = [*self._declarations, stored][-limit:]
        return stored
