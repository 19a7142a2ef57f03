"""Metrics and health over HTTP, on this machine only."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bigip_sm.spec.sources import Rotation
from rotator.board import Board
from rotator.push import Result
from rotator.telemetry import PREFIX, Counters, Endpoint

ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yaml"
NOW = 1_795_262_400.0


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a URL of ours
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metrics() -> tuple[Board, Counters]:
    board, counters = Board(), Counters()
    board.expect(["chat"], ["bigip-a", "bigip-b"])
    good = Result(
        "chat",
        "bigip-a",
        "pushed",
        "",
        int(NOW * 1000) - 60_000,
        int(NOW) + 3540,
        int(NOW) + 3540,
        wrote=True,
        skew=1.5,
    )
    bad = Result("chat", "bigip-b", "failed", "bigip-b: dead", failure="unreachable")
    for result in (good, bad):
        board.note(result, NOW, Rotation())
        counters.pushed(result, repaired=result is good)
    counters.fetched("chat", failed=False)
    counters.took(0.2)
    counters.show(board, lambda: NOW)
    return board, counters


def test_every_metric() -> None:
    _, counters = metrics()
    found = {
        (sample.name.removeprefix(f"{PREFIX}_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(counters.text().decode())
        for sample in family.samples
    }
    assert found["credential_age_seconds", "bigip-a", "chat"] == 60
    assert found["credential_expiry_seconds", "bigip-a", "chat"] == 3540
    assert found["credential_expiry_seconds", "bigip-b", "chat"] == 0
    assert found["credential_in_order", "bigip-a", "chat"] == 1
    assert found["credential_in_order", "bigip-b", "chat"] == 0
    assert found["pushes_total", "bigip-a", "chat"] == 1
    assert found["drift_repaired_total", "bigip-a", "chat"] == 1
    assert found["failures_total", "bigip-b", "chat", "unreachable"] == 1
    assert found["source_fetches_total", "chat", "good"] == 1
    assert found["clock_skew_seconds", "bigip-a"] == 1.5
    assert found["device_seconds_count",] == 1


def test_endpoints() -> None:
    board, counters = metrics()
    endpoint = Endpoint(0, counters.text, lambda: board.troubles(NOW))
    try:
        base = f"http://127.0.0.1:{endpoint.port}"
        status, body = get(f"{base}/health")
        assert (status, json.loads(body)) == (503, {"ok": False, "problems": ["chat on bigip-b: bigip-b: dead"]})
        board.expect(["chat"], ["bigip-a"])
        assert get(f"{base}/health?x=1") == (200, '{"ok": true, "problems": []}\n')
        status, body = get(f"{base}/metrics")
        assert status == 200
        assert "bigip_sm_rotator_credential_expiry_seconds" in body
        assert get(f"{base}/secret")[0] == 404
        with pytest.raises(OSError, match="in use"):
            Endpoint(endpoint.port, counters.text, list)
    finally:
        endpoint.close()


def test_the_alert_rules_name_metrics_that_exist() -> None:
    _, counters = metrics()
    exposed = {
        sample.name for family in text_string_to_metric_families(counters.text().decode()) for sample in family.samples
    }
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len(rules) >= 5
    for rule in rules:
        used = set(re.findall(rf"{PREFIX}_[a-z_]+", rule["expr"]))
        assert used <= exposed, rule["alert"]
        assert used or "up{" in rule["expr"], rule["alert"]
        assert rule["annotations"]["summary"]
