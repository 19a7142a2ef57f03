"""`bigip-sm render`: what is printed, and files that are whole or untouched."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from bigip_sm.commands.main import main
from bigip_sm.commands.render import write_files

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
Capture = pytest.CaptureFixture[str]


def test_it_prints_the_same_declaration_every_time(capsys: Capture) -> None:
    assert main(["render", str(QUICKSTART)]) == 0
    first = capsys.readouterr().out
    assert main(["render", str(QUICKSTART)]) == 0
    assert capsys.readouterr().out == first
    assert json.loads(first)["class"] == "ADC"


def test_standard_input_gives_the_same(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["render", str(QUICKSTART)]) == 0
    first = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(QUICKSTART.read_bytes())))
    assert main(["render", "-"]) == 0
    assert capsys.readouterr().out == first


def test_json_holds_the_readable_rule_too(capsys: Capture) -> None:
    assert main(["render", str(QUICKSTART), "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"declaration", "irules", "data_groups"}
    assert "when HTTP_REQUEST" in document["irules"]["public"]
    assert {group["owner"] for group in document["data_groups"]} == {"as3", "rotator"}


def test_it_writes_and_says_what_it_wrote(tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "new" / "build"
    assert main(["render", str(QUICKSTART), "-o", str(target)]) == 0
    said = [line.removeprefix("wrote ") for line in capsys.readouterr().out.splitlines()]
    assert sorted(said) == sorted(str(path) for path in target.rglob("*") if path.is_file())
    assert json.loads((target / "declaration.json").read_text("utf-8"))["class"] == "ADC"
    assert main(["render", str(QUICKSTART), "-o", str(target), "--output", "json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["written"]) == sorted(said)


def test_a_spec_with_errors_writes_nothing(tmp_path: Path, capsys: Capture) -> None:
    spec = tmp_path / "gateway.yaml"
    spec.write_text(QUICKSTART.read_text("utf-8").replace("upstream: churn\n", "upstream: nowhere\n"), "utf-8")
    assert main(["render", str(spec), "-o", str(tmp_path / "build")]) == 1
    assert str(spec) in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


def test_the_written_files_are_readable_by_others_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        (path,) = write_files(tmp_path, {"a": "x\n"})
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failure_half_way_leaves_the_old_files(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "old\n", "b": "old\n"})
    with pytest.raises(UnicodeEncodeError):
        write_files(tmp_path, {"a": "new\n", "b": "\udcff"})
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {"a": "old\n", "b": "old\n"}


def test_a_directory_that_is_a_file_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    shutil.copy(QUICKSTART, tmp_path / "build")
    assert main(["render", str(QUICKSTART), "-o", str(tmp_path / "build")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "is a file" in line
