"""What AS3 keeps and shows: stored declarations, hashes, defaults, the lock, settings, tasks, bursts."""

from __future__ import annotations

import base64
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from control_plane_kit import ROTATOR, Box, Json, encoded, group, official_schema, pki, quickstart, small, start

from bigip_sm.lab.bigip.as3.storage import LOCK
from bigip_sm.lab.bigip.objects import DataGroup

AS3 = "/mgmt/shared/appsvcs"
DECLARE = f"{AS3}/declare"
TASK = f"{AS3}/task"
GROUPS = "/mgmt/tm/ltm/data-group/internal"
PREFIX = "____appsvcs_declaration-"
ASYNC = {"async": "true"}


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def result(box: Box, task: str) -> Json:
    """The first result of a task, as it is now."""
    shown: Json = box.request("GET", f"{TASK}/{task}").json()["results"][0]
    return shown


def stored(box: Box) -> list[Json]:
    """The data groups in /Common with stored declarations."""
    items = box.request("GET", f"{GROUPS}?$filter=partition+eq+Common").json()["items"]
    return [item for item in items if item["name"].startswith(PREFIX)]


# Stored declarations


def test_declaration_is_kept_in_clear_in_common(box: Box) -> None:
    box.deploy(small(dg=group(("a", "secret-value"))))
    (item,) = stored(box)
    assert item["name"] == f"{PREFIX}{int(box.clock.now * 1000)}"
    assert (item["type"], item["description"]) == ("integer", "f5 AS3 declaration (see info in record 0)")
    about, *pieces = (record["data"] for record in item["records"])
    assert about == "date^2026-09-21T14:13:20.000Z|id^small|tenants^T|blocks^1"
    assert b"secret-value" in zlib.decompress(base64.b64decode("".join(pieces)))
    assert len(box.request("GET", GROUPS, user=ROTATOR).json().get("items", [])) == 0


def test_long_declaration_takes_several_records(box: Box) -> None:
    # Hashes do not compress.
    digests = [
        "".join(hashlib.sha512(b"%d/%d" % (number, part)).hexdigest() for part in range(16)) for number in range(70)
    ]
    declaration = small(dg=group(*((f"k{number}", digest) for number, digest in enumerate(digests))))
    box.deploy(declaration)
    (item,) = stored(box)
    assert len(item["records"]) > 2
    assert len(item["records"][1]["data"]) == 64_512
    assert box.request("GET", DECLARE).json()["T"] == declaration["T"]


def test_metadata_can_be_compressed(box: Box) -> None:
    box.request("POST", f"{AS3}/settings", json={"encodeDeclarationMetadata": True})
    box.deploy(small(dg=group()))
    (item,) = stored(box)
    assert zlib.decompress(base64.b64decode(item["records"][0]["data"])).startswith(b"date^")
    assert "T" in box.request("GET", DECLARE).json()


def test_ages(box: Box) -> None:
    for number in range(6):
        box.deploy(small(dg=group(("n", str(number)))))
        box.clock.now += 60
    listed = box.request("GET", DECLARE, params={"age": "list"}).json()
    assert [entry["age"] for entry in listed] == [0, 1, 2, 3]
    assert listed[0]["timestamp"] - listed[1]["timestamp"] == 60_000
    assert listed[0]["date"].endswith("Z")
    for age, value in ((0, "5"), (3, "2")):
        shown = box.request("GET", DECLARE, params={"age": str(age)}).json()
        assert shown["T"]["A"]["dg"]["records"] == [{"key": "n", "value": value}]
    assert box.request("GET", DECLARE, params={"age": "4"}).status_code == 204
    assert box.request("GET", f"{DECLARE}/T", params={"age": "4"}).status_code == 404


def test_nothing_stored_is_204(box: Box) -> None:
    for path, status in (("", 204), ("?age=list", 204), ("/T", 404), ("?show=base", 204)):
        assert box.request("GET", f"{DECLARE}{path}").status_code == status


