"""Which deployment stands behind each endpoint: recorded once it is reviewed, compared ever after.

SageMaker lets anybody with ``UpdateEndpoint`` put another model behind a name that the gateway keeps calling. A pin
holds what DescribeEndpoint and DescribeInferenceComponent say of a deployment: the endpoint config, the variants or the
component with the digests of their images, and when it was last modified.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from bigip_sm.errors import AwsError, PinError
from bigip_sm.spec.model import Spec
from bigip_sm.spec.upstreams import EndpointUpstream

FORMAT = 1
SIDE_BY_SIDE = 8
"""Endpoints asked at a time; DescribeEndpoint is throttled per account and region."""


@dataclass(frozen=True, order=True)
class Target:
    """What the gateway invokes: an endpoint in a region, or one inference component of it."""

    endpoint: str
    region: str
    component: str = ""

    def __str__(self) -> str:
        component = f", inference component {self.component}" if self.component else ""
        return f"{self.endpoint} in {self.region}{component}"


@dataclass(frozen=True)
class Pin:
    """A deployment. ``images`` maps each variant or the component to the images it runs, as ``name@sha256:...``.

    ``last_modified`` is in UTC, to the second, as in ``2026-11-26T10:00:00Z``.
    """

    target: Target
    config: str
    last_modified: str
    images: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was recorded."""

    target: Target
    what: str
    recorded: str
    found: str


def targets_of(spec: Spec) -> list[Target]:
    """Every deployment that the gateway's routes reach, sorted."""
    used = [spec.upstreams[name] for name in {name for route in spec.routes.values() for name in route.all_upstreams}]
    return sorted(
        {
            Target(upstream.endpoint, region.name, component)
            for upstream in used
            if isinstance(upstream, EndpointUpstream)
            for region in upstream.regions
            for component in {"", upstream.component or ""}
        }
    )


def observe(targets: Iterable[Target], client: Callable[[str], Any]) -> list[Pin]:
    """Ask SageMaker for every target, several at a time, and return the pins in the targets' order.

    ``client`` makes a boto3 ``sagemaker`` client for a region. Raises AwsError for the first that cannot be described.
    """
    wanted = sorted(set(targets))
    clients = {region: client(region) for region in sorted({target.region for target in wanted})}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda target: _describe(clients[target.region], target), wanted))


def compare(recorded: Sequence[Pin], found: Sequence[Pin]) -> list[Difference]:
    """What differs, by target; a target on one side only is one difference."""
    before, now = ({pin.target: pin for pin in pins} for pins in (recorded, found))
    differences: list[Difference] = []
    for target in sorted(before.keys() | now.keys()):
        if target not in before:
            differences.append(Difference(target, "pin", "none", "not recorded yet"))
        elif target not in now:
            differences.append(Difference(target, "pin", "recorded", "the gateway does not use it any more"))
        else:
            differences += _differences(before[target], now[target])
    return differences


def pins_text(pins: Iterable[Pin]) -> str:
    """The file of pins: JSON, sorted, with a final newline. The same pins give the same bytes."""
    rows = [
        {**asdict(pin.target), "config": pin.config, "last_modified": pin.last_modified, "images": dict(pin.images)}
        for pin in sorted(pins, key=lambda pin: pin.target)
    ]
    return json.dumps({"version": FORMAT, "pins": rows}, indent=2, sort_keys=True) + "\n"


def read_pins(text: str, name: str) -> list[Pin]:
    """The pins in a file's text. Raises PinError, naming the file, if it is not what ``pins_text`` writes."""
    try:
        document = json.loads(text)
        if document["version"] != FORMAT:
            raise PinError(f"{name}: pins of version {document['version']!r}; this program reads version {FORMAT}")
        return [_pin(row) for row in document["pins"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PinError(f"{name}: not a file of pins; write one with: bigip-sm pins record") from None


def _pin(row: Mapping[str, Any]) -> Pin:
    images = {str(key): tuple(str(image) for image in found) for key, found in row["images"].items()}
    target = Target(str(row["endpoint"]), str(row["region"]), str(row["component"]))
    return Pin(target, str(row["config"]), str(row["last_modified"]), images)


def _differences(before: Pin, now: Pin) -> list[Difference]:
    pairs = [
        ("endpoint config", before.config, now.config),
        ("last modified", before.last_modified, now.last_modified),
    ]
    for name in sorted(before.images.keys() | now.images.keys()):
        old, new = (", ".join(pin.images[name]) if name in pin.images else "none" for pin in (before, now))
        pairs.append((f"images of {name}", old, new))
    return [Difference(before.target, *pair) for pair in pairs if pair[1] != pair[2]]


def _describe(client: Any, target: Target) -> Pin:
    endpoint = _call(client, target, "describe_endpoint", EndpointName=target.endpoint)
    if not target.component:
        images = {
            variant["VariantName"]: _resolved(variant.get("DeployedImages", ()))
            for variant in endpoint.get("ProductionVariants", ())
        }
        return Pin(target, endpoint["EndpointConfigName"], _utc(endpoint["LastModifiedTime"]), images)
    component = _call(client, target, "describe_inference_component", InferenceComponentName=target.component)
    if component["EndpointName"] != target.endpoint:
        raise AwsError(f"{target}: AWS says that it is a component of endpoint {component['EndpointName']}")
    container = component.get("Specification", {}).get("Container", {})
    deployed = [container["DeployedImage"]] if "DeployedImage" in container else []
    images = {target.component: _resolved(deployed)}
    return Pin(target, endpoint["EndpointConfigName"], _utc(component["LastModifiedTime"]), images)


def _resolved(images: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The digests that SageMaker resolved the images to; the name as specified where it has none."""
    return tuple(sorted(image.get("ResolvedImage") or image.get("SpecifiedImage", "") for image in images))


def _call(client: Any, target: Target, operation: str, **arguments: str) -> Mapping[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer: Mapping[str, Any] = getattr(client, operation)(**arguments)
        return answer
    except ClientError as error:
        told = error.response.get("Error", {})
        reason = f"{told.get('Code', 'Unknown')}: {told.get('Message', 'no message')}"
    except BotoCoreError as error:
        reason = str(error)
    raise AwsError(f"{target}: {operation}: {reason}")


def _utc(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
