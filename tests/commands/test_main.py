"""Every failure becomes one line and an exit code; JSON stays JSON."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bigip_sm import __version__
from bigip_sm.commands import validate
from bigip_sm.commands.main import VERBS, main
from bigip_sm.console import wants_json
from bigip_sm.errors import DeviceTimeout, Problem, SpecError

Fail = Callable[[BaseException], None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Make ``validate`` raise something."""

    def install(error: BaseException) -> None:
        def examine(file: Path) -> None:
            raise error

        monkeypatch.setattr(validate, "examine", examine)

    return install


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_help_lists_every_verb_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for verb in VERBS:
        assert any(line.startswith(f"  {verb} ") and len(line.split()) > 3 for line in lines), verb


def test_without_arguments_the_help_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Commands:" in captured.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nonsense"], "error: No such command 'nonsense'. (see: bigip-sm --help)\n"),
        (["validate"], "error: Missing argument 'FILE'. (see: bigip-sm validate --help)\n"),
        (["schema", "fetch", "--nope"], "error: No such option '--nope'. (see: bigip-sm schema fetch --help)\n"),
    ],
)
def test_usage_errors_are_one_line_and_exit_1(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err == line
    assert captured.out == ""


def test_one_line_a_problem(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    fail(SpecError([Problem("g.yaml", 9, "b", "is wrong", "do x"), Problem("g.yaml", 3, "a", "is wrong", "do y")]))
    assert main(["validate", "g.yaml"]) == 1
    assert capsys.readouterr().err == "error: g.yaml:3: a: is wrong; do y\nerror: g.yaml:9: b: is wrong; do x\n"


def test_the_same_as_json(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    fail(SpecError([Problem("g.yaml", 9, "b", "is wrong", "do x")]))
    assert main(["validate", "g.yaml", "--output", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert document["problems"] == [
        {"message": "g.yaml:9: b: is wrong; do x", "file": "g.yaml", "line": 9, "path": "b", "fix": "do x"}
    ]


@pytest.mark.parametrize("arguments", [["validate", "--output=json"], ["nonsense", "--output", "json"]])
def test_json_even_for_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert json.loads(capsys.readouterr().out)["problems"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["x", "--output", "json"], True),
        (["x", "--output=json"], True),
        (["x", "--output", "text", "json"], False),
        (["json", "--output"], False),
    ],
)
def test_wants_json(arguments: list[str], wanted: bool) -> None:
    assert wants_json(arguments) is wanted


def test_an_error_over_several_lines_is_one_line(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    fail(DeviceTimeout("bigip1", "no answer\n  in 10 s"))
    assert main(["validate", "g.yaml"]) == 1
    assert capsys.readouterr().err == "error: bigip1: no answer in 10 s\n"


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "gateway.yaml"
    assert main(["render", str(missing)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {missing}")
    assert "No such file" in line or "not" in line


def test_a_defect_is_one_line_without_the_message(
    fail: Fail, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIGIP_SM_DEBUG", raising=False)
    fail(KeyError("a-secret"))
    assert main(["validate", "g.yaml"]) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("error: unexpected KeyError at test_main.py:")
    assert "BIGIP_SM_DEBUG=1" in line
    assert "a-secret" not in captured.err + captured.out


def test_debug_shows_the_traceback(
    fail: Fail, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGIP_SM_DEBUG", "1")
    fail(KeyError("x"))
    assert main(["validate", "g.yaml"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_missing_lab_package_names_the_extra(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    fail(ModuleNotFoundError("No module named 'httptools'", name="httptools"))
    assert main(["validate", "g.yaml"]) == 1
    assert capsys.readouterr().err == "error: httptools is missing: pip install 'bigip-sm[lab]' brings the lab\n"


def test_ctrl_c_exits_130_without_a_traceback(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    fail(KeyboardInterrupt())
    assert main(["validate", "g.yaml"]) == 130
    assert capsys.readouterr().err.strip() == "error: interrupted"


def test_a_reader_that_goes_away_makes_no_noise() -> None:
    program = "import sys; from bigip_sm.commands.main import main; sys.exit(main(['--help']))"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (1, "")


def test_standard_input_that_is_not_utf_8(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"version: \xff")))
    assert main(["render", "-"]) == 1
    assert capsys.readouterr().err == "error: stdin: not UTF-8 at byte 9; gateway.yaml is UTF-8 text\n"
