"""`bigip-sm lab run` and `bigip-sm lab commands`, as somebody with an iRule of their own uses them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bigip_sm.commands.main import main
from bigip_sm.errors import LabError
from bigip_sm.lab.tcl.catalogue import CATALOGUE
from bigip_sm.lab.tcl.events import EVENTS
from bigip_sm.lab.tryout import parse_group
from bigip_sm.lab.tryout.show import short, word

RULE = """
when RULE_INIT { log local0. "ready" }
when CLIENTSSL_HANDSHAKE {
    set name ""
    if {[SSL::cert count] > 0} { set name [X509::subject [SSL::cert 0] commonName] }
}
when HTTP_REQUEST {
    if {[class match [IP::client_addr] equals blocked]} {
        HTTP::respond 403 content "no" X-By rule
        return
    }
    log local0. "[HTTP::method] [HTTP::uri] by $name"
    HTTP::header insert X-Client $name
    if {[HTTP::path] starts_with "/api"} { pool api }
}
when HTTP_RESPONSE { HTTP::header replace Server hidden }
"""


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "my rule.tcl"
    path.write_text(RULE)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``lab run``."""
    code = main(["lab", "run", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def steps(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    """The steps of ``lab run --output json``."""
    code, out, err = run(capsys, *arguments, "--output", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert set(document) == {"rule", "created", "steps"}
    found: list[dict[str, Any]] = document["steps"]
    return found


def of(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in step.items() if key != "step"} for step in found if step["step"] == kind]


def test_everything_that_happens_is_shown_in_order(rule: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (rule, "--request", "POST /api/x?y=1", "--body", "hello", "--client-certificate", "alice")
    code, out, err = run(capsys, *arguments, "--upstream-header", "Server: Apache/1.3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        "rule /Common/my_rule",
        "made up for it: data group /Common/blocked (empty, of type string)",
        "made up for it: pool /Common/api (one member that answers)",
        "made up for it: pool /Common/virtual_pool (the virtual server's own, one member that answers)",
    ]
    expected = [
        "RULE_INIT",
        "    log: Rule /Common/my_rule <RULE_INIT>: ready",
        "CLIENTSSL_HANDSHAKE",
        "    SSL::cert count  -> 2",
        "==> POST /api/x?y=1",
        "HTTP_REQUEST",
        "    class match 127.0.0.1 equals blocked  -> 0",
        "    HTTP::header insert X-Client alice",
        "    pool api",
        "LB_SELECTED   (no handler)",
        "    request to pool /Common/api, member 198.51.100.2:80:",
        "        POST /api/x?y=1 HTTP/1.1",
        "        X-Client: alice",
        "        hello",
        "HTTP_RESPONSE",
        "<== 200 OK",
        "        Server: hidden",
        "        hello",
        "CLIENT_CLOSED   (no handler)",
    ]
    places = [lines.index(line) for line in expected]
    assert places[:-2] == sorted(places[:-2])
    assert "    log: Rule /Common/my_rule <HTTP_REQUEST>: POST /api/x?y=1 by alice" in lines


def test_json_says_the_same_to_programs(rule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "blocked.txt").write_text("10.0.0.0/8\n203.0.113.7 := scanner\n")
    group = f"blocked={tmp_path / 'blocked.txt'}"
    found = steps(capsys, rule, "--data-group", group, "--client-address", "203.0.113.7", "--header", "Host: a.example")
    (answer,) = of(found, "response")
    assert (answer["status"], answer["body"]) == (403, "no")
    assert ["X-By", "rule"] in answer["headers"]
    assert of(found, "upstream-request") == []
    events = [(step["name"], step["handled"]) for step in of(found, "event")]
    assert events[:4] == [
        ("RULE_INIT", True),
        ("CLIENT_ACCEPTED", False),
        ("CLIENTSSL_HANDSHAKE", True),
        ("HTTP_REQUEST", True),
    ]
    match = [step for step in of(found, "command") if step["words"][0] == "class"]
    assert match == [{"words": ["class", "match", "203.0.113.7", "equals", "blocked"], "result": "1", "failed": False}]


def test_requests_go_over_one_connection_one_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "count.tcl").write_text(
        "when CLIENT_ACCEPTED { set n 0 }\nwhen HTTP_REQUEST { HTTP::respond 200 content [incr n] }\n"
    )
    found = steps(capsys, tmp_path / "count.tcl", "--request", "GET /a", "--request", "HEAD /b", "--request", "GET /c")
    assert [step["body"] for step in of(found, "response")] == ["1", "", "3"]
    assert [step["target"] for step in of(found, "client-request")] == ["/a", "/b", "/c"]


def test_what_goes_wrong_in_the_rule_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrong.tcl").write_text("when HTTP_REQUEST { HTTP::uri nonsense }\n")
    code, out, _ = run(capsys, tmp_path / "wrong.tcl")
    assert code == 0
    assert "    HTTP::uri nonsense  error: the URI of a request must start with /" in out
    assert "01220001:3: TCL error: /Common/wrong <HTTP_REQUEST> - " in out
    assert "<== no response: the connection was " in out


def test_bodies_and_answers_come_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.tcl").write_text("when HTTP_RESPONSE { HTTP::header insert X-Status [HTTP::status] }\n")
    (tmp_path / "body").write_bytes(b"\x00\xff")
    (tmp_path / "answer").write_bytes(b"answer")
    how = ("--request", "PUT /", "--body", f"@{tmp_path / 'body'}", "--upstream-body", f"@{tmp_path / 'answer'}")
    found = steps(capsys, tmp_path / "r.tcl", *how, "--upstream-status", "503", "--pool", "/Common/mine")
    (sent,) = of(found, "upstream-request")
    assert (sent["pool"], sent["method"], sent["body"]) == ("/Common/mine", "PUT", "\x00\xff")
    (answer,) = of(found, "response")
    assert (answer["status"], answer["body"]) == (503, "answer")
    assert ["X-Status", "503"] in answer["headers"]


def test_a_rule_with_server_side_tls_gets_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tls.tcl").write_text("when SERVERSSL_HANDSHAKE { log local0. [SSL::cipher version] }\n")
    found = steps(capsys, tmp_path / "tls.tcl")
    assert any(step["text"].endswith(": TLSv1.3") for step in of(found, "log"))
    assert of(found, "upstream-request")[0]["member"] == "198.51.100.1:443"


def test_a_rule_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"when HTTP_REQUEST { HTTP::redirect /new }\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    code, out, _ = run(capsys, "-")
    assert code == 0
    assert "<== 302 Found" in out
    assert "        Location: /new" in out


def test_a_rule_that_does_not_load_is_refused_in_tmos_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.tcl").write_text("when HTTP_REQUEST {\n    nonsense 1\n    HTTP::uri a b c\n}\n")
    code, out, err = run(capsys, tmp_path / "bad.tcl")
    assert (code, out) == (1, "")
    first, second = err.splitlines()
    assert first == (
        "error: 01070151:3: Rule [/Common/bad] error: /Common/bad:2: error: [undefined procedure: nonsense][nonsense 1]"
    )
    assert second.startswith("error: /Common/bad:3: error: [")
    code, out, _ = run(capsys, tmp_path / "bad.tcl", "--output", "json")
    assert code == 1
    assert [len(problem["message"]) > 20 for problem in json.loads(out)["problems"]] == [True, True]


def test_an_endless_rule_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigip_sm.lab.tryout.run.RULE_LIMIT", 0.2)
    monkeypatch.setattr("bigip_sm.lab.tryout.run.MAX_STEPS", 50)
    (tmp_path / "endless.tcl").write_text("when HTTP_REQUEST { while 1 { catch { HTTP::uri } } }\n")
    code, out, _ = run(capsys, tmp_path / "endless.tcl")
    assert code == 0
    assert "ran for more than 0.2 s" in out
    assert len(out.splitlines()) < 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--request", "GET"), "write 'GET' as METHOD TARGET"),
        (("--request", "GET /a b"), "as METHOD TARGET"),
        (("--header", "Host"), "write 'Host' as NAME: VALUE"),
        (("--header", "A: b\r\nC: d"), "on one line"),
        (("--data-group", "a"), "write 'a' as NAME=FILE"),
        (("--data-group", "a=nowhere.txt"), "nowhere.txt"),
        (("--body", "@nowhere.json"), "nowhere.json"),
        (("--client-address", "here"), "'here' is no IP address"),
        (("--upstream-status", "99"), "99"),
    ],
)
def test_wrong_options_are_one_clear_line(
    rule: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, rule, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("run", "commands", "up"):
        assert main(["lab", verb, "--help"]) == 0
        assert "Examples:" in capsys.readouterr().out


# data groups


@pytest.mark.parametrize(
    ("text", "kind", "records"),
    [
        ("", "string", ()),
        ("# comment\n\na := b\n", "string", (("a", "b"),)),
        ("/path/ := x y := z\n", "string", (("/path/", "x y := z"),)),
        ('"a, \\"b\\"" := "c",\n"d"\n', "string", (('a, "b"', "c"), ("d", ""))),
        ("network 10.0.0.0/8 := office,\nhost 10.1.2.3,\n", "ip", (("10.0.0.0/8", "office"), ("10.1.2.3", ""))),
        ("2001:db8::/32\n192.0.2.1 := one\n", "ip", (("2001:db8::/32", ""), ("192.0.2.1", "one"))),
        ("1 := one\n-2 := two\n", "integer", (("1", "one"), ("-2", "two"))),
        ("1 := one\na\n", "string", (("1", "one"), ("a", ""))),
        ("a := 1\na := 2\n", "string", (("a", "2"),)),
    ],
)
def test_data_groups_are_read_from_text(text: str, kind: str, records: tuple[tuple[str, str], ...]) -> None:
    group = parse_group("g", text)
    assert (group.name, group.type, group.records) == ("g", kind, records)


def test_the_type_of_a_data_group_may_be_said() -> None:
    assert parse_group("g:string", "10.0.0.1\n").type == "string"
    with pytest.raises(LabError, match="type words is none of string, ip, integer"):
        parse_group("g:words", "")


def test_a_line_that_is_no_record_is_named() -> None:
    with pytest.raises(LabError, match="data group g, line 2: write a record as"):
        parse_group("g", 'a := b\n"a := b\n')


# commands


def test_the_list_of_commands_names_every_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "commands"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(CATALOGUE)


def test_a_command_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "commands", "HTTP::collect"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("HTTP::collect: ")
    assert "\nUsage:\n  HTTP::collect" in out
    assert "\n  HTTP_REQUEST\n" in out
    assert "CLIENT_ACCEPTED" not in out


def test_commands_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "commands", "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [command["name"] for command in document] == sorted(CATALOGUE)
    for command in document:
        assert set(command) == {"name", "summary", "usage", "events"}
        assert command["usage"]
        assert set(command["events"]) <= set(EVENTS)
        assert all(form["form"].startswith(command["name"]) for form in command["usage"])


def test_an_unknown_command_is_refused_with_what_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "commands", "http::head"]) == 1
    assert "the lab does not emulate http::head; there is HTTP::header" in capsys.readouterr().err


def test_values_are_shown_on_one_short_line() -> None:
    assert word("") == "{}"
    assert word("a b") == "{a b}"
    assert word("plain") == "plain"
    assert short("a\nb") == "a\\nb"
    assert short("x" * 101) == "x" * 100 + "... (101 characters)"
    assert short("\x30\x82\x01\xff" * 20).startswith("<80 bytes: 308201ff")
