"""`bigip-sm validate`: which checks ran, what they found, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bigip_sm.commands.main import main

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def no_schema(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Two mistakes: a dangling upstream and an unknown key."""
    text = QUICKSTART.read_text("utf-8").replace("upstream: churn\n", "upstream: nowhere\n")
    path = tmp_path / "gateway.yaml"
    path.write_text(text.replace("owner:", "colour: blue\nowner:"), "utf-8")
    return path


@pytest.mark.usefixtures("no_schema")
def test_the_quickstart_is_valid_and_the_skipped_check_says_why(capsys: Capture) -> None:
    assert main(["validate", str(QUICKSTART)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "passed   gateway.yaml",
        "passed   rendering",
        "passed   own rules",
        "skipped  F5's AS3 schema (not on this machine; get it with: bigip-sm schema fetch)",
        f"{QUICKSTART}: valid",
    ]
    assert captured.err == ""


@pytest.mark.usefixtures("no_schema")
def test_the_same_as_json(capsys: Capture) -> None:
    assert main(["validate", str(QUICKSTART), "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert document["findings"] == []
    assert [check["status"] for check in document["checks"]] == ["passed", "passed", "passed", "skipped"]


def test_every_mistake_is_a_finding(broken: Path, capsys: Capture) -> None:
    assert main(["validate", str(broken), "--output", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert len(document["findings"]) == 2
    assert all(finding["where"].startswith(f"{broken}:") for finding in document["findings"])
    assert [check["status"] for check in document["checks"]] == ["failed", "skipped", "skipped", "skipped"]


def test_every_mistake_is_a_line(broken: Path, capsys: Capture) -> None:
    assert main(["validate", str(broken)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["error", "error"]
    assert any("nowhere" in line for line in lines)
    assert lines[-1] == f"{broken}: not valid"


def test_an_error_of_f5s_schema_fails(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    import bigip_sm.lint
    from bigip_sm.lint import Finding

    monkeypatch.setattr(bigip_sm.lint, "find_schema", lambda: Path("as3-schema.json"))
    monkeypatch.setattr(
        bigip_sm.lint, "validate_schema", lambda declaration, schema: [Finding("as3-schema", "error", "/x", "no")]
    )
    assert main(["validate", str(QUICKSTART)]) == 1
    out = capsys.readouterr().out
    assert "error: /x: no [as3-schema]" in out
    assert "failed   F5's AS3 schema" in out
