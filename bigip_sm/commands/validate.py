"""``bigip-sm validate``: is this gateway.yaml right, and would AS3 take what it renders to?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bigip_sm.commands.options import read_spec, spec_argument
from bigip_sm.console import output_option, print_json
from bigip_sm.errors import RenderError, SpecError

if TYPE_CHECKING:
    from bigip_sm.lint import Finding
    from bigip_sm.render import Rendered
    from bigip_sm.spec.model import Spec


CHECKS = ("gateway.yaml", "rendering", "own rules", "F5's AS3 schema")
"""The checks in their order; each needs the one before it."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One check and how it went; ``reason`` says why a check did not run."""

    name: str
    status: Literal["passed", "failed", "skipped"]
    reason: str = ""


@click.command("validate", short_help="Check gateway.yaml and everything rendered from it.")
@spec_argument
@output_option
@click.pass_context
def command(ctx: click.Context, file: Path, output: str) -> None:
    """Check gateway.yaml and everything rendered from it. Nothing is changed anywhere.

    FILE is a gateway.yaml, or - for stdin. Four checks: the file itself; that it renders; our own rules over the
    declaration and the iRules; and F5's AS3 schema when it is there (see: bigip-sm schema fetch). The output says
    which checks ran. Exit code 0: no error (warnings are allowed), 1: at least one error.

    \b
    Examples:
      bigip-sm validate gateway.yaml
      bigip-sm validate gateway.yaml --output json
      cat gateway.yaml | bigip-sm validate -
    """
    checks, findings = examine(file)
    ok = all(check.status != "failed" for check in checks)
    if output == "json":
        print_json(
            {
                "ok": ok,
                "file": str(file),
                "checks": [dataclasses.asdict(check) for check in checks],
                "findings": [dataclasses.asdict(finding) for finding in findings],
            }
        )
    else:
        for finding in findings:
            click.echo(f"{finding.level}: {finding.where}: {finding.message} [{finding.rule}]")
        for check in checks:
            click.echo(f"{check.status:8} {check.name}" + (f" ({check.reason})" if check.reason else ""))
        click.echo(f"{file}: {'valid' if ok else 'not valid'}")
    if not ok:
        ctx.exit(1)


def examine(file: Path) -> tuple[list[Check], list[Finding]]:
    """Run every check that can run over ``file`` and return what was done and what was found."""
    from bigip_sm.lint import Finding

    try:
        spec = read_spec(file)
    except SpecError as error:
        found = [
            Finding("spec", "error", f"{one.file}:{one.line}: {one.path}", f"{one.message}; {one.fix}")
            for one in error.problems
        ]
        return [Check(CHECKS[0], "failed"), *_skipped(1, "gateway.yaml has errors")], found
    passed = Check(CHECKS[0], "passed")
    try:
        _, checks, findings = examine_rendering(spec)
    except RenderError as error:
        failed = Check(CHECKS[1], "failed")
        return [passed, failed, *_skipped(2, "nothing was rendered")], [
            Finding("render", "error", str(file), str(error))
        ]
    return [passed, *checks], findings


def _skipped(first: int, reason: str) -> list[Check]:
    return [Check(name, "skipped", reason) for name in CHECKS[first:]]


def examine_rendering(spec: Spec) -> tuple[Rendered, list[Check], list[Finding]]:
    """Render ``spec``, lint the result and hold it against F5's schema if there is one: (rendering, checks, findings).

    Raises RenderError if the spec cannot be rendered.
    """
    from bigip_sm.lint import find_schema, lint_declaration, lint_gateway, lint_irule, validate_schema
    from bigip_sm.render import render

    rendered = render(spec)
    own = lint_gateway(spec) + list(lint_declaration(rendered.declaration))
    for listener, text in rendered.irules.items():
        own += lint_irule(text, f"irules/{listener}.tcl")
    checks = [Check(CHECKS[1], "passed"), Check(CHECKS[2], _status(own))]
    schema = find_schema()
    if schema is None:
        reason = "not on this machine; get it with: bigip-sm schema fetch"
        return rendered, [*checks, Check(CHECKS[3], "skipped", reason)], own
    official = list(validate_schema(rendered.declaration, schema))
    return rendered, [*checks, Check(CHECKS[3], _status(official))], own + official


def _status(findings: list[Finding]) -> Literal["passed", "failed"]:
    return "failed" if any(finding.level == "error" for finding in findings) else "passed"