@pytest.mark.parametrize(
    ("method", "query", "status", "message"),
    [
        ("GET", "age=16", 400, 'invalid age value "16" - must be between 0-15 or "list"'),
        ("GET", "age=x", 400, 'invalid age value "x" - must be a number between 0-15 or "list"'),
        ("POST", "age=1", 400, 'query param "age" is not allowed for method Post'),
        ("GET", "show=all", 400, 'show must be "base", "full", or "expanded"'),
        ("GET", "showHash=1", 400, 'showHash must be "true" or "false"'),
        ("DELETE", "showHash=true", 400, 'query param "showHash" is not allowed for method Delete'),
        ("DELETE", "filterClass=Pool", 400, 'query param "filterClass" is not allowed for method Delete'),
        ("GET", "async=true", 400, 'query param "async" is not allowed for method=GET or action=retrieve.'),
        ("POST", "async=1", 400, 'async must be "true" or "false"'),
        ("POST", "unchecked=1", 400, 'unchecked must be "true" or "false"'),
        ("POST", "controls.dryRun=yes", 400, 'dryRun must be "true" or "false"'),
        ("POST", "controls.logLevel=loud", 400, 'logLevel must be "emergency"'),
        ("GET", "show=expanded", 501, "show=expanded: not emulated by the lab"),
        ("GET", "show=full", 501, "show=full without F5's AS3 schema: not emulated by the lab"),
        ("POST", "show=full", 501, "not emulated by the lab"),
    ],
)
def test_queries_refused(box: Box, method: str, query: str, status: int, message: str) -> None:
    box.deploy(small(dg=group()))
    answer = box.request(method, f"{DECLARE}?{query}", json=small(dg=group()))
    assert answer.status_code == status
    assert message in answer.json()["message"]


def test_show_full_fills_in_defaults() -> None:
    for box in start(official_schema()):
        declaration = small(pool_bare={"class": "Pool", "members": []})
        box.deploy(declaration)
        assert box.request("GET", f"{DECLARE}/T", params={"show": "base"}).json()["T"] == declaration["T"]
        full = box.request("GET", f"{DECLARE}/T", params={"show": "full"}).json()["T"]["A"]
        assert full["template"] == "generic"
        assert full["pool_bare"]["loadBalancingMode"] == "round-robin"


def test_filter_by_class(box: Box) -> None:
    box.make_credentials()
    box.deploy(quickstart())
    shown = box.request("GET", DECLARE, params={"filterClass": "Data_Group"}).json()
    assert set(shown["quickstart"]["gateway"]) == {"access", "networks_batch"}
    assert box.request("GET", DECLARE, params={"filterClass": "WAF_Policy"}).json() == {}


# Optimistic locking


def test_tenant_that_changed_meanwhile_is_refused(box: Box) -> None:
    box.deploy(small(dg=group(("a", "1"))))
    key = box.request("GET", DECLARE, params={"showHash": "true"}).json()["T"]["optimisticLockKey"]
    assert "optimisticLockKey" not in box.request("GET", DECLARE).json()["T"]

    def with_key(value: str) -> Json:
        declaration = small(dg=group(("a", value)))
        declaration["T"]["optimisticLockKey"] = key
        return declaration

    box.deploy(with_key("2"))
    refused = box.declare(with_key("3"))
    assert refused.status_code == 422
    assert refused.json()["results"][0]["message"].startswith("The hash you submitted does not match the hash on the")
    found = box.config.get(DataGroup, "/T/A/dg")
    assert found is not None
    assert found.records == (("a", "2"),)
    answer = box.declare(small(dg=group(("a", "4"))), showHash="true").json()
    assert answer["declaration"]["T"]["optimisticLockKey"] != key


# Dry run with details, unchecked


def test_dry_run_shows_changes_and_traces(box: Box) -> None:
    box.deploy(small(dg=group(("a", "1")), gone=group()))
    wanted = small(dg=group(("a", "2")), rule=encoded("when CLIENT_ACCEPTED { set a 1 }"))
    parameters = {"controls.dryRun": "true", "controls.logLevel": "debug", "controls.traceResponse": "true"}
    body = box.declare(wanted, **parameters).json()
    changes = {(change["kind"], change["path"][0], change["command"]) for change in body["results"][0]["changes"]}
    assert changes == {
        ("D", "/T/A/gone", "ltm data-group internal"),
        ("E", "/T/A/dg", "ltm data-group internal"),
        ("N", "/T/A/rule", "ltm rule"),
    }
    (edited,) = (change for change in body["results"][0]["changes"] if change["kind"] == "E")
    assert edited["lhs"]["properties"]["records"] == [["a", "1"]]
    assert edited["rhs"]["properties"]["records"] == [["a", "2"]]
    assert set(body["traces"]) == {"TDesired", "TCurrent", "TDiff", "TScript"}
    assert "tmsh::delete ltm data-group internal /T/A/gone" in body["traces"]["TScript"]
    plain = box.declare(wanted, **{"controls.dryRun": "true"}).json()
    assert "changes" not in plain["results"][0]
    assert "traces" not in plain


