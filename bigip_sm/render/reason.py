"""What a refusal is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """One refusal.

    ``code`` is what callers see in ``X-Gateway-Reason``, ``status`` the HTTP status, ``message`` the sentence in the
    answer. ``meaning``, ``who`` (must act) and ``check`` (how to) are for the docs. ``stage`` names what an iRule
    must have one of to have this reason, types of identity or stages, separated by blanks; empty if all have it.
    """

    code: str
    status: int
    message: str
    meaning: str
    who: str
    check: str
    stage: str = ""
