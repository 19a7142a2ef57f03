"""iControl REST over HTTPS: who may do what, and every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from control_plane_kit import ADMIN, GUEST, ROTATOR, SECOND_ADMIN, Box, quickstart, start

from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.objects import DataGroup, Rule

LOGIN = "/mgmt/shared/authn/login"
TOKENS = "/mgmt/shared/authz/tokens"
PARTITIONS = "/mgmt/tm/auth/partition"
GROUPS = "/mgmt/tm/ltm/data-group/internal"
CHAT = f"{GROUPS}/~bigip_sm~quickstart.chat"


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


@pytest.fixture
def made(box: Box) -> Box:
    """A box with /bigip_sm/quickstart.chat."""
    box.make_credentials()
    return box


def credentials(account: Account, **changes: Any) -> dict[str, Any]:
    return {"username": account.name, "password": account.password, "loginProviderName": "tmos", **changes}


# Authentication


def test_token_serves_until_it_is_deleted(box: Box) -> None:
    token = box.login(ADMIN)
    headers = {"X-F5-Auth-Token": token}
    assert box.request("GET", PARTITIONS, user=None, headers=headers).status_code == 200
    assert box.request("GET", f"{TOKENS}/{token}", user=None, headers=headers).json()["timeout"] == 1200
    assert box.request("DELETE", f"{TOKENS}/{token}", user=None, headers=headers).status_code == 200
    answer = box.request("GET", PARTITIONS, user=None, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (401, "X-F5-Auth-Token does not exist.")


def test_token_expires_after_1200_seconds(box: Box) -> None:
    headers = {"X-F5-Auth-Token": box.login(ADMIN)}
    box.clock.now += 1199
    assert box.request("GET", PARTITIONS, user=None, headers=headers).status_code == 200
    box.clock.now += 1
    answer = box.request("GET", PARTITIONS, user=None, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (401, "X-F5-Auth-Token has expired.")


def test_token_life_is_extended(box: Box) -> None:
    token = box.login(ADMIN)
    headers = {"X-F5-Auth-Token": token}
    changed = box.request("PATCH", f"{TOKENS}/{token}", user=None, headers=headers, json={"timeout": 36000})
    assert changed.json()["timeout"] == 36000
    box.clock.now += 35999
    assert box.request("GET", PARTITIONS, user=None, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"timeout": 36001}, 406, "Auth-token absolute timeout (36000 seconds) exceeded"),
        ({"timeout": "soon"}, 400, "timeout must be"),
        ({"timeout": 0}, 400, "timeout must be"),
        ({"userName": "x"}, 501, "not emulated by the lab"),
    ],
)
def test_token_changes_refused(box: Box, body: dict[str, Any], status: int, text: str) -> None:
    token = box.login(ADMIN)
    answer = box.request("PATCH", f"{TOKENS}/{token}", json=body)
    assert answer.status_code == status
    assert text in answer.json()["message"]


def test_tokens_of_others_are_out_of_reach(box: Box) -> None:
    token = box.login(ADMIN)
    assert box.request("DELETE", f"{TOKENS}/{token}", user=SECOND_ADMIN).status_code == 401
    assert box.request("GET", f"{TOKENS}/nonsense").status_code == 404
    assert len(box.plane.tokens) == 1


def test_101st_token_is_refused_until_one_is_gone(box: Box) -> None:
    tokens = [box.login(ROTATOR) for _ in range(100)]
    refused = box.request("POST", LOGIN, user=None, json=credentials(ROTATOR))
    assert refused.status_code == 400
    assert "has reached maximum active login tokens" in refused.json()["message"]
    assert box.request("DELETE", f"{TOKENS}/{tokens[0]}", user=ROTATOR).status_code == 200
    box.login(ROTATOR)
    box.clock.now += 1200
    box.login(ROTATOR)


def test_user_admin_has_no_limit_of_tokens(box: Box) -> None:
    for _ in range(101):
        box.login(ADMIN)
    assert len(box.plane.tokens) == 101


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"password": "wrong"}, 401, "Authentication failed."),
        ({"username": "nobody"}, 401, "Authentication failed."),
        ({"loginProviderName": "ldap"}, 400, "loginProviderName is invalid."),
        ({"password": None}, 400, "must be specified"),
    ],
)
def test_logins_refused(box: Box, changes: dict[str, Any], status: int, text: str) -> None:
    answer = box.request("POST", LOGIN, user=None, json=credentials(ADMIN, **changes))
    assert answer.status_code == status
    assert text in answer.json()["message"]
    assert ADMIN.password not in answer.text


def test_no_credentials_are_answered_by_apache(box: Box) -> None:
    answer = box.request("GET", PARTITIONS, user=None)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", ["Basic !!!", "Basic YWRtaW4=", "Bearer x", "Basic YWRtaW46d3Jvbmc="])
def test_bad_authorization_is_401(box: Box, header: str) -> None:
    assert box.request("GET", PARTITIONS, user=None, headers={"Authorization": header}).status_code == 401


def test_passwords_stay_out_of_repr() -> None:
    assert ADMIN.password not in repr(ADMIN)


# Version, unknown paths, dates


def test_version(box: Box) -> None:
    for user in (ADMIN, ROTATOR):
        entries = box.request("GET", "/mgmt/tm/sys/version", user=user).json()["entries"]
        (stats,) = entries.values()
        assert stats["nestedStats"]["entries"]["Version"]["description"] == "17.1.1"
    assert box.request("GET", "/mgmt/tm/sys/").json()["selfLink"].endswith("ver=17.1.1")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/mgmt/tm/ltm/node", 404),
        ("GET", "/", 404),
        ("GET", "/mgmt/tm/sys/config", 501),
        ("GET", "/mgmt/tm/sys/version/0", 501),
        ("DELETE", f"{PARTITIONS}/Common", 501),
        ("DELETE", GROUPS, 501),
        ("GET", f"{GROUPS}/~Common~x/records", 404),
        ("GET", f"{GROUPS}?$top=1", 501),
        ("GET", f"{GROUPS}?$filter=name eq x", 501),
        ("GET", f"{GROUPS}/~Common~x?expand=1", 501),
        ("GET", LOGIN, 501),
        ("GET", TOKENS, 501),
        ("POST", "/mgmt/tm/sys", 501),
        ("DELETE", "/mgmt/tm/sys/folder/~Common", 501),
    ],
)
def test_what_is_not_emulated_says_so(box: Box, method: str, path: str, status: int) -> None:
    answer = box.request(method, path)
    assert answer.status_code == status
    assert "not emulated by the lab" in answer.json()["message"]


def test_date_follows_the_clock(box: Box) -> None:
    answer = box.request("GET", "/mgmt/tm/sys/version")
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == box.clock.now


# Partitions and folders


def test_partition_is_made_once(box: Box) -> None:
    body = {"name": "bigip_sm", "description": "credentials"}
    assert box.request("POST", PARTITIONS, json=body).json()["fullPath"] == "bigip_sm"
    again = box.request("POST", PARTITIONS, json=body)
    assert again.status_code == 409
    assert again.json()["message"].startswith("01020066:3:")
    names = [item["name"] for item in box.request("GET", PARTITIONS).json()["items"]]
    assert names == ["Common", "bigip_sm"]
    assert box.request("GET", f"{PARTITIONS}/bigip_sm").json()["description"] == "credentials"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": "a b"}, 400),
        ({"name": "x", "bogus": 1}, 400),
        ({"name": 1}, 400),
        ({"name": "x", "defaultRouteDomain": 2}, 501),
    ],
)
def test_partitions_refused(box: Box, body: dict[str, Any], status: int) -> None:
    assert box.request("POST", PARTITIONS, json=body).status_code == status
    assert box.plane.folders.partitions() == ("Common",)


def test_unknown_partition_is_404(box: Box) -> None:
    assert box.request("GET", f"{PARTITIONS}/nope").status_code == 404


def test_folder_leaves_the_device_group(made: Box) -> None:
    url = "/mgmt/tm/sys/folder/~bigip_sm"
    assert made.request("GET", url).json()["inheritedDevicegroup"] == "true"
    local = {"trafficGroup": "/Common/traffic-group-local-only", "inheritedTrafficGroup": "false"}
    detached = {"deviceGroup": "none", "inheritedDevicegroup": "false", **local}
    shown = made.request("PATCH", url, json=detached).json()
    assert {name: shown[name] for name in detached} == detached
    assert made.request("GET", "/mgmt/tm/sys/folder").json()["items"][1]["deviceGroup"] == "none"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"deviceGroup": "none"}, 400),  # the floating traffic group stays behind
        ({"deviceGroup": "/Common/sync"}, 404),
        ({"inheritedDevicegroup": True}, 400),
        ({"bogus": "x"}, 400),
    ],
)
def test_folder_changes_refused(made: Box, body: dict[str, Any], status: int) -> None:
    before = made.request("GET", "/mgmt/tm/sys/folder/~bigip_sm").json()
    assert made.request("PATCH", "/mgmt/tm/sys/folder/~bigip_sm", json=body).status_code == status
    assert made.request("GET", "/mgmt/tm/sys/folder/~bigip_sm").json() == before


def test_unknown_folder_is_404(box: Box) -> None:
    assert box.request("PATCH", "/mgmt/tm/sys/folder/~nope", json={"deviceGroup": "none"}).status_code == 404


# Data groups


def test_records_are_replaced_whole_sorted_and_trimmed(made: Box) -> None:
    made.request("PATCH", CHAT, json={"records": [{"name": "old", "data": "1"}]})
    records = [{"name": "b", "data": "2"}, {"name": "a"}, {"name": "B", "data": ""}]
    shown = made.request("PATCH", CHAT, json={"records": records}).json()
    assert shown["records"] == [{"name": "B"}, {"name": "a"}, {"name": "b", "data": "2"}]
    assert made.request("GET", CHAT).json() == shown


def test_empty_list_clears_and_null_does_nothing(made: Box) -> None:
    made.request("PATCH", CHAT, json={"records": [{"name": "a"}]})
    assert "records" in made.request("PATCH", CHAT, json={"records": None}).json()
    assert "records" not in made.request("PATCH", CHAT, json={"records": []}).json()
    assert "records" not in made.request("GET", CHAT).json()


def test_put_needs_the_type(made: Box) -> None:
    body: dict[str, Any] = {"records": [{"name": "a", "data": "1"}]}
    refused = made.request("PUT", CHAT, json=body)
    assert (refused.status_code, refused.json()["message"]) == (400, 'invalid property value "type":""')
    assert "records" not in made.request("GET", CHAT).json()
    assert made.request("PUT", CHAT, json={**body, "type": "string"}).json()["records"] == body["records"]


@pytest.mark.parametrize(
    ("records", "status", "code"),
    [
        ([{"name": "a"}, {"name": "a", "data": "2"}], 409, "01020066:3:"),
        ([{"name": "a", "data": "x" * 65_521}], 400, "01070712:3:"),
        ([{"name": "x" * 65_521}], 400, "01070712:3:"),
        ([{"name": "a", "data": "é" * 32_761}], 400, "01070712:3:"),
        ([{"name": ""}], 400, "01070734:3:"),
        ([{"name": "a", "bogus": 1}], 400, '"bogus" unknown property'),
        ([{"name": "a", "data": 1}], 400, "invalid property value"),
        (["a"], 400, "invalid property value"),
        ({"name": "a"}, 400, "invalid property value"),
    ],
)
def test_records_refused(made: Box, records: Any, status: int, code: str) -> None:
    made.request("PATCH", CHAT, json={"records": [{"name": "kept"}]})
    answer = made.request("PATCH", CHAT, json={"records": records})
    assert answer.status_code == status
    assert answer.json()["message"].startswith(code)
    assert made.request("GET", CHAT).json()["records"] == [{"name": "kept"}]


def test_longest_record(made: Box) -> None:
    longest = {"name": "a", "data": "x" * 65_520}
    assert made.request("PATCH", CHAT, json={"records": [longest]}).json()["records"] == [longest]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"partition": "bigip_sm", "type": "string"}, 400, "one or more properties must be specified"),
        ({"name": "x", "partition": "nope", "type": "string"}, 404, "01020036:3:"),
        ({"name": "x", "partition": "bigip_sm", "subPath": "sub", "type": "string"}, 404, "01020036:3:"),
        ({"name": "x", "partition": "bigip_sm"}, 400, 'invalid property value "type"'),
        ({"name": "x", "partition": "bigip_sm", "type": "text"}, 400, 'invalid property value "type"'),
        ({"name": "x", "partition": "bigip_sm", "type": "string", "data": 1}, 400, '"data" unknown property'),
        ({"name": "a b", "partition": "bigip_sm", "type": "string"}, 400, "01070734:3:"),
        ({"name": "quickstart.chat", "partition": "bigip_sm", "type": "string"}, 409, "01020066:3:"),
        ({"name": "/bigip_sm/quickstart.chat", "type": "string"}, 409, "01020066:3:"),
        ({"name": "x", "partition": "bigip_sm", "type": "string", "description": 1}, 400, "invalid property"),
        ({"name": "x", "type": "ip", "records": [{"name": "10.0.0.1/8"}]}, 400, "01070734:3:"),
        ({"name": "x", "type": "integer", "records": [{"name": "one"}]}, 400, "01070734:3:"),
    ],
)
def test_data_groups_refused(made: Box, body: dict[str, Any], status: int, text: str) -> None:
    before = list(made.config.all(DataGroup))
    answer = made.request("POST", GROUPS, json=body)
    assert answer.status_code == status
    assert text in answer.json()["message"]
    assert list(made.config.all(DataGroup)) == before


def test_types_are_stored_as_tmos_stores_them(box: Box) -> None:
    networks = [{"name": "10.0.0.0/8", "data": "a"}, {"name": "9.1.1.1"}, {"name": "2001:DB8::/32"}]
    shown = box.request("POST", GROUPS, json={"name": "nets", "type": "ip", "records": networks}).json()
    assert [record["name"] for record in shown["records"]] == ["9.1.1.1/32", "10.0.0.0/8", "2001:db8::/32"]
    numbers = [{"name": "10"}, {"name": 9}, {"name": "-1"}]
    shown = box.request("POST", GROUPS, json={"name": "n", "type": "integer", "records": numbers}).json()
    assert [record["name"] for record in shown["records"]] == ["-1", "9", "10"]


def test_type_changes_only_while_empty(made: Box) -> None:
    assert made.request("PATCH", CHAT, json={"type": "ip"}).json()["type"] == "ip"
    made.request("PATCH", CHAT, json={"records": [{"name": "10.0.0.0/8"}]})
    refused = made.request("PATCH", CHAT, json={"type": "string"})
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("0107074b:3:")


def test_unknown_property_of_a_data_group_is_refused(made: Box) -> None:
    assert made.request("PATCH", CHAT, json={"recrods": []}).status_code == 400


def test_description_is_kept(made: Box) -> None:
    assert made.request("PATCH", CHAT, json={"description": "credentials"}).json()["description"] == "credentials"


def test_escapes_of_names(made: Box) -> None:
    made.config.commit(put=[DataGroup("/Common/with space", "string")])
    assert made.request("GET", f"{GROUPS}/~Common~with%20space").json()["name"] == "with space"
    assert made.request("GET", f"{GROUPS}/with%20space").json()["fullPath"] == "/Common/with space"
    assert made.request("GET", f"{GROUPS}/%7Ebigip_sm%7Equickstart.chat").status_code == 200


def test_names_below_a_folder(made: Box) -> None:
    made.plane.folders.ensure("/bigip_sm/sub")
    body = {"name": "x", "partition": "bigip_sm", "subPath": "sub", "type": "string"}
    shown = made.request("POST", GROUPS, json=body).json()
    assert (shown["fullPath"], shown["subPath"], shown["partition"]) == ("/bigip_sm/sub/x", "sub", "bigip_sm")


def test_collection_and_filter(made: Box) -> None:
    made.config.commit(put=[DataGroup("/Common/other", "string")])
    names = [item["fullPath"] for item in made.request("GET", GROUPS).json()["items"]]
    assert names == ["/Common/other", "/bigip_sm/quickstart.chat"]
    one = made.request("GET", GROUPS, params={"$filter": "partition eq bigip_sm"}).json()["items"]
    assert [item["name"] for item in one] == ["quickstart.chat"]
    assert "items" not in made.request("GET", GROUPS, params={"$filter": "partition eq none"}).json()


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_unknown_data_group_is_404(made: Box, method: str) -> None:
    answer = made.request(method, f"{GROUPS}/~bigip_sm~nope", json={"records": []})
    assert answer.status_code == 404
    assert answer.json()["message"] == "01020036:3: The requested value list (/bigip_sm/nope) was not found."


def test_data_group_is_deleted(made: Box) -> None:
    assert made.request("DELETE", CHAT).status_code == 200
    assert made.request("GET", CHAT).status_code == 404


def test_data_group_that_a_rule_names_stays(made: Box) -> None:
    made.deploy(quickstart())
    refused = made.request("DELETE", CHAT)
    assert refused.status_code == 400
    assert refused.json()["message"] == (
        "01070265:3: The data group (/bigip_sm/quickstart.chat) cannot be deleted because it is in use by a rule "
        "(/quickstart/gateway/irule_public)."
    )
    made.config.commit(delete=list(made.config.all(Rule)))
    assert made.request("DELETE", CHAT).status_code == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_bodies_that_are_not_objects(made: Box, body: bytes) -> None:
    assert made.request("PATCH", CHAT, content=body).status_code == 400


# Roles


def test_manager_changes_data_groups_of_its_partition(made: Box) -> None:
    records = [{"name": "meta", "data": "1|2|3"}]
    assert made.request("PATCH", CHAT, user=ROTATOR, json={"records": records}).json()["records"] == records
    assert made.request("GET", CHAT, user=ROTATOR).status_code == 200
    body = {"name": "new", "partition": "bigip_sm", "type": "string"}
    assert made.request("POST", GROUPS, user=ROTATOR, json=body).status_code == 200
    assert made.request("DELETE", f"{GROUPS}/~bigip_sm~new", user=ROTATOR).status_code == 200


@pytest.mark.parametrize("user", [ROTATOR, GUEST])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{GROUPS}/~Common~other"),
        ("PATCH", f"{GROUPS}/~Common~other"),
        ("DELETE", f"{GROUPS}/~Common~other"),
        ("POST", GROUPS),
        ("GET", PARTITIONS),
        ("POST", PARTITIONS),
        ("PATCH", "/mgmt/tm/sys/folder/~bigip_sm"),
        ("GET", "/mgmt/tm/sys/folder"),
    ],
)
def test_everything_else_is_403(made: Box, user: Account, method: str, path: str) -> None:
    made.config.commit(put=[DataGroup("/Common/other", "string")])
    body: dict[str, Any] = {"name": "x", "type": "string", "partition": "Common"} if path == GROUPS else {"records": []}
    answer = made.request(method, path, user=user, json=body)
    assert answer.status_code == 403
    assert answer.json()["message"].startswith("01070822:3: Access Denied")


def test_guest_reads_no_credentials(made: Box) -> None:
    assert made.request("GET", CHAT, user=GUEST).status_code == 403
    assert "items" not in made.request("GET", GROUPS, user=GUEST).json()


def test_manager_lists_its_partition_only(made: Box) -> None:
    made.config.commit(put=[DataGroup("/Common/other", "string")])
    items = made.request("GET", GROUPS, user=ROTATOR).json()["items"]
    assert [item["fullPath"] for item in items] == ["/bigip_sm/quickstart.chat"]


def test_as3_needs_an_administrator(made: Box) -> None:
    for user in (ROTATOR, GUEST):
        answer = made.request("POST", "/mgmt/shared/appsvcs/declare", user=user, json=quickstart())
        assert answer.status_code == 401
        assert answer.json()["message"].startswith("Authorization failed: user=")
    assert made.request("GET", "/mgmt/shared/appsvcs/info", user=SECOND_ADMIN).status_code == 200
