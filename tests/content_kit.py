"""A gateway that checks the content of requests and answers, and containers that answer what a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gateway_kit import Answer, Gateway, Headers

from bigip_sm.lab.aws.runtime import Fault
from bigip_sm.lab.http import Response

SPEC = """
version: 1
gateway: content
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.30
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {ca: /Common/clients-ca.crt}
identities:
  staff: {type: client-certificate}
roles:
  plain: {arn: "arn:aws:iam::123456789012:role/plain", source: {type: secrets-manager, secret: plain}}
upstreams:
  echo:
    kind: sagemaker
    endpoint: echo-v1
    role: plain
    regions: [{name: eu-central-1, private_dns: true}]
  llama:
    kind: sagemaker-openai
    endpoint: llama-v1
    role: plain
    regions: [{name: eu-central-1, private_dns: true}]
guards:
  blocking:
    version: 3
    chain:
      - {type: prompt-injection}
      - {type: pii, find: [SSN, CREDIT_CARD, EMAIL, PHONE]}
      - {type: dlp, patterns: {PROJECT: 'PRJ-[0-9]{6}'}}
  redacting:
    version: 1
    chain:
      - {type: pii, action: redact}
      - {type: dlp, action: redact, patterns: {PROJECT: 'PRJ-[0-9]{6}', LINES: 'top[ ,]+secret'}}
  recording:
    version: 2
    chain:
      - {type: prompt-injection, threshold: 0.5, action: record, direction: both}
      - {type: pii, action: record}
      - {type: dlp, action: record}
inspection:
  max_size: 64KiB
  phrases: {open the pod bay doors: 0.9, previous instructions: 0.1}
routes:
  open:
    listener: public
    match: {path: /open, methods: [POST, GET]}
    upstream: echo
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
  strict:
    listener: public
    match: {path: /strict, methods: [POST, GET]}
    upstream: echo
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    validation:
      headers: [x-team]
      levels: 4
      members: 3
      string: 100B
      fields: [instances, inputs, examples, signature_name]
      shape: tensorflow
    shape: {fields: [predictions]}
  mixed:
    listener: public
    match: {path: /mixed}
    upstream: echo
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    validation: {content_types: [text/csv, application/json]}
  chat:
    listener: public
    match: {path: /v1/chat/completions, models: [llama-3, "meta/llama:3"]}
    upstream: llama
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    validation: {shape: openai-chat}
    shape: {fields: [id, choices]}
  plain_chat:
    listener: public
    match: {path: /plain/chat}
    upstream: llama
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    shape:
      keep_headers: [x-amzn-invoked-production-variant]
      headers: {referrer-policy: no-referrer, content-security-policy: "", cache-control: "private; x=[exit]:$y"}
  blocked:
    listener: public
    match: {path: /blocked, methods: [POST, GET]}
    upstream: echo
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    guards: [blocking]
  redacted:
    listener: public
    match: {path: /redacted}
    upstream: echo
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    guards: [redacting]
  recorded:
    listener: public
    match: {path: /recorded}
    upstream: echo
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    guards: [recording]
  blocked_chat:
    listener: public
    match: {path: /blocked/chat}
    upstream: llama
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    guards: [recording, blocking]
  redacted_chat:
    listener: public
    match: {path: /redacted/chat}
    upstream: llama
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    guards: [redacting]
  recorded_chat:
    listener: public
    match: {path: /recorded/chat}
    upstream: llama
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    guards: [recording]
"""

JSON = [("Content-Type", "application/json")]


class Content(Gateway):
    """The gateway in the lab."""

    def post(self, path: str, value: Any, headers: Headers = ()) -> Answer:
        """Send a body: bytes as they are, anything else as JSON."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask(path, body, [*JSON, *headers])

    @contextmanager
    def answering(
        self, body: bytes | Sequence[bytes], status: int = 200, content_type: str = "application/json", **headers: str
    ) -> Iterator[None]:
        """The next container answers so; a sequence is sent piece by piece, without a Content-Length."""
        made = body if isinstance(body, bytes) else _pieces(body)
        lines = [("Content-Type", content_type), *((name.replace("_", "-"), value) for name, value in headers.items())]
        faults = self.lab.cloud.runtime.faults
        faults.append(Fault(answer=Response(status, lines, made)))
        try:
            yield
        finally:
            faults.clear()

    def last_body(self) -> bytes:
        """The body of the last request that reached AWS."""
        return self.seen()[-1].body

    def faultless(self) -> bool:
        """Whether no rule has met an error that it did not catch, or did not foresee."""
        return not [line for line in self.lab.data_plane.log_lines if "TCL error" in line or "failed in stage" in line]


async def _pieces(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0.002)


def event(value: Any) -> bytes:
    """A server-sent event with JSON in it."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def events(body: bytes) -> list[Any]:
    """What the events of a stream say; [DONE] as text."""
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    return [line.decode() if line == b"[DONE]" else json.loads(line) for line in lines]
