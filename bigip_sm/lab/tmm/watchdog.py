"""Ends Tcl that runs for ever, from a thread beside the data plane.

On a BIG-IP a TMM that does not come back from a rule misses its heartbeat and is restarted (F5, K6646 and the sod
daemon's manual): all its connections are gone. Here the script is ended with Tcl's ``Tcl_CancelEval``, which may be
called from any thread and which no ``catch`` of a rule can hold up.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

LIMIT = 10.0
"""Seconds that a rule may run in one event."""

_UNWIND = 0x100000
"""TCL_CANCEL_UNWIND of tcl.h: past every ``catch``."""


class Watchdog:
    """Looks after ``tmms`` until ``stop``.

    A TMM that is busy with one thing for more than ``limit`` seconds has its script ended. If that does not help
    within another ``limit`` seconds, ``stuck`` is called, in the watchdog's thread: the data plane is lost then.
    """

    def __init__(self, tmms: Sequence[Tmm], limit: float, stuck: Callable[[Tmm], None]) -> None:
        self._tmms = tmms
        self._limit = limit
        self._stuck = stuck
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="TMM watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; the interpreters may go afterwards."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        seen: dict[Tmm, tuple[int, float]] = {}
        lost: set[Tmm] = set()
        while not self._over.wait(self._limit / 8):
            for tmm in self._tmms:
                turn, now = tmm.turn, time.monotonic()
                if not tmm.busy:
                    continue
                before, since = seen.setdefault(tmm, (turn, now))
                if before != turn:
                    seen[tmm] = (turn, now)
                elif now - since > 2 * self._limit and tmm not in lost:
                    lost.add(tmm)
                    self._stuck(tmm)
                elif now - since > self._limit:
                    tmm.cancelled = cancel(tmm.interpreter.address)


def cancel(interpreter: int) -> bool:
    """End whatever the interpreter at that address runs; False if this Python's Tcl does not let us."""
    try:
        end = ctypes.CDLL(_library()).Tcl_CancelEval
    except (OSError, AttributeError):
        return False
    end.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    end.restype = ctypes.c_int
    return bool(end(interpreter, None, None, _UNWIND) == 0)


def _library() -> str | None:
    """What the symbols of Tcl are looked up in: the extension module that is linked with it, or the program."""
    import _tkinter

    return getattr(_tkinter, "__file__", None)
