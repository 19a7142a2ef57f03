"""The writer on moto behind a front that verifies signatures, and the rotator's source that reads what it writes."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from emulated_aws import REGION, EmulatedAws

from bigip_sm.lab.aws.assume import Role
from bigip_sm.lab.aws.sessions import Session
from bigip_sm.lab.http import Request, Response
from rotator.sources.secrets_manager import SecretsManager
from rotator.writer import function
from rotator.writer.archive import HANDLER, archive
from rotator.writer.function import Settings, WriterError, handler, write

TARGET = "arn:aws:iam::123456789012:role/path/bigip-written"
LAMBDA = "arn:aws:iam::123456789012:role/bigip-sm-writer"
EVENT = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


@pytest.fixture
def secret(aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of an empty secret, with the writer's environment set and its role there."""
    name = f"bigip/{request.node.name}"[:60].replace("[", "-").replace("]", "")
    aws.use(monkeypatch)
    monkeypatch.setitem(aws.cloud.front.roles, TARGET, Role(TARGET, "writer-external-id"))
    session = aws.cloud.sessions.issue(LAMBDA, 900)  # a Lambda function runs with a session of its role
    for variable, value in (
        ("AWS_ACCESS_KEY_ID", session.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", session.secret_access_key),
        ("AWS_SESSION_TOKEN", session.session_token),
        ("AWS_REGION", REGION),
        ("ROLE_ARN", TARGET),
        ("SECRET_ID", name),
        ("EXTERNAL_ID", "writer-external-id"),
    ):
        monkeypatch.setenv(variable, value)
    for variable in ("SESSION_NAME", "DURATION", "SOURCE_IDENTITY", "SESSION_POLICY"):
        monkeypatch.delenv(variable, raising=False)
    secrets().create_secret(Name=name)
    return name


def secrets() -> Any:
    return boto3.client("secretsmanager", region_name=REGION)


def event() -> dict[str, Any]:
    return {**EVENT, "id": str(uuid.uuid4())}


def stages(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = secrets().describe_secret(SecretId=name)["VersionIdsToStages"]
    return {version: stage for version, stage in found.items() if stage}


def settings(name: str, **more: Any) -> Settings:
    return Settings(TARGET, name, external_id="writer-external-id", **more)


def test_the_rotator_picks_up_what_is_written(secret: str, aws: EmulatedAws) -> None:
    first = event()
    said = handler(first, None)
    assert (said["result"], said["version"]) == ("written", first["id"])
    source = SecretsManager("classifier", secret, REGION)
    found = source.fetch()
    known = aws.cloud.sessions.find(found.access_key_id)
    assert known is not None
    assert known.principal == TARGET
    assert time.time() + 3590 < found.expiration < time.time() + 3605
    second = {**event(), "force": True}
    assert handler(second, None)["result"] == "written"
    assert source.fetch().access_key_id != found.access_key_id
    assert stages(secret) == {second["id"]: ["AWSCURRENT"], first["id"]: ["AWSPREVIOUS"]}


def test_what_the_secret_holds(secret: str) -> None:
    handler(event(), None)
    value = json.loads(secrets().get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"])
    assert list(value) == ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "RoleArn", "Region"]
    assert (value["RoleArn"], value["Region"]) == (TARGET, REGION)
    assert value["Expiration"].endswith("Z")


def test_an_event_that_comes_twice_writes_once(secret: str, aws: EmulatedAws) -> None:
    again = event()
    handler(again, None)
    value = secrets().get_secret_value(SecretId=secret)["SecretString"]
    aws.cloud.front.calls.clear()
    assert handler({**again, "force": True}, None) == {"result": "written before", "version": again["id"]}
    assert aws.cloud.front.calls == ["secretsmanager:DescribeSecret"]
    assert secrets().get_secret_value(SecretId=secret)["SecretString"] == value


def test_two_at_once_write_one_version(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked before either has written: the second is told by Secrets Manager."""
    token = str(uuid.uuid4())
    prove = function._prove
    nested: list[Any] = []

    def meanwhile(*arguments: Any) -> None:
        prove(*arguments)
        if not nested:
            nested.append(None)
            nested[0] = write(settings(secret), token)

    monkeypatch.setattr(function, "_prove", meanwhile)
    assert write(settings(secret), token) == {"result": "written before", "version": token}
    assert nested[0]["result"] == "written"


def test_not_more_often_than_aws_wants(secret: str, aws: EmulatedAws) -> None:
    assert handler(event(), None)["result"] == "written"
    aws.cloud.front.calls.clear()
    kept = handler(event(), None)
    assert kept["result"] == "kept"
    assert kept["reason"].endswith("AWS asks for 600 between")
    assert aws.cloud.front.calls == ["secretsmanager:DescribeSecret"]
    assert write(settings(secret), str(uuid.uuid4()), clock=lambda: time.time() + 601)["result"] == "written"


@pytest.mark.parametrize("broken", ["role", "external id", "duration", "rubbish", "unproven", "another role"])
def test_a_failure_leaves_the_last_good_one(
    secret: str, aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    handler(event(), None)
    before = (secrets().get_secret_value(SecretId=secret)["SecretString"], stages(secret))
    made = settings(secret)
    if broken == "role":
        monkeypatch.delitem(aws.cloud.front.roles, TARGET)
    elif broken == "external id":
        made = Settings(TARGET, secret, external_id="guessed")
    elif broken == "duration":
        made = settings(secret, duration=7200)
    elif broken == "rubbish":
        answer(aws, monkeypatch, b"<AssumeRoleResponse/>")
    elif broken == "unproven":
        monkeypatch.setattr(aws.cloud.front, "_learn", lambda answer, *_: answer)
    else:
        prove = function._prove
        monkeypatch.setattr(function, "_prove", lambda session, arn, pause: prove(session, f"{arn}-other", pause))
    pauses: list[float] = []
    with pytest.raises(WriterError) as caught:
        write(made, str(uuid.uuid4()), force=True, pause=pauses.append)
    line = str(caught.value)
    assert "\n" not in line
    assert TARGET in line
    assert "writer-external-id" not in line
    assert caught.value.__cause__ is None
    assert len(pauses) == (function.PROOFS - 1 if broken == "unproven" else 0)
    assert (secrets().get_secret_value(SecretId=secret)["SecretString"], stages(secret)) == before


def answer(aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    async def same(request: Request, caller: Any) -> Response:
        return Response(200, [("Content-Type", "text/xml")], content)

    monkeypatch.setattr(aws.cloud.front, "_sts", same)


def test_iam_may_take_a_moment(secret: str, aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    known = aws.cloud.sessions
    add = known.add
    held: list[Session] = []
    monkeypatch.setattr(known, "add", held.append)

    def pause(seconds: float) -> None:
        assert seconds == 1.0
        add(held[-1])

    assert write(settings(secret), str(uuid.uuid4()), pause=pause)["result"] == "written"


def test_a_secret_that_is_not_there(secret: str) -> None:
    with pytest.raises(WriterError, match="secret no/such: ResourceNotFoundException: "):
        write(settings("no/such"), str(uuid.uuid4()))


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("ROLE_ARN", "", "environment variable ROLE_ARN is not set"),
        ("SECRET_ID", "", "environment variable SECRET_ID is not set"),
        ("DURATION", "7200", "DURATION is 900 to 3600 seconds"),
        ("DURATION", "1h", "DURATION is 900 to 3600 seconds"),
        ("DURATION", "899", "DURATION is 900 to 3600 seconds"),
    ],
)
def test_settings(secret: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(WriterError, match=problem):
        handler(event(), None)


@pytest.mark.parametrize("given", [None, [], {}, {"id": 5}, {"id": "short"}, {"id": "x" * 65}, {"id": "é" * 36}])
def test_any_event_will_do(secret: str, given: Any) -> None:
    said = handler(given, None)
    assert said["result"] == "written"
    assert uuid.UUID(said["version"])


def test_what_is_asked_for(secret: str, aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = '{"Version":"2012-10-17","Statement":[]}'
    for name, value in (("SOURCE_IDENTITY", "writer"), ("SESSION_POLICY", policy), ("DURATION", "900")):
        monkeypatch.setenv(name, value)
    bodies: list[bytes] = []
    sts = aws.cloud.front._sts

    async def watch(request: Request, caller: Any) -> Response:
        bodies.append(request.body)
        return await sts(request, caller)

    monkeypatch.setattr(aws.cloud.front, "_sts", watch)
    handler(event(), None)
    asked = bodies[0].decode()
    assert "SourceIdentity=writer" in asked
    assert "DurationSeconds=900" in asked
    assert "Policy=%7B%22Version" in asked
    assert "RoleSessionName=bigip-sm-writer" in asked
    assert b"GetCallerIdentity" in bodies[1]


def test_no_secret_is_said(secret: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        said = handler(event(), None)
    value = json.loads(secrets().get_secret_value(SecretId=secret)["SecretString"])
    told = json.dumps(said) + caplog.text + repr(settings(secret))
    assert '"result": "written"' in caplog.text
    for hidden in (value["SecretAccessKey"], value["SessionToken"], "writer-external-id"):
        assert hidden not in told


def test_the_zip_runs_by_itself(secret: str, tmp_path: Path) -> None:
    """In a process that can import boto3, but nothing of this project except from the zip."""
    (tmp_path / "writer.zip").write_bytes(archive())
    module, _, name = HANDLER.rpartition(".")
    program = (
        "import importlib, json, sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        top = name.partition('.')[0]\n"
        "        allowed = ('rotator', 'boto3', 'botocore', 's3transfer', 'jmespath', 'dateutil', 'six', 'urllib3',\n"
        "                   'certifi', 'awscrt')\n"
        "        if top not in allowed and top not in sys.stdlib_module_names and not top.startswith('_'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "sys.path.insert(0, sys.argv[1])\n"
        f"found = importlib.import_module({module!r})\n"
        "assert '.zip' in found.__file__, found.__file__\n"
        f"print(json.dumps(found.{name}({{'id': sys.argv[2]}}, None)))\n"
    )
    token = str(uuid.uuid4())
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "writer.zip"), token],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["version"] == token
    assert token in stages(secret)


def test_the_zip_is_the_same_every_time_and_readable_for_lambda() -> None:
    assert archive() == archive()
    with zipfile.ZipFile(io.BytesIO(archive())) as made:
        assert made.namelist() == ["rotator/__init__.py", "rotator/writer/__init__.py", "rotator/writer/function.py"]
        assert {entry.external_attr >> 16 for entry in made.infolist()} == {0o644}
