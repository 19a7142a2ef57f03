"""What the iRule is told about going to another region after an answer: one record for each upstream that may."""

from __future__ import annotations

from collections.abc import Collection

from bigip_sm.spec.model import Spec
from bigip_sm.spec.upstreams import AwsUpstream, Upstream

FORMAT = 1
"""Version of the records; the first field of each."""

WINDOW = 10
"""Seconds in which an upstream's requests are counted for its budget."""

FLOOR = 3
"""Requests that may always go to another region in a window: a share of a few would be none."""


def may_retry(upstream: Upstream) -> bool:
    """Whether another region may get what one region has answered."""
    return isinstance(upstream, AwsUpstream) and upstream.failover.retries > 0 and len(upstream.regions) > 1


def failover_records(spec: Spec, names: Collection[str]) -> list[dict[str, str]]:
    """For the upstreams ``names``: ``<upstream>`` -> ``1|<budget, percent>|<billed, 0 or 1>``."""
    return [
        {"key": name, "value": f"{FORMAT}|{upstream.failover.budget[:-1]}|{int(upstream.failover.billed)}"}
        for name, upstream in sorted(spec.upstreams.items())
        if name in names and isinstance(upstream, AwsUpstream)
    ]
