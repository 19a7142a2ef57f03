"""How far clocks are apart: AWS's and the devices', read off the ``Date`` headers of what they answer anyway.

AWS refuses what is signed more than 5 minutes off its own clock (IAM User Guide, troubleshooting signed requests). The
devices sign, and tokens are made here: so where this machine's clock is off, the rotator goes by AWS's (``now``).
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

from bigip_sm.bigip.connection import skew
from rotator.push import Result

WARNING = 60.0
"""Seconds apart from which a warning is due."""

ERROR = 240.0
"""Seconds apart from which it is an error: AWS will soon refuse, or does."""

JUMP = 2.0
"""Seconds by which our clock must have been set for what was known of AWS's to be void."""

_lock = threading.Lock()
_aws: tuple[float, float] | None = None
"""How far AWS's clock is ahead, and where our clock stood then."""


def note_aws(http_response: Any, **_: Any) -> None:
    """Read AWS's clock off an answer; an ``after-call`` handler for botocore clients."""
    global _aws
    found = skew(http_response.headers.get("date"), time.time(), None)
    if found is not None:
        with _lock:
            _aws = (found, _setting())


def aws_skew() -> float | None:
    """Seconds that AWS's clock is ahead of ours; None before its first answer since our clock was last set."""
    known = _aws
    return known[0] if known is not None and abs(_setting() - known[1]) <= JUMP else None


def _setting() -> float:
    """Where our clock stands against the one that is never set: changes when somebody sets ours, seconds."""
    return time.time() - time.monotonic()


def now() -> float:
    """Epoch seconds by AWS's clock, as far as it is known and ours is more than ``WARNING`` off; else by ours.

    A token made by a clock that is minutes ahead would be refused, and a session kept by one that is behind would end
    unnoticed.
    """
    apart = aws_skew() or 0.0
    return time.time() + (apart if abs(apart) > WARNING else 0.0)


def forget() -> None:
    """Know nothing of AWS's clock any more."""
    global _aws
    with _lock:
        _aws = None


def complaint(name: str, device: float | None, aws: float | None) -> tuple[float, str]:
    """How far a device's clock is from AWS's (from ours, while AWS's is not known), and what to say about it.

    Both skews are seconds ahead of our clock. The text is empty up to ``WARNING``.
    """
    if device is None:
        return 0.0, ""
    apart = device - (aws or 0.0)
    whose = "AWS's" if aws is not None else "ours"
    return apart, _said(f"{name}: its clock", apart, whose)


def judged(result: Result) -> Result:
    """A result, failed if the device's clock is so far off that AWS will refuse what it signs."""
    apart, said = complaint(result.device, result.skew, aws_skew())
    if abs(apart) <= ERROR or result.state == "failed":
        return result
    return replace(result, state="failed", reason=said, failure="clock")


def own_complaint(aws: float | None) -> tuple[float, str]:
    """The same for our own clock."""
    apart = -(aws or 0.0)
    return apart, _said("the clock of this machine", apart, "AWS's")


def _said(what: str, apart: float, whose: str) -> str:
    if abs(apart) <= WARNING:
        return ""
    said = f"{what} is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} {whose}"
    return f"{said}: AWS refuses what is signed more than 300 s off; check its NTP servers"
