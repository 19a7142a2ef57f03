"""JSON Patch against a second, naive reading of RFC 6902, and any nonsense."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.lab.bigip.as3.patching import checked_operations, patched, tenants_of
from bigip_sm.lab.bigip.replies import Refusal

KEYS = st.sampled_from(["a", "b~", "c/d", "0", "-", ""])
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)


def pointer(parts: list[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


@given(DOCUMENTS, KEYS, VALUES)
def test_add_replace_and_remove_of_a_property(document: dict[str, Any], key: str, value: Any) -> None:
    path = pointer([key])
    before = copy.deepcopy(document)
    added = patched(document, [{"op": "add", "path": path, "value": value}])
    assert added == {**document, key: value}
    assert patched(added, [{"op": "replace", "path": path, "value": "x"}]) == {**document, key: "x"}
    left = {name: kept for name, kept in document.items() if name != key}
    assert patched(added, [{"op": "remove", "path": path}]) == left
    assert document == before


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.data())
def test_arrays(values: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(values) - 1))
    document = {"list": values}
    inserted = patched(document, [{"op": "add", "path": f"/list/{place}", "value": "new"}])["list"]
    assert inserted == [*values[:place], "new", *values[place:]]
    assert patched(document, [{"op": "add", "path": "/list/-", "value": "new"}])["list"] == [*values, "new"]
    assert (
        patched(document, [{"op": "remove", "path": f"/list/{place}"}])["list"] == values[:place] + values[place + 1 :]
    )


@given(DOCUMENTS, st.lists(st.dictionaries(st.sampled_from(["op", "path", "from", "value"]), VALUES), max_size=4))
def test_anything_is_patched_or_refused(document: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    with contextlib.suppress(Refusal):  # and no other exception
        checked = checked_operations(operations)
        assert isinstance(tenants_of(checked), tuple)
        assert isinstance(patched(document, checked), dict)


@given(DOCUMENTS, st.sampled_from(["add", "remove", "replace", "move", "copy"]), st.lists(KEYS), st.lists(KEYS), VALUES)
def test_any_path(document: dict[str, Any], op: str, path: list[str], source: list[str], value: Any) -> None:
    operation = {"op": op, "path": pointer(path), "from": pointer(source), "value": value}
    with contextlib.suppress(Refusal):
        assert isinstance(patched(document, checked_operations([operation])), dict)