def test_private_keys_are_not_traced(box: Box) -> None:
    _, issued, _ = pki()
    inline = {"class": "Certificate", "certificate": issued.certificate_pem, "privateKey": issued.key_pem}
    answer = box.declare(small(cert_inline=inline), **{"controls.traceResponse": "true"})
    assert "PRIVATE KEY" not in str(answer.json()["traces"])


def test_unchecked_believes_the_last_declaration(box: Box) -> None:
    box.deploy(small(dg=group(("a", "1")), other=group()))
    tampered = DataGroup("/T/A/dg", "string", (("a", "by hand"),))
    box.config.commit(put=[tampered, DataGroup("/T/A/stranger", "string")])
    same = box.declare(small(dg=group(("a", "1")), other=group()), unchecked="true")
    assert same.json()["results"][0]["message"] == "no change"
    assert box.config.get(DataGroup, "/T/A/dg") == tampered
    changed = box.declare(small(dg=group(("a", "2")), other=group()), unchecked="true")
    assert changed.json()["results"][0]["message"] == "success"
    assert box.config.get(DataGroup, "/T/A/stranger") is not None
    refused = box.declare(small(dg=group(("a", "2")), other=group(), stranger=group()), unchecked="true")
    assert refused.json()["results"][0]["response"].startswith("01020066:3:")
    box.config.commit(delete=[DataGroup("/T/A/other", "string")])
    refused = box.declare(small(dg=group(("a", "2"))), unchecked="true")
    assert refused.json()["results"][0]["response"].startswith("01020036:3:")


def test_type_of_a_data_group_with_records_cannot_change(box: Box) -> None:
    box.deploy(small(dg=group(("10", "1"))))
    numbers: Json = {"class": "Data_Group", "keyDataType": "integer", "records": [{"key": 10}]}
    answer = box.declare(small(dg=numbers))
    assert answer.status_code == 422
    assert answer.json()["results"][0]["response"].startswith("0107074b:3:")


# The lock


def test_lock_is_a_data_group(box: Box) -> None:
    box.plane.appsvcs.duration = 0.2
    box.declare(small(dg=group()), **ASYNC)
    wait(lambda: box.config.get(DataGroup, LOCK) is not None)
    shown = box.request("GET", f"{GROUPS}/~Common~appsvcs~____appsvcs_lock").json()
    assert shown["description"] == str(int(box.clock.now * 1000))
    wait(lambda: box.config.get(DataGroup, LOCK) is None)


def test_foreign_lock_counts_for_two_minutes(box: Box) -> None:
    box.config.commit(put=[DataGroup(LOCK, "string", (), str(int(box.clock.now * 1000)))])
    assert box.declare(small(dg=group())).status_code == 503
    box.clock.now += 121
    box.deploy(small(dg=group()))
    assert box.config.get(DataGroup, LOCK) is None
    box.config.commit(put=[DataGroup(LOCK, "string", (), "nonsense")])
    box.deploy(small(dg=group()))


def test_lock_that_vanishes_ends_in_500(box: Box) -> None:
    box.plane.appsvcs.duration = 0.2
    task = box.declare(small(dg=group()), **ASYNC).json()["id"]
    wait(lambda: box.config.get(DataGroup, LOCK) is not None)
    assert box.request("DELETE", f"{GROUPS}/~Common~appsvcs~____appsvcs_lock").status_code == 200
    wait(lambda: result(box, task)["code"] != 0)
    assert result(box, task)["code"] == 500
    assert "Attempting to release global lock response=404" in result(box, task)["message"]


# Settings


