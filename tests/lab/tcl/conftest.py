"""A stock Tcl interpreter prepared as the data plane prepares its own, and rules run in it."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from bigip_sm.errors import RuleError
from bigip_sm.lab.tcl import OPERATORS, load

if TYPE_CHECKING:
    from _tkinter import TkappType


@pytest.fixture(scope="session")
def interpreter() -> TkappType:
    """Tcl 8.6 with the lab's operators."""
    tcl = tkinter.Tcl().tk
    tcl.eval(OPERATORS)
    tcl.eval("namespace eval ::static {}")
    return tcl


@pytest.fixture(scope="session")
def run(interpreter: TkappType) -> Callable[[str], str]:
    """Load a handler's body and run it as the data plane does: compiled, with local variables. Gives its result."""

    def run_body(body: str) -> str:
        handler = load("/Common/r", f"when HTTP_REQUEST {{\n{body}\n}}\n").handlers[0]
        interpreter.call("proc", "::handler", "", handler.body)
        return str(interpreter.eval("::handler"))

    return run_body


@pytest.fixture(scope="session")
def fails(run: Callable[[str], str]) -> Callable[[str], str]:
    """Load a handler's body that must load, run it, and give the message of the error that it must raise."""

    def run_failing(body: str) -> str:
        handler = load("/Common/r", f"when HTTP_REQUEST {{\n{body}\n}}\n").handlers[0]
        assert handler.event == "HTTP_REQUEST"
        with pytest.raises(tkinter.TclError) as raised:
            run(body)
        return str(raised.value)

    return run_failing


@pytest.fixture(scope="session")
def refused() -> Callable[[str], str]:
    """The message with which a handler's body does not load."""

    def load_refused(body: str) -> str:
        with pytest.raises(RuleError) as raised:
            load("/Common/r", f"when HTTP_REQUEST {{\n{body}\n}}\n")
        return str(raised.value)

    return load_refused
