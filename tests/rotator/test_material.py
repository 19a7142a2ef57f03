"""Material: which keys and tokens, for how long, and that the secret key is in none of them."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.aws.sigv4 import signing_key
from bigip_sm.bigip.records import MAX_AHEAD, decode_all
from bigip_sm.errors import CredentialError, RecordError
from bigip_sm.render.records import route_records
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from bigip_sm.spec.usage import bearer_regions_of, roles_of, scopes_of
from rotator.material import BEARER_LIFE, SHORTEST, SKEW, Material, make, utc_dates

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
SPEC = load(QUICKSTART)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE+/token=="
NOON = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.timezone.utc).timestamp()
MOMENTS = st.floats(min_value=1_700_000_000, max_value=4_000_000_000)
LIVES = st.floats(min_value=SHORTEST + 2, max_value=43_300)


def session(now: float, life: float = 3600, issued: float = 0.0) -> SessionCredentials:
    return SessionCredentials("ASIAIOSFODNN7EXAMPLE", SECRET, TOKEN, now + life, now - issued)


def material(role: str, now: float, life: float = 3600, spec: Spec = SPEC) -> Material:
    return make(spec, role, session(now, life), now=now, rotator="host-1")


def names(made: Material) -> list[str]:
    return [record.name for record in made.records()]


def test_sigv4_role_at_noon() -> None:
    made = material("classifier", NOON)
    assert made.path == "/bigip_sm/quickstart.classifier"
    assert names(made) == ["meta", "sigv4/sagemaker/us-east-1/20261121"]
    (signing,) = made.signing
    assert signing.signing_key == signing_key(SECRET, "20261121", "us-east-1", "sagemaker")
    assert (signing.access_key_id, signing.session_token) == ("ASIAIOSFODNN7EXAMPLE", TOKEN)
    assert signing.not_after == int(NOON) + 3600
    assert (made.meta.generation, made.meta.issued_at) == (int(NOON) * 1000, int(NOON))
    assert (made.meta.expires_at, made.meta.rotator) == (int(NOON) + 3600, "host-1")


def test_bearer_role_has_a_token_for_each_region_and_no_signing_key() -> None:
    made = material("chat", NOON)
    assert names(made) == ["bearer/us-east-1", "bearer/us-west-2", "meta"]
    assert len({bearer.token for bearer in made.bearers}) == 2


@pytest.mark.parametrize(
    ("hour", "minute", "dates"),
    [
        (12, 0, ["20261121"]),
        (22, 44, ["20261121"]),
        (22, 45, ["20261121", "20261122"]),
        (23, 30, ["20261121", "20261122"]),
        (0, 0, ["20261120", "20261121"]),
        (0, 15, ["20261120", "20261121"][1:]),
    ],
)
def test_dates_around_midnight(hour: int, minute: int, dates: list[str]) -> None:
    now = datetime.datetime(
        2026, 11, 21, hour, minute, 1 if (hour, minute) == (0, 15) else 0, tzinfo=datetime.timezone.utc
    )
    made = material("classifier", now.timestamp(), 3600)
    assert [signing.date for signing in made.signing] == dates


@given(MOMENTS, LIVES)
def test_every_moment_in_use_has_its_key(now: float, life: float) -> None:
    """Whatever a skewed clock takes the date to be, until the session ends, there is a key; and none to spare."""
    made = material("classifier", now, life)
    dates = [signing.date for signing in made.signing]
    end = made.signing[0].not_after
    for at in (now - SKEW, now, now + SKEW, (now + end) / 2, end - 1, end + SKEW - 1):
        assert datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y%m%d") in dates
    assert dates == sorted(set(dates))
    assert len(dates) <= 2 + (end - now + 2 * SKEW) // 86400


@given(MOMENTS, LIVES)
def test_ends(now: float, life: float) -> None:
    """Nothing outlives the session, a bearer token lives at most an hour, nothing claims 12 hours or more."""
    for role in ("classifier", "chat"):
        made = material(role, now, life)
        for end in [one.not_after for one in made.signing] + [one.not_after for one in made.bearers]:
            assert now < end <= now + life
            assert end <= now + MAX_AHEAD - SKEW
        assert all(bearer.not_after <= now + BEARER_LIFE for bearer in made.bearers)


@given(
    MOMENTS,
    LIVES,
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", min_size=40, max_size=40),
)
def test_the_secret_key_is_in_nothing_that_is_sent(now: float, life: float, secret: str) -> None:
    credentials = SessionCredentials("ASIAIOSFODNN7EXAMPLE", secret, TOKEN, now + life, now)
    for role in SPEC.roles:
        made = make(SPEC, role, credentials, now=now, rotator="host-1")
        sent = "".join(record.name + record.data for record in made.records())
        assert secret not in sent
        assert secret not in repr(made) + repr(credentials)
        assert all(secret.encode().hex() != part for part in sent.split("|"))
        assert TOKEN not in repr(made)
        assert set(decode_all(made.records())) == {*made.signing, *made.bearers, made.meta}


@pytest.mark.parametrize("life", [-100, 0, SHORTEST - 1])
def test_a_session_that_is_nearly_over_is_not_used(life: float) -> None:
    with pytest.raises(CredentialError, match="role chat: its session ends in"):
        material("chat", NOON, life)


def test_a_token_that_does_not_fit_the_format_is_refused_without_being_shown() -> None:
    odd = SessionCredentials("ASIAIOSFODNN7EXAMPLE", SECRET, "to|ken", NOON + 3600, NOON)
    with pytest.raises(RecordError) as caught:
        make(SPEC, "classifier", odd, now=NOON, rotator="host-1").records()
    assert "to|ken" not in str(caught.value)


def test_generation_is_the_issue_time_in_milliseconds() -> None:
    made = make(SPEC, "chat", session(NOON, 3600, issued=600.25), now=NOON, rotator="host-1")
    assert made.meta.generation == int(NOON * 1000) - 600_250


def test_utc_dates_include_both_ends() -> None:
    assert list(utc_dates(0, 0)) == ["19700101"]
    assert list(utc_dates(86399.9, 86400)) == ["19700101", "19700102"]


@pytest.mark.parametrize(
    "gateway", sorted(QUICKSTART.parents[1].glob("*/gateway.yaml")), ids=lambda path: path.parent.name
)
def test_whatever_a_route_is_rendered_to_sign_for_is_derived(gateway: Path) -> None:
    """The (service, region) in a route's record is one that every role of the route gets keys or tokens for."""
    spec = load(gateway)
    exact, prefixes = route_records(spec, spec.routes)
    checked = 0
    for record in exact + prefixes:
        if record["key"].startswith("* "):
            continue
        _, name, scheme, service, _, _, _, _, regions = record["value"].split("|")[:9]
        for role in roles_of(spec, spec.routes[name]):
            for region in regions.split(","):
                where = region.partition("=")[0]
                if scheme == "sigv4":
                    assert (service, where) in scopes_of(spec, role)
                else:
                    assert where in bearer_regions_of(spec, role)
                checked += 1
    assert checked
