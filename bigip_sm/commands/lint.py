"""``bigip-sm lint``: rules with stable ids over anybody's iRules and AS3 declarations."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

import bigip_sm
from bigip_sm.errors import BigipSmError, SpecError

if TYPE_CHECKING:
    from bigip_sm.lint import Finding
    from bigip_sm.lint.report import Result

OUTPUTS = ("text", "json", "sarif", "github")
UNREAD, FOUND = 1, 2


def _explain(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    """Print the page of a rule and end."""
    if value is None:
        return
    from bigip_sm.lint import RULES
    from bigip_sm.lint.pages import page

    if value not in RULES:
        raise click.UsageError(f"no rule {value}; docs/rules.md lists all of them", ctx)
    click.echo(page(RULES[value]), nl=False)
    ctx.exit(0)


@click.command("lint", short_help="Find mistakes in iRules, AS3 declarations and gateway.yaml.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--output", type=click.Choice(OUTPUTS), default="text", show_default=True, help="how findings are printed"
)
@click.option(
    "--fail-level",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="the lowest level of a finding that makes the exit code 2",
)
@click.option("--select", multiple=True, metavar="ID", help="only these rules; BSM-D stands for all that begin so")
@click.option("--ignore", multiple=True, metavar="ID", help="all but these rules")
@click.option(
    "--explain", metavar="ID", is_eager=True, expose_value=False, callback=_explain, help="print the page of a rule"
)
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    output: str,
    fail_level: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
) -> None:
    """Find mistakes in iRules, AS3 declarations and gateway.yaml.

    FILE is any of them, or tmsh configuration with ltm rule in it; what it is shows its content. - is stdin. The iRules
    inside a declaration are linted too. Nothing is changed, and no device is asked.

    Exit codes: 0 nothing found at --fail-level or above, 1 a file could not be read, 2 something found.

    \b
    Examples:
      bigip-sm lint rules/*.tcl
      bigip-sm lint declaration.json --output sarif > lint.sarif
      bigip-sm lint rule.tcl --ignore BSM-R015,BSM-R019 --fail-level warning
      bigip-sm lint --explain BSM-R003
    """
    from bigip_sm.lint import report

    wanted, unwanted = _ids(ctx, select), _ids(ctx, ignore)
    results = []
    for file in dict.fromkeys(files):
        result = _examine(file)
        kept = [one for one in result.findings if _is_wanted(one, wanted, unwanted)]
        results.append(replace(result, findings=tuple(kept)))
        if result.problem:
            click.echo(f"error: {result.file}: {result.problem}", err=True)
    levels = ("error",) if fail_level == "error" else ("error", "warning")
    found = any(report.count(results, level) for level in levels)
    unread = any(result.problem for result in results)
    click.echo(_rendered(results, output, ok=not found and not unread), nl=False)
    ctx.exit(UNREAD if unread else FOUND if found else 0)


def _rendered(results: list[Result], output: str, *, ok: bool) -> str:
    from bigip_sm.lint import report

    if output == "json":
        return report.as_json(results, ok=ok)
    if output == "sarif":
        return report.sarif(results, version=bigip_sm.__version__)
    return report.github(results) if output == "github" else report.text(results)


def _ids(ctx: click.Context, given: Iterable[str]) -> tuple[str, ...]:
    """Ids, or beginnings of ids, of rules; several may be in one word."""
    from bigip_sm.lint import RULES

    found = tuple(one for word in given for one in word.replace(",", " ").split())
    for one in found:
        if not any(rule.startswith(one) for rule in RULES):
            raise click.UsageError(f"no rule {one}; docs/rules.md lists all of them", ctx)
    return found


def _is_wanted(finding: Finding, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> bool:
    """Whether a finding is to be shown. What keeps a gateway.yaml from being rendered always is."""
    if not finding.rule.startswith("BSM-"):
        return True
    return (not wanted or finding.rule.startswith(wanted)) and not (unwanted and finding.rule.startswith(unwanted))


def _examine(file: str) -> Result:
    from bigip_sm.lint import files
    from bigip_sm.lint.report import Result

    name = "stdin" if file == "-" else file
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = files.decode(content)
        found = _gateway(name, text) if files.kind_of(text) == "gateway" else files.lint_file(text, name)
    except OSError as error:
        return Result(name, problem=error.strerror or type(error).__name__)
    except files.Unreadable as error:
        return Result(name, problem=str(error))
    except BigipSmError as error:
        return Result(name, problem=" ".join(str(error).split()))
    return Result(name, tuple(found))


def _gateway(name: str, text: str) -> list[Finding]:
    """What validate finds in a gateway.yaml."""
    from bigip_sm.commands.validate import examine_rendering
    from bigip_sm.lint import Finding
    from bigip_sm.spec import load

    try:
        spec = load(Path(name), text)
    except SpecError as error:
        return [
            Finding("spec", "error", f"{one.file}:{one.line}", f"{one.path}: {one.message}; {one.fix}", one.line)
            for one in error.problems
        ]
    _, _, findings = examine_rendering(spec)
    return [replace(one, where=f"{name}:{one.where}", line=0) for one in findings]
