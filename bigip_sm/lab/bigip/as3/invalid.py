"""How AS3 says that a declaration is wrong, before it touches the device."""

from __future__ import annotations

from bigip_sm.lab.bigip.replies import Refusal


def invalid(where: str, message: str) -> Refusal:
    """A validation error: ``where`` is a JSON pointer such as ``/T/A/item/property``."""
    return Refusal(422, "declaration is invalid", errors=[f"{where}: {message}"])


def unprocessable(message: str) -> Refusal:
    """A refusal without a list of errors."""
    return Refusal(422, message)


def lab_gap(where: str, message: str = "") -> Refusal:
    """AS3 would take this; the lab does not emulate what it does and says so."""
    return invalid(where, f"{message} not emulated by the lab".strip())
