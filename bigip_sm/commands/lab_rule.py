"""``bigip-sm lab run`` and ``bigip-sm lab commands``: any iRule, without a gateway.yaml."""

from __future__ import annotations

import re
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bigip_sm.console import output_option, print_json
from bigip_sm.errors import LabError

if TYPE_CHECKING:
    from bigip_sm.lab.tryout import Group
    from bigip_sm.tcl.forms import Command, Form

_REQUEST = re.compile(r"(?P<method>[A-Za-z-]+) +(?P<target>[\x21-\x7e]+)(?: +HTTP/1\.1)?")
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\r\n\0]*)")


@click.command("run")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--request", "requests", metavar="'METHOD TARGET'", multiple=True, help="[default: GET /]")
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="a header of every request")
@click.option("--body", metavar="TEXT|@FILE", help="the body of every request")
@click.option(
    "--data-group",
    "groups",
    metavar="NAME=FILE",
    multiple=True,
    help="a data group; FILE has a record a line: name, or name := value. NAME:ip=FILE says its type",
)
@click.option("--pool", "pools", metavar="NAME", multiple=True, help="a pool; the first is the virtual server's own")
@click.option("--client-certificate", "certificate", metavar="CN", help="present a trusted certificate with this name")
@click.option("--client-address", "address", metavar="ADDRESS", help="the client's address as the rule sees it")
@click.option(
    "--upstream-status",
    "status",
    type=click.IntRange(200, 599),
    default=200,
    show_default=True,
    help="what pool members answer",
)
@click.option("--upstream-header", "answer_headers", metavar="'NAME: VALUE'", multiple=True, help="... with a header")
@click.option("--upstream-body", "answer_body", metavar="TEXT|@FILE", help="... and this [default: the request's body]")
@output_option
def run(
    file: Path,
    requests: tuple[str, ...],
    headers: tuple[str, ...],
    body: str | None,
    groups: tuple[str, ...],
    pools: tuple[str, ...],
    certificate: str | None,
    address: str | None,
    status: int,
    answer_headers: tuple[str, ...],
    answer_body: str | None,
    output: str,
) -> None:
    """Show what the iRule in FILE does with a request: no BIG-IP, no licence, no gateway.yaml.

    The rule gets a virtual server of its own on an emulated BIG-IP, with TLS, an http profile and pools whose members
    answer. Data groups and pools that it names and you do not give are made up, and it is said which. Requests go one
    after the other over one connection. Printed are the events in the order in which TMM fires them, below each the
    commands with their results and what is logged, then the request as a pool member got it and the response as the
    client got it. Nothing is hidden: what your rule prints may hold your secrets.

    A rule that TMOS would refuse is refused in TMOS's words, with exit code 1; so is one that uses what the lab does
    not emulate (see: bigip-sm lab commands).

    \b
    Examples:
      bigip-sm lab run redirect.tcl --request 'GET /old'
      bigip-sm lab run block.tcl --data-group blocked=blocked.txt --client-address 203.0.113.7
      bigip-sm lab run api.tcl --request 'POST /v1/x' --header 'Content-Type: application/json' --body @request.json
      bigip-sm lab run headers.tcl --upstream-header 'Server: secret' --output json
    """
    from bigip_sm.lab.tryout import Wanted, tryout
    from bigip_sm.lab.tryout.show import document, text

    wanted = Wanted(
        re.sub(r"[^A-Za-z0-9_.-]", "_", file.stem if str(file) != "-" else "stdin"),
        _read(file),
        tuple(_request(one) for one in requests or ("GET /",)),
        headers=tuple(_header(one) for one in headers),
        body=_content(body) or b"",
        groups=tuple(read_group(one) for one in groups),
        pools=pools,
        certificate=certificate,
        client_address=None if address is None else _address(address),
        answer_status=status,
        answer_headers=tuple(_header(one) for one in answer_headers),
        answer_body=_content(answer_body),
    )
    record = tryout(wanted)
    if output == "json":
        print_json(document(record))
    else:
        click.echo(text(record))


