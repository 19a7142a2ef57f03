"""The command line ``bigip-sm``: finds the verb.

A verb is the file of the same name in this folder. It is imported when it is called or listed, and imports what it
needs when it runs, so that ``--help`` is instant.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import click

import bigip_sm
from bigip_sm.console import run

VERBS = ("validate", "lint", "render", "apply", "weights", "audit", "client", "iam", "pins", "schema", "lab", "demo")
"""Every verb, in the order in which a newcomer meets them."""


class Verbs(click.Group):
    """A group whose commands are the modules named in ``VERBS``; each exposes one object called ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the verbs, in the order of ``VERBS``."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name, or ``None``; imports its module."""
        if cmd_name not in VERBS:
            return None
        found = importlib.import_module(f"bigip_sm.commands.{cmd_name}").command
        return found if isinstance(found, click.Command) else None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(bigip_sm.__version__, prog_name="bigip-sm")
def cli() -> None:
    """Put an F5 BIG-IP in front of AWS SageMaker from one reviewed file, gateway.yaml.

    \b
    A first look, nothing needed but this machine:
      bigip-sm demo
    The usual way of work:
      bigip-sm validate gateway.yaml
      bigip-sm render gateway.yaml -o build
      bigip-sm apply gateway.yaml --devices devices.yaml

    Each command explains itself: bigip-sm COMMAND --help. Exit codes: 0 done, 1 error.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bigip-sm`` with ``argv`` (default: the process's) and return the exit code. Never raises."""
    return run(cli, "bigip-sm", argv)
