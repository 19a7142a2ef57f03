"""``bigip-sm demo`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from gateway_kit import ROOT


def demo(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("bigip-sm")), "demo", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_every_step_is_verified() -> None:
    done = demo("--output", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert report["verified"] is True
    assert len(report["steps"]) == 9
    assert all(step["verified"] and step["checks"] for step in report["steps"])
    assert report["seconds"] < 60


def test_the_text_shows_each_step_and_a_summary() -> None:
    done = demo()
    assert done.returncode == 0, done.stdout
    assert "9. Apply again" in done.stdout
    assert done.stdout.count("verified") == 9
    assert "Traceback" not in done.stderr


def test_elsewhere_it_says_where_to_run_it(tmp_path: Path) -> None:
    done = demo(folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: declarations/quickstart/gateway.yaml is not here")


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_step_that_fails_is_shown_and_ends_with_1(kind: str, tmp_path: Path) -> None:
    """A quickstart that nobody may call fails at the first request that should pass."""
    folder = tmp_path / "declarations" / "quickstart"
    folder.mkdir(parents=True)
    text = (ROOT / "declarations" / "quickstart" / "gateway.yaml").read_text()
    (folder / "gateway.yaml").write_text(text.replace("staff:alice, ", ""))
    done = demo("--output", kind, folder=tmp_path)
    assert done.returncode == 1
    if kind == "json":
        report = json.loads(done.stdout)
        assert report["verified"] is False
        (failed,) = [one for one in report["steps"][-1]["checks"] if not one["verified"]][:1]
        assert (failed["expected"], failed["seen"]) == ("503 credentials-missing", "403 not-allowed")
    else:
        assert "expected: 503 credentials-missing" in done.stdout
        assert "seen:     403 not-allowed" in done.stdout


def test_the_enterprise_example_walks_through_everything(tmp_path: Path) -> None:
    """In any folder, since the example is named."""
    done = demo(str(ROOT / "declarations" / "enterprise"), "--output", "json", folder=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 0, [
        check for step in report["steps"] for check in step["checks"] if not check["verified"]
    ]
    assert report["verified"] is True
    assert len(report["steps"]) == 9
    claims = {check["claim"]: check["seen"] for step in report["steps"] for check in step["checks"]}
    assert claims["the sixth request of a minute"] == "429 too-many-requests"
    assert claims["a prompt that wants its instructions forgotten"] == "403 guard-prompt-injection"
