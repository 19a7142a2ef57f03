"""Rotations under load, and a failover to a standby after three of them: nothing is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_rotations_under_load_and_failover_to_the_standby() -> None:
    command = [sys.executable, str(BENCHMARK), "--seconds", "3", "--per-second", "3", "--connections", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    sys.stdout.write(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert "failover after 3 rotations" in done.stdout
    assert done.stdout.endswith("0 refused, 0 invalid signatures\n")
