"""One role's session: when it is fetched, which one is kept, and what is made of it for the devices."""

from __future__ import annotations

import random
from collections.abc import Callable

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.errors import BigipSmError, SourceError
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import credential_group
from rotator.material import SHORTEST, SKEW, Material, make
from rotator.push import Wanted
from rotator.sources import Source
from rotator.store import utc

JITTER = 0.05
"""Sessions are replaced earlier by up to this share of their life, so that many rotators spread."""

FIRST_RETRY = 5.0
LAST_RETRY = 60.0
"""Seconds before a source that failed is asked again: doubled from the first to the last."""

MATERIAL_LIFE = 30.0
"""Seconds for which material is used again: every device of one round gets the same."""


def back_off(failures: int, first: float = FIRST_RETRY, last: float = LAST_RETRY) -> float:
    """Seconds to wait after that many failures in a row (from 1): doubled each time, +-25 %."""
    wait = min(first * 2 ** min(failures - 1, 30), last)
    return float(wait * random.uniform(0.75, 1.25))  # noqa: S311 (not cryptography)


class Keeper:
    """The session of one role. ``problem`` is why the last fetch was of no use, empty if it was.

    ``clock`` gives epoch seconds; what is called ``ticks`` below is seconds of a clock that never jumps.
    """

    def __init__(self, spec: Spec, role: str, source: Source, *, rotator: str, interval: float) -> None:
        self.role = role
        self.source = source
        self.rotation = spec.roles[role].rotation
        self.path = credential_group(spec.gateway, role)
        self.session: SessionCredentials | None = None
        self.problem = ""
        self.failures = 0
        self.tried = False
        self.fetching = False
        self.forced = False
        self._spec = spec
        self._rotator = rotator
        self._interval = interval
        self._next = 0.0
        self._due = 0.0
        self._material: Material | None = None
        self._made_at = 0.0
        self._of: SessionCredentials | None = None

    def inherit(self, before: Keeper) -> None:
        """Take over the session of the keeper that this one replaces, if both are of the same IAM role and source."""
        ours, theirs = self._spec.roles[self.role], before._spec.roles[before.role]
        if (ours.arn, ours.source) == (theirs.arn, theirs.source):
            self.session, self.problem, self.tried = before.session, before.problem, before.tried
            self._schedule()

    def wants_fetch(self, now: float, ticks: float, revoked: int) -> bool:
        """Whether the source is to be asked now; what was issued up to the generation ``revoked`` does not count."""
        if self.fetching or ticks < self._next:
            return False
        session = self.usable(now)
        held = session is not None and generation(session) > revoked
        return self.forced or self.source.polled or not held or now >= self._due

    def demand(self) -> None:
        """Have the source asked as soon as possible, whatever is held, until it gives a session."""
        self.forced = True
        self._next = 0.0

    def fetch(self, clock: Callable[[], float]) -> SessionCredentials | str:
        """Ask the source: the session, or why there is none. Never raises; keeps nothing."""
        try:
            return self.source.fetch()
        except BigipSmError as error:
            return str(error)
        except Exception as error:
            # A library's own error may quote what it could not digest.
            return str(SourceError(f"role {self.role}: unexpected {type(error).__name__} from its source"))

    def take(self, found: SessionCredentials | str, now: float, ticks: float, revoked: int) -> bool:
        """Keep what a fetch brought, if it is of use. Returns whether there is another session than before."""
        self.tried = True
        before = self.session
        self.problem = found if isinstance(found, str) else self._objection(found, now, revoked)
        if before is not None and generation(before) <= revoked:
            self.session = None
        if self.problem:
            self.failures += 1
            self._next = ticks + back_off(self.failures, last=min(LAST_RETRY, self._interval))
            return self.session is not before
        assert isinstance(found, SessionCredentials)  # noqa: S101 - a string is a problem, see above
        self.failures, self.forced = 0, False
        self.session = found
        self._schedule()
        self._next = ticks + (self._interval * random.uniform(0.9, 1.1) if self.source.polled else 0.0)  # noqa: S311
        return found != before

    def usable(self, now: float) -> SessionCredentials | None:
        """The session, while it is worth pushing."""
        session = self.session
        return session if session is not None and session.expiration - now >= SHORTEST else None

    def wanted(self, now: float, revoked: int) -> Wanted:
        """What devices are to hold at ``now``; nothing that was issued up to the generation ``revoked``."""
        session, material, problem = self.usable(now), None, self.problem
        if session is None:
            problem = problem or "its session is over"
        elif generation(session) <= revoked:
            problem = f"what the source gives was issued before the revocation of {utc(revoked / 1000)}"
        else:
            try:
                material = self._made(session, now)
            except BigipSmError as error:
                problem = str(error)
            except Exception as error:
                problem = f"role {self.role}: unexpected {type(error).__name__}; this is a defect of bigip-sm-rotator"
        return Wanted(self.role, self.path, material, problem, revoked, self.rotation)

    def next_at(self, now: float, ticks: float) -> float:
        """When the source is asked next, epoch seconds."""
        soonest = now + max(0.0, self._next - ticks)
        return soonest if self.source.polled or self.usable(now) is None else max(soonest, self._due)

    def _made(self, session: SessionCredentials, now: float) -> Material:
        if self._material is None or not 0 <= now - self._made_at < MATERIAL_LIFE or self._of != session:
            self._material = make(self._spec, self.role, session, now=now, rotator=self._rotator)
            self._made_at, self._of = now, session
        return self._material

    def _objection(self, found: SessionCredentials, now: float, revoked: int) -> str:
        """Why a session that the source gave is not kept; empty if it is."""
        role = f"role {self.role}"
        if generation(found) <= revoked:
            return f"{role}: what the source gives was issued before the revocation of {utc(revoked / 1000)}"
        if found.issued_at > now + SKEW:
            ahead = found.issued_at - now
            return (
                f"{role}: its source gives a session from {ahead:.0f} s in the future; is this machine's clock right?"
            )
        held = self.usable(now)
        if held is not None and generation(held) > revoked and found.issued_at < held.issued_at:
            ago = held.issued_at - found.issued_at
            return f"{role}: its source gives a session that is {ago:.0f} s older than the one it gave before"
        if found.expiration - now < SHORTEST:
            return f"{role}: its source gives a session that ends in {found.expiration - now:.0f} s"
        return ""

    def _schedule(self) -> None:
        if self.session is not None:
            due = self.rotation.due(self.session.issued_at, self.session.expiration)
            self._due = due - self._early(self.session.issued_at, due)

    @staticmethod
    def _early(issued_at: float, due: float) -> float:
        # Never just in time: until it has arrived everywhere, the one before must not count as late.
        return max(0.0, due - issued_at) * random.uniform(JITTER / 5, JITTER)  # noqa: S311 (not cryptography)


def generation(session: SessionCredentials) -> int:
    """The generation of what is made of a session: its issue time in milliseconds."""
    return round(session.issued_at * 1000)
