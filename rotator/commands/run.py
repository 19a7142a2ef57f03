"""``bigip-sm-rotator run``: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from rotator.commands import options
from rotator.logs import configure


@click.command("run")
@options.files
@click.option(
    "--interval",
    type=click.FloatRange(min=1, max=300),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="how often each device is looked at, +-10 %",
)
@options.deadline_option
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=9464,
    show_default=True,
    help="port on 127.0.0.1 for /metrics and /health; 0: any free one",
)
@options.identity
def command(
    gateway: Path,
    devices: Path,
    interval: float,
    deadline: float,
    metrics_port: int,
    name: str | None,
    state: Path | None,
    log_level: str,
) -> int:
    """Keep every credential on every device fresh, until stopped.

    \b
      bigip-sm-rotator run gateway.yaml --devices devices.yaml

    SIGHUP reads both files again (a broken one changes nothing), SIGUSR1 rotates now, SIGTERM finishes the pushes in
    hand, deletes the login tokens and ends.
    """
    configure(log_level)
    from rotator.daemon import Settings, run

    settings = Settings(
        gateway=gateway,
        devices=devices,
        read=lambda: options.read_files(gateway, devices),
        rotator=name or options.host(),
        state=state,
        interval=interval,
        deadline=deadline,
        port=metrics_port,
    )
    return run(settings)
