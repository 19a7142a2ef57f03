"""``bigip-sm weights``: which share of callers or requests each version or region gets, without a new declaration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bigip_sm.commands.options import read_spec, spec_argument
from bigip_sm.console import output_option, print_json
from bigip_sm.errors import DeviceError

if TYPE_CHECKING:
    from bigip_sm.bigip.icontrol import IControl
    from bigip_sm.bigip.weights import State, Weights
    from bigip_sm.spec.model import Spec

F = TypeVar("F", bound=Callable[..., Any])


def devices_options(function: F) -> F:
    """Add ``--devices FILE`` and ``--device NAME``."""
    named = click.option("--device", "names", metavar="NAME", multiple=True, help="only this device; repeatable")
    inventory = click.option(
        "--devices",
        "inventory",
        metavar="FILE",
        required=True,
        type=click.Path(path_type=Path),
        help="the inventory of BIG-IPs",
    )
    return inventory(named(output_option(function)))


@click.group("weights", short_help="Show and change the shares of versions and regions, without a new declaration.")
def command() -> None:
    """Show and change which share of callers each version of a model gets, and of requests each region.

    A KEY is a route with upstreams, or upstream/NAME of an upstream with policy: weighted. Changes go to the data group
    /bigip_sm/<gateway>.weights of every BIG-IP directly, in force at once; gateway.yaml keeps the initial weights. What
    was in force before is kept for revert.
    """


@command.command("show", short_help="Weights of gateway.yaml, and those in force on each BIG-IP.")
@spec_argument
@devices_options
@click.pass_context
def show(ctx: click.Context, file: Path, inventory: Path, names: tuple[str, ...], output: str) -> None:
    """Print the weights of FILE, a gateway.yaml, and those in force on each BIG-IP.

    Exit code 0: the BIG-IPs agree, 2: they do not, 1: it could not be found out.

    \b
    Example:
      bigip-sm weights show gateway.yaml --devices devices.yaml
    """
    from bigip_sm.bigip.weights import states
    from bigip_sm.spec.names import weights_group
    from bigip_sm.spec.usage import initial_weights

    spec = read_spec(file)
    initial = initial_weights(spec)
    if not initial:
        raise click.UsageError("no route of this gateway has upstreams, and no upstream has policy: weighted")
    found = _each(inventory, names, lambda device: states(device, weights_group(spec.gateway), initial))
    _print(found, output)
    if len({repr({key: state.in_force for key, state in one.items()}) for one in found.values()}) > 1:
        ctx.exit(2)


@command.command("set", short_help="Put weights in force.")
@spec_argument
@click.argument("key", metavar="KEY")
@click.argument("shares", metavar="NAME=PERCENT...", nargs=-1, required=True)
@devices_options
def set_(file: Path, key: str, shares: tuple[str, ...], inventory: Path, names: tuple[str, ...], output: str) -> None:
    """Put weights in force: every name of KEY with its percentage; they sum to 100, names left out get 0.

    \b
    Example:
      bigip-sm weights set gateway.yaml chat llama=90 llama_canary=10 --devices devices.yaml
    """
    from bigip_sm.bigip.weights import decode

    spec = read_spec(file)
    initial = _initial(spec, key)
    given = [share.partition("=")[0] for share in ",".join(shares).split(",")]
    weights = decode("1|" + ",".join(shares), tuple(initial))
    if weights is None or len(set(given)) < len(given) or not set(given) <= set(initial):
        raise click.UsageError(f"write NAME=PERCENT for {', '.join(initial)}; the percentages must sum to 100")
    _change(spec, key, lambda _: weights, inventory, names, output)


@command.command("promote", short_help="Give one version or region everything.")
@spec_argument
@click.argument("key", metavar="KEY")
@click.argument("name", metavar="NAME")
@devices_options
def promote(file: Path, key: str, name: str, inventory: Path, names: tuple[str, ...], output: str) -> None:
    """Give NAME, an upstream of the route KEY or a region of upstream/NAME, 100 percent.

    \b
    Example:
      bigip-sm weights promote gateway.yaml chat llama_canary --devices devices.yaml
    """
    spec = read_spec(file)
    initial = _initial(spec, key)
    if name not in initial:
        raise click.UsageError(f"{key} has no {name!r}; it has {', '.join(initial)}")
    _change(spec, key, lambda _: {one: 100 * (one == name) for one in initial}, inventory, names, output)


@command.command("revert", short_help="Put in force what was before the last change.")
@spec_argument
@click.argument("key", metavar="KEY")
@devices_options
def revert(file: Path, key: str, inventory: Path, names: tuple[str, ...], output: str) -> None:
    """Put in force what was before the last change, on each BIG-IP; a second revert takes the first one back.

    \b
    Example:
      bigip-sm weights revert gateway.yaml chat --devices devices.yaml
    """
    spec = read_spec(file)
    _initial(spec, key)
    _change(spec, key, lambda state: state.in_force if state.before is None else state.before, inventory, names, output)


def _initial(spec: Spec, key: str) -> Weights:
    from bigip_sm.spec.usage import initial_weights

    initial = initial_weights(spec)
    if key not in initial:
        raise click.UsageError(f"nothing has weights by the name {key!r}; known: {', '.join(initial) or 'none'}")
    return initial[key]


def _change(
    spec: Spec,
    key: str,
    wanted: Callable[[State], Weights],
    inventory: Path,
    names: tuple[str, ...],
    output: str,
) -> None:
    from bigip_sm.bigip.weights import change, states
    from bigip_sm.spec.names import weights_group

    initial, path = _initial(spec, key), weights_group(spec.gateway)

    def work(device: IControl) -> dict[str, State]:
        weights = wanted(states(device, path, {key: initial})[key])
        return {key: change(device, path, key, weights, initial)}

    _print(_each(inventory, names, work), output)


def _each(
    inventory: Path, names: tuple[str, ...], work: Callable[[IControl], dict[str, State]]
) -> dict[str, dict[str, State]]:
    """Do ``work`` on every device, also after one that fails; raises DeviceError of the first that did."""
    from bigip_sm.bigip.inventory import load_inventory
    from bigip_sm.commands.apply import choose

    found: dict[str, dict[str, State]] = {}
    failed: list[DeviceError] = []
    for entry in choose(load_inventory(inventory).devices, names):
        try:
            with entry.connect("administrator") as device:
                found[entry.name] = work(device)
        except DeviceError as error:
            failed.append(error)
    if failed:
        done = ", ".join(found) or "none"
        reason = str(failed[0]).removeprefix(f"{failed[0].device}: ")
        raise DeviceError(failed[0].device, f"{reason} (done on: {done})") from failed[0]
    return found


def _print(found: dict[str, dict[str, State]], output: str) -> None:
    if output == "json":
        rows = [
            {"device": device, "key": key, "initial": one.initial, "in_force": one.in_force, "before": one.before}
            for device, states in found.items()
            for key, one in states.items()
        ]
        print_json({"weights": rows})
        return
    for device, states in found.items():
        for key, one in states.items():
            click.echo(f"{device}: {key}: {_text(one.in_force)} (gateway.yaml: {_text(one.initial)})")


def _text(weights: Weights) -> str:
    return " ".join(f"{name}={weight}" for name, weight in weights.items())
