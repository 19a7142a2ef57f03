"""What happened while an iRule was tried, in order."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Created:
    """An object that the rule needs and that was made up for it: its kind, its full path, and what it is like."""

    kind: str
    path: str
    what: str


@dataclass(frozen=True)
class Event:
    """An event that TMM fired; ``handled``: the rule has a handler for it."""

    name: str
    handled: bool


@dataclass(frozen=True)
class CommandRun:
    """An iRule command that has ended: its words and its result, or the message of its error."""

    words: tuple[str, ...]
    result: str
    failed: bool


@dataclass(frozen=True)
class LogLine:
    """A line of /var/log/ltm."""

    text: str


@dataclass(frozen=True)
class Sent:
    """A request as it left for a pool member; ``member`` is host:port."""

    pool: str
    member: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Asked:
    """A request as the client sent it."""

    method: str
    target: str


@dataclass(frozen=True)
class Answered:
    """A response as the client got it."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Failed:
    """The client got no response; ``reason`` says what it saw."""

    reason: str


Step = Asked | Event | CommandRun | LogLine | Sent | Answered | Failed


@dataclass
class Record:
    """One try of a rule: what was made up for it, and every step. ``rule`` is its full path."""

    rule: str
    created: list[Created] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def answers(self) -> list[Answered]:
        """The responses that the client got."""
        return [step for step in self.steps if isinstance(step, Answered)]
