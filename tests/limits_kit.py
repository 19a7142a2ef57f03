"""A gateway whose routes have limits of every kind, and a clock that tests may move."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway_kit import Answer, Gateway

from bigip_sm.lab.tmm.tables import Tables

SPEC = """
version: 1
gateway: limits
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.40
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {ca: /Common/clients-ca.crt}
identities:
  staff: {type: client-certificate, groups: {gold: [alice, bob], iron: [carol, dave]}}
roles:
  plain: {arn: "arn:aws:iam::123456789012:role/plain", source: {type: secrets-manager, secret: plain}}
upstreams:
  echo:
    kind: sagemaker
    endpoint: echo-v1
    role: plain
    timeout: 30s
    regions: [{name: eu-central-1, private_dns: true}]
  chat:
    kind: sagemaker-openai
    endpoint: chat-v1
    role: plain
    timeout: 30s
    regions: [{name: eu-central-1, private_dns: true}]
  narrow:
    kind: sagemaker
    endpoint: narrow-v1
    role: plain
    in_flight: 2
    regions: [{name: eu-central-1, private_dns: true}]
  fragile:
    kind: sagemaker
    endpoint: fragile-v1
    role: plain
    failover: {retries: 0}
    circuit: {failures: 3, window: 10m, open: 20s}
    regions: [{name: eu-central-1, private_dns: true}, {name: us-east-1, private_dns: true}]
  lost:
    kind: sagemaker
    endpoint: lost-v1
    role: plain
    circuit: {failures: 3, window: 10m, open: 20s}
    regions:
      - {name: eu-central-1, vpc_endpoint: vpce-lost.runtime.sagemaker.eu-central-1.vpce.amazonaws.com}
      - {name: us-east-1, private_dns: true}
routes:
""" + "".join(
    f"""
  {name}:
    listener: public
    match: {{path: /{name}}}
    upstream: {upstream}
    allow: [{allow}]
    approved_by: {{name: tests, ticket: T-1, date: 2026-01-01}}
    limits: {limits}
"""
    for name, upstream, allow, limits in (
        ("unlimited", "echo", "'staff:*'", "{body: 1MiB}"),
        ("each", "echo", "'staff:*'", "{requests: 3/minute}"),
        ("grouped", "echo", "'staff:group/gold', 'staff:group/iron', staff:erin", "{requests: 4/hour, per: group}"),
        ("together", "echo", "'staff:*'", "{requests: 5/day, per: route}"),
        ("several", "echo", "'staff:*'", "{requests: 2/minute, also: [{requests: 3/hour, per: route}]}"),
        ("shadow", "echo", "'staff:*'", "{requests: 2/minute, concurrency: 1, shadow: true}"),
        ("slots", "echo", "'staff:*'", "{concurrency: 2}"),
        ("talk", "chat", "'staff:*'", "{requests: 3/minute, also: [{requests: 100/hour, per: route}]}"),
        ("narrow", "narrow", "'staff:*'", "{body: 1MiB}"),
        ("strait", "narrow", "'staff:*'", "{body: 1MiB}"),
        ("fragile", "fragile", "'staff:*'", "{body: 1MiB}"),
        ("lost", "lost", "'staff:*'", "{body: 1MiB}"),
        ("metered", "chat", "'staff:*'", "{tokens: 100/hour, also: [{tokens: 50/day, per: route, shadow: true}]}"),
        ("measured", "echo", "'staff:*'", "{tokens: 100/hour, context_tokens: 50}"),
        ("capped", "chat", "'staff:*'", "{max_tokens: 60}"),
        ("both", "chat", "'staff:*'", "{tokens: 1000/hour, requests: 9000/minute, concurrency: 1}"),
        ("streams", "chat", "'staff:*'", "{concurrency: 1}"),
    )
)


class Limited(Gateway):
    """The gateway; every test begins in windows that are empty."""

    def ask_as(self, subject: str, path: str, body: bytes = b"{}") -> Answer:
        """One request on a connection of its own."""
        with self.client(subject) as client:
            return client.request(path, body)

    def verdicts(self, subject: str, path: str, times: int) -> list[str]:
        """What that many requests are answered, one after the other."""
        return [self.ask_as(subject, path).verdict for _ in range(times)]

    def fresh(self) -> None:
        """Forget every count, and leave the window of a minute time enough for a test."""
        self.lab.call(_forget(self.lab.data_plane.tables))
        self.lab.clock_offset = 0.0
        if time.time() % 60 > 40:
            self.next_minute()

    def next_minute(self) -> None:
        """Move the clock to the beginning of the next minute."""
        now = time.time() + self.lab.clock_offset
        self.lab.clock_offset += 60 - now % 60 + 0.05

    @contextmanager
    def counted(self) -> Iterator[dict[str, int]]:
        """Calls of iRule commands, as they happen."""
        plane = self.lab.data_plane

        async def count(enabled: bool) -> None:
            plane.count_commands(enabled)

        self.lab.call(count(True))
        try:
            yield plane.counters
        finally:
            self.lab.call(count(False))

    def slow(self, endpoint: str, seconds: float) -> None:
        """Let the next request to reach AWS wait for its answer."""
        from bigip_sm.lab.aws.runtime import Fault

        self.lab.cloud.runtime.faults.append(Fault(delay=seconds))

    def waiting(self) -> int:
        """How many of the requests that ``slow`` was said for have not reached AWS yet."""
        return len(self.lab.cloud.runtime.faults)


async def _forget(tables: Tables) -> None:
    tables.clear()


async def forever(_: int) -> None:
    """A pause before a token of a stream that does not end."""
    await asyncio.sleep(3600)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
