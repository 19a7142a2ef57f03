"""What several verbs of the rotator share: arguments, and how results are shown."""

from __future__ import annotations

import re
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rotator.logs import LEVELS

if TYPE_CHECKING:
    from bigip_sm.bigip.inventory import Inventory
    from bigip_sm.spec.model import Spec
    from rotator.store import Store

F = TypeVar("F", bound=Callable[..., Any])

STYLES = {"pushed": "green", "fresh": "green", "stale": "yellow", "failed": "red"}


def files(function: F) -> F:
    """Add the argument GATEWAY and the option --devices. Read them with ``read_files``."""
    devices = click.option(
        "--devices", required=True, type=click.Path(path_type=Path), help="devices.yaml: the BIG-IPs and their logins"
    )
    return click.argument("gateway", metavar="GATEWAY", type=click.Path(path_type=Path))(devices(function))


def identity(function: F) -> F:
    """Add --id, --state and --log-level."""
    name = click.option(
        "--id", "name", metavar="NAME", help="name of this rotator, written beside the credentials [default: host]"
    )
    level = click.option(
        "--log-level", type=click.Choice(LEVELS), default="warning", show_default=True, help="logged to stderr"
    )
    return state(name(level(function)))


def state(function: F) -> F:
    """Add --state."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        help="folder for journal, state and revocations [default: $STATE_DIRECTORY, ~/.local/state/bigip-sm-rotator]",
    )(function)


def roles_option(function: F) -> F:
    """Add --role, which may be given again. Check it with ``chosen``."""
    return click.option(
        "--role", "roles", multiple=True, metavar="ROLE", help="only this role; may be given again [default: all]"
    )(function)


def deadline_option(function: F) -> F:
    """Add --deadline."""
    return click.option(
        "--deadline",
        type=click.FloatRange(min=1),
        default=120.0,
        show_default=True,
        metavar="SECONDS",
        help="how long each device may take",
    )(function)


def read_files(gateway: Path, devices: Path) -> tuple[Spec, Inventory]:
    """Both files. Raises SpecError with every problem of the first that has any, OSError."""
    from bigip_sm.bigip.inventory import load_inventory
    from bigip_sm.spec import load

    return load(gateway), load_inventory(devices)


def chosen(spec: Spec, gateway: Path, roles: Sequence[str]) -> list[str]:
    """The roles asked for, or all. Raises BadParameter for one that gateway.yaml does not have."""
    for role in roles:
        known_role(spec, gateway, role, "--role")
    return list(dict.fromkeys(roles)) or list(spec.roles)


def known_role(spec: Spec, gateway: Path, role: str, hint: str) -> str:
    """``role`` itself. Raises BadParameter if gateway.yaml does not have it."""
    if role not in spec.roles:
        raise click.BadParameter(f"{gateway} has no role {role!r}; it has {', '.join(spec.roles)}", param_hint=hint)
    return role


def store_for(folder: Path | None, spec: Spec) -> Store:
    """The files of this gateway's rotator."""
    from rotator.store import Store, default_folder

    return Store(folder or default_folder(), spec.gateway)


def host() -> str:
    """The name of this machine, as far as a record may hold it."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:100] or "rotator"


def stop_on_sigterm() -> None:
    """Have SIGTERM end the program as Ctrl-C does: the push in hand is finished, tokens are deleted."""

    def terminated(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminated)


def progress(message: str) -> Any:
    """A spinner on stderr, for as long as the block lasts; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(message)


def print_table(headings: Iterable[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table on stdout. ``right`` are the headings of columns set flush right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading in right else "left")
    for row in rows:
        table.add_row(*row)
    # In a pipe there is no width to fit into.
    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=500)
    console.print(table)


def coloured(text: str) -> str:
    """A state in its colour."""
    style = STYLES.get(text)
    return f"[{style}]{text}[/]" if style else text


def duration(seconds: float | None) -> str:
    """``59m 12s``, ``3h 05m``; ``over`` if it is past, ``-`` if it is not known."""
    if seconds is None:
        return "-"
    if seconds <= 0:
        return "over"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}h {minutes % 60:02d}m" if minutes >= 100 else f"{minutes}m {rest:02d}s"
