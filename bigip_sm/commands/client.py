"""``bigip-sm client``: what a caller needs, on both sides: an entry in gateway.yaml, and code to call with."""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bigip_sm.commands.options import read_spec, spec_argument
from bigip_sm.console import output_option, print_json
from bigip_sm.errors import EditError

if TYPE_CHECKING:
    from bigip_sm.spec.edit import Approval


@click.group("client", short_help="Let a new caller in, and show callers what to write.")
def command() -> None:
    """Let a new caller in, and show callers what to write."""


@command.command("examples", short_help="Programs in curl, Python and Node.js that call each route.")
@spec_argument
@click.option("--route", "routes", multiple=True, metavar="NAME", help="only this route; may be given several times")
@click.option(
    "--language",
    "languages",
    multiple=True,
    type=click.Choice(["curl", "python", "node"]),
    help="only this language; may be given several times [default: all]",
)
@click.option("--identity", metavar="NAME", help="as a caller of this identity [default: the route's first]")
@click.option(
    "-o",
    "--out",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="write files into this directory instead of printing",
)
@output_option
def examples(
    file: Path,
    routes: tuple[str, ...],
    languages: tuple[str, ...],
    identity: str | None,
    directory: Path | None,
    output: str,
) -> None:
    """Print programs that call the routes of FILE, a gateway.yaml, complete and ready to run.

    They name secrets by environment variable; none is written into them.

    \b
    Examples:
      bigip-sm client examples gateway.yaml --route chat --language python
      bigip-sm client examples gateway.yaml -o examples
    """
    from bigip_sm.commands.render import write_files
    from bigip_sm.render.examples import LANGUAGES, SUFFIXES, example

    spec = read_spec(file)
    unknown = [name for name in routes if name not in spec.routes]
    if unknown:
        raise EditError(f"there is no route {unknown[0]}; there are {', '.join(spec.routes)}")
    chosen = [(name, one) for name in (routes or spec.routes) for one in LANGUAGES if not languages or one in languages]
    texts = {f"{name}.{SUFFIXES[one]}": example(spec, name, one, identity) for name, one in chosen}
    if directory is not None:
        for path in write_files(directory, texts):
            click.echo(f"wrote {path}")
    elif output == "json":
        print_json(texts)
    else:
        click.echo("\n".join(texts.values()), nl=False)


@command.command("add", short_help="Write a new caller into gateway.yaml.")
@spec_argument
@click.option("--identity", required=True, metavar="NAME", help="identity that the caller is known by")
@click.option("--subject", required=True, metavar="TEXT", help="who the caller is")
@click.option("--route", "routes", multiple=True, required=True, metavar="NAME", help="route that it may use")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="group that it belongs to")
@click.option(
    "--key-file",
    metavar="PATH",
    type=click.Path(path_type=Path, dir_okay=False),
    help="for api-key identities: where the new key is written, readable by you alone; the file must not exist",
)
@click.option("--network", metavar="CIDR", help="for network identities: where it calls from")
@click.option("--approved-by", "approver", metavar="NAME", help="who approved this; needs --ticket too")
@click.option("--ticket", metavar="TEXT", help="where the approval is recorded")
@click.option("--dry-run", is_flag=True, help="show the change and write nothing")
def add(
    file: Path,
    identity: str,
    subject: str,
    routes: tuple[str, ...],
    groups: tuple[str, ...],
    key_file: Path | None,
    network: str | None,
    approver: str | None,
    ticket: str | None,
    dry_run: bool,
) -> None:
    """Write a new caller into FILE, a gateway.yaml, and show what changed.

    Comments and layout stay. The result is checked before it is written, so a name that does not exist or a subject
    that cannot be one leaves FILE as it was. An API key is made here; gateway.yaml gets its SHA-256 only.

    \b
    Examples:
      bigip-sm client add gateway.yaml --identity staff --subject bob --route chat
      bigip-sm client add gateway.yaml --identity partner --subject acme --route chat --key-file acme.key \\
          --approved-by security-review --ticket SEC-1500
    """
    from bigip_sm.commands.render import write_files
    from bigip_sm.spec import load
    from bigip_sm.spec.edit import NewCaller, add_caller

    if str(file) == "-":
        raise EditError("a file is needed, as it is edited in its place; stdin has none")
    approval = _approval(approver, ticket)
    spec = load(file)
    before = file.read_text("utf-8")
    key = secrets.token_urlsafe(32) if key_file is not None else None
    key_hash = None if key is None else hashlib.sha256(key.encode()).hexdigest()
    after = add_caller(
        before, spec, NewCaller(identity, subject, tuple(dict.fromkeys(routes)), groups, key_hash, network, approval)
    )
    load(file, after)
    _show(file, before, after)
    if dry_run:
        return
    if key is not None and key_file is not None:
        _write_key(key_file, key)
        click.echo(f"wrote the key to {key_file}: give it to the caller, then delete it", err=True)
    write_files(file.parent, {file.name: after})
    click.echo(f"wrote {file}", err=True)


def _approval(approver: str | None, ticket: str | None) -> Approval | None:
    from bigip_sm.spec.edit import Approval

    if approver is None and ticket is None:
        return None
    if approver is None or ticket is None:
        raise click.UsageError("--approved-by and --ticket go together")
    return Approval(approver, ticket, datetime.now(timezone.utc).date())


def _show(file: Path, before: str, after: str) -> None:
    from difflib import unified_diff

    lines = unified_diff(before.splitlines(True), after.splitlines(True), str(file), f"{file} (new)", n=1)
    click.echo("".join(lines), nl=False)


def _write_key(path: Path, key: str) -> None:
    """Write a key where nothing is yet, readable by its owner alone. Raises EditError if something is."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(key)
    except FileExistsError:
        raise EditError(f"{path} exists; name a file that does not, so that no key is lost") from None
