"""`bigip-sm lab declare`, as somebody with an AS3 declaration of their own uses it."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bigip_sm.commands.main import main

RULE = "when HTTP_REQUEST { if {[class match -- [HTTP::host] equals /Common/blocked]} { reject } }"


def declaration(**items: Any) -> dict[str, Any]:
    """A small application: an http virtual server, a rule that names a data group of the device, a pool."""
    application = {
        "class": "Application",
        "template": "generic",
        "web": {
            "class": "Service_HTTP",
            "virtualAddresses": ["192.0.2.10"],
            "persistenceMethods": [],
            "pool": "servers",
            "iRules": ["rule"],
        },
        "servers": {"class": "Pool", "members": [{"servicePort": 80, "serverAddresses": ["10.0.0.1"]}]},
        "rule": {"class": "iRule", "expand": False, "iRule": {"base64": base64.b64encode(RULE.encode()).decode()}},
        "own": {"class": "Data_Group", "keyDataType": "string", "records": [{"key": "a", "value": "b"}]},
        **items,
    }
    tenant = {"class": "Tenant", "Shop": application}
    return {"class": "ADC", "schemaVersion": "3.50.0", "id": "shop", "Store": tenant}


@pytest.fixture
def blocked(tmp_path: Path) -> str:
    path = tmp_path / "blocked.txt"
    path.write_text("evil.example.com\n")
    return f"/Common/blocked={path}"


def told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, document: dict[str, Any], *arguments: str
) -> tuple[int, str]:
    """Exit code and stdout of ``lab declare``."""
    path = tmp_path / "declaration.json"
    path.write_text(json.dumps(document))
    code = main(["lab", "declare", str(path), *arguments])
    return code, capsys.readouterr().out


def test_what_is_made_is_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path, blocked: str) -> None:
    code, out = told(capsys, tmp_path, declaration(), "--data-group", blocked)
    assert code == 0
    first, *objects = out.splitlines()
    assert first == "200 Store: success"
    assert sorted(tuple(line.split()) for line in objects) == [
        ("ltm", "data-group", "internal", "/Store/Shop/own", "1", "records"),
        ("ltm", "pool", "/Store/Shop/servers"),
        ("ltm", "rule", "/Store/Shop/rule"),
        ("ltm", "virtual", "/Store/Shop/web", "192.0.2.10:80"),
    ]


def test_what_tmos_refuses_is_told_in_its_words_and_nothing_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out = told(capsys, tmp_path, declaration())
    assert code == 1
    assert out == (
        "422 Store: declaration failed: 01070151:3: Rule [/Store/Shop/rule] error: "
        "Unable to find value_list (/Common/blocked)\n"
    )


def test_what_as3_refuses_is_told_with_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out = told(capsys, tmp_path, declaration(rule={"class": "iRule", "iRule": {"base64": "?"}}))
    assert code == 1
    assert out.startswith("422 declaration is invalid\n  /Store/Shop/rule/iRule")


def test_what_is_not_emulated_is_refused_by_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    waf = {"class": "WAF_Policy", "url": "https://example.com/policy"}
    code, out = told(capsys, tmp_path, declaration(waf=waf))
    assert code == 1
    assert "/Store/Shop/waf: class WAF_Policy is not emulated by the lab" in out


def test_json_has_the_answer_as_as3_gives_it(capsys: pytest.CaptureFixture[str], tmp_path: Path, blocked: str) -> None:
    code, out = told(capsys, tmp_path, declaration(), "--data-group", blocked, "--output", "json")
    document = json.loads(out)
    assert (code, document["status"]) == (0, 200)
    (result,) = document["answer"]["results"]
    assert (result["tenant"], result["message"]) == ("Store", "success")
    assert {"kind": "ltm virtual", "path": "/Store/Shop/web", "detail": "192.0.2.10:80"} in document["objects"]


def test_stdin_that_is_no_json_is_answered_as_as3_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{")))
    assert main(["lab", "declare", "-"]) == 1
    assert capsys.readouterr().out.startswith("400 cannot parse JSON POST payload (")


def test_a_data_group_needs_its_full_path(capsys: pytest.CaptureFixture[str], tmp_path: Path, blocked: str) -> None:
    path = tmp_path / "declaration.json"
    path.write_text(json.dumps(declaration()))
    assert main(["lab", "declare", str(path), "--data-group", blocked.removeprefix("/Common/")]) == 1
    assert "error: blocked: write its full path, such as /Common/blocked" in capsys.readouterr().err


def test_a_declaration_of_this_project_is_taken(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "declarations" / "quickstart"
    document = json.loads((folder / "declaration.json").read_text())
    assert "Unable to find /Common/models.crt" in told(capsys, tmp_path, document)[1]
    given = ["--certificate", "/Common/models", "--certificate", "/Common/clients-ca"]
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    for group in json.loads((folder / "data-groups.json").read_text()):
        if group["owner"] != "as3":
            given += ["--data-group", f"{group['path']}={empty}"]
    code, out = told(capsys, tmp_path, document, *given)
    assert code == 0, out
    assert "/quickstart/gateway/listener_public  10.20.0.10:443" in out
