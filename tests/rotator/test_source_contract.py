"""What every source keeps to, whatever its type, against an AWS that verifies every signature."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fake_rolesanywhere
import pytest
from emulated_aws import CHAT, EXTERNAL_ID, REGION, EmulatedAws
from fake_rolesanywhere import ANCHOR, PROFILE, FakeRolesAnywhere

from bigip_sm.errors import SourceError
from bigip_sm.lab.aws.assume import WebIdentity as Token
from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.pki import server_context
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import ProfileSource, RolesAnywhereSource, SecretsManagerSource, StsSource, WebIdentitySource
from rotator.logs import CHATTY, configure
from rotator.sources import Source, clients, source_for

SPEC = load(Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml")
SECRET = "bigip/contract"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.contract.c2lnbmF0dXJl"
KINDS = ("sts", "secrets-manager", "web-identity", "roles-anywhere", "profile", "profile-of-the-role")


@dataclass
class Subject:
    """A source under test. ``deny`` and ``rubbish`` change what AWS answers it from then on."""

    source: Source
    endpoint: str
    deny: Callable[[], None]
    break_answers: Callable[[Response], None]


def spec_with(source: Any) -> Spec:
    role = SPEC.roles["chat"].model_copy(update={"source": source})
    return SPEC.model_copy(update={"roles": {**SPEC.roles, "chat": role}})


@pytest.fixture
def build(aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Subject]]:
    """Make a source of a kind, with everything it needs at AWS."""
    aws.use(monkeypatch)
    monkeypatch.setattr(clients, "ATTEMPTS", 1)
    front = aws.cloud.front
    servers: list[HttpsServer] = []

    def answer(response: Response) -> None:
        async def same(request: Request) -> Response:
            return Response(response.status, response.headers, response.body)

        monkeypatch.setattr(front, "_web_identity", same)
        monkeypatch.setattr(front, "_secrets_manager", same)
        monkeypatch.setattr(front, "_sts", lambda request, caller: same(request))

    def forget_role() -> None:
        monkeypatch.delitem(front.roles, CHAT)

    def make(kind: str) -> Subject:
        endpoint, deny, broken = "STS", forget_role, answer
        settings: Any
        if kind == "sts":
            settings = StsSource(type="sts", external_id=EXTERNAL_ID)
        elif kind == "secrets-manager":
            aws.background.run(aws.cloud.put_session(SECRET, CHAT, REGION))
            endpoint = "SECRETS_MANAGER"
            settings = SecretsManagerSource(type="secrets-manager", secret=SECRET)

            def deny() -> None:
                monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no-longer")
                subject.source = source_for(spec, "chat")

        elif kind == "web-identity":
            monkeypatch.setitem(front.web_identities, TOKEN, Token(CHAT, time.time() + 600))
            (tmp_path / "token").write_text(f"{TOKEN}\n")
            settings = WebIdentitySource(type="web-identity", token_file=str(tmp_path / "token"))
        elif kind == "roles-anywhere":
            pytest.importorskip("iam_rolesanywhere_session", reason="the extra roles-anywhere is not installed")
            authority = fake_rolesanywhere.make("anchor", authority=True)
            fake = FakeRolesAnywhere(aws.cloud.sessions, authority.certificate, {CHAT})
            server = HttpsServer(fake.handle, server_context(aws.authority.issue("ra", hosts=["127.0.0.1"])))
            servers.append(server)
            url = f"https://127.0.0.1:{aws.background.run(server.start())}"
            monkeypatch.setenv("AWS_ENDPOINT_URL_ROLESANYWHERE", url)
            certificate, key = fake_rolesanywhere.make("bigip-sm", authority).write(tmp_path, "rotator")
            endpoint = "ROLESANYWHERE"
            deny = fake.roles.clear

            def broken(response: Response) -> None:
                fake.answer = response

            settings = RolesAnywhereSource(
                type="roles-anywhere",
                trust_anchor=ANCHOR,
                profile=PROFILE,
                certificate=str(certificate),
                key=str(key),
            )
        elif kind == "profile":
            monkeypatch.setitem(front.roles, CHAT, aws.role(CHAT))
            settings = ProfileSource(type="profile")
        else:
            monkeypatch.setitem(front.roles, CHAT, aws.role(CHAT))
            config = tmp_path / "config"
            config.write_text(
                f"[profile gateway]\nrole_arn = {CHAT}\ncredential_source = Environment\nregion = {REGION}\n"
            )
            monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
            settings = ProfileSource(type="profile", profile="gateway")

            def deny() -> None:
                forget_role()
                subject.source = source_for(spec, "chat")  # the old one holds a session that is still good

        spec = spec_with(settings)
        subject = Subject(source_for(spec, "chat"), f"AWS_ENDPOINT_URL_{endpoint}", deny, broken)
        return subject

    yield make
    for server in servers:
        aws.background.run(server.stop())


@pytest.mark.parametrize("kind", KINDS)
def test_it_gives_a_session_that_aws_knows(build: Callable[[str], Subject], kind: str, aws: EmulatedAws) -> None:
    before = time.time()
    found = build(kind).source.fetch()
    known = aws.cloud.sessions.find(found.access_key_id)
    assert known is not None
    assert known.principal == CHAT
    assert (known.secret_access_key, known.session_token) == (found.secret_access_key, found.session_token)
    assert found.access_key_id.startswith("ASIA")
    assert before + 3590 < found.expiration < time.time() + 3605
    assert before - 5 < found.issued_at < time.time() + 2
    assert found.secret_access_key not in repr(found)


@pytest.mark.parametrize("kind", KINDS)
def test_asked_again_it_is_never_behind(build: Callable[[str], Subject], kind: str) -> None:
    source = build(kind).source
    first, second = source.fetch(), source.fetch()
    assert second.issued_at >= first.issued_at
    assert second.expiration >= first.expiration
    kept = source.polled or kind == "profile-of-the-role"
    assert (second == first) == kept


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_one_line_without_a_secret(
    build: Callable[[str], Subject], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = build(kind)
    subject.deny()
    line = failure(subject)
    assert any(word in line for word in ("AccessDenied", "SignatureDoesNotMatch", "InvalidSignature", "HTTP 403")), line


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content",
    [b"", b"<html>proxy error</html>", b"{}", b"[]", b'"SECRETSECRETSECRET"', b"\xff\xfe", b"<AssumeRoleResponse/>"],
)
def test_rubbish_is_no_session(build: Callable[[str], Subject], kind: str, content: bytes) -> None:
    subject = build(kind)
    subject.break_answers(Response(200, [("Content-Type", "text/xml")], content))
    assert "SECRETSECRET" not in failure(subject)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_throttled_or_down(build: Callable[[str], Subject], kind: str, status: int) -> None:
    subject = build(kind)
    subject.break_answers(Response(status, [], b"Rate exceeded"))
    failure(subject)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_listens(build: Callable[[str], Subject], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = build(kind)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv(subject.endpoint, f"https://127.0.0.1:{port}")
    assert "Could not connect" in failure(subject)


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificate_is_verified(
    build: Callable[[str], Subject], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = build(kind)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    assert "SSL validation failed" in failure(subject)


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_do_not_cross_the_network_in_clear(
    build: Callable[[str], Subject], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = build(kind)
    monkeypatch.setenv(subject.endpoint, "http://sts.example.com")
    assert "is not https" in failure(subject)


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_is_over_is_not_given(build: Callable[[str], Subject], kind: str) -> None:
    source = build(kind).source
    if kind == "roles-anywhere":
        object.__setattr__(source, "_check", lambda *_: None)  # the certificate is judged by the same clock
    object.__setattr__(source, "clock", lambda: time.time() + 4000)
    with pytest.raises(SourceError, match=r"role chat: .* (over already|expired \d+ s ago)"):
        source.fetch()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_secret_is_logged(build: Callable[[str], Subject], kind: str, caplog: pytest.LogCaptureFixture) -> None:
    subject = build(kind)
    with logging_as_in_production(caplog):
        found = subject.source.fetch()
        subject.deny()
        failure(subject)
    text = caplog.text + repr(subject.source)
    for secret in (found.secret_access_key, found.session_token, TOKEN, EXTERNAL_ID):
        assert secret not in text
    assert "Traceback" not in text


def failure(subject: Subject) -> str:
    """The message of a fetch that fails: one line that names the role."""
    with pytest.raises(SourceError) as caught:
        subject.source.fetch()
    line = str(caught.value)
    assert line.startswith("role chat: ")
    assert "\n" not in line
    assert len(line) <= 500
    assert caught.value.__cause__ is None
    for secret in (TOKEN, EXTERNAL_ID, "no-longer"):
        assert secret not in line
    return line


@contextmanager
def logging_as_in_production(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """``configure("debug")`` while the block lasts, caught in ``caplog``."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    loggers = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    levels = {one: one.level for one in loggers}
    configure("debug")
    root.addHandler(caplog.handler)
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        for name in [*CHATTY, "botocore.credentials"]:
            one = logging.getLogger(name)
            one.setLevel(levels.get(one, logging.NOTSET))
