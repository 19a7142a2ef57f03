"""One call of f5-sdk: repeated where that is safe, its failures as our errors. Needs the extra ``f5-sdk``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import requests
from icontrol.exceptions import iControlUnexpectedHTTPError

from bigip_sm.bigip.connection import Patience
from bigip_sm.bigip.session import Session
from bigip_sm.bigip.text import one_line
from bigip_sm.errors import (
    AuthenticationFailed,
    DeviceError,
    DeviceTimeout,
    DeviceUnreachable,
    ObjectNotFound,
    RequestRefused,
)

T = TypeVar("T")

_UNAVAILABLE = (502, 503, 504)


def send(
    session: Session,
    patience: Patience,
    shown: str,
    action: Callable[[], T],
    *,
    missing: str = "",
    secrets: Sequence[str] = (),
    repeat: bool = True,
) -> T:
    """What ``action`` returns. It is repeated when the device is briefly unavailable, and once after a new login.

    ``repeat``: it may be done twice. ``missing`` names the object for a 404; ``secrets`` are masked in messages. Raises
    DeviceError only, whatever f5-sdk raises.
    """
    renewed, attempt = False, 0
    while True:
        try:
            return action()
        except DeviceError:
            raise
        except iControlUnexpectedHTTPError as error:
            status, failure = error.response.status_code, _refusal(session, error, shown, missing, secrets)
            if status == 401 and not renewed:
                # Expired, or lost in a reboot: one new login. A second 401 is about the user's rights.
                renewed = True
                session.refresh_token(float("inf"))
                continue
            again = repeat and status in _UNAVAILABLE
        except requests.RequestException as error:
            failure, again = _failure(session, error, shown, repeat)
        except Exception as error:
            # f5-sdk's own errors and what its code does not expect; the text may hold an answer.
            failure = DeviceError(
                session.name, f"{shown}: an answer is not what f5-sdk expects ({type(error).__name__})"
            )
            again = False
        if not again or attempt == patience.repeats or not _pause(session, patience.pause(attempt)):
            raise failure
        attempt += 1


def _pause(session: Session, seconds: float) -> bool:
    """Sleep before a repetition; False, at once, if the deadline would be over by then."""
    if session.deadline is not None and time.monotonic() + seconds >= session.deadline:
        return False
    time.sleep(seconds)
    return True


def _refusal(session: Session, error: Any, shown: str, missing: str, secrets: Sequence[str]) -> DeviceError:
    """What to raise for an answer with an error status."""
    status = error.response.status_code
    try:
        told = error.response.json()["message"]
    except (ValueError, KeyError, TypeError):
        told = ""
    message = session.shown(told, secrets) if isinstance(told, str) and told.strip() else "no message"
    if status == 404 and missing:
        return ObjectNotFound(session.name, f"{missing} does not exist")
    if status == 401:
        return AuthenticationFailed(session.name, f"user {session.user} may not {shown}: {message}")
    return RequestRefused(session.name, status, f"{shown}: {message}")


def _failure(session: Session, error: Any, shown: str, repeat: bool) -> tuple[DeviceError, bool]:
    """What to raise for an error of requests, and whether trying again may help."""
    doubt = "" if repeat else "; it may have been done or not"
    if isinstance(error, requests.ConnectTimeout):
        return DeviceTimeout(session.name, f"{shown}: no connection in time"), True
    if isinstance(error, requests.Timeout):
        return DeviceTimeout(session.name, f"no answer to {shown} in time{doubt}"), False
    if isinstance(error, requests.exceptions.SSLError):
        return DeviceUnreachable(session.name, f"{shown}: TLS failed: {one_line(str(error), 200)}"), False
    return DeviceUnreachable(
        session.name, f"the connection broke during {shown} ({type(error).__name__}){doubt}"
    ), repeat
