"""A gateway with every type of identity whose requests are recorded, and the records as they reach the collector."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from callers_kit import SPEC, Callers

AUDIT = """
audit:
  collectors: ["10.0.9.5:6514"]
  tls: {ca: /Common/audit-ca.crt, server_name: audit.example.com}
  retention_days: 400
  tags: {team: ml-platform, environment: test}
"""
AUDITED = SPEC + AUDIT

Record = dict[str, Any]


class Audited(Callers):
    """The gateway, and its collector."""

    def lines(self) -> list[bytes]:
        """Every line that the collector got."""
        return list(self.lab.collector.lines)

    def records(self) -> list[Record]:  # type: ignore[override]  # keys of issuers are not what is asked for here
        """Every record that the collector got."""
        return [json.loads(line) for line in self.lines()]

    def recorded(self, do: Callable[[], object], number: int = 1) -> list[Record]:
        """The records of what ``do`` does, once ``number`` of them are there; no more may come."""
        before = len(self.lines())
        do()
        deadline = time.monotonic() + 10
        while len(self.lines()) < before + number:
            assert time.monotonic() < deadline, "a record is missing"
            time.sleep(0.01)
        time.sleep(0.05)
        found = self.records()[before:]
        assert len(found) == number, found
        return found
