"""Faults on demand."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from control_plane_kit import ROTATOR, Box, start

from bigip_sm.lab.bigip.faults import Fault

VERSION = "/mgmt/tm/sys/version"


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def test_status_is_answered_as_often_as_asked(box: Box) -> None:
    box.plane.faults.append(Fault(status=503, message="busy", times=2))
    answers = [box.request("GET", VERSION) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json()["message"] == "busy"


def test_fault_is_for_the_requests_that_match(box: Box) -> None:
    box.plane.faults += [
        Fault(method="POST", status=500),
        Fault(path="/mgmt/tm/ltm", status=502, html=True),
        Fault(status=401, when=lambda request: request.header("X-Mark") == "yes"),
    ]
    assert box.request("GET", VERSION).status_code == 200
    page = box.request("GET", "/mgmt/tm/ltm/data-group/internal")
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
    assert box.request("GET", VERSION, headers={"X-Mark": "yes"}).status_code == 401
    assert box.request("POST", "/mgmt/tm/auth/partition", json={"name": "x"}).status_code == 500
    assert box.plane.folders.partitions() == ("Common",)


def test_slow_request_is_still_served(box: Box) -> None:
    box.plane.faults.append(Fault(delay=0.2))
    began = time.monotonic()
    assert box.request("GET", VERSION, user=ROTATOR).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_answer_breaks_off(box: Box) -> None:
    box.plane.faults.append(Fault(reset=True))
    with pytest.raises(httpx.RemoteProtocolError):
        box.request("GET", VERSION)
    assert box.request("GET", VERSION).status_code == 200
