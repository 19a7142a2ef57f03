"""What a demonstration reports: steps, and in each the claims that were checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bigip_sm.errors import BigipSmError

S = TypeVar("S")


@dataclass(frozen=True)
class Check:
    """One claim, with what was expected and what was seen."""

    claim: str
    expected: str
    seen: str

    @property
    def verified(self) -> bool:
        """Whether what was seen is what was expected."""
        return self.expected == self.seen


@dataclass
class Findings:
    """Collects the checks and notes of one step."""

    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, claim: str, expected: object, seen: object) -> None:
        """Record a claim; it is verified if both sides read the same."""
        self.checks.append(Check(claim, str(expected), str(seen)))

    def note(self, text: str) -> None:
        """Record something worth telling that is not a claim."""
        self.notes.append(text)


@dataclass(frozen=True)
class Result:
    """One step after it ran. ``error`` is set if it could not be carried out; ``seconds`` is wall time."""

    title: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    error: str | None
    seconds: float

    @property
    def verified(self) -> bool:
        """Whether the step ran, checked something, and every claim held."""
        return self.error is None and bool(self.checks) and all(check.verified for check in self.checks)


@dataclass(frozen=True)
class Step(Generic[S]):
    """One step: a title and what it does with the stage that all steps share."""

    title: str
    run: Callable[[S, Findings], None]


def run_steps(steps: Sequence[Step[S]], stage: S, announce: Callable[[str], None]) -> Iterator[Result]:
    """Run the steps in order, yielding each result as it is there. Stops after a step that is not verified.

    ``announce`` is called with the title of each step before it runs.
    """
    for step in steps:
        announce(step.title)
        findings = Findings()
        error = None
        started = time.perf_counter()
        try:
            step.run(stage, findings)
        except (BigipSmError, OSError) as reason:
            error = f"{type(reason).__name__}: {reason}"
        result = Result(step.title, tuple(findings.checks), tuple(findings.notes), error, time.perf_counter() - started)
        yield result
        if not result.verified:
            return
