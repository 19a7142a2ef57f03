"""PATCH, redeploy, retrieve, remove, several declarations in one request, paths with tenants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from control_plane_kit import Box, Json, encoded, group, small, start

from bigip_sm.lab.bigip.objects import DataGroup

AS3 = "/mgmt/shared/appsvcs"
DECLARE = f"{AS3}/declare"


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def patch(box: Box, *operations: Json, **parameters: str) -> httpx.Response:
    return box.request("PATCH", DECLARE, json=list(operations), params=parameters)


def act(box: Box, action: str, path: str = "", **more: Any) -> httpx.Response:
    return box.request("POST", f"{DECLARE}{path}", json={"class": "AS3", "action": action, **more})


def records(box: Box, path: str) -> list[tuple[str, str]] | None:
    found = box.config.get(DataGroup, path)
    return None if found is None else list(found.records)


def messages(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(result["tenant"], result["message"]) for result in answer.json()["results"]]


def two(box: Box) -> None:
    """Tenants One and Two with a data group each."""
    for tenant in ("One", "Two"):
        box.deploy(small(tenant, dg=group(("a", tenant))))


# PATCH


def test_patch_changes_what_its_paths_lead_to(box: Box) -> None:
    two(box)
    box.config.commit(put=[DataGroup("/Two/A/stranger", "string")])
    answer = patch(
        box,
        {"op": "replace", "path": "/One/A/dg/records/0/value", "value": "new"},
        {"op": "add", "path": "/One/A/dg/records/-", "value": {"key": "b", "value": "2"}},
    )
    assert (answer.status_code, messages(answer)) == (200, [("One", "success")])
    assert "Two" not in answer.json()["declaration"]
    assert records(box, "/One/A/dg") == [("a", "new"), ("b", "2")]
    assert box.config.get(DataGroup, "/Two/A/stranger") is not None
    assert set(box.request("GET", DECLARE).json()) >= {"One", "Two"}


def test_patch_adds_and_removes_tenants(box: Box) -> None:
    two(box)
    three = small("Three", dg=group())["Three"]
    assert messages(patch(box, {"op": "add", "path": "/Three", "value": three})) == [("Three", "success")]
    assert records(box, "/Three/A/dg") == []
    removed = patch(box, {"op": "remove", "path": "/One/A/dg"})
    assert messages(removed) == [("One", "success")]
    assert records(box, "/One/A/dg") is None


def test_patch_in_a_wrapper_and_one_operation_without_a_list(box: Box) -> None:
    two(box)
    operation = {"op": "replace", "path": "/One/A/dg/records/0/value", "value": "x"}
    assert act(box, "patch", patchBody=[operation]).status_code == 200
    assert records(box, "/One/A/dg") == [("a", "x")]
    assert box.request("PATCH", DECLARE, json={**operation, "value": "y"}).status_code == 200
    assert records(box, "/One/A/dg") == [("a", "y")]


def test_patch_as_a_dry_run(box: Box) -> None:
    two(box)
    operation = {"op": "remove", "path": "/One/A/dg"}
    assert patch(box, operation, **{"controls.dryRun": "true"}).json()["dryRun"]
    assert records(box, "/One/A/dg") == [("a", "One")]


@pytest.mark.parametrize(
    ("operation", "status", "message"),
    [
        (
            {"op": "replace", "path": "/One/A/nope/x", "value": 1},
            422,
            'InvalidPatchOperationError: path does not exist {"op":"replace","path":"/One/A/nope/x","value":1}',
        ),
        ({"op": "remove", "path": "/One/A/nope"}, 422, "InvalidPatchOperationError: path does not exist"),
        ({"op": "add", "path": "/Nope/A", "value": {}}, 422, "InvalidPatchOperationError: path does not exist"),
        ({"op": "add", "path": "/One/A/dg/records/9", "value": {}}, 422, "outside of array bounds"),
        ({"op": "add", "path": "/One/A/dg/records/x", "value": {}}, 422, "invalid array index x"),
        ({"op": "add", "path": "/One/A/x"}, 422, "InvalidPatchOperationError: missing value"),
        ({"op": "explode", "path": "/One"}, 422, "InvalidPatchOperationError: invalid op"),
        ({"op": "move", "path": "/One/A/b/c", "from": "/One/A/b"}, 422, "move.from cannot be ancestor"),
        ({"op": "copy", "path": "/One/A/b", "from": "/One/A/c"}, 422, "copy.from must exist"),
        ({"op": "test", "path": "/One/A", "value": 1}, 422, "invalid patch - op 'test' is not supported"),
        (
            {"op": "replace", "path": "/updateMode", "value": "complete"},
            422,
            "updateMode value can only be",
        ),
        ({"op": "add", "path": "/One/A/x", "value": 1, "target": {}}, 422, "only be used when running on BIG-IQ"),
        ({"op": "remove", "path": 1}, 400, "invalid patch body"),
        ({"class": "ADC"}, 400, "invalid patch body"),
        ({"op": "replace", "path": "/One/A/dg/keyDataType", "value": "ip"}, 422, "declaration is invalid"),
    ],
)
def test_patches_refused(box: Box, operation: Json, status: int, message: str) -> None:
    two(box)
    before = box.configured()
    answer = patch(box, operation)
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert box.configured() == before


def test_move_and_copy(box: Box) -> None:
    two(box)
    patch(
        box,
        {"op": "copy", "path": "/One/A/copied", "from": "/One/A/dg"},
        {"op": "move", "path": "/One/A/moved", "from": "/One/A/dg"},
    )
    assert records(box, "/One/A/copied") == records(box, "/One/A/moved") == [("a", "One")]
    assert records(box, "/One/A/dg") is None


def test_patch_of_nothing(box: Box) -> None:
    answer = patch(box, {"op": "add", "path": "/One/A/dg", "value": {}})
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("InvalidPatchOperationError: path does not exist")
    assert patch(box, {"op": "add", "path": "/One", "value": {"class": "Tenant"}}).status_code == 422


# Other actions


def test_retrieve_is_a_get(box: Box) -> None:
    assert act(box, "retrieve").status_code == 204
    two(box)
    assert act(box, "retrieve").json() == box.request("GET", DECLARE).json()
    assert "Two" not in act(box, "retrieve", "/One").json()
    assert len(act(box, "retrieve", retrieveAge="list").json()) == 2
    assert "Two" not in act(box, "retrieve", retrieveAge=1).json()


def test_remove_is_a_delete(box: Box) -> None:
    two(box)
    assert messages(act(box, "remove", "/One")) == [("One", "success")]
    assert box.plane.folders.partitions() == ("Common", "Two")
    assert messages(act(box, "remove")) == [("Two", "success")]
    assert box.request("GET", DECLARE).status_code == 204


def test_redeploy_goes_back(box: Box) -> None:
    box.deploy(small("One", dg=group(("a", "1"))))
    box.deploy(small("One", dg=group(("a", "2"))))
    box.deploy(small("Two", dg=group()))
    answer = act(box, "redeploy", redeployAge=2)
    assert (answer.status_code, messages(answer)) == (200, [("One", "success")])
    assert records(box, "/One/A/dg") == [("a", "1")]
    assert records(box, "/Two/A/dg") == []
    answer = act(box, "redeploy", redeployAge=3, redeployUpdateMode="complete")
    assert ("Two", "success") in messages(answer)
    assert records(box, "/Two/A/dg") is None
    missing = act(box, "redeploy", redeployAge=15)
    assert missing.status_code == 404
    assert missing.json()["message"] == "cannot retrieve declaration of age 15 from localhost"


@pytest.mark.parametrize(
    ("action", "path", "more", "message"),
    [
        ("deploy", "", {}, 'for action "deploy", a declaration is required.'),
        ("redeploy", "", {"declaration": small()}, 'for action "redeploy", a declaration is not allowed.'),
        ("redeploy", "/One", {}, 'action "redeploy" is not allowed for URI /shared/appsvcs/declare/One'),
        ("deploy", "", {"declaration": small(), "redeployAge": 1}, "redeployAge is valid only with"),
        ("deploy", "", {"declaration": small(), "retrieveAge": 1}, "retrieveAge value is not allowed for action"),
        ("deploy", "", {"declaration": small(), "patchBody": [{}]}, "patchBody is valid only with action 'patch'"),
        ("patch", "", {}, "for action 'patch', a patchBody must be included"),
    ],
)
def test_actions_refused(box: Box, action: str, path: str, more: Json, message: str) -> None:
    answer = act(box, action, path, **more)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_post_to_tenants_leaves_the_others_out(box: Box) -> None:
    declaration = {**small("One", dg=group()), "Two": small("Two", dg=group())["Two"]}
    answer = box.request("POST", f"{DECLARE}/Two,Three", json=declaration)
    assert messages(answer) == [("Two", "success")]
    assert box.plane.folders.partitions() == ("Common", "Two")


# Several declarations


def test_several_declarations(box: Box) -> None:
    several = [small("One", dg=group()), small("Two", rule=encoded("when NOPE { }")), {"class": "AS3", "action": "x"}]
    assert box.request("POST", DECLARE, json=several).status_code == 422
    answer = box.request("POST", DECLARE, json=several[:2])
    assert (answer.status_code, answer.json()["code"]) == (207, 207)
    first, second = answer.json()["items"]
    assert (first["results"][0]["message"], second["code"]) == ("success", 422)
    assert box.plane.folders.partitions() == ("Common", "One")
    alone = box.request("POST", DECLARE, json=[small("Three", dg=group())])
    assert messages(alone) == [("Three", "success")]


def test_several_declarations_of_one_tenant_are_refused(box: Box) -> None:
    answer = box.request("POST", DECLARE, json=[small(dg=group()), small(dg=group()), small("U", dg=group())])
    assert answer.status_code == 207
    codes = [item.get("code", 200) for item in answer.json()["items"]]
    assert codes == [422, 422, 200]
    assert "'Invalid/Duplicate'" in answer.json()["items"][0]["message"]
    assert box.plane.folders.partitions() == ("Common", "U")


def test_several_asynchronous_declarations(box: Box) -> None:
    answer = box.request("POST", DECLARE, json=[small("One", dg=group()), small("Two")], params={"async": "true"})
    assert (answer.status_code, answer.json()["code"]) == (202, 202)
    ids = [item["id"] for item in answer.json()["items"]]
    assert {task["id"] for task in box.request("GET", f"{AS3}/task").json()["items"]} == set(ids)
