"""``bigip-sm-rotator install``: prints the files that run the rotator on a machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from rotator.install import KINDS


@click.command("install")
@click.argument("gateway", metavar="GATEWAY", type=click.Path(path_type=Path), default="/etc/bigip-sm/gateway.yaml")
@click.option(
    "--devices",
    type=click.Path(path_type=Path),
    default="/etc/bigip-sm/devices.yaml",
    show_default=True,
    help="devices.yaml",
)
@click.option(
    "--print",
    "kind",
    type=click.Choice(list(KINDS)),
    required=True,
    help="systemd: the daemon; oneshot and timer: a unit for one rotation and what starts it; cron: for /etc/cron.d",
)
@click.option("--user", default="bigip-sm-rotator", show_default=True, metavar="USER", help="whom it runs as")
@click.option(
    "--environment",
    type=click.Path(path_type=Path),
    default="/etc/bigip-sm/rotator.env",
    show_default=True,
    help="file with AWS_* settings and passwords, if there is one",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default="/var/lib/bigip-sm-rotator",
    show_default=True,
    help="folder for journal, state and revocations; cron only, systemd makes its own",
)
def command(gateway: Path, devices: Path, kind: str, user: str, environment: Path, state: Path) -> int:
    """Print a systemd unit, a timer or a cron entry. Nothing is installed.

    \b
      bigip-sm-rotator install --print systemd > /etc/systemd/system/bigip-sm-rotator.service
      bigip-sm-rotator install gateway.yaml --devices devices.yaml --print cron

    GATEWAY defaults to /etc/bigip-sm/gateway.yaml.
    """
    import re

    from rotator.install import Installation, render

    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", user):
        raise click.BadParameter(f"{user!r} is not the name of a user", param_hint="--user")
    paths = [path.absolute() for path in (gateway, devices, environment, state)]
    for path in paths:
        if not str(path).isprintable():
            raise click.BadParameter(f"{str(path)!r} holds a character that no unit file can", param_hint="a path")
    where = Installation(paths[0], paths[1], _program(), user, paths[2], paths[3])
    click.echo(render(kind, where), nl=False)
    return 0


def _program() -> list[str]:
    """How this program is started: the script beside this Python, else the one on the PATH, else the module."""
    beside = Path(sys.executable).with_name("bigip-sm-rotator")
    if beside.is_file():
        return [str(beside)]
    found = shutil.which("bigip-sm-rotator")
    return [found] if found else [sys.executable, "-m", "rotator"]
