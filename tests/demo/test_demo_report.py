"""Steps verify themselves: a claim that does not hold, or a step that checks nothing, is not verified."""

from __future__ import annotations

from bigip_sm.demo.report import Findings, Result, Step, run_steps
from bigip_sm.errors import LabError


def run(*steps: Step[None]) -> list[Result]:
    return list(run_steps(steps, None, lambda title: None))


def test_a_claim_that_holds_is_verified() -> None:
    (result,) = run(Step("one", lambda _, found: found.expect("sum", 4, 2 + 2)))
    assert result.verified


def test_a_claim_that_does_not_hold_shows_both_sides_and_ends_the_run() -> None:
    results = run(
        Step("one", lambda _, found: found.expect("sum", 5, 2 + 2)), Step("two", lambda _, found: found.note("never"))
    )
    assert len(results) == 1
    assert not results[0].verified
    assert [(check.expected, check.seen) for check in results[0].checks] == [("5", "4")]


def test_a_step_that_checks_nothing_is_not_verified() -> None:
    (result,) = run(Step("one", lambda _, found: found.note("all is well")))
    assert not result.verified


def test_a_step_that_cannot_be_carried_out_says_why() -> None:
    def fail(_: None, found: Findings) -> None:
        found.expect("so far", True, True)
        raise LabError("no ground to stand on")

    (result,) = run(Step("one", fail))
    assert not result.verified
    assert result.error == "LabError: no ground to stand on"
