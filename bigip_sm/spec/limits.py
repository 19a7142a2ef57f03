"""How much may be asked: the models of a route's ``limits``, and each count that follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from bigip_sm.spec.forms import Form
from bigip_sm.spec.scalars import Bytes, Model, Seconds

WINDOWS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
"""Seconds of each window; they begin at multiples of their length in UTC."""

Per = Literal["principal", "group", "route"]
Kind = Literal["requests", "tokens", "concurrency"]
Rate = Annotated[
    str,
    Field(pattern=rf"^[1-9][0-9]{{0,8}}/({'|'.join(WINDOWS)})$"),
    Form("a rate", "a number, / and second, minute, hour or day", "60/minute"),
]


class Quota(Model):
    """How much one caller, group or route may ask for."""

    requests: Rate | None = Field(default=None, description="Requests in a window; more are answered 429")
    tokens: Rate | None = Field(
        default=None, description="Tokens of prompts and answers in a window; when they are used up, 429"
    )
    concurrency: int | None = Field(
        default=None, ge=1, le=100_000, description="Requests at the model at one time; more are answered 429"
    )
    per: Per = Field(
        default="principal",
        description="Who is counted together: one caller; the callers of a group in allow; all callers of the route",
    )
    shadow: bool = Field(
        default=False, description="Only record, in the log and in audit, what would have been refused"
    )


class Limits(Quota):
    """What one request may cost, and how much may be asked."""

    body: Bytes = Field(default=1024**2, ge=1, le=8 * 1024**2, description="Largest request body; more is answered 413")
    context_tokens: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Longest prompt, estimated as bytes of the body / 4"
    )
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Most tokens that a caller may ask an answer of; set where he does not say (sagemaker-openai)",
    )
    also: tuple[Quota, ...] = Field(default=(), max_length=8, description="More limits, each with its own per")


class Circuit(Model):
    """When a region is skipped: so many failures in a window, and it is open for a while."""

    failures: int = Field(default=5, ge=1, le=10_000, description="Failures in a window that open the circuit")
    window: Seconds = Field(default=30, ge=1, le=3600, description="How long failures are counted together")
    open: Seconds = Field(default=30, ge=1, le=3600, description="How long the region is skipped")


@dataclass(frozen=True)
class Count:
    """One count: at most ``amount`` of ``kind`` in a window of so many seconds (0: at one time)."""

    kind: Kind
    amount: int
    window: int
    per: Per
    shadow: bool

    @property
    def name(self) -> str:
        """What the count is called in headers and logs: ``requests-principal-minute``."""
        unit = next((unit for unit, seconds in WINDOWS.items() if seconds == self.window), "")
        return "-".join(filter(None, (self.kind, self.per, unit)))


def counts(limits: Limits) -> tuple[Count, ...]:
    """Every count of a route, in the order of the spec."""
    return tuple(count for quota in (limits, *limits.also) for count in _counts(quota))


def _counts(quota: Quota) -> Iterator[Count]:
    if quota.requests is not None:
        yield Count("requests", *parsed(quota.requests), quota.per, quota.shadow)
    if quota.tokens is not None:
        yield Count("tokens", *parsed(quota.tokens), quota.per, quota.shadow)
    if quota.concurrency is not None:
        yield Count("concurrency", quota.concurrency, 0, quota.per, quota.shadow)


def parsed(rate: str) -> tuple[int, int]:
    """Amount, and seconds of the window."""
    amount, _, unit = rate.partition("/")
    return int(amount), WINDOWS[unit]
