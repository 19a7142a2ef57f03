"""What is particular to each type of source: what it asks AWS for, and the mistakes that only it can have."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import fake_rolesanywhere
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from emulated_aws import CHAT, EXTERNAL_ID, REGION, EmulatedAws
from fake_rolesanywhere import ANCHOR, PROFILE, Certificate, FakeRolesAnywhere
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bigip_sm.errors import SourceError
from bigip_sm.lab.aws.assume import Role
from bigip_sm.lab.aws.assume import WebIdentity as Token
from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.pki import server_context
from bigip_sm.spec import load
from bigip_sm.spec.sources import ProfileSource, RolesAnywhereSource, Rotation, StsSource, WebIdentitySource
from rotator.sources import source_for
from rotator.sources.profile import Profile, is_session_of
from rotator.sources.roles_anywhere import RolesAnywhere
from rotator.sources.sessions import issue_time
from rotator.sources.sts import Sts
from rotator.sources.web_identity import WebIdentity

HUB = "arn:aws:iam::210987654321:role/hub"
SPOKE = "arn:aws:iam::210987654321:role/path/spoke"
POLICY = '{"Version":"2012-10-17","Statement":[]}'
TOKEN = "eyJhbGciOiJSUzI1NiJ9.kinds.c2lnbmF0dXJl"
QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"


@pytest.fixture
def cloud(aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> EmulatedAws:
    aws.use(monkeypatch)
    for arn in (HUB, SPOKE):
        monkeypatch.setitem(aws.cloud.front.roles, arn, Role(arn))
    return aws


@pytest.fixture
def asked(cloud: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The parameters of every request to STS, and whether it was signed."""
    seen: list[dict[str, str]] = []
    handle = cloud.cloud.front._forward

    async def watch(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        seen.append({**form, "signed": str(request.header("Authorization") is not None)})
        return await handle(request)

    monkeypatch.setattr(cloud.cloud.front, "_forward", watch)
    return seen


# --- sts


def test_a_chain_of_roles(cloud: EmulatedAws, asked: list[dict[str, str]]) -> None:
    settings = StsSource(
        type="sts",
        external_id=EXTERNAL_ID,
        session_name="bigip-a",
        source_identity="bigip-a",
        tags={"team": "ml", "stage": "prod"},
        transitive_tags=("team",),
        chain=(HUB, SPOKE),
        policy_arns=("arn:aws:iam::123456789012:policy/models",),
    )
    found = Sts("chat", CHAT, REGION, settings, POLICY).fetch()
    known = cloud.cloud.sessions.find(found.access_key_id)
    assert known is not None
    assert (known.principal, known.source_identity, set(known.transitive_tags)) == (CHAT, "bigip-a", {"team"})
    assert found.expiration - found.issued_at == 3600
    common = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleSessionName": "bigip-a", "signed": "True"}
    assert asked == [
        {
            **common,
            "RoleArn": HUB,
            "DurationSeconds": "900",
            "SourceIdentity": "bigip-a",
            "Tags.member.1.Key": "team",
            "Tags.member.1.Value": "ml",
            "TransitiveTagKeys.member.1": "team",
        },
        {**common, "RoleArn": SPOKE, "DurationSeconds": "900"},
        {
            **common,
            "RoleArn": CHAT,
            "DurationSeconds": "3600",
            "ExternalId": EXTERNAL_ID,
            "Policy": POLICY,
            "PolicyArns.member.1.arn": "arn:aws:iam::123456789012:policy/models",
            "Tags.member.1.Key": "stage",
            "Tags.member.1.Value": "prod",
        },
    ]


def test_without_a_chain_everything_is_in_one_request(cloud: EmulatedAws, asked: list[dict[str, str]]) -> None:
    settings = StsSource(
        type="sts",
        external_id=EXTERNAL_ID,
        source_identity="bigip-a",
        tags={"a": "1", "b": "2"},
        transitive_tags=("b",),
    )
    Sts("chat", CHAT, REGION, settings).fetch()
    (form,) = asked
    assert {form["Tags.member.1.Key"], form["Tags.member.2.Key"]} == {"a", "b"}
    assert (form["TransitiveTagKeys.member.1"], form["SourceIdentity"]) == ("b", "bigip-a")
    assert "Policy" not in form


def test_a_chain_that_is_too_long_is_refused_by_aws_too(cloud: EmulatedAws) -> None:
    settings = StsSource(type="sts", external_id=EXTERNAL_ID, duration=7200, chain=(HUB,))
    with pytest.raises(SourceError, match=r"role chat: AssumeRole of .*bigip-chat .* exceeds the 1 hour session limit"):
        Sts("chat", CHAT, REGION, settings).fetch()


def test_the_hop_that_fails_is_named(cloud: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(cloud.cloud.front.roles, SPOKE)
    settings = StsSource(type="sts", external_id=EXTERNAL_ID, chain=(HUB, SPOKE))
    with pytest.raises(SourceError, match=rf"role chat: AssumeRole of {SPOKE} in us-east-1: AccessDenied"):
        Sts("chat", CHAT, REGION, settings).fetch()


def test_the_session_policy_can_be_left_out(asked: list[dict[str, str]]) -> None:
    text = QUICKSTART.read_text().replace(
        "external_id: bigip-sm-quickstart", "external_id: bigip-sm-quickstart, session_policy: none"
    )
    source_for(load(QUICKSTART, text), "chat").fetch()
    assert "Policy" not in asked[0]
    source_for(load(QUICKSTART), "chat").fetch()
    assert "sagemaker:InvokeEndpoint" in asked[1]["Policy"]


# --- web identity


def web_identity(**settings: Any) -> WebIdentity:
    return WebIdentity("chat", CHAT, REGION, WebIdentitySource(type="web-identity", **settings), POLICY)


def test_the_token_is_read_each_time_and_not_signed_with(
    cloud: EmulatedAws, asked: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    monkeypatch.setenv("AWS_ROLE_ARN", SPOKE)  # with both, SDKs would look for credentials in the same way
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    source = web_identity(session_name="bigip-a", duration=1800)
    for token in (TOKEN, TOKEN[::-1]):
        monkeypatch.setitem(cloud.cloud.front.web_identities, token, Token(CHAT, time.time() + 60))
        file.write_text(f"{token}\n")
        assert source.fetch().expiration < time.time() + 1801
    assert [form["WebIdentityToken"] for form in asked] == [TOKEN, TOKEN[::-1]]
    assert asked[0] == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": CHAT,
        "RoleSessionName": "bigip-a",
        "DurationSeconds": "1800",
        "Policy": POLICY,
        "WebIdentityToken": TOKEN,
        "signed": "False",
    }


def test_tokens_that_aws_refuses(cloud: EmulatedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = web_identity(token_file=str(tmp_path / "token"))
    (tmp_path / "token").write_text(TOKEN)
    with pytest.raises(SourceError, match="InvalidIdentityToken"):
        source.fetch()
    monkeypatch.setitem(cloud.cloud.front.web_identities, TOKEN, Token(CHAT, time.time() - 1))
    with pytest.raises(SourceError, match="ExpiredToken"):
        source.fetch()
    monkeypatch.setitem(cloud.cloud.front.web_identities, TOKEN, Token(SPOKE, time.time() + 60))
    with pytest.raises(SourceError, match="AccessDenied"):
        source.fetch()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds 0 characters; a token has 4 to 20000"),
        (b" abc\n", "holds 3 characters; a token has 4 to 20000"),
        (b"x" * 20_003, "it is larger than 20002 bytes"),
        (b"x" * 20_001, "holds 20001 characters"),
        (b"two tokens", "holds something that is not one token"),
        (b"\xff\xfe\xfd\xfc", "holds something that is not one token"),
        (b"tok\x00en", "holds something that is not one token"),
    ],
)
def test_files_that_hold_no_token(cloud: EmulatedAws, tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(SourceError, match=problem) as caught:
        web_identity(token_file=str(tmp_path / "token")).fetch()
    assert str(caught.value).startswith(f"role chat: token file {tmp_path}/token")
    assert "two tokens" not in str(caught.value)


def test_places_without_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE", raising=False)
    with pytest.raises(
        SourceError, match="no token file: set AWS_WEB_IDENTITY_TOKEN_FILE, or token_file in the source"
    ):
        web_identity().fetch()
    with pytest.raises(SourceError, match="No such file or directory"):
        web_identity(token_file=str(tmp_path / "token")).fetch()
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(SourceError, match=r"it is not a regular file|Is a directory"):
            web_identity(token_file=str(place)).fetch()


# --- profile


def profile(name: str | None = None) -> Profile:
    return Profile("chat", CHAT, REGION, ProfileSource(type="profile", profile=name), POLICY)


@pytest.fixture
def open_role(cloud: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> EmulatedAws:
    monkeypatch.setitem(cloud.cloud.front.roles, CHAT, Role(CHAT))
    return cloud


def test_a_long_lived_key_only_assumes_the_role(open_role: EmulatedAws, asked: list[dict[str, str]]) -> None:
    found = profile().fetch()
    assert found.access_key_id.startswith("ASIA")
    assert [form["Action"] for form in asked] == ["AssumeRole"]
    assert asked[0]["Policy"] == POLICY


def test_a_session_of_another_role_assumes_the_role(
    open_role: EmulatedAws, asked: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config(monkeypatch, tmp_path, role=HUB)
    found = profile("gateway").fetch()
    known = open_role.cloud.sessions.find(found.access_key_id)
    assert known is not None
    assert known.principal == CHAT
    assert [form["Action"] for form in asked] == ["AssumeRole", "GetCallerIdentity", "AssumeRole"]


def test_a_session_of_the_role_is_used_as_it_is(
    open_role: EmulatedAws, asked: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config(monkeypatch, tmp_path, role=CHAT)
    source = profile("gateway")
    before = time.time()
    first = source.fetch()
    assert before - 1 < first.issued_at < time.time() + 1
    assert source.fetch() == first
    assert [form["Action"] for form in asked] == ["AssumeRole", "GetCallerIdentity", "GetCallerIdentity"]


def test_a_session_without_an_end_assumes_the_role(open_role: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_role.cloud.sessions.issue(CHAT, 1800)
    for name, value in (
        ("ACCESS_KEY_ID", session.access_key_id),
        ("SECRET_ACCESS_KEY", session.secret_access_key),
        ("SESSION_TOKEN", session.session_token),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    assert profile().fetch().access_key_id != session.access_key_id


def test_profiles_that_are_not_there(cloud: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"role chat: profile nowhere in us-east-1: .*\(nowhere\) could not be found"):
        profile("nowhere").fetch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(SourceError, match="role chat: the credentials that AWS SDKs find: there are none"):
        profile().fetch()


def config(monkeypatch: pytest.MonkeyPatch, folder: Path, *, role: str) -> None:
    """A profile ``gateway`` that assumes ``role``."""
    file = folder / "config"
    file.write_text(f"[profile gateway]\nrole_arn = {role}\ncredential_source = Environment\nregion = {REGION}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))


@pytest.mark.parametrize(
    ("caller", "is_one"),
    [
        ("arn:aws:sts::123456789012:assumed-role/bigip-chat/x", True),
        ("arn:aws:sts::123456789012:assumed-role/bigip-chat-2/x", False),
        ("arn:aws:sts::210987654321:assumed-role/bigip-chat/x", False),
        ("arn:aws-cn:sts::123456789012:assumed-role/bigip-chat/x", False),
        ("arn:aws:iam::123456789012:user/bigip-chat", False),
        ("", False),
    ],
)
def test_whose_session_it_is(caller: str, is_one: bool) -> None:
    assert is_session_of(caller, CHAT) is is_one
    assert is_session_of(caller, CHAT.replace("role/", "role/a/path/")) is is_one


# --- roles anywhere


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return fake_rolesanywhere.make("anchor", authority=True)


@pytest.fixture
def anywhere(
    cloud: EmulatedAws, authority: Certificate, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeRolesAnywhere]:
    pytest.importorskip("iam_rolesanywhere_session", reason="the extra roles-anywhere is not installed")
    fake = FakeRolesAnywhere(cloud.cloud.sessions, authority.certificate, {CHAT})
    server = HttpsServer(fake.handle, server_context(cloud.authority.issue("ra", hosts=["127.0.0.1"])))
    port = cloud.background.run(server.start())
    monkeypatch.setenv("AWS_ENDPOINT_URL_ROLESANYWHERE", f"https://127.0.0.1:{port}")
    yield fake
    cloud.background.run(server.stop())


def source(folder: Path, certificate: Certificate, **settings: Any) -> RolesAnywhere:
    files = certificate.write(folder, "rotator")
    given = {"certificate": str(files[0]), "key": str(files[1]), "trust_anchor": ANCHOR, "profile": PROFILE, **settings}
    return RolesAnywhere("chat", CHAT, REGION, RolesAnywhereSource(type="roles-anywhere", **given))


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_either_kind_of_key_signs(
    anywhere: FakeRolesAnywhere, authority: Certificate, tmp_path: Path, kind: str
) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else None
    source(tmp_path, fake_rolesanywhere.make("bigip-sm", authority, key=key), duration=1800).fetch()
    assert anywhere.algorithms == [f"AWS4-X509-{kind}-SHA256"]
    assert anywhere.requests == [
        {"durationSeconds": 1800, "profileArn": PROFILE, "roleArn": CHAT, "trustAnchorArn": ANCHOR}
    ]


def test_certificates_between(anywhere: FakeRolesAnywhere, authority: Certificate, tmp_path: Path) -> None:
    between = fake_rolesanywhere.make("between", authority, authority=True)
    leaf = fake_rolesanywhere.make("bigip-sm", between)
    (tmp_path / "between.pem").write_bytes(between.pem)
    with pytest.raises(SourceError, match=r"HTTP 403\): Untrusted certificate"):
        source(tmp_path, leaf).fetch()
    source(tmp_path, leaf, intermediates=str(tmp_path / "between.pem")).fetch()
    assert len(anywhere.requests) == 1


def test_a_profile_that_makes_it_shorter(anywhere: FakeRolesAnywhere, authority: Certificate, tmp_path: Path) -> None:
    anywhere.profile_duration = 900
    anywhere.accepts_session_name = True
    now = time.time()
    found = source(tmp_path, fake_rolesanywhere.make("bigip-sm", authority), session_name="bigip-a").fetch()
    assert found.expiration < now + 905
    assert now - 2 < found.issued_at < now + 5
    assert anywhere.requests[0]["roleSessionName"] == "bigip-a"


def test_what_roles_anywhere_refuses(anywhere: FakeRolesAnywhere, authority: Certificate, tmp_path: Path) -> None:
    leaf = fake_rolesanywhere.make("bigip-sm", authority)
    with pytest.raises(SourceError, match=r"role chat: CreateSession for .*: .*does not accept a role session name"):
        source(tmp_path, leaf, session_name="bigip-a").fetch()
    stranger = fake_rolesanywhere.make("stranger", fake_rolesanywhere.make("other", authority=True))
    with pytest.raises(SourceError, match="Untrusted certificate"):
        source(tmp_path, stranger).fetch()
    anywhere.clock = lambda: time.time() + 400
    with pytest.raises(SourceError, match="Signature expired"):
        source(tmp_path, leaf).fetch()


def test_certificates_that_cannot_work(anywhere: FakeRolesAnywhere, authority: Certificate, tmp_path: Path) -> None:
    over = fake_rolesanywhere.make("bigip-sm", authority, days=-1)
    with pytest.raises(
        SourceError, match=r"role chat: certificate \S+/rotator.pem: it is valid from \S+Z to \S+Z only"
    ):
        source(tmp_path, over).fetch()
    odd = fake_rolesanywhere.make("bigip-sm", authority, algorithm=hashes.SHA384())
    with pytest.raises(SourceError, match="its CA signed it with sha384; iam-rolesanywhere-session works with"):
        source(tmp_path, odd).fetch()
    assert anywhere.requests == []


def test_files_that_are_not_right(anywhere: FakeRolesAnywhere, authority: Certificate, tmp_path: Path) -> None:
    leaf = fake_rolesanywhere.make("bigip-sm", authority)
    made = source(tmp_path, leaf)
    key = tmp_path / "rotator.key"
    pem = key.read_bytes()
    key.chmod(0o640)
    with pytest.raises(
        SourceError, match=r"role chat: key \S+/rotator.key: others may read or change it; .* chmod 600"
    ):
        made.fetch()
    key.chmod(0o600)
    key.write_bytes(fake_rolesanywhere.make("x").write(tmp_path, "x")[1].read_bytes())
    with pytest.raises(SourceError, match="it is not the key of certificate"):
        made.fetch()
    secret = leaf.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hidden")
    )
    for wrong in (b"", b"no key", secret, pem[: len(pem) // 2]):
        key.write_bytes(wrong)
        with pytest.raises(SourceError, match="it is not in PEM form, or has a passphrase"):
            made.fetch()
    key.write_bytes(b"x" * 70_000)
    with pytest.raises(SourceError, match="it is larger than 65536 bytes"):
        made.fetch()
    key.write_bytes(pem)
    (tmp_path / "rotator.pem").write_bytes(pem)
    with pytest.raises(SourceError, match=r"certificate \S+: it is not in PEM form"):
        made.fetch()
    assert anywhere.requests == []


def test_a_key_of_another_kind(anywhere: FakeRolesAnywhere, authority: Certificate, tmp_path: Path) -> None:
    odd: Any = ed25519.Ed25519PrivateKey.generate()
    leaf = fake_rolesanywhere.make("bigip-sm", authority, key=odd)
    with pytest.raises(SourceError, match=r"role chat: key \S+: it is neither an RSA nor an EC key"):
        source(tmp_path, leaf).fetch()


def test_without_the_library(
    cloud: EmulatedAws, authority: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "iam_rolesanywhere_session", None)
    with pytest.raises(SourceError, match=r"pip install 'bigip-sm\[roles-anywhere\]'"):
        source(tmp_path, fake_rolesanywhere.make("bigip-sm", authority)).fetch()


# --- what they share


@pytest.mark.parametrize(("now", "issued"), [(5000.0, 5000.0), (100.0, 4000.0), (9000.0, 6700.0), (6700.0, 6700.0)])
def test_the_issue_time_is_never_impossible(now: float, issued: float) -> None:
    assert issue_time(7600.0, 3600.0, now) == issued


def test_when_a_session_is_due() -> None:
    assert Rotation().due(1000, 4600) == 3400
    assert Rotation(maximum_age=600).due(1000, 4600) == 1600
    assert Rotation(renew_before=600).due(1000, 4600) == 4000
    assert Rotation(maximum_age=1200, renew_before=600).due(1000, 4600) == 2200
    assert Rotation(renew_before=39600).due(1000, 4600) == 1000
    assert Rotation(maximum_age=43200).due(1000, 4600) == 4600
    assert Rotation(grace=600).late(1000, 4600) == 4000
    assert Rotation(renew_before=600, grace=3600).late(1000, 4600) == 4600


@given(st.binary(max_size=64))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_token_file_gives_a_token_or_a_reason(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with contextlib.suppress(SourceError):
        token = web_identity(token_file=str(tmp_path / "token"))._token()
        assert 4 <= len(token) <= 20_000
        assert token.isascii()
        assert token.isprintable()
        assert token == token.strip()


@given(
    issued=st.integers(0, 10**10),
    life=st.integers(900, 43200),
    rotation=st.builds(
        Rotation,
        maximum_age=st.none() | st.integers(300, 43200),
        renew_before=st.none() | st.integers(60, 39600),
        grace=st.integers(0, 39600),
    ),
)
def test_a_session_is_due_within_its_life(issued: int, life: int, rotation: Rotation) -> None:
    due, late = rotation.due(issued, issued + life), rotation.late(issued, issued + life)
    assert issued <= due <= late <= issued + life
