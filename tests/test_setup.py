"""`make setup` on machines that lack something: one clear line, and nothing left behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A clone on a machine whose PATH holds a shell's basic tools and the Pythons that a test adds to ``bin``."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "cat"):
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    shutil.copytree(ROOT / ".ci", tmp_path / "clone" / ".ci")
    return tmp_path


def add_python(machine: Path, name: str, verdict: str) -> Path:
    """A command that answers the question of .ci/setup with ``verdict``, or is no Python if that is empty."""
    path = machine / "bin" / name
    answer = f"cat > /dev/null; echo {verdict}" if verdict else "echo 'command not found' >&2; exit 127"
    path.write_text(f"#!{machine}/bin/sh\n{answer}\n", "utf-8")
    path.chmod(0o755)
    return path


def setup(machine: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(machine / "clone" / ".ci" / "setup")],
        env={"PATH": str(machine / "bin"), "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [
        ({"python3": "no-tkinter"}, "python3 has no tkinter"),
        ({"python3": "no-tkinter"}, "python3-tk"),
        ({"python3": "no-venv"}, "python3-venv"),
        ({"python3": "old"}, "no Python 3.10 or newer found"),
        ({}, "no Python 3.10 or newer found"),
        ({"python3": "old", "python3.12": "no-tkinter"}, "python3.12 has no tkinter"),
        ({"python3": ""}, "no Python 3.10 or newer found"),
    ],
)
def test_one_line_says_what_to_install(machine: Path, pythons: dict[str, str], expected: str) -> None:
    for name, verdict in pythons.items():
        add_python(machine, name, verdict)
    ran = setup(machine)
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: ")
    assert expected in line
    assert not (machine / "clone" / ".venv").exists()


def test_a_python_that_fits_is_preferred(machine: Path) -> None:
    add_python(machine, "python3", "no-tkinter")
    add_python(machine, "python3.11", "fits")
    # It is not a real Python: what it answers to `-m venv` is no environment, so the set-up ends there.
    assert "with python3.11" in setup(machine).stdout


def test_the_named_python_is_the_only_one_tried(machine: Path) -> None:
    add_python(machine, "python3", "fits")
    chosen = add_python(machine, "other", "old")
    ran = setup(machine, python=str(chosen))
    assert ran.returncode == 1
    assert f"tried: {chosen}" in ran.stderr


def test_the_question_is_answered_by_this_python() -> None:
    """The part of .ci/setup that a Python runs: ours has everything, so it fits."""
    text = (ROOT / ".ci" / "setup").read_text("utf-8")
    question = text.split("<<'PYTHON' || true\n")[1].split("\nPYTHON\n")[0]
    ran = subprocess.run([sys.executable, "-"], input=question, capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout == "fits\n"
