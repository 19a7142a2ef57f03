"""Transactions of iControl REST: operations are queued, and one PATCH commits all of them or none.

Facts: F5's "iControl REST API User Guide" (transactions), DevCentral article 290328; answers to a queued operation as
in the README of a public client, "transaction failed:" as in public issues. What is
not public is decided strictly: the life counts from the start and no operation extends it, and a transaction ends
with its commit whether that succeeds, fails or only validates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.calls import LINK, Call, Edit
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.editing import refuse_unchecked
from bigip_sm.lab.bigip.replies import Json, Refusal, icrd_refusal

COLLECTION = "/mgmt/tm/transaction"
LIFE = 120
"""Seconds that a transaction lives; 30 on TMOS 11.5."""


@dataclass
class Command:
    """A queued operation; ``order`` is its place among the others, from 1."""

    number: int
    call: Call
    edit: Edit
    order: int


@dataclass
class Transaction:
    """A transaction of one user. ``started`` is epoch seconds."""

    id: int
    owner: Account
    started: float
    life: int
    commands: list[Command] = field(default_factory=list)

    def as_json(self, state: str = "STARTED", **more: object) -> Json:
        """The transaction as icrd shows it."""
        link = f"{LINK}{COLLECTION}/{self.id}"
        shown: Json = {"transId": self.id, "state": state, "timeoutSeconds": self.life, **more}
        return {**shown, "kind": "tm:transactionstate", "selfLink": link}

    def command_json(self, command: Command) -> Json:
        """A queued operation as icrd shows it."""
        call = command.call
        return {
            "method": call.method,
            "uri": f"{LINK}{call.request.path}",
            "body": call.body() if call.request.body else {},
            "evalOrder": command.order,
            "commandId": command.number,
            "kind": "tm:transaction:commandsstate",
            "selfLink": f"{LINK}{COLLECTION}/{self.id}/commands/{command.number}",
        }


class Transactions:
    """The open transactions. ``clock`` gives epoch seconds."""

    def __init__(self, config: Config, clock: Callable[[], float], version: tuple[int, ...]) -> None:
        self._config = config
        self._clock = clock
        self._life = 30 if version < (11, 6) else LIFE
        self._open: dict[int, Transaction] = {}

    def clear(self) -> None:
        """Forget all: icrd has restarted."""
        self._open.clear()

    def queue(self, value: str, call: Call, edit: Edit) -> Json:
        """Add an operation to the transaction that the coordination header names. Raises Refusal (400, 404)."""
        transaction = self._get(value, call.account)
        if call.request.body:
            call.body()
        number = max((command.number for command in transaction.commands), default=0) + 1
        command = Command(number, call, edit, len(transaction.commands) + 1)
        transaction.commands.append(command)
        return transaction.command_json(command)

    def answer(self, call: Call) -> Json | None:
        """Answer a request to ``/mgmt/tm/transaction``. Raises Refusal."""
        call.parameters()
        match call.method, call.rest:
            case "POST", ():
                return self._start(call).as_json()
            case "GET", ():
                items = [each.as_json() for each in self._alive() if each.owner == call.account]
                listed: Json = {"kind": "tm:transactioncollectionstate", "selfLink": f"{LINK}{COLLECTION}"}
                return {**listed, "items": items} if items else listed
            case "GET", (value,):
                return self._get(value, call.account).as_json()
            case "DELETE", (value,):
                ended = self._get(value, call.account)
                del self._open[ended.id]
                return None
            case "PATCH", (value,):
                return self._commit(self._get(value, call.account), call.body())
            case _, (value, "commands", *rest):
                return self._commands(self._get(value, call.account), call, rest)
        raise call.not_emulated()

    def _start(self, call: Call) -> Transaction:
        if call.body():
            raise icrd_refusal(400, "a new transaction takes no properties", 1)
        now = self._clock()
        number = int(now * 1e6)
        while number in self._open:
            number += 1
        self._open[number] = Transaction(number, call.account, now, self._life)
        return self._open[number]

    def _alive(self) -> list[Transaction]:
        now = self._clock()
        self._open = {number: each for number, each in self._open.items() if now < each.started + each.life}
        return list(self._open.values())

    def _get(self, value: str, account: Account) -> Transaction:
        for transaction in self._alive():
            if str(transaction.id) == value and transaction.owner == account:
                return transaction
        raise icrd_refusal(404, f"The transaction ({value}) was not found.", 1)

    def _commit(self, transaction: Transaction, body: Json) -> Json:
        """``{"state": "VALIDATING"}``, with ``validateOnly`` without effect. Raises Refusal."""
        if body.get("state") != "VALIDATING" or set(body) - {"state", "validateOnly"}:
            raise icrd_refusal(400, 'a transaction takes {"state": "VALIDATING"}, and with it validateOnly', 1)
        if not isinstance(body.get("validateOnly", False), bool):
            raise icrd_refusal(400, 'invalid property value "validateOnly"', 26214401)
        del self._open[transaction.id]
        try:
            trial = self._config.copy()
            for command in sorted(transaction.commands, key=lambda each: each.order):
                outcome = command.edit(trial)
                trial.commit(put=outcome.put, delete=outcome.delete)
            put, delete = self._config.difference(trial)
            refuse_unchecked(self._config, put, delete)
        except Refusal as refusal:
            raise icrd_refusal(refusal.status, f"transaction failed:{refusal}", 2) from refusal
        if body.get("validateOnly"):
            return transaction.as_json("COMPLETED", validateOnly=True)
        self._config.commit(put=put, delete=delete)
        return transaction.as_json("COMPLETED")

    def _commands(self, transaction: Transaction, call: Call, rest: list[str]) -> Json | None:
        """The queue: list, show, reorder by ``evalOrder``, take out. Raises Refusal."""
        if not rest and call.method == "GET":
            ordered = sorted(transaction.commands, key=lambda each: each.order)
            items = [transaction.command_json(command) for command in ordered]
            return {"kind": "tm:transaction:commandscollectionstate", "items": items}
        number = "/".join(rest)
        found = next((each for each in transaction.commands if str(each.number) == number), None)
        if found is None:
            raise icrd_refusal(400, f"Found invalid command id {number}", 1)
        if call.method == "GET":
            return transaction.command_json(found)
        if call.method == "DELETE":
            transaction.commands.remove(found)
            return None
        if call.method == "PATCH":
            _reorder(transaction, found, call.body())
            return transaction.command_json(found)
        raise call.not_emulated()


def _reorder(transaction: Transaction, command: Command, body: Json) -> None:
    """Move a command to the place ``evalOrder``, the others keep their order. Raises Refusal (400)."""
    place = body.get("evalOrder")
    if set(body) != {"evalOrder"} or not isinstance(place, int) or not 1 <= place <= len(transaction.commands):
        raise icrd_refusal(400, 'invalid property value "evalOrder"', 26214401)
    others = sorted((each for each in transaction.commands if each is not command), key=lambda each: each.order)
    others.insert(place - 1, command)
    for order, each in enumerate(others, 1):
        each.order = order
