"""``bigip-sm lab declare``: any AS3 declaration, without a BIG-IP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bigip_sm.commands.lab_rule import read_group
from bigip_sm.console import output_option, print_json, progress

if TYPE_CHECKING:
    from bigip_sm.lab.tryout import Declared


@click.command("declare")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--data-group",
    "groups",
    metavar="PATH=FILE",
    multiple=True,
    help="a data group that the device has already, by its full path; FILE has a record a line: name, or name := value",
)
@click.option(
    "--certificate",
    "certificates",
    metavar="PATH",
    multiple=True,
    help="a certificate and key that the device has already: /Common/www makes /Common/www.crt and /Common/www.key",
)
@output_option
@click.pass_context
def declare(
    ctx: click.Context, file: Path, groups: tuple[str, ...], certificates: tuple[str, ...], output: str
) -> None:
    """Show what a fresh BIG-IP with AS3 3.56 answers to the AS3 declaration in FILE.

    AS3 checks it and TMOS carries it out, as far as the lab emulates both: references, iRules, certificates, addresses
    that clash. Printed are the result of each tenant and the objects that there are then. F5's AS3 schema is asked too
    when it is there (bigip-sm schema fetch).

    Exit codes: 0 every tenant was deployed, 1 one was not, or the declaration was refused. What the lab does not
    emulate is refused by name.

    \b
    Examples:
      bigip-sm lab declare declaration.json
      bigip-sm lab declare declaration.json --data-group /Common/blocked=blocked.txt
      bigip-sm lab declare - --output json < declaration.json
    """
    from bigip_sm.lab.tryout import declare as tried
    from bigip_sm.lint import find_schema

    schema = find_schema()
    if schema is None:
        progress("F5's AS3 schema is not there, so it is not asked (bigip-sm schema fetch)")
    body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    told = tried(body, [read_group(one) for one in groups], certificates, schema)
    if output == "json":
        print_json(_document(told))
    else:
        for line in _lines(told):
            click.echo(line)
    ctx.exit(0 if told.accepted else 1)


def _document(told: Declared) -> dict[str, Any]:
    return {
        "status": told.status,
        "answer": told.body,
        "objects": [{"kind": one.kind, "path": one.path, "detail": one.detail} for one in told.objects],
    }


def _lines(told: Declared) -> Iterator[str]:
    """The answer for people: a line for each tenant or error, then the objects."""
    results = told.body.get("results")
    if not isinstance(results, list):
        yield f"{told.status} {told.body.get('message', '')}"
        yield from (f"  {error}" for error in told.body.get("errors", []))
        return
    for result in results:
        said = [str(result["message"]), *([str(result["response"])] if "response" in result else [])]
        yield f"{result['code']} {result.get('tenant', '')}: {': '.join(said)}"
        yield from (f"  warning: {warning.get('message', warning)}" for warning in result.get("warnings", []))
    width = max((len(one.kind) for one in told.objects), default=0)
    for one in told.objects:
        yield f"  {one.kind:<{width}}  {one.path}  {one.detail}".rstrip()
