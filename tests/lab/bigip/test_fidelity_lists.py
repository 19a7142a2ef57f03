"""The table of endpoints and the interface say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from control_plane_kit import Box, start

from bigip_sm.lab.bigip.fidelity import ENDPOINTS, Endpoint

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    yield from start()


def paths(endpoint: Endpoint) -> Iterator[str]:
    """Every form of the path: with and without its optional parts, which may hold others."""
    forms = [endpoint.path]
    while forms:
        path = forms.pop()
        optional = re.search(r"\[([^\[\]]*)\]", path)
        if optional is None:
            yield re.sub(r"<[^>]*>", "nothing", path)
        else:
            forms += [path[: optional.start()] + part + path[optional.end() :] for part in ("", optional[1])]


BODIES = {
    "/mgmt/tm/cm": {"command": "run", "utilCmdArgs": "config-sync to-group nothing"},
    "/mgmt/tm/sys/config": {"command": "save"},
}


def ask(box: Box, method: str, path: str) -> httpx.Response:
    return box.request(method, path, json=None if method == "GET" else BODIES.get(path, {}))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_what_the_table_says_is_there(box: Box, endpoint: Endpoint) -> None:
    for method in METHODS:
        answers = [ask(box, method, path) for path in paths(endpoint)]
        if method in endpoint.methods:  # it may refuse, but not because the lab lacks it
            assert any("not emulated by the lab" not in answer.text for answer in answers), method
        else:
            assert all(answer.status_code >= 400 for answer in answers), method


def test_every_collection_is_in_the_table(box: Box) -> None:
    known = {re.split(r"[\[<]", endpoint.path)[0].rstrip("/") for endpoint in ENDPOINTS}
    assert set(box.plane.collections) <= known