def test_setting_one_resets_the_others(box: Box) -> None:
    settings = f"{AS3}/settings"
    assert box.request("GET", settings).json()["asyncTaskStorage"] == "data-group"
    changed = box.request("POST", settings, json={"asyncTaskStorage": "memory"}).json()
    assert (changed["asyncTaskStorage"], changed["burstHandlingEnabled"]) == ("memory", False)
    changed = box.request("POST", settings, json={"burstHandlingEnabled": True}).json()
    assert (changed["asyncTaskStorage"], changed["burstHandlingEnabled"]) == ("data-group", True)
    assert box.request("GET", settings).json() == changed


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"asyncTaskStorage": "disk"}, 422),
        ({"burstHandlingEnabled": "yes"}, 422),
        ({"bogus": 1}, 422),
        ({"performanceTracingEnabled": True}, 422),
        ({"webhook": "https://example.com"}, 501),
    ],
)
def test_settings_refused(box: Box, body: dict[str, Any], status: int) -> None:
    before = box.request("GET", f"{AS3}/settings").json()
    assert box.request("POST", f"{AS3}/settings", json=body).status_code == status
    assert box.request("GET", f"{AS3}/settings").json() == before


# Tasks


def test_synchronous_requests_leave_a_record_too(box: Box) -> None:
    box.deploy(small(dg=group()))
    (task,) = box.request("GET", TASK).json()["items"]
    assert task["results"][0]["message"] == "success"
    assert box.config.get(DataGroup, "/Common/appsvcs/dataStore") is not None


def test_tasks_are_forgotten_after_a_week(box: Box) -> None:
    task = box.declare(small(dg=group()), **ASYNC).json()["id"]
    wait(lambda: result(box, task)["code"] == 200)
    box.clock.now += 7 * 86400 - 1
    box.deploy(small(dg=group()))
    assert result(box, task)["code"] == 200
    box.clock.now += 1
    assert box.request("GET", f"{TASK}/{task}").status_code == 200  # a GET does not clean up
    box.deploy(small(dg=group()))
    missing = box.request("GET", f"{TASK}/{task}")
    assert (missing.status_code, missing.json()) == (404, {"message": f"No record found with ID of {task}"})


@pytest.mark.parametrize(("storage", "status"), [("data-group", 200), ("memory", 404)])
def test_task_at_work_is_cancelled_by_a_restart(box: Box, storage: str, status: int) -> None:
    box.request("POST", f"{AS3}/settings", json={"asyncTaskStorage": storage})
    box.plane.appsvcs.duration = 30
    task = box.declare(small(dg=group()), **ASYNC).json()["id"]
    wait(lambda: box.config.get(DataGroup, LOCK) is not None)
    box.loop.run(box.plane.restart_services())
    time.sleep(0.01)
    shown = box.request("GET", f"{TASK}/{task}")
    assert shown.status_code == status
    if status == 200:
        assert (shown.json()["results"][0]["message"], shown.json()["results"][0]["code"]) == ("task cancelled", 0)
    assert box.config.get(DataGroup, "/T/A/dg") is None
    # Nobody gave the lock back: it counts until it is two minutes old.
    box.plane.appsvcs.duration = 0
    assert box.declare(small(dg=group())).status_code == 503
    box.clock.now += 121
    box.deploy(small(dg=group()))


# Bursts


def test_burst_queues_ten_requests(box: Box) -> None:
    box.request("POST", f"{AS3}/settings", json={"burstHandlingEnabled": True})
    box.plane.appsvcs.duration = 0.05
    tasks = [box.declare(small(f"T{number}", dg=group()), **ASYNC).json()["id"] for number in range(11)]
    too_many = box.declare(small("U", dg=group()))
    if too_many.status_code == 503:
        assert too_many.json()["message"] == (
            "Error: Too many configuration operations are in progress on the device. Please try again later"
        )
    wait(lambda: all(result(box, task)["code"] == 200 for task in tasks))
    box.deploy(small("U", dg=group()))


def test_burst_beyond_the_queue_is_refused(box: Box) -> None:
    box.request("POST", f"{AS3}/settings", json={"burstHandlingEnabled": True})
    box.plane.appsvcs.duration = 30
    tasks = [box.declare(small(f"T{number}", dg=group()), **ASYNC).json()["id"] for number in range(12)]
    messages = [result(box, task)["message"] for task in tasks]
    assert messages == ["in progress"] * 11 + ["task cancelled"]
    assert box.declare(small("U", dg=group())).status_code == 503
