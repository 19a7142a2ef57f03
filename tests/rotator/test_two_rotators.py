"""Two rotators for one simulated day on one gateway, one of them killed and started again at random."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "two_rotators.py"


@pytest.mark.parametrize(("hours", "kills", "least", "most"), [(24, 40, 36, 92), (4, 0, 6, 12)])
def test_a_day_of_two_rotators(hours: int, kills: int, least: int, most: int) -> None:
    """Never a bad record on a device, and no more writes than two rotators may need."""
    command = [sys.executable, str(BENCHMARK), "--hours", str(hours), "--devices", "1", "--kills", str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    sys.stdout.write(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    writes = [int(found) for found in re.findall(r"(\d+) writes", done.stdout)]
    assert len(writes) == 2
    assert all(least <= count <= most for count in writes)
