"""iRule commands without traffic: one TMM's interpreter, a session made by hand."""

from __future__ import annotations

import tkinter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bigip_sm.lab.tmm.session import Session
from bigip_sm.lab.tmm.tmm import NO_SESSION, Tmm, World


class Tcl:
    """Evaluates Tcl as the handler of an event would; ``session`` may be changed between calls."""

    def __init__(self, world: World | None = None) -> None:
        self.tmm = Tmm(0, world or World({}, {}, lambda: 0.0, print))
        self.session = Session("10.1.2.3", 40000)
        self.session.event = "HTTP_REQUEST"

    def __call__(self, script: str) -> str:
        """The result, one character a byte. Raises tkinter.TclError."""
        self.session.enter(self.session.event)
        self.tmm.session = self.session
        try:
            return as_text(self.tmm.interpreter.call("eval", script))
        finally:
            self.tmm.session = NO_SESSION

    def fails(self, script: str) -> str:
        """The message of the error that the script must raise."""
        with pytest.raises(tkinter.TclError) as raised:
            self(script)
        return str(raised.value)


def as_text(result: object) -> str:
    """What Tcl would show: bytes as characters, a list with blanks between its elements."""
    if isinstance(result, tuple):
        return " ".join(map(as_text, result))
    return result.decode("latin-1") if isinstance(result, bytes) else str(result)


@contextmanager
def tcl(world: World | None = None) -> Iterator[Tcl]:
    """A Tcl whose interpreter is freed at the end."""
    made = Tcl(world)
    try:
        yield made
    finally:
        made.tmm.close()
