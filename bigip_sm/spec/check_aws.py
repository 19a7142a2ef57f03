"""Rules about AWS: traffic stays on PrivateLink, and names, regions and partitions fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bigip_sm.aws.hosts import SERVICES, dns_suffix, is_aws_host, label_of, partition_of, public_host, vpc_endpoint
from bigip_sm.errors import Problem
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.positions import Path, quoted
from bigip_sm.spec.upstreams import UpstreamRegion, service_of

_SECRET_ARN = re.compile(r"arn:(?P<partition>[a-z-]+):secretsmanager:(?P<region>[a-z0-9-]+):[0-9]{12}:secret:.+")
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam:")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,4})?-[a-z]+-[1-9]")


def check_regions(draft: Draft) -> Iterator[Problem]:
    """Regions of an upstream: each once, and each connected to over PrivateLink.

    Nothing is said about the endpoint of a region with an unknown key: it may be just the misspelt one.
    """
    for upstream in draft.names("upstreams"):
        seen: dict[str, int] = {}
        for index in draft.items("upstreams", upstream, "regions"):
            path = ("upstreams", upstream, "regions", index)
            region = draft.text(*path, "name")
            if region is None or not _REGION.fullmatch(region):
                continue
            if region in seen:
                message = f"{region} is a region of this upstream already (regions[{seen[region]}])"
                yield draft.problem((*path, "name"), message, "list each region once")
            seen.setdefault(region, index)
            if all(name in UpstreamRegion.model_fields for name in draft.names(*path)):
                yield from _check_endpoint(draft, upstream, path, region)


def _check_endpoint(draft: Draft, upstream: str, path: Path, region: str) -> Iterator[Problem]:
    service = service_of(draft.text("upstreams", upstream, "kind"))
    if service not in SERVICES:
        return
    fips = draft.boolean("upstreams", upstream, "fips", default=False) is True
    label = label_of(service, region, fips=fips)
    if not label:
        message = f"{SERVICES[service].label} has no FIPS host names"
        yield draft.problem(("upstreams", upstream, "fips"), message, "remove fips")
        return
    partitions = SERVICES[service].partitions
    if partitions and partition_of(region) not in partitions:
        message = f"{label} is not in the partition {partition_of(region)}"
        yield draft.problem((*path, "name"), message, f"use a region of {' or '.join(partitions)}")
        return
    prefix = draft.text("upstreams", upstream, "api") or "" if service == "execute_api" else ""
    domain, public = dns_suffix(region), public_host(service, region, fips=fips, prefix=prefix)
    example = f"vpce-0a1b2c3d4e5f60718-abcdefgh.{label}.{region}.vpce.{domain}"
    private = draft.boolean(*path, "private_dns", default=False)
    host = draft.text(*path, "vpc_endpoint")
    ways = [name for name in ("vpc_endpoint", "private_dns", "addresses") if draft.has(*path, name)]
    if private is False and "private_dns" in ways:
        ways.remove("private_dns")
    if not draft.has(*path, "addresses") and draft.number(*path, "route_domain", default=0):
        message = "a route domain is that of addresses, and there are none"
        yield draft.problem((*path, "route_domain"), message, "write addresses in place of a name, or remove it")
    if not ways:
        # What is written but is not text or a boolean has a problem of its own.
        message = f"without a VPC endpoint this would connect to the public host {public}"
        private_name = "private_dns: true where the public name resolves to the endpoint"
        fix = f"add vpc_endpoint: {example}; or {private_name}"
        if SERVICES[service].host:
            fix = f"add {private_name}, or addresses of the endpoint's network interfaces"
        yield draft.problem(path, message, fix)
    elif host is not None and SERVICES[service].host:
        message = f"the DNS names of VPC endpoints of {label} are not known to have a certificate"
        fix = "write private_dns: true where the public name resolves to the endpoint, or addresses: its interfaces"
        yield draft.problem((*path, "vpc_endpoint"), message, fix)
        return
    elif "addresses" in ways and len(ways) > 1 and not _by_header(draft, upstream):
        message = f"addresses and {ways[0]} name two places to connect to"
        yield draft.problem((*path, "addresses"), message, "keep one of the two")
    if host is not None:
        if private:
            message = "vpc_endpoint and private_dns: true name two places to connect to"
            fix = "keep vpc_endpoint, or remove it and keep private_dns: true"
            yield draft.problem((*path, "vpc_endpoint"), message, fix)
        yield from _check_name(draft, (*path, "vpc_endpoint"), host, (label, region, domain, example), private=private)
    elif _by_header(draft, upstream) and ways:
        message = "address_by: header calls the API by the name of the VPC endpoint, which is not given"
        yield draft.problem(path, message, f"add vpc_endpoint: {example}; or address_by: host")


def _by_header(draft: Draft, upstream: str) -> bool:
    return draft.text("upstreams", upstream, "address_by") == "header"


def _check_name(
    draft: Draft, where: Path, host: str, wanted: tuple[str, str, str, str], *, private: bool | None
) -> Iterator[Problem]:
    """Check the name of a VPC endpoint; ``wanted`` is the service's label, region and domain, and a right name."""
    label, region, domain, example = wanted
    endpoint = vpc_endpoint(host)
    if endpoint is None:
        if is_aws_host(host) and not private:
            fix = f"write the endpoint's own name, such as {example}; or private_dns: true in place of vpc_endpoint"
            yield draft.problem(where, f"{quoted(host)} is a public host of AWS, not a VPC endpoint", fix)
        return
    if endpoint.region != region:
        message = f"this endpoint is in {endpoint.region}, not in {region}"
        yield draft.problem(where, message, f"write the name of an endpoint in {region}, or change the region's name")
    elif endpoint.domain != domain:
        yield draft.problem(where, f"names in {region} do not end in {endpoint.domain}", f"write {domain} at its end")
    if endpoint.label != label:
        message = f"this endpoint is of the service {endpoint.label}"
        yield draft.problem(where, message, f"write the name of an endpoint of {label}, such as {example}")


