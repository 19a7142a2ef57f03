"""``bigip-sm apply``: put the gateway on the BIG-IPs of an inventory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bigip_sm.commands.options import read_spec, spec_argument
from bigip_sm.console import output_option, print_json, progress
from bigip_sm.errors import DeviceError, RenderError

if TYPE_CHECKING:
    from bigip_sm.bigip.apply import Applied
    from bigip_sm.bigip.icontrol import IControl
    from bigip_sm.bigip.inventory import DeviceEntry
    from bigip_sm.render import Rendered
    from bigip_sm.spec.model import Spec


@click.command("apply", short_help="Put the gateway on BIG-IPs: shows what it would do, then asks.")
@spec_argument
@click.option(
    "--devices",
    "inventory",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="the inventory: which BIG-IPs, and where their passwords and CA certificates are",
)
@click.option("--device", "names", metavar="NAME", multiple=True, help="only this device of the inventory; repeatable")
@click.option("--yes", is_flag=True, help="do not ask (for pipelines)")
@click.option("--dry-run", is_flag=True, help="show what would be done and change nothing")
@output_option
@click.pass_context
def command(
    ctx: click.Context, file: Path, inventory: Path, names: tuple[str, ...], yes: bool, dry_run: bool, output: str
) -> None:
    """Put the gateway on BIG-IPs: shows what it would do, then asks.

    First the partition bigip_sm and an empty data group for the credentials of each role are made; they are kept if
    they exist, with the credentials in them. Then AS3 gets the declaration. Applying the same file again changes
    nothing. All devices are made ready before the first one gets the declaration, so that config sync finds the data
    groups wherever it carries the iRule. After the first device that fails the rest are left alone.

    Exit code 0: every device is as gateway.yaml says (or, with --dry-run, could be made so), 1: not.

    \b
    Examples:
      bigip-sm apply gateway.yaml --devices devices.yaml --dry-run
      bigip-sm apply gateway.yaml --devices devices.yaml
      bigip-sm apply gateway.yaml --devices devices.yaml --device bigip1 --yes --output json
    """
    from bigip_sm.bigip.inventory import load_inventory

    if not (yes or dry_run) and (output == "json" or not sys.stdin.isatty()):
        raise click.UsageError("nobody can be asked here: say --yes or --dry-run")
    spec = read_spec(file)
    entries = choose(load_inventory(inventory).devices, names)
    rendered = checked(spec)
    if not yes:
        report = run(spec, rendered, entries, dry_run=True)
        if dry_run or not report.ok or not report.changed:
            return report.end(ctx, output)
        report.print_text()
        if not click.confirm(f"Apply this to {len(entries)} device{'s' if len(entries) > 1 else ''}?", err=True):
            click.echo("nothing was changed", err=True)
            ctx.exit(1)
    run(spec, rendered, entries, dry_run=False).end(ctx, output)
    return None


def choose(entries: Sequence[DeviceEntry], names: Sequence[str]) -> tuple[DeviceEntry, ...]:
    """The devices with these names, in the order of the inventory; all of them if no name is given."""
    known = [entry.name for entry in entries]
    for name in names:
        if name not in known:
            raise click.UsageError(f"no device {name!r} in the inventory; it has {', '.join(known)}")
    return tuple(entry for entry in entries if not names or entry.name in names)


def checked(spec: Spec) -> Rendered:
    """Render, and refuse to go on with anything that `validate` calls an error. Raises RenderError."""
    from bigip_sm.commands.validate import examine_rendering

    rendered, _, findings = examine_rendering(spec)
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        first = errors[0]
        raise RenderError(f"{first.where}: {first.message} [{first.rule}]{more}; see: bigip-sm validate")
    return rendered


class Report:
    """What came of each device, in order: an ``Applied``, an error, or nothing if it was not tried.

    ``prepared`` names the devices that have what the declaration needs.
    """

    def __init__(self, entries: Sequence[DeviceEntry], *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.prepared: set[str] = set()
        self.results: dict[str, Applied | DeviceError | None] = {entry.name: None for entry in entries}

    @property
    def ok(self) -> bool:
        """Whether every device was done."""
        return not any(result is None or isinstance(result, DeviceError) for result in self.results.values())

    @property
    def changed(self) -> bool:
        """Whether anything changed, or would, on any device."""
        return any(
            result is not None and not isinstance(result, DeviceError) and result.changed
            for result in self.results.values()
        )

    def end(self, ctx: click.Context, output: str) -> None:
        """Print the report and leave with its exit code."""
        if output == "json":
            devices = [_document(name, result, self._untried(name)) for name, result in self.results.items()]
            print_json({"ok": self.ok, "dry_run": self.dry_run, "changed": self.changed, "devices": devices})
        else:
            self.print_text()
        for result in self.results.values():
            if isinstance(result, DeviceError):
                click.echo(f"error: {' '.join(str(result).split())}", err=True)
        if not self.ok:
            ctx.exit(1)

    def _untried(self, name: str) -> str:
        return "prepared" if name in self.prepared else "not tried"

    def print_text(self) -> None:
        """One line for each device and one for each thing done to it."""
        for name, result in self.results.items():
            if result is None:
                click.echo(f"{name}: {self._untried(name)}")
            elif isinstance(result, DeviceError):
                click.echo(f"{name}: failed")
            elif not result.changed:
                click.echo(f"{name}: no change")
            else:
                click.echo(f"{name}: {'would be changed' if self.dry_run else 'changed'}")
                for step in result.steps:
                    if step.effect != "keep":
                        click.echo(f"  {step.effect} {step.kind} {step.path}")
                for tenant in result.outcome.tenants:
                    click.echo(f"  tenant {tenant.name}: {tenant.message}")


def run(spec: Spec, rendered: Rendered, entries: Sequence[DeviceEntry], *, dry_run: bool) -> Report:
    """Look at each device with a dry run; otherwise prepare all of them, then declare on one after the other."""
    from bigip_sm.bigip.apply import Applied, apply, prepared
    from bigip_sm.bigip.as3 import As3Client
    from bigip_sm.bigip.subject_key import choose_key, read_key, uses_key, write_key

    report = Report(entries, dry_run=dry_run)
    declaration = rendered.declaration
    steps = {}
    keys: dict[str, str | None] = {}

    def look(device: IControl) -> Applied:
        return apply(device, As3Client(device.session), spec, declaration, dry_run=True)

    def look_for_key(device: IControl) -> None:
        keys[device.name] = read_key(device, spec)
        choose_key(keys.items())

    def make_ready(device: IControl) -> None:
        steps[device.name] = prepared(device, As3Client(device.session), spec, declaration)
        if uses_key(spec):
            keys[device.name] = choose_key(keys.items())
            write_key(device, spec, keys[device.name] or "")
        report.prepared.add(device.name)

    def declare(device: IControl) -> Applied:
        return Applied(device.name, steps[device.name], As3Client(device.session).declare(declaration))

    if dry_run:
        _each(entries, report, "looking", look)
    elif uses_key(spec) and not _each(entries, report, "looking", look_for_key):
        return report
    elif _each(entries, report, "preparing", make_ready):
        _each(entries, report, "applying", declare)
    return report


def _each(
    entries: Sequence[DeviceEntry], report: Report, doing: str, work: Callable[[IControl], Applied | None]
) -> bool:
    """Do ``work`` on one device after the other until one fails; whether none did. What comes of it is reported."""
    for entry in entries:
        progress(f"{entry.name}: {doing} ...")
        try:
            with entry.connect("administrator") as device:
                report.results[entry.name] = work(device)
        except DeviceError as error:
            report.results[entry.name] = error
            return False
    return True


def _document(name: str, result: Applied | DeviceError | None, untried: str) -> dict[str, Any]:
    if result is None:
        return {"device": name, "status": untried}
    if isinstance(result, DeviceError):
        return {"device": name, "status": "failed", "error": str(result)}
    return {
        "device": name,
        "status": "changed" if result.changed else "no change",
        "steps": [{"kind": step.kind, "path": step.path, "effect": step.effect} for step in result.steps],
        "tenants": [{"name": one.name, "code": one.code, "message": one.message} for one in result.outcome.tenants],
    }
