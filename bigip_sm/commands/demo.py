"""``bigip-sm demo``: the main job, from spec to a signed answer, in the lab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bigip_sm.console import output_option, print_json
from bigip_sm.errors import LabError

if TYPE_CHECKING:
    from rich.console import Console

    from bigip_sm.demo.report import Result, Step
    from bigip_sm.demo.stage import Stage

QUICKSTART = Path("declarations/quickstart")


@click.command("demo", short_help="Show the main job, from spec to a signed answer, in the lab.")
@click.argument(
    "folder", metavar="[FOLDER]", required=False, type=click.Path(path_type=Path, file_okay=False), default=None
)
@output_option
@click.pass_context
def command(ctx: click.Context, folder: Path | None, output: str) -> None:
    """Show the main job, from spec to a signed answer, in the lab.

    Renders a gateway, starts an emulated BIG-IP and an emulated AWS on this machine, applies the gateway, rotates
    credentials into it and sends requests through it. Every step checks its own result. Nothing leaves 127.0.0.1; no
    licence and no AWS account is needed.

    Without FOLDER it is the quickstart, and the command is run in the project's folder. A FOLDER has a gateway.yaml
    and a walk.yaml, which tells who calls, what is sent and what must come of it; declarations/enterprise is one.

    Exit code 0: every step was verified, 1: not.

    \b
    Examples:
      bigip-sm demo
      bigip-sm demo declarations/enterprise
      bigip-sm demo --output json | python -m json.tool
    """
    steps = _steps(folder)
    place = folder or QUICKSTART
    results = _text(place, steps) if output == "text" else _run(place, steps, lambda _title: None, lambda _result: None)
    ok = len(results) == len(steps) and all(result.verified for result in results)
    if output == "json":
        print_json({"verified": ok, "seconds": _seconds(results), "steps": [_document(one) for one in results]})
    if not ok:
        ctx.exit(1)


def _steps(folder: Path | None) -> Sequence[Step[Stage]]:
    if folder is not None:
        from bigip_sm.demo.walk import load_walk
        from bigip_sm.demo.walking import walk_steps

        return walk_steps(load_walk(folder))
    from bigip_sm.demo.steps import steps

    if not (QUICKSTART / "gateway.yaml").is_file():
        raise LabError(f"{QUICKSTART}/gateway.yaml is not here: run the demo in the project's folder")
    return steps()


def _run(place: Path, steps: Sequence[Step[Stage]], before: Any, after: Any) -> list[Result]:
    import tempfile
    from contextlib import ExitStack

    from bigip_sm.demo.report import run_steps
    from bigip_sm.demo.stage import Stage
    from bigip_sm.lint import find_schema

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bigip-sm-demo-")))
        stage = Stage(place / "gateway.yaml", folder, find_schema(), stack)
        results = []
        for result in run_steps(steps, stage, before):
            after(result)
            results.append(result)
        return results


def _text(place: Path, steps: Sequence[Step[Stage]]) -> list[Result]:
    from rich.console import Console

    console = Console(highlight=False)
    shown = 0

    def before(title: str) -> None:
        nonlocal shown
        shown += 1
        console.print(f"\n[bold]{shown}. {title}[/bold]")

    results = _run(place, steps, before, lambda result: _show(console, result))
    _summary(console, steps, results)
    return results


def _show(console: Console, result: Result) -> None:
    for check in result.checks:
        if check.verified:
            console.print(f"   [green]ok[/green]      {check.claim}: {check.seen}", markup=True, soft_wrap=True)
        else:
            console.print(f"   [red]FAILED[/red]  {check.claim}", soft_wrap=True)
            console.print(f"           expected: {check.expected}", markup=False, soft_wrap=True)
            console.print(f"           seen:     {check.seen}", markup=False, soft_wrap=True)
    for note in result.notes:
        console.print(f"           {note}", style="dim", markup=False, soft_wrap=True)
    if result.error is not None:
        console.print(f"   FAILED  {result.error}", style="red", markup=False, soft_wrap=True)


def _summary(console: Console, steps: Sequence[Step[Stage]], results: list[Result]) -> None:
    from rich.table import Table

    table = Table("step", "checks", "seconds", "result", title="Summary")
    for number, step in enumerate(steps):
        if number < len(results):
            one = results[number]
            word = "[green]verified[/green]" if one.verified else "[red]FAILED[/red]"
            table.add_row(one.title, str(len(one.checks)), f"{one.seconds:.2f}", word)
        else:
            table.add_row(step.title, "", "", "not run")
    console.print()
    console.print(table)


def _seconds(results: list[Result]) -> float:
    return round(sum(result.seconds for result in results), 3)


def _document(result: Result) -> dict[str, Any]:
    return {
        "step": result.title,
        "verified": result.verified,
        "seconds": round(result.seconds, 3),
        "checks": [
            {"claim": one.claim, "expected": one.expected, "seen": one.seen, "verified": one.verified}
            for one in result.checks
        ],
        "notes": list(result.notes),
        "error": result.error,
    }
