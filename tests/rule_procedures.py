"""Procedures of a rendered iRule by themselves, in a Tcl of their own: for properties that need thousands of calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bigip_sm.lab.tcl import OPERATORS, PROCEDURE_MARK, load
from bigip_sm.lab.tmm.interpreter import create_tcl


class Procedures:
    """The procedures of a rule; ``commands`` are the iRule commands that they may call. One thread only."""

    def __init__(self, text: str, commands: Mapping[str, Callable[..., object]] | None = None) -> None:
        self._tcl = create_tcl()
        self._tcl.eval(OPERATORS)
        self._tcl.eval("proc call {name args} {tailcall p.$name {*}$args}")
        for name, command in (commands or {}).items():
            self._tcl.createcommand(name, command)
        for one in load("/test/gateway/rule", text).procedures:
            self._tcl.call("proc", f"p.{one.name}", one.arguments, one.body.replace(PROCEDURE_MARK, "p."))

    def run(self, name: str, *arguments: str | bytes | tuple[str, ...]) -> str | None:
        """The result, or None if the procedure raised an error of its own (``error "..."``, not one of Tcl's).

        A tuple among the arguments is a list.
        Raises AssertionError for any other error.
        """
        code = self._tcl.call("catch", self._tcl.call("list", f"p.{name}", *arguments), "result", "options")
        result = self._tcl.eval("set result")
        if code == 0:
            return result
        assert self._tcl.eval("dict get $options -errorcode") == "NONE", result
        return None

    def element(self, index: int) -> str:
        """An element of the list that ``run`` returned last, whatever bytes it has."""
        # What eval returns ends at a NUL, what call returns does not.
        found = self._tcl.call("apply", "index {upvar #0 result list; return [lindex $list $index]}", index)
        return found.decode("latin-1") if isinstance(found, bytes) else str(found)

    def words(self, text: str) -> tuple[str, ...]:
        """A Tcl list, taken apart."""
        return tuple(str(one) for one in self._tcl.splitlist(text))

    def steps(self, name: str, *arguments: str | bytes) -> int:
        """How many Tcl commands a call takes: a measure of work that no other process disturbs."""
        before = int(self._tcl.call("info", "cmdcount"))
        self.run(name, *arguments)
        return int(self._tcl.call("info", "cmdcount")) - before