def check_partition(draft: Draft, path: Path, role: str, upstream: str) -> Iterator[Problem]:
    """The role that is named at ``path`` must be in the partition of every region of the upstream."""
    match = _ROLE.match(draft.text("roles", role, "arn") or "")
    for index in draft.items("upstreams", upstream, "regions"):
        region = draft.text("upstreams", upstream, "regions", index, "name")
        if match is not None and region is not None and _REGION.fullmatch(region):
            yield from _fits(draft, path, region, role, match[1])


def check_roles(draft: Draft) -> Iterator[Problem]:
    """A role's partition must be that of every region it is used in; a secret's ARN must name the region asked."""
    partitions: dict[str, str] = {}
    for role in draft.names("roles"):
        arn = draft.text("roles", role, "arn") or ""
        if match := _ROLE.match(arn):
            partitions[role] = match[1]
    first_region: dict[str, str] = {}
    for upstream in draft.names("upstreams"):
        user = draft.text("upstreams", upstream, "role") or ""
        for index in draft.items("upstreams", upstream, "regions"):
            path = ("upstreams", upstream, "regions", index, "name")
            region = draft.text(*path)
            if region is not None and _REGION.fullmatch(region):
                first_region.setdefault(user, region)
                if user in partitions:
                    yield from _fits(draft, path, region, user, partitions[user])
    for role in draft.names("roles"):
        place = ("roles", role, "source", "region")
        region = draft.text(*place)
        if region is not None and role in partitions and _REGION.fullmatch(region):
            yield from _fits(draft, place, region, role, partitions[role])
        yield from _check_secret(draft, role, region or first_region.get(role))


def _fits(draft: Draft, path: Path, region: str, role: str, partition: str) -> Iterator[Problem]:
    wanted = partition_of(region)
    if wanted != partition:
        message = f"{region} is in the partition {wanted}, but role {role} is in {partition}"
        fix = f"use a region of {partition}, or a role in an account of {wanted}"
        yield draft.problem(path, message, fix)


def _check_secret(draft: Draft, role: str, region: str | None) -> Iterator[Problem]:
    """Check an ARN in ``secret``: Secrets Manager finds a secret only in its own region."""
    path = ("roles", role, "source", "secret")
    secret = draft.text(*path) or ""
    if not secret.startswith("arn:"):
        return
    match = _SECRET_ARN.fullmatch(secret)
    if match is None:
        fix = "write the secret's name, or arn:aws:secretsmanager:<region>:<account>:secret:<name>"
        yield draft.problem(path, "this is not the ARN of a Secrets Manager secret", fix)
    elif region is not None and match["region"] != region:
        message = f"the secret is in {match['region']}, and would be asked for in {region}"
        yield draft.problem(path, message, f"add region: {match['region']} to the source, or name another secret")
