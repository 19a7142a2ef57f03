"""``bigip-sm render``: from gateway.yaml to the AS3 declaration, the iRules and the list of data groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import click

from bigip_sm.commands.options import read_spec, spec_argument
from bigip_sm.console import output_option, print_json


@click.command("render", short_help="Turn gateway.yaml into the AS3 declaration and its iRules.")
@spec_argument
@click.option(
    "-o",
    "--directory",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="write the declaration, the readable iRules and a manifest of data groups into DIR",
)
@output_option
def command(file: Path, directory: Path | None, output: str) -> None:
    """Turn gateway.yaml into the AS3 declaration and its iRules. No device is contacted.

    FILE is a gateway.yaml, or - for stdin. Without -o the declaration is printed, ready to be posted to AS3. The same
    file always renders to the same bytes. Inside the declaration the iRules are base64; -o writes their text too.

    \b
    Examples:
      bigip-sm render gateway.yaml
      bigip-sm render gateway.yaml -o build
      bigip-sm render gateway.yaml --output json      declaration, iRule text and data groups in one document
    """
    from bigip_sm.render import declaration_text, files, render

    rendered = render(read_spec(file))
    if directory is not None:
        written = write_files(directory, files(rendered))
        if output == "json":
            print_json({"written": [str(path) for path in written]})
        else:
            for path in written:
                click.echo(f"wrote {path}")
    elif output == "json":
        print_json(
            {
                "declaration": rendered.declaration,
                "irules": dict(rendered.irules),
                "data_groups": [dataclasses.asdict(group) for group in rendered.data_groups],
            }
        )
    else:
        click.echo(declaration_text(rendered), nl=False)


def write_files(directory: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write texts (relative name -> text) below ``directory``, made if missing, and return their paths.

    Every text is on disk beside its target before the first one is renamed, so a full disk leaves the old files as
    they were. Raises OSError.
    """
    targets = [directory / name for name in texts]
    pairs = [(target.with_name(f".{target.name}.new"), target) for target in targets]
    try:
        for (new, target), text in zip(pairs, texts.values(), strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(text, encoding="utf-8", newline="\n")
        for new, target in pairs:
            new.replace(target)
    finally:
        for new, _ in pairs:
            new.unlink(missing_ok=True)
    return targets
