"""The command line of the rotator: parses, calls a library function, prints.

Exit codes of ``once``: 0 everything is fresh, 1 something failed (usage errors too), 2 something is stale; 130
interrupted.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

import bigip_sm
from bigip_sm.errors import BigipSmError, SpecError
from rotator.logs import LEVELS, configure

if TYPE_CHECKING:
    from rotator.push import Result

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(bigip_sm.__version__, prog_name="bigip-sm-rotator")
def cli() -> None:
    """Keep the short-lived AWS credentials on every BIG-IP fresh.

    \b
    From cron, every few minutes:
      bigip-sm-rotator once gateway.yaml --devices devices.yaml
    """


@cli.command()
@click.argument("gateway", metavar="GATEWAY", type=click.Path(path_type=Path))
@click.option(
    "--devices", required=True, type=click.Path(path_type=Path), help="devices.yaml: the BIG-IPs and their logins"
)
@click.option(
    "--role", "roles", multiple=True, metavar="ROLE", help="only this role; may be given again [default: all]"
)
@click.option("--force", is_flag=True, help="push even where a device holds a newer credential")
@click.option(
    "--deadline",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="how long each device may take",
)
@click.option(
    "--id", "name", metavar="NAME", help="name of this rotator, written beside the credentials [default: host]"
)
@click.option("--log-level", type=click.Choice(LEVELS), default="warning", show_default=True, help="logged to stderr")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text for people, json for programs (one document on stdout, whatever the exit code)",
)
def once(
    gateway: Path,
    devices: Path,
    roles: Sequence[str],
    force: bool,
    deadline: float,
    name: str | None,
    log_level: str,
    output: str,
) -> int:
    """Rotate once: read each role's source, derive keys and tokens, push them to every device, read them back.

    Exit codes: 0 everything is fresh, 1 something failed, 2 something is stale.
    """
    configure(log_level)
    signal.signal(signal.SIGTERM, _terminated)
    from bigip_sm.bigip.inventory import load_inventory
    from bigip_sm.spec import load
    from rotator.once import exit_code, rotate

    spec, inventory = load(gateway), load_inventory(devices)
    for role in roles:
        if role not in spec.roles:
            raise click.BadParameter(
                f"{gateway} has no role {role!r}; it has {', '.join(spec.roles)}", param_hint="--role"
            )
    chosen = list(dict.fromkeys(roles)) or list(spec.roles)
    with _progress(f"rotating {len(chosen)} role(s) on {len(inventory.devices)} device(s)"):
        results = rotate(spec, inventory, chosen, rotator=name or _host(), force=force, deadline=deadline)
    code = exit_code(results)
    if output == "json":
        click.echo(json.dumps({"ok": code == 0, "exit_code": code, "results": _as_json(results)}, indent=2))
    else:
        _print_table(results)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with ``argv`` (default: the process's) and return the exit code. Never raises."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        result = cli.main(args=arguments, prog_name="bigip-sm-rotator", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 1
    except click.ClickException as error:
        return _fail(arguments, error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return _fail(arguments, "interrupted", code=INTERRUPTED)
    except SpecError as error:
        return _fail(arguments, *map(str, error.problems))
    except BigipSmError as error:
        return _fail(arguments, str(error))
    except BrokenPipeError:
        # Who read the output is gone (`| head`). Point stdout elsewhere, or Python complains again as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(arguments, f"{where}{error.strerror or type(error).__name__}")
    except Exception as error:
        return _fail(arguments, _defect(error))


def _fail(arguments: Sequence[str], *problems: str, code: int = 1) -> int:
    """Say on stderr what is wrong, one line each, and as JSON on stdout too if JSON was asked for."""
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    # Read from the raw arguments, since parsing them may be what failed.
    if "--output=json" in arguments or ("--output", "json") in itertools.pairwise(arguments):
        document = {"ok": False, "exit_code": code, "problems": list(problems), "results": []}
        click.echo(json.dumps(document, indent=2))
    return code


def _defect(error: Exception) -> str:
    """One line about a defect. Not the exception's own message: a library may have put a secret into it."""
    if os.environ.get("BIGIP_SM_DEBUG"):
        traceback.print_exception(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} at {Path(last.filename).name}:{last.lineno}: this is a defect of "
        "bigip-sm-rotator; run again with BIGIP_SM_DEBUG=1 to see the traceback"
    )


def _terminated(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the program as Ctrl-C does: the push in hand is finished, tokens are deleted."""
    raise KeyboardInterrupt


def _host() -> str:
    """The name of this machine, as far as a record may hold it."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:128] or "rotator"


def _progress(message: str) -> Any:
    """A spinner on stderr, for as long as the block lasts; nothing where stderr is no terminal."""
    from contextlib import nullcontext

    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(message)


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


def _print_table(results: Sequence[Result]) -> None:
    """A table of the results, then the reason of each that is not as it should be."""
    from rich.console import Console
    from rich.table import Table

    now = time.time()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("role", "device", "result", "generation"):
        table.add_column(heading, no_wrap=True)
    table.add_column("expires in", justify="right", no_wrap=True)
    styles = {"pushed": "green", "fresh": "green", "stale": "yellow", "failed": "red"}
    for result in results:
        generation = str(result.generation) if result.generation is not None else "-"
        expires = _duration(result.expires_at - now) if result.expires_at is not None else "-"
        state = f"[{styles[result.state]}]{result.state}[/]"
        table.add_row(result.role, result.device, state, generation, expires)
    # In a pipe there is no width to fit into.
    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=500)
    console.print(table)
    for result in results:
        if result.state in ("failed", "stale"):
            click.echo(f"{result.role} on {result.device}: {result.state}: {result.reason}")


def _duration(seconds: float) -> str:
    """``59m 12s``; ``over`` if it is past."""
    if seconds <= 0:
        return "over"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest:02d}s"


if __name__ == "__main__":
    sys.exit(main())
