"""One session with a device: tokens, time-outs, repetitions, and what its errors say and do not say."""

from __future__ import annotations

import logging
import socket
import threading
import time
from pathlib import Path

import pytest
from scripted_device import PASSWORD, QUICK, Say, ScriptedDevice

from bigip_sm.bigip.session import Session
from bigip_sm.errors import (
    AuthenticationFailed,
    DeviceTimeout,
    DeviceUnreachable,
    ObjectNotFound,
    RequestRefused,
)
from bigip_sm.lab.pki import Authority

LOGIN = "POST /mgmt/shared/authn/login"
LOGOUT = "DELETE /mgmt/shared/authz/tokens/(token)"


def test_one_token_is_reused_and_deleted(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({"ok": 1})]
    with scripted.session() as session:
        for _ in range(3):
            assert session.get("/mgmt/x").body == {"ok": 1}
        assert len(scripted.tokens) == 1
    assert scripted.seen() == [LOGIN, "GET /mgmt/x", "GET /mgmt/x", "GET /mgmt/x", LOGOUT]
    assert not scripted.tokens


def test_token_is_deleted_when_the_block_raises(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({})]
    session = scripted.session()

    def work() -> None:
        with session:
            session.get("/mgmt/x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not scripted.tokens
    session.close()


def test_nothing_is_sent_before_the_first_request(scripted: ScriptedDevice) -> None:
    with scripted.session():
        pass
    assert scripted.requests == []


def test_lost_token_leads_to_one_new_login(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({"ok": 1})]
    with scripted.session() as session:
        session.get("/mgmt/x")
        scripted.tokens.clear()
        assert session.get("/mgmt/y").status == 200
    assert scripted.seen() == [LOGIN, "GET /mgmt/x", "GET /mgmt/y", LOGOUT, LOGIN, "GET /mgmt/y", LOGOUT]


def test_second_401_is_about_rights(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({"message": "Authorization failed: user=x resource=/mgmt/x verb=PATCH"}, 401)]
    with scripted.session() as session, pytest.raises(AuthenticationFailed, match="user rotator may not PATCH /mgmt/x"):
        session.patch("/mgmt/x", {})
    assert scripted.seen().count(LOGIN) == 2
    assert not scripted.tokens


def test_wrong_password(scripted: ScriptedDevice) -> None:
    scripted.login = [Say({"message": f"Authentication failed for {PASSWORD}"}, 401)]
    with scripted.session() as session, pytest.raises(AuthenticationFailed) as caught:
        session.get("/mgmt/x")
    assert str(caught.value) == "bigip-a: login of user rotator refused: Authentication failed for (hidden)"


def test_token_limit_is_explained(scripted: ScriptedDevice) -> None:
    scripted.login = [Say({"message": "user 0b1f has reached maximum active login tokens"}, 400)]
    with scripted.session() as session, pytest.raises(AuthenticationFailed, match=r"as many login tokens .* \(100\)"):
        session.get("/mgmt/x")
    assert scripted.seen() == [LOGIN]


@pytest.mark.parametrize("answer", [Say({"token": "x"}), Say({"token": {"token": "a b"}}), Say(b"<html>")])
def test_login_without_a_usable_token(scripted: ScriptedDevice, answer: Say) -> None:
    scripted.login = [answer]
    with scripted.session() as session, pytest.raises(AuthenticationFailed, match="holds no token"):
        session.get("/mgmt/x")


@pytest.mark.parametrize("trouble", [Say({}, 503), Say(b"<html>busy</html>", 502), Say({}, 504), Say(reset=True)])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_get_and_patch_are_repeated(scripted: ScriptedDevice, trouble: Say, method: str) -> None:
    scripted.script = [trouble, trouble, Say({"ok": 1})]
    with scripted.session() as session:
        answer = session.get("/mgmt/x") if method == "GET" else session.patch("/mgmt/x", {"a": 1})
    assert answer.body == {"ok": 1}
    assert scripted.seen().count(f"{method} /mgmt/x") == 3


def test_repetition_is_bounded(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({"message": "restarting"}, 503)]
    with scripted.session() as session, pytest.raises(RequestRefused, match="HTTP 503: GET /mgmt/x: restarting"):
        session.get("/mgmt/x")
    assert scripted.seen().count("GET /mgmt/x") == QUICK.repeats + 1


@pytest.mark.parametrize("trouble", [Say({}, 503), Say({}, 504), Say(reset=True), Say({}, delay=3)])
def test_post_is_sent_once(scripted: ScriptedDevice, trouble: Say) -> None:
    scripted.script = [trouble]
    with scripted.session() as session, pytest.raises((RequestRefused, DeviceUnreachable, DeviceTimeout)) as caught:
        session.post("/mgmt/x", {"a": 1})
    assert scripted.seen().count("POST /mgmt/x") == 1
    assert isinstance(caught.value, RequestRefused) or "it may have been done or not" in str(caught.value)


def test_refused_connection_is_repeated_for_every_method(scripted: ScriptedDevice) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started = time.monotonic()
    with (
        Session("bigip-b", f"127.0.0.1:{port}", "u", "p", patience=QUICK) as session,
        pytest.raises(DeviceUnreachable, match=f"bigip-b: no connection to 127.0.0.1:{port}"),
    ):
        session.post("/mgmt/x", {})
    assert time.monotonic() - started > 0.75 * QUICK.backoff * (1 + 2 + 4)


def test_silent_device_times_out(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({}, delay=5)]
    started = time.monotonic()
    with scripted.session() as session, pytest.raises(DeviceTimeout, match="no answer to GET /mgmt/x in time"):
        session.get("/mgmt/x")
    assert time.monotonic() - started < 3
    assert scripted.seen().count("GET /mgmt/x") == 1


def test_deadline_cuts_a_dripping_answer_off(scripted: ScriptedDevice) -> None:
    scripted.script = [Say(drip=0.05)]
    deadline = time.monotonic() + 0.6
    with scripted.session(deadline=deadline) as session, pytest.raises(DeviceTimeout, match="time allowed"):
        session.get("/mgmt/x")
    assert time.monotonic() - deadline < 0.5


def test_deadline_ends_repetitions(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({}, 503)]
    patience = type(QUICK)(connect=1, read=1, repeats=1000, backoff=0.05)
    with (
        scripted.session(patience=patience, deadline=time.monotonic() + 0.5) as session,
        pytest.raises(RequestRefused),
    ):
        session.get("/mgmt/x")


def test_one_request_in_flight(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({}, delay=0.02)]
    with scripted.session() as session:
        threads = [threading.Thread(target=session.get, args=("/mgmt/x",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert scripted.seen().count("GET /mgmt/x") == 6
    assert scripted.seen().count(LOGIN) == 1
    assert scripted.most_in_flight == 1


def test_unknown_certificate_is_refused(scripted: ScriptedDevice, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(Authority.create("Other CA").certificate_pem)
    scripted.ca = other
    with scripted.session() as session, pytest.raises(DeviceUnreachable, match=r"TLS certificate .* is not accepted"):
        session.get("/mgmt/x")
    assert scripted.requests == []


def test_certificate_is_verified_without_a_ca_file(scripted: ScriptedDevice) -> None:
    with (
        Session("bigip-a", f"127.0.0.1:{scripted.port}", "u", "p", patience=QUICK) as session,
        pytest.raises(DeviceUnreachable, match="is not accepted"),
    ):
        session.get("/mgmt/x")
    assert scripted.requests == []


def test_certificate_of_another_host_is_refused(scripted: ScriptedDevice) -> None:
    address = f"localhost:{scripted.port}"
    with (
        Session("bigip-a", address, "u", "p", ca=scripted.ca, patience=QUICK) as session,
        pytest.raises(DeviceUnreachable, match="is not accepted"),
    ):
        session.get("/mgmt/x")


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_unusable_ca_file(tmp_path: Path, content: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    with pytest.raises(DeviceUnreachable, match=r"CA file .* cannot be used"):
        Session("bigip-a", "127.0.0.1:1", "u", "p", ca=ca)


def test_not_found_is_told_from_refused(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({"message": "01020036:3: not found"}, 404)]
    with scripted.session() as session:
        with pytest.raises(ObjectNotFound, match="bigip-a: data group /a/b does not exist"):
            session.get("/mgmt/x", missing="data group /a/b")
        with pytest.raises(RequestRefused, match="HTTP 404"):
            session.get("/mgmt/x")


def test_message_is_one_bounded_line_without_secrets(scripted: ScriptedDevice) -> None:
    secret = "1|ASIAEXAMPLE|00ff00ff00ff00ff|FwoGZXIvYXdzEXAMPLETOKEN"
    said = f"bad\n value {secret[:40]} and {secret} and FwoGZXIvYXdzEX... " + "y" * 5000
    scripted.script = [Say({"message": said, "other": "never shown"}, 400)]
    with scripted.session() as session, pytest.raises(RequestRefused) as caught:
        session.patch("/mgmt/x", {}, secrets=[secret])
    shown = str(caught.value)
    assert "bad value 1|(hidden)|(hidden)|(hidden) and (hidden) and (hidden) yyy" in shown
    assert "\n" not in shown
    assert len(shown) < 500
    for part in ("00ff00ff", "FwoGZXIv", "never shown"):
        assert part not in shown


def test_token_and_password_are_in_no_log_and_no_repr(
    scripted: ScriptedDevice, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.script = [Say({"ok": 1})]
    with caplog.at_level(logging.DEBUG), scripted.session() as session:
        session.get("/mgmt/x")
        shown = repr(session) + repr(vars(session).get("_connection"))
    assert "bigip-a: GET /mgmt/x: 200" in caplog.text
    assert "TOKEN0" not in caplog.text + shown
    assert PASSWORD not in caplog.text + shown


def test_huge_answer_is_not_read(scripted: ScriptedDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigip_sm.bigip.connection.MAX_BODY", 1000)
    scripted.script = [Say({"x": "y" * 5000})]
    with scripted.session() as session, pytest.raises(Exception, match="larger than 1000 bytes"):
        session.get("/mgmt/x")


def test_token_is_deleted_after_the_deadline_too(scripted: ScriptedDevice) -> None:
    scripted.script = [Say({}, delay=0.3)]
    with (
        scripted.session(deadline=time.monotonic() + 0.2) as session,
        pytest.raises(DeviceTimeout),
    ):
        session.get("/mgmt/x")
    assert scripted.issued == 1
    assert not scripted.tokens


def test_close_survives_a_dead_device(scripted: ScriptedDevice, caplog: pytest.LogCaptureFixture) -> None:
    scripted.script = [Say({})]
    session = scripted.session()
    session.get("/mgmt/x")
    scripted.stop()
    session.close()
    assert "bigip-a: the login token was not deleted (DeviceUnreachable)" in caplog.text
    assert "TOKEN0" not in caplog.text
