"""``bigip-sm lab``: an emulated BIG-IP and an emulated AWS for a gateway.yaml, on this machine."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bigip_sm.commands.lab_declare import declare
from bigip_sm.commands.lab_rule import commands, run
from bigip_sm.commands.options import read_spec
from bigip_sm.console import output_option, print_json, progress
from bigip_sm.errors import LabError
from bigip_sm.lab.files import private_file

if TYPE_CHECKING:
    from bigip_sm.demo.stage import Stage
    from bigip_sm.lab.lab import Lab
    from bigip_sm.spec.model import Route, Spec

RENEWAL = 1800.0
"""Seconds after which the sessions of the emulated AWS are renewed; they last an hour."""

CHECK = 0.5
"""Seconds between two looks at whether the lab is well."""


@click.group("lab", short_help="Run an emulated BIG-IP and an emulated AWS on this machine.")
def command() -> None:
    """Run an emulated BIG-IP and an emulated AWS on this machine."""


command.add_command(run)
command.add_command(commands)
command.add_command(declare)


@command.command("up")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="processes that serve the listeners, with two TMMs each",
)
@output_option
def up(file: Path, workers: int, output: str) -> None:
    """Start a lab for FILE, a gateway.yaml, and keep it running until Ctrl-C.

    FILE is applied to an emulated BIG-IP, the rotator brings credentials from an emulated AWS, and what to call is
    printed: addresses, a CA file, settings for a rotator of your own, and a curl line for each route, to be pasted into
    another terminal. Everything listens on 127.0.0.1 only. Certificates and passwords are made anew, lie in a temporary
    directory, and go with it. The sessions of the emulated AWS last an hour; every 30 minutes they are renewed and
    rotated in.

    With --workers each process has TMMs, a session table and pool monitors of its own, as if each were a box.

    \b
    Examples:
      bigip-sm lab up declarations/quickstart/gateway.yaml
      bigip-sm lab up gateway.yaml --workers 4
      bigip-sm lab up gateway.yaml --output json
    """
    from bigip_sm.commands.apply import checked
    from bigip_sm.demo.stage import Stage
    from bigip_sm.lint import find_schema

    # A service manager's signal ends the start-up as Ctrl-C does, so that nothing is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    spec = read_spec(file)
    checked(spec)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bigip-sm-lab-")))
        stage = Stage(file, folder, find_schema(), stack, workers=workers)
        progress("starting the emulated BIG-IP and the emulated AWS ...")
        lab = stage.lab
        progress(f"applying {file} ...")
        stage.apply()
        progress("rotating credentials into it ...")
        _rotate(stage)
        # From here on a signal ends the lab in order, and a second one does not disturb that.
        over = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: over.set())
        describe(lab, spec, environment_file(lab), output)
        keep(stage, over)
        progress("ending the lab ...")


def _rotate(stage: Stage) -> None:
    """Run the rotator once. Raises LabError with its reasons if not every credential is in place."""
    code, report = stage.rotate()
    if code != 0:
        reasons = [str(one.get("reason") or one.get("message")) for one in report.get("results") or report["problems"]]
        raise LabError(f"the rotator ended with exit code {code}: {'; '.join(reasons)}")


def keep(stage: Stage, over: threading.Event, renewal: float = RENEWAL) -> None:
    """Keep the lab running until ``over``; every ``renewal`` seconds renew the sessions and rotate them in.

    Raises LabError when a part of the lab has ended or is stuck. A rotation that fails is reported on stderr only: the
    next one may not.
    """
    due = time.monotonic() + renewal
    while not over.wait(min(CHECK, renewal)):
        stage.lab.check()
        if time.monotonic() >= due:
            due += renewal
            try:
                stage.lab.renew()
                _rotate(stage)
            except LabError as error:
                click.echo(f"error: {error}", err=True)


def environment_file(lab: Lab) -> Path:
    """A file with the settings that lead AWS SDKs, and with them a rotator of your own, into the lab; for ``sh``."""
    path = lab.directory / "aws.env"
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in lab.rotator_environment().items()]
    private_file(path, "".join(lines))
    return path


def describe(lab: Lab, spec: Spec, environment: Path, output: str) -> None:
    """Print where everything is, and a line to paste for each route."""
    listeners = {name: "{}:{}".format(*lab.listener(name)) for name in spec.listeners}
    calls = {name: shlex.join(call) for name, call in curl_calls(lab, spec)}
    if output == "json":
        print_json(
            {
                "listeners": listeners,
                "management": lab.management,
                "ca": str(lab.ca_file),
                "devices": str(lab.devices_file),
                "environment": str(environment),
                "calls": calls,
            }
        )
    else:
        for name, address in listeners.items():
            hosts = ", ".join(spec.listeners[name].hostnames)
            click.echo(f"listener {name}   {address}   ({hosts})")
        click.echo(f"management   {lab.management}")
        click.echo(f"CA file   {lab.ca_file}")
        click.echo(f"devices.yaml   {lab.devices_file}")
        click.echo(f"AWS settings   {environment}   (for a rotator of your own: set -a; . {environment}; set +a)")
        for name, call in calls.items():
            click.echo(f"\n# route {name}\n{call}")
        click.echo("\nCtrl-C ends the lab.")
    sys.stdout.flush()


def curl_calls(lab: Lab, spec: Spec) -> Iterator[tuple[str, list[str]]]:
    """(route, curl command) of every route that a client certificate or a token opens."""
    from bigip_sm.render.samples import sample_of

    for name, route in spec.routes.items():
        proof = _proof(lab, spec, route)
        if not proof:
            continue
        listener = spec.listeners[route.listener]
        host = listener.hostnames[0]
        address, port = lab.listener(route.listener)
        sample = sample_of(spec, name)
        call = ["curl", "--noproxy", "*", "--cacert", str(lab.ca_file)]
        call += proof
        call += ["--connect-to", f"{host}:{listener.port}:{address}:{port}"]
        for header, value in sample.headers:
            call += ["-H", f"{header}: {value}"]
        if sample.body:
            call += ["-H", "Content-Type: application/json", "-d", sample.body]
        if sample.method != "POST":
            call += ["--head"] if sample.method == "HEAD" else ["-X", sample.method]
        suffix = "" if listener.port == 443 else f":{listener.port}"
        yield name, [*call, f"https://{host}{suffix}{sample.path}"]


def _proof(lab: Lab, spec: Spec, route: Route) -> list[str]:
    """The options with which curl shows who is calling; none if the lab has nothing that the route takes."""
    from bigip_sm.spec.principals import parse

    subject = certificate_subject(spec, route)
    if subject is not None:
        files = lab.client(subject)
        return ["--cert", str(files.certificate), "--key", str(files.key)]
    for entry in map(parse, route.allow):
        if entry.identity in lab.issuers.by_name:
            return ["-H", f"Authorization: Bearer {lab.issuers.token_for(entry)}"]
    return []


def certificate_subject(spec: Spec, route: Route) -> str | None:
    """A subject of a client certificate that ``route`` allows, or ``None`` if it allows none."""
    from bigip_sm.lab.seed import certificate_subjects

    return next(iter(certificate_subjects(spec, route)), None)
