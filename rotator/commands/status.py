"""``bigip-sm-rotator status``: what is on the devices now, and what the rotator last knew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from bigip_sm.console import output_option, print_json
from rotator.commands import options
from rotator.logs import configure

HEADINGS = ("role", "device", "state", "generation", "age", "expires in", "next", "last error")


@click.command("status")
@options.files
@options.roles_option
@options.deadline_option
@options.state
@output_option
def command(
    gateway: Path, devices: Path, roles: Sequence[str], deadline: float, state: Path | None, output: str
) -> int:
    """Show every role on every device: read from the devices, with what the rotator wrote down beside it.

    \b
      bigip-sm-rotator status gateway.yaml --devices devices.yaml --state /var/lib/bigip-sm-rotator

    Nothing is changed. Exit codes: 0 everything is fresh, 1 something failed, 2 something is stale.
    """
    configure("error")
    options.stop_on_sigterm()
    from rotator.status import exit_code, look

    spec, inventory = options.read_files(gateway, devices)
    chosen = options.chosen(spec, gateway, roles)
    store = options.store_for(state, spec)
    with options.progress(f"looking at {len(inventory.devices)} device(s)"):
        rows = look(spec, inventory, chosen, store, deadline=deadline)
    code = exit_code(rows)
    if output == "json":
        print_json({"ok": code == 0, "exit_code": code, "credentials": [row.as_json() for row in rows]})
        return code
    now = time.time()
    cells = [
        (
            row.role,
            row.device,
            options.coloured(row.state),
            str(row.generation) if row.generation is not None else "-",
            options.duration(row.age),
            options.duration(row.expires_at - now if row.expires_at is not None else None),
            row.next or "-",
            row.error or "-",
        )
        for row in rows
    ]
    options.print_table(HEADINGS, cells, right=("age", "expires in"))
    return code
