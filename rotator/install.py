"""The files that run the rotator on a machine: systemd units, a timer, a cron entry. Nothing is installed.

The templates are those of the package ``bigip_sm.templates`` whose names begin with ``rotator``.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS = {
    "systemd": "rotator.service",
    "oneshot": "rotator-once.service",
    "timer": "rotator-once.timer",
    "cron": "rotator.cron",
}
"""What can be rendered -> its template."""

MINUTES = 5
"""Minutes between two rotations by timer or cron."""

_HOMES = (Path("/home"), Path("/root"))


@dataclass(frozen=True)
class Installation:
    """Where things are. All paths are absolute; ``program`` is how the rotator is started, ``user`` as whom."""

    gateway: Path
    devices: Path
    program: Sequence[str]
    user: str
    environment: Path
    state: Path


def render(kind: str, where: Installation) -> str:
    """The text of one of ``KINDS``."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("bigip_sm.templates", "."),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - units and crontabs are no HTML; what enters them is quoted below
    )
    files = [str(where.gateway), "--devices", str(where.devices)]
    run = [*where.program, "run", *files, "--log-level", "info"]
    once = [*where.program, "once", *files]
    text = templates.get_template(f"{KINDS[kind]}.j2").render(
        gateway=_escaped(where.gateway.name),
        run=_unit_command(run),
        once=_unit_command(once),
        cron=_cron_command([*once, "--state", str(where.state)], where.environment),
        user=where.user,
        environment=_escaped(str(where.environment)),
        protect_home="read-only" if _below_home(where) else "yes",
        minutes=MINUTES,
    )
    return text + "\n"


def _below_home(where: Installation) -> bool:
    """Whether something that is needed is in a home directory, which a unit does not see otherwise."""
    needed = (where.gateway, where.devices, where.environment, Path(where.program[0]))
    return any(path.is_relative_to(home) for path in needed for home in _HOMES)


def _escaped(text: str) -> str:
    """Text for a unit file, where ``%`` begins a specifier."""
    return text.replace("%", "%%")


def _unit_command(words: Sequence[str]) -> str:
    """A command line as systemd.service(5) reads it."""
    return " ".join(_unit_word(word) for word in words)


def _unit_word(word: str) -> str:
    text = _escaped(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{text}"' if any(char.isspace() or char in "\"';" for char in word) else text


def _cron_command(words: Sequence[str], environment: Path) -> str:
    """A command line for cron, where ``%`` is a line feed; nothing is printed unless something is wrong."""
    file = shlex.quote(str(environment))
    command = " ".join(map(shlex.quote, words))
    line = f'set -a; [ -r {file} ] && . {file}; set +a; umask 077; out=$({command}) || echo "$out"'
    return line.replace("%", "\\%")
