"""``bigip-sm-rotator revoke``: takes a role's credentials off every device."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bigip_sm.console import output_option, print_json
from rotator.commands import options
from rotator.logs import configure


@click.command("revoke")
@click.argument("gateway", metavar="GATEWAY", type=click.Path(path_type=Path))
@click.argument("role", metavar="ROLE")
@click.option(
    "--devices", required=True, type=click.Path(path_type=Path), help="devices.yaml: the BIG-IPs and their logins"
)
@click.option("--yes", is_flag=True, help="do not ask")
@options.deadline_option
@options.identity
@output_option
def command(
    gateway: Path,
    role: str,
    devices: Path,
    yes: bool,
    deadline: float,
    name: str | None,
    state: Path | None,
    log_level: str,
    output: str,
) -> int:
    """Take the credentials of ROLE off every device at once, and have no rotator bring them back.

    \b
      bigip-sm-rotator revoke gateway.yaml chat --devices devices.yaml --state /var/lib/bigip-sm-rotator

    Callers of its routes get 503 until a session arrives that was issued later; a running rotator asks for one at once.
    Sessions that somebody copied live on: the policy that is printed ends them, once it is attached to the IAM role.

    Exit codes: 0 every device is done, 1 some are not, or the answer was no.
    """
    if not yes and (output == "json" or not sys.stdin.isatty()):
        raise click.UsageError("nobody can be asked here: say --yes")
    configure(log_level)
    options.stop_on_sigterm()
    from rotator import clocks
    from rotator.revoke import revoke

    spec, inventory = options.read_files(gateway, devices)
    options.known_role(spec, gateway, role, "ROLE")
    if not yes:
        question = f"Take the credentials of role {role} off {len(inventory.devices)} device(s)?"
        if not click.confirm(f"{question} Its routes answer 503 until a later session is there", err=True):
            click.echo("nothing was revoked", err=True)
            click.get_current_context().exit(1)
    done = revoke(
        spec, inventory, role, options.store_for(state, spec), rotator=name or options.host(), deadline=deadline
    )
    failed = [result for result in done.results if result.state == "failed"]
    for device, skew in {result.device: result.skew for result in done.results}.items():
        # By a clock that is ahead, what is issued in the next minutes counts as revoked too.
        if said := clocks.complaint(device, skew, None)[1]:
            click.echo(f"warning: {said}", err=True)
    if output == "json":
        results = [
            {"device": one.device, "revoked": one.state != "failed", "reason": one.reason if one in failed else ""}
            for one in done.results
        ]
        print_json(
            {"ok": not failed, "role": role, "revoked_upto": done.upto, "policy": done.policy, "results": results}
        )
        return 1 if failed else 0
    for result in done.results:
        click.echo(f"{result.device}: " + (f"failed: {result.reason}" if result in failed else "revoked"))
    if failed:
        click.echo("A running rotator takes them off these devices as soon as they answer; or run this again.")
    click.echo(f"\nTo end live sessions, attach this policy to {done.arn}:\n{json.dumps(done.policy, indent=2)}")
    click.echo(f"\n{done.command}")
    return 1 if failed else 0
