"""Authentication tokens: ``/mgmt/shared/authn/login`` and ``/mgmt/shared/authz/tokens``.

Life 1,200 s, extended by PATCH up to 36,000 s; at most 100 live tokens per user except ``admin``. Sources: F5 K59142111
and K02126317, DevCentral article 287462; bug ID1787517: TMOS 17.1.2 never reaps expired tokens.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.replies import Json, Refusal, not_emulated

LIFE = 1200
MAXIMUM_LIFE = 36000
MAXIMUM_TOKENS = 100
_REMEMBERED = 36000
"""Seconds for which an expired token is still answered "has expired" instead of "does not exist"."""


@dataclass(frozen=True)
class Token:
    """One token. ``started`` is epoch seconds, ``timeout`` its whole life in seconds."""

    value: str = field(repr=False)
    account: Account
    user_id: str
    started: float
    timeout: int

    @property
    def expires(self) -> float:
        """Epoch seconds at which the token is refused."""
        return self.started + self.timeout

    def as_json(self) -> Json:
        """The token as restjavad describes it."""
        user = {"link": f"https://localhost/mgmt/shared/authz/users/{self.account.name}"}
        began = datetime.datetime.fromtimestamp(self.started, datetime.timezone.utc)
        return {
            "token": self.value,
            "name": self.value,
            "userName": self.account.name,
            "authProviderName": "tmos",
            "user": user,
            "timeout": self.timeout,
            "startTime": began.isoformat(timespec="milliseconds"),
            "address": "127.0.0.1",
            "partition": "[All]",
            "generation": 1,
            "lastUpdateMicros": int(self.started * 1e6),
            "expirationMicros": int(self.expires * 1e6),
            "kind": "shared:authz:tokens:authtokenitemstate",
            "selfLink": f"https://localhost/mgmt/shared/authz/tokens/{self.value}",
        }


class TokenStore:
    """The live tokens. ``clock`` gives epoch seconds; without ``reaps`` expired ones count towards the limit."""

    def __init__(self, clock: Callable[[], float], *, reaps: bool = True) -> None:
        self._clock = clock
        self._reaps = reaps
        self._tokens: dict[str, Token] = {}
        self._user_ids: dict[str, str] = {}

    def __len__(self) -> int:
        """How many tokens are live."""
        return sum(token.expires > self._clock() for token in self._tokens.values())

    def issue(self, account: Account) -> Token:
        """A new token. Raises Refusal (400) when the user has 100 of them."""
        now = self._clock()
        user_id = self._user_ids.setdefault(account.name, secrets.token_hex(16))
        if self._reaps:
            self._tokens = {value: token for value, token in self._tokens.items() if token.expires > now - _REMEMBERED}
        counted = [
            token
            for token in self._tokens.values()
            if token.account == account and (token.expires > now or not self._reaps)
        ]
        if len(counted) >= MAXIMUM_TOKENS and account.name != "admin":
            raise Refusal(400, f"user {user_id} has reached maximum active login tokens")
        token = Token(secrets.token_hex(13).upper(), account, user_id, now, LIFE)
        self._tokens[token.value] = token
        return token

    def authenticate(self, value: str) -> Account:
        """The account of a token. Raises Refusal (401)."""
        token = self._tokens.get(value)
        if token is None:
            raise Refusal(401, "X-F5-Auth-Token does not exist.")
        if token.expires <= self._clock():
            raise Refusal(401, "X-F5-Auth-Token has expired.")
        return token.account

    def own(self, value: str, account: Account) -> Token:
        """A live token of ``account`` itself. Raises Refusal (404 or 401)."""
        token = self._tokens.get(value)
        if token is None or token.expires <= self._clock():
            raise Refusal(404, f"Public URI path not registered: /shared/authz/tokens/{value}")
        if token.account != account:
            user = f"https://localhost/mgmt/shared/authz/users/{account.name}"
            raise Refusal(401, f"Authorization failed: user={user} resource=/mgmt/shared/authz/tokens")
        return token

    def extend(self, token: Token, changes: Json) -> Token:
        """PATCH of a token: a new ``timeout`` counted from its start. Raises Refusal."""
        if set(changes) != {"timeout"}:
            raise not_emulated("PATCH of a token with anything but timeout")
        try:
            timeout = int(changes["timeout"])
        except (TypeError, ValueError):
            raise Refusal(400, "timeout must be a number of seconds") from None
        if timeout > MAXIMUM_LIFE:
            raise Refusal(406, f"Auth-token absolute timeout ({MAXIMUM_LIFE} seconds) exceeded")
        if timeout <= 0:
            raise Refusal(400, "timeout must be a number of seconds")
        extended = replace(token, timeout=timeout)
        self._tokens[token.value] = extended
        return extended

    def delete(self, token: Token) -> None:
        """Forget a token."""
        self._tokens.pop(token.value, None)

    def clear(self) -> None:
        """Forget all tokens: restjavad has restarted."""
        self._tokens.clear()
