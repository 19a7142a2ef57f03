"""`bigip-sm demo FOLDER`: a walk through a gateway, told in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from callers_kit import API_KEY, SPEC

from bigip_sm.commands.main import main
from bigip_sm.demo.walk import FILE, load_walk
from bigip_sm.errors import SpecError

Capture = pytest.CaptureFixture[str]


def asked(claim: str, caller: str, path: str, **more: Any) -> dict[str, Any]:
    return {"claim": claim, "caller": caller, "path": path, "json": {"a": 1}, **more}


WALK: dict[str, Any] = {
    "version": 1,
    "callers": {
        "dora": {"identity": "cloud", "subject": "dora", "groups": ["gold"]},
        "late": {"identity": "cloud", "claims": {"exp": 1_700_000_000}},
        "robot": {"identity": "realm", "principal_class": "service", "scopes": ["models.invoke"]},
        "acme": {"api_key": API_KEY},
        "carol": {"certificate": "carol"},
        "batch": {"address": "10.30.7.9"},
        "nobody": {},
    },
    "steps": [
        {
            "title": "Every way to be known",
            "requests": [
                asked(
                    "by token",
                    "dora",
                    "/groups",
                    repeat=2,
                    expect={"status": 200, "reaches_aws": True, "sent_has": ["principal=cloud%3Adora"]},
                ),
                asked("by scope", "robot", "/scopes", expect={"status": 200, "sent_lacks": ["Bearer"]}),
                asked("by key", "acme", "/open", expect={"status": 200, "body_has": ["predictions"]}),
                asked("by certificate", "carol", "/groups", expect={"status": 200}),
                asked("by network", "batch", "/open", expect={"status": 200, "headers": {"Content-Type": "json"}}),
            ],
        },
        {
            "title": "And not to be",
            "requests": [
                asked("nobody", "nobody", "/open", expect={"status": 401, "reason": "unauthenticated"}),
                asked(
                    "too late", "late", "/open", expect={"status": 401, "reason": "jwt-expired", "reaches_aws": False}
                ),
            ],
        },
    ],
}


def folder(place: Path, walk: dict[str, Any]) -> Path:
    (place / "gateway.yaml").write_text(SPEC)
    (place / FILE).write_text(yaml.safe_dump(walk, sort_keys=False))
    return place


def test_a_walk_is_verified_step_by_step(tmp_path: Path, capsys: Capture) -> None:
    assert main(["demo", str(folder(tmp_path, WALK)), "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verified"] is True
    assert [step["step"] for step in report["steps"]][2:4] == ["Every way to be known", "And not to be"]
    checks = {check["claim"]: check["seen"] for step in report["steps"] for check in step["checks"]}
    assert checks["too late"] == "401 jwt-expired"
    assert checks["result for every role"] == "['pushed']"


@pytest.mark.parametrize(
    ("expect", "seen"),
    [
        ({"status": 403, "reason": "not-allowed"}, "200"),
        ({"status": 200, "reaches_aws": False}, "['accepted']"),
        ({"status": 200, "sent_lacks": ["principal=cloud%3Adora"]}, "False"),
        ({"status": 200, "headers": {"Content-Type": "text/html"}}, "application/json"),
        ({"status": 200, "body_has": ["unheard of"]}, '{"endpoint": "echo-v1"'),
    ],
)
def test_what_does_not_come_true_ends_the_walk_with_1(
    tmp_path: Path, capsys: Capture, expect: dict[str, Any], seen: str
) -> None:
    request = asked("a claim", "dora", "/groups", expect=expect)
    walk = {**WALK, "steps": [{"title": "One", "requests": [request]}, *WALK["steps"]]}
    assert main(["demo", str(folder(tmp_path, walk)), "--output", "json"]) == 1
    last = json.loads(capsys.readouterr().out)["steps"][-1]
    assert last["step"] == "One"
    (failed,) = [check for check in last["checks"] if not check["verified"]]
    assert failed["seen"].startswith(seen)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"callers": {"other": {}}}, "there is no caller"),
        ({"steps": []}, "steps"),
        ({"version": 2}, "version"),
        ({"stepps": 1}, "stepps"),
    ],
)
def test_a_walk_with_a_mistake_is_told_by_its_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as raised:
        load_walk(folder(tmp_path, {**WALK, **change}))
    assert f"{FILE}:" in str(raised.value)


def test_a_folder_without_a_walk_is_told_so(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "gateway.yaml").write_text(SPEC)
    assert main(["demo", str(tmp_path)]) == 1
    assert f"{FILE}:1: cannot be read" in capsys.readouterr().err
