"""Units, timer and cron entry: text that systemd and cron accept."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from rotator.install import KINDS, Installation, render
from rotator.main import main

NAMES = {
    "systemd": "bigip-sm-rotator.service",
    "oneshot": "bigip-sm-rotator-once.service",
    "timer": "bigip-sm-rotator-once.timer",
}
PLAIN = Installation(
    Path("/etc/bigip-sm/gateway.yaml"),
    Path("/etc/bigip-sm/devices.yaml"),
    ("/bin/true",),
    "bigip-sm-rotator",
    Path("/etc/bigip-sm/rotator.env"),
    Path("/var/lib/bigip-sm-rotator"),
)
ODD = Installation(
    Path('/home/me/my "gate" 100%/g$HOME.yaml'),
    Path("/etc/d;e.yaml"),
    ("/bin/true",),
    "bigip-sm-rotator",
    Path("/etc/rotator 1.env"),
    Path("/var/lib/x"),
)


@pytest.mark.parametrize("where", [PLAIN, ODD], ids=["plain", "odd"])
def test_systemd_accepts_the_units(tmp_path: Path, where: Installation) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine (Debian package systemd)")
    for kind, name in NAMES.items():
        (tmp_path / name).write_text(render(kind, where))
    checked = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / name) for name in NAMES.values())],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in checked.stderr.splitlines() if "bigip-sm-rotator" in line]
    assert (checked.returncode, ours) == (0, [])


def test_systemd_finds_the_unit_hardened(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine (Debian package systemd)")
    unit = tmp_path / NAMES["systemd"]
    unit.write_text(render("systemd", PLAIN))
    checked = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", "--threshold=20", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "offline" in checked.stderr:
        pytest.skip("this systemd-analyze cannot look at a unit that is not installed")
    assert checked.returncode == 0, checked.stdout[-300:]


def test_the_unit_says_what_the_daemon_relies_on() -> None:
    unit = render("systemd", PLAIN)
    lines = unit.splitlines()
    for line in ("Type=notify", "WatchdogSec=60", "Restart=always", "StateDirectory=bigip-sm-rotator", "UMask=0077"):
        assert line in lines
    assert "ProtectHome=yes" in lines
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert not [line for line in lines if "{{" in line or "{%" in line]
    assert unit.endswith("WantedBy=multi-user.target\n")


def test_odd_paths_are_quoted_for_systemd() -> None:
    unit = render("systemd", ODD)
    assert '"/home/me/my \\"gate\\" 100%%/g$$HOME.yaml"' in unit
    assert "ProtectHome=read-only" in unit


def test_odd_paths_are_quoted_for_cron(tmp_path: Path) -> None:
    """What cron would hand to the shell runs the program with the very arguments."""
    line = render("cron", ODD).splitlines()[-1]
    command = line.split(" ", 6)[6].replace("\\%", "%")
    seen = tmp_path / "seen"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\necho told; exit 1\n')
    program.chmod(0o755)
    ran = subprocess.run(
        ["/bin/sh", "-c", command.replace("/bin/true", shlex.quote(str(program)))],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.stdout == "told\n"
    assert seen.read_text().splitlines() == [
        "once",
        str(ODD.gateway),
        "--devices",
        str(ODD.devices),
        "--state",
        str(ODD.state),
    ]
    assert line.startswith("*/5 * * * * bigip-sm-rotator ")


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_command_prints_absolute_paths(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "gateway.yaml", "--devices", "devices.yaml", "--print", kind, "--user", "rotator"]) == 0
    printed = capsys.readouterr().out
    assert str(Path("gateway.yaml").absolute()) in printed or kind == "timer"
    assert os.linesep + "[Install]" in printed or kind in ("cron", "oneshot")


def test_a_user_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "--print", "cron", "--user", "root; reboot"]) == 1
    assert "is not the name of a user" in capsys.readouterr().err
