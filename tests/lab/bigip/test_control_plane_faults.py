"""Faults on demand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx
import pytest
from control_plane_kit import ROTATOR, Box, pki, start

from bigip_sm.lab.bigip.faults import FOREVER, Fault
from bigip_sm.lab.pki import Authority, server_context

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


def test_connection_closes_before_the_first_byte(box: Box) -> None:
    box.plane.faults.append(Fault(drop=True))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        box.request("GET", VERSION)
    assert box.request("GET", VERSION).status_code == 200


def test_request_hangs(box: Box) -> None:
    box.plane.faults.append(Fault(hang=True))
    with pytest.raises(httpx.ReadTimeout):
        box.request("GET", VERSION, timeout=0.1)
    assert box.request("GET", VERSION).status_code == 200


def test_answer_drips(box: Box) -> None:
    box.plane.faults.append(Fault(pace=0.01))
    began = time.monotonic()
    assert box.request("GET", VERSION).json()["kind"] == "tm:sys:version:versionstats"
    assert time.monotonic() - began > 0.1


def test_401_in_the_middle(box: Box) -> None:
    box.plane.faults.append(Fault(status=401, message="X-F5-Auth-Token has expired.", after=2))
    assert [box.request("GET", VERSION).status_code for _ in range(4)] == [200, 200, 401, 200]


def test_503_for_a_while(box: Box) -> None:
    box.plane.faults.append(fault := Fault(status=503, times=FOREVER))
    assert {box.request("GET", VERSION).status_code for _ in range(5)} == {503}
    box.plane.faults.remove(fault)
    assert box.request("GET", VERSION).status_code == 200


def test_other_certificate(box: Box) -> None:
    other = Authority.create("Other CA").issue("bigip.lab", hosts=["127.0.0.1"])
    box.loop.run(box.plane.present_certificate(server_context(other)))
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        box.request("GET", VERSION)
    box.loop.run(box.plane.present_certificate(server_context(pki()[1])))
    assert box.request("GET", VERSION).status_code == 200


def test_clock_goes_wrong(box: Box) -> None:
    headers = {"X-F5-Auth-Token": box.login(ROTATOR)}
    box.plane.skew = 1200
    answer = box.request("GET", VERSION, user=None, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (401, "X-F5-Auth-Token has expired.")
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == box.clock.now + 1200


def test_restjavad_restarts(box: Box) -> None:
    box.make_credentials()
    headers = {"X-F5-Auth-Token": box.login(ROTATOR)}
    box.loop.run(box.plane.restart_services(unavailable=0.1))
    for path in (VERSION, "/mgmt/shared/appsvcs/declare"):
        page = box.request("GET", path, user=None, headers=headers)
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html")
    time.sleep(0.15)
    assert box.request("GET", VERSION, user=None, headers=headers).status_code == 401
    assert box.plane.folders.partitions() == ("Common", "bigip_sm")


@pytest.mark.parametrize(("version", "status"), [("17.1.1", 200), ("17.1.2", 400), ("17.1.2.1", 400), ("17.1.3", 200)])
def test_17_1_2_never_reaps_expired_tokens(version: str, status: int) -> None:
    """Bug ID1787517; a restart of restjavad is what helps."""
    body = {"username": ROTATOR.name, "password": ROTATOR.password, "loginProviderName": "tmos"}
    for box in start(version=version):
        for _ in range(100):
            box.login(ROTATOR)
        box.clock.now += 1200
        assert box.request("POST", "/mgmt/shared/authn/login", user=None, json=body).status_code == status
        box.loop.run(box.plane.restart_services())
        time.sleep(0.01)
        box.login(ROTATOR)
