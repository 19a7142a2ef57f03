"""``bigip-sm pins``: is the model behind each endpoint still the one that was reviewed?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bigip_sm.commands.options import read_spec, spec_argument
from bigip_sm.console import output_option, print_json, progress
from bigip_sm.errors import PinError

if TYPE_CHECKING:
    from bigip_sm.aws.pins import Difference, Pin
    from bigip_sm.spec.model import Spec

F = TypeVar("F", bound=Callable[..., Any])

MAX_FILE = 4 * 1024**2
"""Largest file of pins, bytes."""


def pins_option(function: F) -> F:
    """Add ``--pins FILE``."""
    return click.option(
        "--pins",
        "pins_file",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="the file of pins [default: pins.json beside gateway.yaml]",
    )(function)


@click.group("pins", short_help="Record which deployment stands behind each endpoint, and notice another one.")
def command() -> None:
    """Record which deployment stands behind each endpoint of gateway.yaml, and notice a silent redeploy.

    SageMaker is asked with your own AWS credentials (environment, profile, ...), which need sagemaker:DescribeEndpoint
    and, for inference components, sagemaker:DescribeInferenceComponent. Nothing is changed in AWS.
    """


@command.command("record", short_help="Write what is deployed now into the file of pins.")
@spec_argument
@pins_option
@output_option
def record(file: Path, pins_file: Path | None, output: str) -> None:
    """Ask SageMaker what is deployed behind every endpoint of FILE, a gateway.yaml, and write it down.

    Review the file and keep it in git beside gateway.yaml: its diff is the redeploy.

    \b
    Example:
      bigip-sm pins record gateway.yaml
    """
    from bigip_sm.aws.pins import pins_text
    from bigip_sm.commands.render import write_files

    spec = read_spec(file)
    place = _place(file, pins_file)
    found = _observe(spec)
    write_files(place.parent, {place.name: pins_text(found)})
    if output == "json":
        print_json({"written": str(place), "pins": [dataclasses.asdict(pin) for pin in found]})
    else:
        for pin in found:
            click.echo(f"{pin.target}: {pin.config}, last modified {pin.last_modified}")
        click.echo(f"wrote {place}")


@command.command("verify", short_help="Compare what is deployed now with the file of pins.")
@spec_argument
@pins_option
@output_option
@click.pass_context
def verify(ctx: click.Context, file: Path, pins_file: Path | None, output: str) -> None:
    """Compare what is deployed behind every endpoint of FILE with the file of pins.

    Exit code 0: all as recorded, 2: something differs, 1: it could not be found out.

    \b
    Example, in a pipeline or from cron:
      bigip-sm pins verify gateway.yaml --output json
    """
    from bigip_sm.aws.pins import compare, read_pins

    spec = read_spec(file)
    place = _place(file, pins_file)
    recorded = read_pins(_read(place), str(place))
    found = _observe(spec)
    differences = compare(recorded, found)
    if output == "json":
        rows = [dataclasses.asdict(difference) for difference in differences]
        print_json({"ok": not differences, "pins": str(place), "checked": len(found), "differences": rows})
    else:
        for difference in differences:
            click.echo(_line(difference))
        click.echo(f"{len(found)} deployments checked, {'all as recorded' if not differences else 'NOT as recorded'}")
    if differences:
        ctx.exit(2)


def _observe(spec: Spec) -> list[Pin]:
    from bigip_sm.aws.pins import observe, targets_of

    wanted = targets_of(spec)
    progress(f"asking SageMaker about {len(wanted)} deployments")
    return observe(wanted, _client)


def _client(region: str) -> Any:
    import boto3
    from botocore.config import Config

    retries: Any = {"mode": "standard", "total_max_attempts": 5}
    config = Config(connect_timeout=5, read_timeout=20, retries=retries, user_agent_extra="bigip-sm-pins")
    return boto3.Session(region_name=region).client("sagemaker", config=config)


def _place(file: Path, pins_file: Path | None) -> Path:
    if pins_file is not None:
        return pins_file
    if str(file) == "-":
        raise PinError("gateway.yaml comes from stdin, so there is no place beside it; name the file with --pins")
    return file.with_name("pins.json")


def _read(place: Path) -> str:
    try:
        with place.open("rb") as opened:
            return opened.read(MAX_FILE).decode("utf-8")
    except FileNotFoundError:
        raise PinError(f"{place} does not exist; write it with: bigip-sm pins record") from None
    except UnicodeDecodeError:
        raise PinError(f"{place}: not a file of pins; write one with: bigip-sm pins record") from None


def _line(difference: Difference) -> str:
    return f"{difference.target}: {difference.what}: recorded {difference.recorded}, found {difference.found}"
