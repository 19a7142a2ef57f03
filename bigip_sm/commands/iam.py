"""``bigip-sm iam``: what has to be put into AWS, and into the firewall, for a gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bigip_sm.commands.options import read_spec, spec_argument
from bigip_sm.console import output_option, print_json

if TYPE_CHECKING:
    from bigip_sm.aws.documents import Document
    from bigip_sm.aws.egress import Flow


@click.command("iam", short_help="Print the IAM policies and the egress list that a gateway needs.")
@spec_argument
@click.option("--rotator", metavar="ARN", help="who the rotator is in AWS [default: role/bigip-sm-rotator]")
@click.option("--kms-key", metavar="ARN", help="key of the secrets, if it is not Secrets Manager's own")
@click.option(
    "-o",
    "--out",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="write a file for each into this directory instead of printing",
)
@output_option
def command(file: Path, rotator: str | None, kms_key: str | None, directory: Path | None, output: str) -> None:
    """Print what FILE, a gateway.yaml, needs in AWS: no more than its routes reach.

    For each role its trust policy and its permissions, bound to the VPC endpoints; the rotator's own permissions; a
    policy for each VPC endpoint; a service control policy as a suggestion; and the egress list for the firewall team.
    AWS is not asked and nothing is changed in it.

    \b
    Examples:
      bigip-sm iam gateway.yaml
      bigip-sm iam gateway.yaml --rotator arn:aws:iam::123456789012:role/rotator -o iam
    """
    from bigip_sm.aws.documents import documents
    from bigip_sm.aws.egress import flows
    from bigip_sm.commands.render import write_files

    spec = read_spec(file)
    found, open_to = documents(spec, rotator=rotator, kms_key=kms_key), flows(spec)
    if directory is not None:
        texts = {f"{one.name}.json": json.dumps(one.policy, indent=2) + "\n" for one in found}
        for path in write_files(directory, {**texts, "egress.txt": "\n".join(_rows(open_to)) + "\n"}):
            click.echo(f"wrote {path}")
        for document in found:
            for note in document.notes:
                click.echo(f"note: {document.name}: {note}", err=True)
    elif output == "json":
        rows = [{"name": x.name, "purpose": x.purpose, "policy": x.policy, "notes": x.notes} for x in found]
        print_json({"documents": rows, "egress": [flow._asdict() for flow in open_to]})
    else:
        _print(found, open_to)


def _print(found: list[Document], open_to: list[Flow]) -> None:
    for document in found:
        click.echo(f"# {document.name}: {document.purpose}")
        for note in document.notes:
            click.echo(f"# note: {note}")
        click.echo(json.dumps(document.policy, indent=2) + "\n")
    click.echo("# egress")
    for row in _rows(open_to):
        click.echo(row)


def _rows(open_to: list[Flow]) -> list[str]:
    width = max(len(flow.destination) for flow in open_to)
    return [
        f"{flow.source:<36}  {flow.destination:<{width}}  {flow.protocol:>11}  {flow.port:>5}  {flow.purpose}"
        for flow in open_to
    ]
