"""``bigip-sm-rotator once``: one rotation, for cron."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bigip_sm.console import output_option, print_json
from rotator.commands import options
from rotator.logs import configure

if TYPE_CHECKING:
    from rotator.push import Result


@click.command("once")
@options.files
@options.roles_option
@click.option("--force", is_flag=True, help="push even where a device holds a newer credential")
@options.deadline_option
@options.identity
@output_option
def command(
    gateway: Path,
    devices: Path,
    roles: Sequence[str],
    force: bool,
    deadline: float,
    name: str | None,
    state: Path | None,
    log_level: str,
    output: str,
) -> int:
    """Rotate once: read each role's source, derive keys and tokens, push them to every device, read them back.

    \b
      bigip-sm-rotator once gateway.yaml --devices devices.yaml

    Exit codes: 0 everything is fresh, 1 something failed, 2 something is stale.
    """
    configure(log_level)
    options.stop_on_sigterm()
    from rotator.once import exit_code, rotate

    spec, inventory = options.read_files(gateway, devices)
    chosen = options.chosen(spec, gateway, roles)
    store = options.store_for(state, spec)
    with options.progress(f"rotating {len(chosen)} role(s) on {len(inventory.devices)} device(s)"):
        results = rotate(
            spec, inventory, chosen, rotator=name or options.host(), store=store, force=force, deadline=deadline
        )
    code = exit_code(results)
    if output == "json":
        print_json({"ok": code == 0, "exit_code": code, "results": _as_json(results)})
    else:
        _print(results)
    return code


def _as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    now = time.time()
    return [
        {
            "role": result.role,
            "device": result.device,
            "result": result.state,
            "reason": result.reason,
            "generation": result.generation,
            "expires_at": result.expires_at,
            "expires_in": round(result.expires_at - now) if result.expires_at is not None else None,
        }
        for result in results
    ]


def _print(results: Sequence[Result]) -> None:
    """A table of the results, then the reason of each that is not as it should be."""
    now = time.time()
    headings = ("role", "device", "result", "generation", "expires in")
    options.print_table(
        headings,
        [
            (
                result.role,
                result.device,
                options.coloured(result.state),
                str(result.generation) if result.generation is not None else "-",
                options.duration(result.expires_at - now if result.expires_at is not None else None),
            )
            for result in results
        ],
        right=("expires in",),
    )
    for result in results:
        if result.state in ("failed", "stale"):
            click.echo(f"{result.role} on {result.device}: {result.state}: {result.reason}")
