"""The sessions that the emulated AWS knows."""

from __future__ import annotations

from aws_signing import ROLE

from bigip_sm.lab.aws.sessions import Session, SessionStore


def test_a_session_ends_by_the_clock_or_on_demand() -> None:
    now = [1000.0]
    store = SessionStore(lambda: now[0])
    issued = store.issue(ROLE, 900)
    assert (issued.issued_at, issued.expiration) == (1000.0, 1900.0)
    session = store.find(issued.access_key_id)
    assert session is not None
    assert not session.expired(1899.9)
    assert session.expired(1900.0)
    store.expire(issued.access_key_id)
    ended = store.find(issued.access_key_id)
    assert ended is not None
    assert ended.expired(1000.0)
    store.expire("ASIANOBODY")


def test_keys_look_like_those_of_aws() -> None:
    store = SessionStore()
    session, user = store.issue(ROLE, 900), store.add_user("arn:aws:iam::123456789012:user/u")
    assert session.access_key_id[:4] == "ASIA"
    assert user.access_key_id[:4] == "AKIA"
    assert {len(session.access_key_id), len(user.access_key_id)} == {20}
    assert {len(session.secret_access_key), len(user.secret_access_key)} == {40}
    assert session.session_token.endswith("=")
    assert user.session_token is None
    assert not user.expired(9e12)


def test_secrets_stay_out_of_the_repr() -> None:
    shown = repr(Session("ASIA1", "the-secret", ROLE, "the-token", 1.0))
    assert "ASIA1" in shown
    assert "the-secret" not in shown
    assert "the-token" not in shown
