"""iRules by iControl REST: TMOS loads them, and keeps what is in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from control_plane_kit import ADMIN, GUEST, ROTATOR, Box, encoded, group, service, small, start

from bigip_sm.lab.bigip.objects import Rule

RULES = "/mgmt/tm/ltm/rule"
GROUPS = "/mgmt/tm/ltm/data-group/internal"
TEXT = "when HTTP_REQUEST {\n    HTTP::respond 200\n}\n"


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def make(box: Box, text: str = TEXT, **more: Any) -> Any:
    return box.request("POST", RULES, json={"name": "hello", "partition": "Common", "apiAnonymous": text, **more})


def test_rule_is_made_read_changed_and_deleted(box: Box) -> None:
    made = make(box).json()
    assert (made["kind"], made["fullPath"], made["apiAnonymous"]) == ("tm:ltm:rule:rulestate", "/Common/hello", TEXT)
    assert box.request("GET", f"{RULES}/~Common~hello").json() == made
    assert box.request("GET", f"{RULES}/hello").json() == made
    other = TEXT.replace("200", "204")
    for method in ("PATCH", "PUT"):
        changed = box.request(method, f"{RULES}/~Common~hello", json={"apiAnonymous": other}).json()
        assert changed["apiAnonymous"] == other
        assert box.request(method, f"{RULES}/~Common~hello", json={}).json()["apiAnonymous"] == other
    assert box.request("DELETE", f"{RULES}/~Common~hello").status_code == 200
    gone = box.request("GET", f"{RULES}/~Common~hello")
    assert (gone.status_code, gone.json()["message"]) == (
        404,
        "01020036:3: The requested iRule (/Common/hello) was not found.",
    )


def test_collection_is_filtered_and_narrowed(box: Box) -> None:
    make(box)
    box.deploy(small(rule=encoded(TEXT)))
    names = [item["fullPath"] for item in box.request("GET", RULES).json()["items"]]
    assert set(names) >= {"/Common/hello", "/T/A/rule"}
    shown = box.request("GET", f"{RULES}?$filter=partition+eq+T&$select=name,partition").json()["items"]
    assert shown == [{"name": "rule", "partition": "T"}]
    assert box.request("GET", f"{RULES}/~T~A~rule?$select=name").json() == {"name": "rule"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("when NOPE { }", "01070151:3:"),
        ("when HTTP_REQUEST { class lookup x /Common/nope }", "Unable to find value_list (/Common/nope)"),
        ("when HTTP_REQUEST { pool /Common/nope }", "Unable to find pool (/Common/nope)"),
    ],
)
def test_rule_that_does_not_load_is_refused(box: Box, text: str, message: str) -> None:
    answer = make(box, text)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    make(box)
    assert box.request("PATCH", f"{RULES}/hello", json={"apiAnonymous": text}).status_code == 400
    assert box.config.get(Rule, "/Common/hello") == Rule("/Common/hello", TEXT)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "hello"}, 409),
        ({"name": "x", "definition": "y"}, 400),
        ({"name": "x", "apiAnonymous": 1}, 400),
        ({"name": "x", "partition": "nope"}, 404),
        ({"apiAnonymous": TEXT}, 400),
    ],
)
def test_rules_refused(box: Box, body: dict[str, Any], status: int) -> None:
    make(box)
    assert box.request("POST", RULES, json=body).status_code == status


def test_rule_in_use_stays_and_fits_its_virtual_server(box: Box) -> None:
    box.deploy(small(vs=service(iRules=["rule"]), rule=encoded(TEXT)))
    refused = box.request("DELETE", f"{RULES}/~T~A~rule")
    assert refused.status_code == 400
    assert refused.json()["message"] == (
        "01070265:3: The rule (/T/A/rule) cannot be deleted because it is in use by a virtual server (/T/A/vs)."
    )
    needs_tls = "when CLIENTSSL_HANDSHAKE { set a 1 }"
    refused = box.request("PATCH", f"{RULES}/~T~A~rule", json={"apiAnonymous": needs_tls})
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("01070394:3:")


def test_data_group_that_a_rule_names_stays(box: Box) -> None:
    assert box.request("POST", GROUPS, json={"name": "words", "type": "string"}).status_code == 200
    make(box, "when HTTP_REQUEST { class lookup x words }")
    assert box.request("DELETE", f"{GROUPS}/words").status_code == 400
    assert box.request("DELETE", f"{RULES}/hello").status_code == 200
    assert box.request("DELETE", f"{GROUPS}/words").status_code == 200


def test_roles(box: Box) -> None:
    box.make_credentials()
    assert make(box, partition="bigip_sm").status_code == 200
    for user, status in ((ROTATOR, 200), (GUEST, 403), (ADMIN, 200)):
        assert box.request("GET", f"{RULES}/~bigip_sm~hello", user=user).status_code == status
    make(box)
    assert box.request("PATCH", f"{RULES}/~Common~hello", user=ROTATOR, json={}).status_code == 403
    assert box.request("DELETE", f"{RULES}/~Common~hello", user=ROTATOR).status_code == 403
    assert [item["partition"] for item in box.request("GET", RULES, user=ROTATOR).json()["items"]] == ["bigip_sm"]


def test_as3_deletes_what_is_added_to_its_tenant(box: Box) -> None:
    box.deploy(small(dg=group()))
    assert make(box, partition="T", subPath="A").status_code == 200
    box.deploy(small(dg=group()))
    assert box.config.get(Rule, "/T/A/hello") is None


@pytest.mark.parametrize("path", [RULES, f"{RULES}/~Common~hello/stats"])
def test_what_rules_do_not_do(box: Box, path: str) -> None:
    assert box.request("DELETE", path).status_code in (404, 501)
