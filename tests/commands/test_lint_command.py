"""`bigip-sm lint`: what it reads, what it prints, and the exit code."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bigip_sm.commands.main import main
from bigip_sm.lint import RULES
from bigip_sm.lint.pages import page

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
HEADER = "# Purpose: an example\n"
GOOD = HEADER + "when HTTP_REQUEST priority 500 {\n    pool web_pool\n}\n"
WARNS = GOOD.replace(" priority 500", "")
FAILS = GOOD.replace("pool web_pool", "exec ls")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_schema(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> str:
    Path(name).write_text(text, "utf-8")
    return name


def test_nothing_found(capsys: Capture) -> None:
    assert main(["lint", write("a.tcl", GOOD)]) == 0
    assert capsys.readouterr().out == "1 file: nothing found\n"


@pytest.mark.parametrize(
    ("text", "level", "code"),
    [(GOOD, "warning", 0), (WARNS, "error", 0), (WARNS, "warning", 2), (FAILS, "error", 2), (FAILS, "warning", 2)],
)
def test_exit_codes(text: str, level: str, code: int, capsys: Capture) -> None:
    assert main(["lint", write("a.tcl", text), "--fail-level", level, "--output", "json"]) == code
    assert json.loads(capsys.readouterr().out)["ok"] is (code == 0)


def test_a_finding_as_text(capsys: Capture) -> None:
    assert main(["lint", write("a.tcl", FAILS)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines == ['a.tcl:3:5: BSM-R005 command is disabled: "exec"', "1 file: 1 error, 0 warnings"]


@pytest.mark.parametrize("output", ["json", "sarif"])
@pytest.mark.parametrize(("text", "code"), [(GOOD, 0), (FAILS, 2), ("hello", 1)])
def test_json_is_valid_whatever_the_exit_code(output: str, text: str, code: int, capsys: Capture) -> None:
    assert main(["lint", write("a.tcl", text), "--output", output]) == code
    assert json.loads(capsys.readouterr().out)


def test_github(capsys: Capture) -> None:
    assert main(["lint", write("a.tcl", FAILS), "--output", "github"]) == 2
    assert capsys.readouterr().out == '::error file=a.tcl,line=3,col=5,title=BSM-R005::command is disabled: "exec"\n'


def test_what_cannot_be_read_does_not_hide_the_rest(capsys: Capture) -> None:
    write("b.tcl", FAILS)
    Path("dir").mkdir()
    assert main(["lint", "missing.tcl", "dir", write("text", "hello\n"), "b.tcl"]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "error: missing.tcl: No such file or directory",
        "error: dir: Is a directory",
        "error: text: neither an iRule (it has no when and no proc), nor an AS3 declaration, nor a gateway.yaml",
    ]
    assert captured.out.splitlines()[-1] == "1 file: 1 error, 0 warnings, 3 could not be read"


def test_stdin(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FAILS.encode())))
    assert main(["lint", "-"]) == 2
    assert capsys.readouterr().out.startswith("stdin:3:5: BSM-R005 ")


def test_a_file_is_read_once(capsys: Capture) -> None:
    assert main(["lint", write("a.tcl", GOOD), "a.tcl"]) == 0
    assert capsys.readouterr().out == "1 file: nothing found\n"


def test_a_declaration_with_a_rule_in_it(capsys: Capture) -> None:
    item = {"class": "iRule", "expand": False, "iRule": FAILS}
    document = {"class": "ADC", "T": {"class": "Tenant", "A": {"class": "Application", "rule": item}}}
    assert main(["lint", write("d.json", json.dumps({"class": "AS3", "declaration": document}))]) == 2
    assert capsys.readouterr().out.startswith("d.json:/T/A/rule:3:5: BSM-R005 ")


def test_a_gateway(capsys: Capture) -> None:
    assert main(["lint", str(QUICKSTART), "--fail-level", "warning"]) == 0
    text = QUICKSTART.read_text("utf-8").replace("owner:", "colour: blue\nowner:")
    assert main(["lint", write("gateway.yaml", text)]) == 2
    assert capsys.readouterr().out.splitlines()[1].startswith("gateway.yaml:4: spec colour: ")
    assert main(["lint", "gateway.yaml", "--select", "BSM-R001"]) == 2


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["BSM-R015", "BSM-R005"]),
        (["--select", "BSM-R015"], ["BSM-R015"]),
        (["--select", "BSM-R015,BSM-R005"], ["BSM-R015", "BSM-R005"]),
        (["--select", "BSM-R015", "--select", "BSM-R001"], ["BSM-R015"]),
        (["--select", "BSM-R"], ["BSM-R015", "BSM-R005"]),
        (["--select", "BSM-D"], []),
        (["--ignore", "BSM-R015"], ["BSM-R005"]),
        (["--select", "BSM-R", "--ignore", "BSM-R005"], ["BSM-R015"]),
    ],
)
def test_choosing_rules(options: list[str], found: list[str], capsys: Capture) -> None:
    write("a.tcl", FAILS.replace(" priority 500", ""))
    main(["lint", "a.tcl", "--output", "json", *options])
    assert [one["rule"] for one in json.loads(capsys.readouterr().out)["findings"]] == found


@pytest.mark.parametrize("option", ["--select", "--ignore", "--explain"])
def test_rules_that_do_not_exist(option: str, capsys: Capture) -> None:
    assert main(["lint", write("a.tcl", GOOD), option, "BSM-X001"]) == 1
    assert capsys.readouterr().err.startswith("error: no rule BSM-X001; ")


def test_explain(capsys: Capture) -> None:
    assert main(["lint", "--explain", "BSM-R003"]) == 0
    assert capsys.readouterr().out == page(RULES["BSM-R003"])


def test_two_runs_print_the_same(capsys: Capture) -> None:
    names = [write("b.tcl", WARNS), write("a.tcl", FAILS)]
    outputs = []
    for _ in range(2):
        main(["lint", *names])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert [line.partition(":")[0] for line in outputs[0].splitlines()[:-1]] == ["b.tcl", "a.tcl"]
