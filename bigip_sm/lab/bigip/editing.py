"""The collections that clients change: data groups and iRules, alone or in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bigip_sm.lab.bigip import datagroups, rules
from bigip_sm.lab.bigip.calls import (
    Call,
    Edit,
    Outcome,
    exists_already,
    full_path,
    listing,
    missing,
    selected,
)
from bigip_sm.lab.bigip.checks import TransactionError, check
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup, Object, Rule
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.replies import Json, icrd_refusal

T = TypeVar("T", DataGroup, Rule)


@dataclass(frozen=True)
class Collection(Generic[T]):
    """The objects of one class: ``what`` is mcpd's word for it, ``kind`` iControl's for the collection."""

    config: Config
    folders: Folders
    type: type[T]
    what: str
    kind: str
    to_json: Callable[[T], Json]
    created: Callable[[Json], T]
    changed: Callable[[T, Call], T]

    def read(self, call: Call) -> Json:
        """The answer to a GET. Raises Refusal."""
        if not call.rest:
            found = list(self.config.all(self.type))
            return listing(call, self.kind, [self.to_json(each) for each in found], [each.path for each in found])
        parameters = call.parameters("$select")
        path = self._path(call)
        call.may_change(path)
        return selected(self.to_json(self._find(self.config, path)), parameters)

    def edit(self, call: Call) -> Edit:
        """What a POST, PATCH, PUT or DELETE does. Raises Refusal (404, 501) for what is no operation at all."""
        if call.method == "POST" and not call.rest:
            call.parameters()
            return lambda config: self._create(call, config)
        path = self._path(call)
        if call.method == "DELETE":
            call.parameters()
            return lambda config: self._delete(call, config, path)
        if call.method not in ("PATCH", "PUT"):
            raise call.not_emulated()
        return lambda config: self._change(call, config, path)

    def _path(self, call: Call) -> str:
        if not call.rest:
            raise call.not_emulated()
        if len(call.rest) > 1:
            raise call.not_emulated(404)
        return full_path(call.rest[0])

    def _find(self, config: Config, path: str) -> T:
        found: T | None = config.get(self.type, path)
        if found is None:
            raise missing(self.what, path)
        return found

    def _create(self, call: Call, config: Config) -> Outcome:
        new = self.created(call.body())
        call.may_change(new.path)
        self.folders.get(new.path.rpartition("/")[0])
        if config.get(self.type, new.path) is not None:
            raise exists_already(self.what, new.path)
        return Outcome(put=(new,), body=self.to_json(new))

    def _change(self, call: Call, config: Config, path: str) -> Outcome:
        call.may_change(path)
        new = self.changed(self._find(config, path), call)
        return Outcome(put=(new,), body=self.to_json(new))

    def _delete(self, call: Call, config: Config, path: str) -> Outcome:
        call.may_change(path)
        return Outcome(delete=(self._find(config, path),))


def data_groups(config: Config, folders: Folders, version: tuple[int, ...]) -> Collection[DataGroup]:
    """``ltm data-group internal``."""

    def changed(group: DataGroup, call: Call) -> DataGroup:
        parameters = call.parameters("options")
        body = call.body()
        if call.method == "PUT":
            call.parameters()
            return datagroups.replaced(group, body, version)
        if "options" not in parameters:
            return datagroups.patched(group, body)
        if body:
            raise icrd_refusal(400, "the options of a query cannot be combined with properties in the body", 1)
        return datagroups.with_option(group, parameters["options"])

    kind = "tm:ltm:data-group:internal:internalcollectionstate"
    make = (datagroups.to_json, datagroups.created, changed)
    return Collection(config, folders, DataGroup, "value list", kind, *make)


def irules(config: Config, folders: Folders) -> Collection[Rule]:
    """``ltm rule``."""

    def changed(rule: Rule, call: Call) -> Rule:
        call.parameters()
        return rules.changed(rule, call.body())

    kind = "tm:ltm:rule:rulecollectionstate"
    return Collection(config, folders, Rule, "iRule", kind, rules.to_json, rules.created, changed)


def perform(config: Config, edit: Edit) -> Json | None:
    """Carry out one operation as a transaction of its own; the body of its answer. Raises Refusal."""
    outcome = edit(config)
    refuse_unchecked(config, outcome.put, outcome.delete)
    config.commit(put=outcome.put, delete=outcome.delete)
    return outcome.body


def refuse_unchecked(config: Config, put: Iterable[Object], delete: Iterable[Object]) -> None:
    """mcpd's checks. Raises Refusal (400) with its words."""
    try:
        check(config, put=put, delete=delete)
    except TransactionError as error:
        raise icrd_refusal(400, str(error)) from error
