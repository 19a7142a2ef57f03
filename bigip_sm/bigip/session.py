"""One authenticated session with a BIG-IP (F5 K59142111 and K02126317 on tokens).

* One token per session, fetched when first needed, reused, renewed before it ends, deleted by ``close``; a 401 leads to
  one new login, no more.
* One request in flight at a time, on one connection, whatever the number of threads.
* GET and PATCH are repeated when the device is briefly unavailable; a POST is never sent again blindly.
* Neither password nor token nor what the caller names as secret is in any message, log line or repr.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from bigip_sm.bigip.connection import DEFAULT_PATIENCE, Answer, Connection, Patience, Request
from bigip_sm.bigip.text import masked, one_line
from bigip_sm.errors import AuthenticationFailed, DeviceError, ObjectNotFound, RequestRefused

logger = logging.getLogger(__name__)

CLOSING = 5.0
"""Seconds that logging out may take."""

TOKEN_LIFE = 1200.0
"""Life of a token in seconds when the login answer does not tell."""

RENEWAL = 0.1
"""A token with less than this share of its life left is renewed before it is used."""

_QUOTED = 4000  # of a longer message only the beginning is looked at
_LOGIN = "/mgmt/shared/authn/login"
_TOKENS = "/mgmt/shared/authz/tokens"
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{1,512}")
_UNAVAILABLE = (502, 503, 504)
_REPEATABLE = ("GET", "PATCH")
S = TypeVar("S", bound="Session")


class Session:
    """Requests to one device as one user. Use it as a context manager, or call ``close``."""

    def __init__(
        self,
        name: str,
        address: str,
        user: str,
        password: str,
        *,
        ca: Path | None = None,
        patience: Patience = DEFAULT_PATIENCE,
        deadline: float | None = None,
    ) -> None:
        """For ``address``, ``ca``, ``patience`` and ``deadline`` see ``Connection``. Nothing is sent yet.

        Raises DeviceUnreachable if the CA file cannot be used.
        """
        self.name = name
        self.user = user
        self._password = password
        self._connection = Connection(name, address, ca=ca, patience=patience, deadline=deadline)
        self._token: str | None = None
        self._token_ends = 0.0
        self._token_life = TOKEN_LIFE
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self._connection.address!r}, user={self.user!r})"

    @property
    def deadline(self) -> float | None:
        """Time of ``time.monotonic()`` after which nothing is tried; None for ever."""
        return self._connection.deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        self._connection.deadline = deadline

    @property
    def clock_skew(self) -> float | None:
        """Seconds that the device's clock is ahead of ours, by its last answer; None before the first."""
        return self._connection.clock_skew

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, path: str, *, missing: str = "") -> Answer:
        """GET ``path``. A 404 raises ObjectNotFound if ``missing`` names the object, else RequestRefused."""
        return self._checked("GET", path, None, missing=missing)

    def patch(self, path: str, body: Mapping[str, Any], *, missing: str = "", secrets: Iterable[str] = ()) -> Answer:
        """PATCH ``path``; for changes that may be repeated. ``secrets`` are masked in messages."""
        return self._checked("PATCH", path, body, missing=missing, secrets=secrets)

    def post(self, path: str, body: Mapping[str, Any], *, missing: str = "", secrets: Iterable[str] = ()) -> Answer:
        """POST ``path``; sent once, unless it certainly never reached the device."""
        return self._checked("POST", path, body, missing=missing, secrets=secrets)

    def exchange(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send a request and return its answer whatever the status. Raises AuthenticationFailed for a second 401."""
        busy = _UNAVAILABLE if method in _REPEATABLE else ()
        with self._lock:
            for renewed in (False, True):
                self._login_if_needed()
                headers = {"X-F5-Auth-Token": self._token or ""}
                request = Request(method, path, body, headers, busy=busy, broken=method in _REPEATABLE)
                answer = self._connection.send(request)
                if answer.status != 401:
                    return answer
                # Expired, or lost in a reboot: one new login. A second 401 is about the user's rights.
                if not renewed:
                    self._delete_token()
            reason = self.message(answer)
            raise AuthenticationFailed(self.name, f"user {self.user} may not {method} {path}: {reason}")

    def token(self) -> str:
        """The token, for who sends requests by other means; logs in if there is none that lasts. Raises DeviceError."""
        with self._lock:
            self._login_if_needed()
            return self._token or ""

    def adopt(self, token: str) -> None:
        """Use a token of this user that someone else fetched, and delete it in the end."""
        with self._lock:
            self._token, self._token_ends = token, time.monotonic() + self._token_life

    def refresh_token(self, life: float) -> None:
        """Make sure that the token lives for ``life`` more seconds; logs in anew if it does not."""
        with self._lock:
            if self._token is not None and self._token_ends - time.monotonic() < life:
                self._delete_token()
            self._login_if_needed()

    def close(self) -> None:
        """Delete the token and close the connection, within ``CLOSING`` seconds whatever the deadline was.

        Failures are logged only; may be called twice.
        """
        with self._lock:
            self.deadline = time.monotonic() + CLOSING
            try:
                self._delete_token()
            finally:
                self._connection.close()

    def message(self, answer: Answer, secrets: Iterable[str] = ()) -> str:
        """What the device says about a refusal: its message on one line, cut, and without any of ``secrets``."""
        text = answer.body.get("message") if isinstance(answer.body, dict) else None
        if not isinstance(text, str) or not text.strip():
            return "no message"
        return self.shown(text, secrets)

    def shown(self, text: str, secrets: Iterable[str] = ()) -> str:
        """``text`` of the device as one line, cut, without password, token or any of ``secrets``."""
        return one_line(masked(text[:_QUOTED], [*secrets, self._password, self._token or ""]))

    def _checked(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, missing: str, secrets: Iterable[str] = ()
    ) -> Answer:
        answer = self.exchange(method, path, body)
        if answer.status < 300:
            return answer
        if answer.status == 404 and missing:
            raise ObjectNotFound(self.name, f"{missing} does not exist")
        about = f" ({missing})" if missing else ""
        raise RequestRefused(self.name, answer.status, f"{method} {path}{about}: {self.message(answer, secrets)}")

    def _login_if_needed(self) -> None:
        if self._token is not None:
            if self._token_ends - time.monotonic() > RENEWAL * self._token_life:
                return
            self._delete_token()
        # F5's own clients send loginProviderName tmos; it works for local and for remote (LDAP, TACACS+) users.
        body = {"username": self.user, "password": self._password, "loginProviderName": "tmos"}
        # Refused with 503 it has left no token behind, so it may be repeated.
        answer = self._connection.send(Request("POST", _LOGIN, body, busy=(503,)))
        token = answer.body.get("token") if isinstance(answer.body, dict) else None
        value = token.get("token") if isinstance(token, dict) else None
        if answer.status == 200 and isinstance(token, dict) and isinstance(value, str) and _TOKEN.fullmatch(value):
            life = token.get("timeout")
            self._token = value
            self._token_life = life if isinstance(life, int) else TOKEN_LIFE
            self._token_ends = time.monotonic() + self._token_life
            return
        raise self._login_error(answer)

    def _login_error(self, answer: Answer) -> DeviceError:
        message = self.message(answer)
        if answer.status == 400 and "maximum active login tokens" in message:
            return AuthenticationFailed(
                self.name,
                f"user {self.user} holds as many login tokens as the device allows (100); tokens that other clients "
                "left behind end after 20 minutes, on BIG-IP 17.1.2 only by a restart of restjavad (F5 bug ID1787517)",
            )
        if answer.status in (400, 401, 403):
            return AuthenticationFailed(self.name, f"login of user {self.user} refused: {message}")
        if answer.status == 200:
            return AuthenticationFailed(self.name, f"login of user {self.user}: the answer holds no token")
        return RequestRefused(self.name, answer.status, f"login of user {self.user}: {message}")

    def _delete_token(self) -> None:
        token, self._token = self._token, None
        if token is None:
            return
        headers = {"X-F5-Auth-Token": token}
        try:
            # Sent once: the token ends by itself.
            answer = self._connection.send(Request("DELETE", f"{_TOKENS}/{token}", None, headers, f"{_TOKENS}/(token)"))
        except DeviceError as error:
            logger.warning("%s: the login token was not deleted (%s)", self.name, type(error).__name__)
            return
        if answer.status not in (200, 204, 401, 404):  # the last two: it was gone already
            logger.warning("%s: the login token was not deleted (HTTP %d)", self.name, answer.status)


@contextmanager
def patient(session: Session, seconds: float) -> Iterator[None]:
    """Within the block nothing is tried for longer than ``seconds``, or than the session's own deadline if sooner."""
    before = session.deadline
    limit = time.monotonic() + seconds
    session.deadline = limit if before is None else min(before, limit)
    try:
        yield
    finally:
        session.deadline = before
