"""Transactions: queued, invisible, all or nothing, gone after two minutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from control_plane_kit import ADMIN, ROTATOR, SECOND_ADMIN, Box, small, start

from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.objects import DataGroup, Rule

TRANSACTIONS = "/mgmt/tm/transaction"
GROUPS = "/mgmt/tm/ltm/data-group/internal"
RULES = "/mgmt/tm/ltm/rule"
CHAT = f"{GROUPS}/~bigip_sm~quickstart.chat"
RULE = "when HTTP_REQUEST { class lookup x /Common/words }"


@pytest.fixture
def box() -> Iterator[Box]:
    for made in start():
        made.make_credentials()
        yield made


def begin(box: Box, user: Account = ADMIN) -> int:
    answer = box.request("POST", TRANSACTIONS, json={}, user=user).json()
    assert (answer["state"], answer["timeoutSeconds"], answer["kind"]) == ("STARTED", 120, "tm:transactionstate")
    return int(answer["transId"])


def queue(box: Box, number: int, method: str, path: str, body: Any = None, user: Account = ADMIN) -> httpx.Response:
    return box.request(method, path, json=body, user=user, headers={"X-F5-REST-Coordination-Id": str(number)})


def commit(box: Box, number: int, user: Account = ADMIN, **more: Any) -> httpx.Response:
    return box.request("PATCH", f"{TRANSACTIONS}/{number}", json={"state": "VALIDATING", **more}, user=user)


def test_nothing_is_seen_before_the_commit_and_all_after_it(box: Box) -> None:
    number = begin(box)
    # The rule comes first although it names the data group: only the end counts.
    queued = queue(box, number, "POST", RULES, {"name": "hello", "apiAnonymous": RULE}).json()
    assert (queued["kind"], queued["method"], queued["evalOrder"], queued["commandId"]) == (
        "tm:transaction:commandsstate",
        "POST",
        1,
        1,
    )
    assert queued["body"] == {"name": "hello", "apiAnonymous": RULE}
    queue(box, number, "POST", GROUPS, {"name": "words", "type": "string"})
    queue(box, number, "PATCH", f"{GROUPS}/words", {"records": [{"name": "a"}]})
    queue(box, number, "PATCH", CHAT, {"records": [{"name": "meta"}]})
    assert box.request("GET", f"{GROUPS}/words").status_code == 404
    assert queue(box, number, "GET", f"{GROUPS}/words").status_code == 404
    assert "records" not in box.request("GET", CHAT).json()
    assert commit(box, number).json()["state"] == "COMPLETED"
    assert box.config.get(DataGroup, "/Common/words") == DataGroup("/Common/words", "string", (("a", ""),))
    assert box.config.get(Rule, "/Common/hello") == Rule("/Common/hello", RULE)
    assert box.request("GET", CHAT).json()["records"] == [{"name": "meta"}]
    assert commit(box, number).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", RULES, {"name": "hello", "apiAnonymous": RULE}, 400, "Unable to find value_list (/Common/words)"),
        ("POST", RULES, {"name": "hello", "apiAnonymous": "when NOPE { }"}, 400, "01070151:3:"),
        ("PATCH", f"{GROUPS}/words", {"records": []}, 404, "01020036:3:"),
        ("POST", GROUPS, {"name": "quickstart.chat", "partition": "bigip_sm", "type": "string"}, 409, "01020066:3:"),
        ("POST", GROUPS, {"name": "x"}, 400, 'invalid property value "type"'),
        ("PATCH", f"{CHAT}?options=records+delete+%7B+x+%7D", {}, 404, "01020036:3:"),
    ],
)
def test_one_failure_undoes_all(box: Box, method: str, path: str, body: Any, status: int, text: str) -> None:
    number = begin(box)
    queue(box, number, "PATCH", CHAT, {"records": [{"name": "meta"}]})
    assert queue(box, number, method, path, body).status_code == 200
    before = box.configured()
    refused = commit(box, number)
    assert (refused.status_code, refused.json()["apiError"]) == (status, 2)
    assert refused.json()["message"].startswith("transaction failed:")
    assert text in refused.json()["message"]
    assert box.configured() == before


def test_validation_only_changes_nothing(box: Box) -> None:
    number = begin(box)
    queue(box, number, "PATCH", CHAT, {"records": [{"name": "meta"}]})
    assert commit(box, number, validateOnly=True).json()["validateOnly"]
    assert "records" not in box.request("GET", CHAT).json()
    number = begin(box)
    queue(box, number, "POST", RULES, {"name": "hello", "apiAnonymous": "when NOPE { }"})
    assert commit(box, number, validateOnly=True).status_code == 400


def test_two_minutes_of_life(box: Box) -> None:
    number = begin(box)
    box.clock.now += 119
    assert queue(box, number, "PATCH", CHAT, {"records": [{"name": "meta"}]}).status_code == 200
    box.clock.now += 1
    assert commit(box, number).status_code == 404
    assert queue(box, number, "PATCH", CHAT, {"records": []}).status_code == 404
    assert box.request("GET", f"{TRANSACTIONS}/{number}").status_code == 404
    assert "items" not in box.request("GET", TRANSACTIONS).json()
    assert "records" not in box.request("GET", CHAT).json()


def test_life_was_shorter_on_11_5() -> None:
    for box in start(version="11.5.4"):
        assert box.request("POST", TRANSACTIONS, json={}).json()["timeoutSeconds"] == 30


def test_queue_is_listed_reordered_and_thinned(box: Box) -> None:
    number = begin(box)
    for name in ("a", "b", "c"):
        queue(box, number, "PATCH", CHAT, {"records": [{"name": name}]})
    commands = f"{TRANSACTIONS}/{number}/commands"
    assert box.request("PATCH", f"{commands}/1", json={"evalOrder": 3}).json()["evalOrder"] == 3
    assert [item["commandId"] for item in box.request("GET", commands).json()["items"]] == [2, 3, 1]
    assert box.request("DELETE", f"{commands}/1").status_code == 200
    assert box.request("GET", f"{commands}/3").json()["body"] == {"records": [{"name": "c"}]}
    bad = box.request("GET", f"{commands}/3/members/")
    assert (bad.status_code, bad.json()["message"]) == (400, "Found invalid command id 3/members")
    for body in ({"evalOrder": 4}, {"evalOrder": "1"}, {"method": "GET"}):
        assert box.request("PATCH", f"{commands}/3", json=body).status_code == 400
    commit(box, number)
    assert box.request("GET", CHAT).json()["records"] == [{"name": "c"}]


def test_deleted_transaction_is_forgotten(box: Box) -> None:
    number = begin(box)
    queue(box, number, "PATCH", CHAT, {"records": [{"name": "meta"}]})
    assert box.request("DELETE", f"{TRANSACTIONS}/{number}").status_code == 200
    assert commit(box, number).status_code == 404
    assert "records" not in box.request("GET", CHAT).json()


def test_roles_hold_at_the_commit(box: Box) -> None:
    number = begin(box, ROTATOR)
    queue(box, number, "PATCH", CHAT, {"records": [{"name": "meta"}]}, ROTATOR)
    queue(box, number, "POST", GROUPS, {"name": "words", "type": "string"}, ROTATOR)
    refused = commit(box, number, ROTATOR)
    assert (refused.status_code, "01070822:3:" in refused.json()["message"]) == (403, True)
    assert "records" not in box.request("GET", CHAT).json()


def test_transactions_of_others_are_out_of_reach(box: Box) -> None:
    number = begin(box)
    assert queue(box, number, "PATCH", CHAT, {"records": []}, SECOND_ADMIN).status_code == 404
    assert commit(box, number, SECOND_ADMIN).status_code == 404
    assert "items" not in box.request("GET", TRANSACTIONS, user=SECOND_ADMIN).json()
    assert [item["transId"] for item in box.request("GET", TRANSACTIONS).json()["items"]] == [number]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/mgmt/shared/appsvcs/declare", small(), 501),
        ("POST", "/mgmt/tm/sys/config", {"command": "save"}, 501),
        ("POST", "/mgmt/tm/auth/partition", {"name": "x"}, 501),
        ("PATCH", f"{TRANSACTIONS}/1", {"state": "VALIDATING"}, 501),
        ("DELETE", GROUPS, None, 501),
    ],
)
def test_what_cannot_be_queued(box: Box, method: str, path: str, body: Any, status: int) -> None:
    number = begin(box)
    assert queue(box, number, method, path, body).status_code == status
    assert (
        "items" not in box.request("GET", f"{TRANSACTIONS}/{number}/commands").json()
        or not box.request("GET", f"{TRANSACTIONS}/{number}/commands").json()["items"]
    )


@pytest.mark.parametrize("body", [{}, {"state": "STARTED"}, {"state": "VALIDATING", "x": 1}, {"validateOnly": True}])
def test_commits_refused(box: Box, body: dict[str, Any]) -> None:
    number = begin(box)
    assert box.request("PATCH", f"{TRANSACTIONS}/{number}", json=body).status_code == 400
    assert box.request("GET", f"{TRANSACTIONS}/{number}").json()["state"] == "STARTED"
    assert commit(box, number, validateOnly="yes").status_code == 400


def test_broken_json_is_refused_at_once(box: Box) -> None:
    number = begin(box)
    headers = {"X-F5-REST-Coordination-Id": str(number)}
    assert box.request("PATCH", CHAT, content=b"{", headers=headers).status_code == 400
    assert box.request("POST", TRANSACTIONS, json={"transId": 1}).status_code == 400
    assert box.request("PUT", TRANSACTIONS, json={}).status_code == 501