@click.command("commands")
@click.argument("name", metavar="[NAME]", required=False)
@output_option
def commands(name: str | None, output: str) -> None:
    """List the iRule commands that the lab emulates, or explain the one called NAME.

    A rule that uses another command, subcommand or option, or one of these in an event in which TMOS does not allow
    it, does not load in the lab. Besides these there are the commands of Tcl 8.4 that TMOS leaves in iRules.

    \b
    Examples:
      bigip-sm lab commands
      bigip-sm lab commands HTTP::header
      bigip-sm lab commands --output json
    """
    from bigip_sm.lab.tcl.catalogue import CATALOGUE

    if name is not None and name not in CATALOGUE:
        close = [one for one in CATALOGUE if name.lower() in one.lower()]
        hint = f"; there is {', '.join(sorted(close))}" if close else ""
        raise LabError(f"the lab does not emulate {name}{hint}")
    chosen = [CATALOGUE[name]] if name is not None else [CATALOGUE[one] for one in sorted(CATALOGUE)]
    if output == "json":
        print_json([_document(command) for command in chosen])
        return
    if name is None:
        width = max(len(command.name) for command in chosen)
        for command in chosen:
            click.echo(f"{command.name:<{width}}  {command.summary}")
        return
    for line in _explanation(chosen[0]):
        click.echo(line)


def _document(command: Command) -> dict[str, Any]:
    return {
        "name": command.name,
        "summary": command.summary,
        "usage": [
            {"form": _written(name, form), "summary": form.summary, "events": _events(command, form)}
            for name, form in _forms(command)
        ],
        "events": sorted({event for _, form in _forms(command) for event in _events(command, form)}),
    }


def _explanation(command: Command) -> list[str]:
    """``command`` for people; the events of a form are only said where they are not those of the command."""
    described = _document(command)
    lines = [f"{command.name}: {command.summary}", "", "Usage:"]
    for one in described["usage"]:
        lines.append(f"  {one['form']}")
        if one["summary"] and one["summary"] != command.summary:
            lines.append(f"      {one['summary']}")
        if one["events"] != described["events"]:
            lines.append(f"      only in: {' '.join(one['events'])}")
    return [*lines, "", "Events:", *(f"  {event}" for event in described["events"])]


def _forms(command: Command) -> list[tuple[str, Form]]:
    """What is written before the arguments, for the plain form and for every subcommand."""
    forms = [] if command.form is None else [(command.name, command.form)]
    return forms + [(f"{command.name} {name}", form) for name, form in command.subcommands.items()]


def _events(command: Command, form: Form) -> list[str]:
    from bigip_sm.lab.tcl.events import EMULATED_EVENTS

    allowed = form.events if form.events is not None else command.events
    allowed = EMULATED_EVENTS if allowed is None else allowed & EMULATED_EVENTS
    return sorted(allowed if command.lab_events is None else allowed & command.lab_events)


def _written(name: str, form: Form) -> str:
    """``name ?-option value? argument ?argument ...?``, in the catalogue's words where it has some."""
    if form.usage:
        return f"{name} {form.usage}"
    words = [name, *(f"?{' '.join([option, *['value'] * values])}?" for option, values in form.options.items())]
    words += ["argument"] * form.minimum
    if form.maximum is None:
        words.append("?argument ...?")
    else:
        words += ["?argument?"] * (form.maximum - form.minimum)
    return " ".join(words)


def _read(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.buffer.read().decode("latin-1")
    return file.read_bytes().decode("latin-1")


def _request(text: str) -> tuple[str, str]:
    found = _REQUEST.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"write {text!r} as METHOD TARGET, such as 'GET /x?y=z'", param_hint="--request")
    return found["method"], found["target"]


def _header(text: str) -> tuple[str, str]:
    found = _HEADER.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"write {text!r} as NAME: VALUE, on one line", param_hint="--header")
    return found["name"], found["value"].rstrip()


def _content(text: str | None) -> bytes | None:
    if text is None or not text.startswith("@"):
        return None if text is None else text.encode()
    return Path(text[1:]).read_bytes()


def read_group(text: str) -> Group:
    """The data group that ``NAME=FILE`` means. Raises BadParameter, LabError."""
    from bigip_sm.lab.tryout import parse_group

    name, mark, file = text.partition("=")
    if not (name and mark and file):
        raise click.BadParameter(f"write {text!r} as NAME=FILE", param_hint="--data-group")
    try:
        return parse_group(name, Path(file).read_text("utf-8"))
    except UnicodeDecodeError:
        raise LabError(f"data group {name}: {file} is not UTF-8 text") from None


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address", param_hint="--client-address") from None
