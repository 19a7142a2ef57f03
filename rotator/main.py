"""The command line of the rotator: finds the verb.

A verb is the file of the same name in ``rotator/commands``. It is imported when it is called or listed, and imports
what it needs when it runs, so that ``--help`` is instant.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

import bigip_sm
from bigip_sm.console import run as run_cli

VERBS = ("once", "run", "status", "revoke", "install")
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
        found = importlib.import_module(f"rotator.commands.{cmd_name}").command
        return found if isinstance(found, click.Command) else None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(bigip_sm.__version__, prog_name="bigip-sm-rotator")
def cli() -> None:
    """Keep the short-lived AWS credentials on every BIG-IP fresh.

    \b
    As a service (see: bigip-sm-rotator install --help):
      bigip-sm-rotator run gateway.yaml --devices devices.yaml
    From cron, every few minutes:
      bigip-sm-rotator once gateway.yaml --devices devices.yaml
    When something looks wrong:
      bigip-sm-rotator status gateway.yaml --devices devices.yaml

    Each command explains itself: bigip-sm-rotator COMMAND --help.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bigip-sm-rotator`` with ``argv`` (default: the process's) and return the exit code. Never raises."""
    return run_cli(cli, "bigip-sm-rotator", argv)


if __name__ == "__main__":
    sys.exit(main())
