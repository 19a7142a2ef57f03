"""Sources against moto behind a front that verifies signatures, and what they say when they fail."""

from __future__ import annotations

import contextlib
import json
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from emulated_aws import CHAT, EXTERNAL_ID, REGION, EmulatedAws
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.aws.policy import MAX_SESSION_POLICY, session_policy
from bigip_sm.errors import CredentialError, SourceError
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import StsSource
from rotator.sources import clients, source_for
from rotator.sources.secrets_manager import SecretsManager, parse_session
from rotator.sources.sts import Sts

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
SPEC = load(QUICKSTART)
NOW = 1_795_262_400.0
GOOD = {
    "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "SessionToken": "IQoJb3JpZ2luX2VjEXAMPLE",
    "Expiration": "2026-11-21T13:00:00Z",
}


@pytest.fixture
def environment(aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> EmulatedAws:
    aws.use(monkeypatch)
    return aws


def in_an_hour() -> str:
    return datetime.fromtimestamp(int(time.time()) + 3600, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_secret_is_read(environment: EmulatedAws) -> None:
    before = time.time()
    environment.put_secret("bigip/classifier", {**GOOD, "Expiration": in_an_hour(), "RoleArn": "ignored"})
    found = source_for(SPEC, "classifier").fetch()
    assert found.access_key_id == GOOD["AccessKeyId"]
    assert (found.secret_access_key, found.session_token) == (GOOD["SecretAccessKey"], GOOD["SessionToken"])
    assert before + 3595 < found.expiration <= time.time() + 3600
    assert before - 2 < found.issued_at < time.time() + 2
    assert GOOD["SecretAccessKey"] not in repr(found)


def test_the_value_is_read_when_the_version_changes(environment: EmulatedAws) -> None:
    calls = environment.cloud.front.calls
    source = SecretsManager("classifier", "bigip/versions", REGION)
    environment.put_secret("bigip/versions", {**GOOD, "Expiration": in_an_hour()})
    calls.clear()
    first = source.fetch()
    assert [source.fetch(), source.fetch()] == [first, first]
    assert calls == ["secretsmanager:GetSecretValue", *["secretsmanager:DescribeSecret"] * 2]
    time.sleep(1.0)  # moto tells the time of a version in whole seconds
    environment.put_secret("bigip/versions", {**GOOD, "SessionToken": "new", "Expiration": in_an_hour()})
    calls.clear()
    second = source.fetch()
    assert calls == ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    assert second.session_token == "new"
    assert second.issued_at > first.issued_at


def test_a_stage_that_moves_back_is_seen(environment: EmulatedAws) -> None:
    source = SecretsManager("classifier", "bigip/stages", REGION)
    environment.put_secret("bigip/stages", {**GOOD, "Expiration": in_an_hour()})
    assert source.fetch().session_token == GOOD["SessionToken"]
    environment.put_secret("bigip/stages", {**GOOD, "SessionToken": "new", "Expiration": in_an_hour()})
    assert source.fetch().session_token == "new"
    secrets = clients.client("classifier", "secretsmanager", REGION)
    stages = secrets.describe_secret(SecretId="bigip/stages")["VersionIdsToStages"]
    (old,) = (version for version, found in stages.items() if "AWSPREVIOUS" in found)
    (new,) = (version for version, found in stages.items() if "AWSCURRENT" in found)
    secrets.update_secret_version_stage(
        SecretId="bigip/stages", VersionStage="AWSCURRENT", MoveToVersionId=old, RemoveFromVersionId=new
    )
    assert source.fetch().session_token == GOOD["SessionToken"]


def test_a_version_that_is_no_session_is_read_once(environment: EmulatedAws) -> None:
    source = SecretsManager("classifier", "bigip/malformed", REGION)
    environment.put_secret("bigip/malformed", {**GOOD, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"})
    calls = environment.cloud.front.calls
    calls.clear()
    for _ in range(3):
        with pytest.raises(SourceError, match=r"secret bigip/malformed in us-east-1: .*\(AKIA\.\.\.\)"):
            source.fetch()
    assert calls.count("secretsmanager:GetSecretValue") == 1
    environment.put_secret("bigip/malformed", {**GOOD, "Expiration": in_an_hour()})
    assert source.fetch().access_key_id == GOOD["AccessKeyId"]


def test_the_version_ends_while_it_is_kept(environment: EmulatedAws) -> None:
    environment.put_secret("bigip/late", {**GOOD, "Expiration": in_an_hour()})
    source = SecretsManager("classifier", "bigip/late", REGION)
    source.fetch()
    source.clock = lambda: time.time() + 3601
    with pytest.raises(SourceError, match=r"its session expired \d s ago; whoever fills the secret is late"):
        source.fetch()


def test_after_a_failure_the_environment_is_read_again(
    environment: EmulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.put_secret("bigip/again", {**GOOD, "Expiration": in_an_hour()})
    source = SecretsManager("classifier", "bigip/again", REGION)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        for _ in range(2):
            with pytest.raises(SourceError, match=r"InvalidSignature|SignatureDoesNotMatch"):
                source.fetch()
    assert source.fetch().access_key_id == GOOD["AccessKeyId"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({**GOOD, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "it holds a long-lived access key (AKIA...)"),
        ({key: value for key, value in GOOD.items() if key != "SessionToken"}, "SessionToken is missing"),
        ({**GOOD, "SessionToken": ""}, "SessionToken is missing"),
        ({**GOOD, "SecretAccessKey": 5}, "SecretAccessKey is missing"),
        ({**GOOD, "SessionToken": "a|b"}, "SessionToken has a character that no AWS credential has"),
        ({**GOOD, "SessionToken": "a\nb"}, "SessionToken has a character"),
        ({**GOOD, "AccessKeyId": "AIDAIOSFODNN7EXAMPLE"}, "AccessKeyId is not that of an STS session"),
        ({**GOOD, "Expiration": "2026-11-21T13:00:00"}, "Expiration is not a time such as"),
        ({**GOOD, "Expiration": "tomorrow"}, "Expiration is not a time such as"),
        ({**GOOD, "Expiration": "2026-02-30T13:00:00Z"}, "Expiration is not a time that exists"),
        ({**GOOD, "Expiration": "2026-11-21T13:00:00+99:99"}, "Expiration is not a time that exists"),
        ({}, "AccessKeyId is missing"),
        ([], "the secret is not a JSON object"),
        ("text", "the secret is not a JSON object"),
    ],
)
def test_unusable_secrets(value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}") as caught:
        parse_session(json.dumps(value), NOW)
    for secret in ("wJalrXUtn", "IQoJb3Jp", "AKIAIOSF"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("text", [None, "", "{", "[" * 100_000, 'NaN"wJalrXUtn"'])
def test_secrets_that_are_not_json(text: str | None) -> None:
    with pytest.raises(ValueError, match="the secret is") as caught:
        parse_session(text, NOW)
    assert "wJalr" not in str(caught.value)


@pytest.mark.parametrize(
    "form", ["2026-11-21T13:00:00Z", "2026-11-21 13:00:00+00:00", "2026-11-21T14:00:00.123456+0100"]
)
def test_forms_of_time(form: str) -> None:
    assert parse_session(json.dumps({**GOOD, "Expiration": form}), NOW).expiration == NOW + 3600


@given(st.text(max_size=200) | st.dictionaries(st.sampled_from([*GOOD, "x"]), st.text(max_size=30)).map(json.dumps))
def test_any_secret_gives_a_session_or_a_reason(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_session(text, NOW).access_key_id.startswith("ASIA")


def test_missing_secret(environment: EmulatedAws) -> None:
    with pytest.raises(SourceError, match="role classifier: secret no/such in us-east-1: ResourceNotFoundException: "):
        SecretsManager("classifier", "no/such", REGION).fetch()


def test_what_is_asked_of_sts(environment: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, list[str]]] = []
    handle = environment.cloud.front._sts

    async def watch(request: Any, caller: Any) -> Any:
        seen.append(parse_qs(request.body.decode()))
        return await handle(request, caller)

    monkeypatch.setattr(environment.cloud.front, "_sts", watch)
    source_for(SPEC, "chat").fetch()
    (form,) = seen
    assert form["RoleArn"] == [CHAT]
    assert form["ExternalId"] == [EXTERNAL_ID]
    assert form["RoleSessionName"] == ["bigip-sm"]
    assert form["DurationSeconds"] == ["3600"]
    assert json.loads(form["Policy"][0]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sagemaker:InvokeEndpoint",
                "Resource": [
                    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/llama-3-3-70b-v3",
                    "arn:aws:sagemaker:us-west-2:123456789012:endpoint/llama-3-3-70b-v3",
                ],
            },
            {"Effect": "Allow", "Action": "sagemaker:CallWithBearerToken", "Resource": "*"},
        ],
    }


def test_wrong_external_id(environment: EmulatedAws) -> None:
    source = Sts("chat", CHAT, REGION, StsSource(type="sts", external_id="guessed"))
    with pytest.raises(SourceError, match=f"role chat: AssumeRole of {CHAT} in us-east-1: AccessDenied: ") as caught:
        source.fetch()
    assert "\n" not in str(caught.value)


def test_unknown_caller(environment: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-right-one")
    with pytest.raises(SourceError, match=r"role chat: AssumeRole .* SignatureDoesNotMatch") as caught:
        source_for(SPEC, "chat").fetch()
    assert "not-the-right-one" not in str(caught.value)


def test_no_credentials(environment: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceError, match=r"role chat: .*: this process has no AWS credentials of its own; set AWS_"):
        source_for(SPEC, "chat").fetch()


def test_clients_are_regional(environment: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    assert clients.client("chat", "sts", "us-east-1").meta.endpoint_url == "https://sts.us-east-1.amazonaws.com"


def test_session_policy_is_never_widened() -> None:
    upstream = SPEC.upstreams["llama"]
    many = {f"m{n}": upstream.model_copy(update={"endpoint": f"Model-{n}"}) for n in range(30)}
    large: Spec = SPEC.model_copy(update={"upstreams": many})
    with pytest.raises(CredentialError, match=f"AWS takes {MAX_SESSION_POLICY}; divide the upstreams"):
        session_policy(large, "chat")
    few: Spec = SPEC.model_copy(update={"upstreams": {"m1": many["m1"]}})
    assert "endpoint/model-1" in session_policy(few, "chat")
    assert "CallWithBearerToken" not in session_policy(SPEC, "classifier")


def test_role_that_nothing_uses() -> None:
    unused: Spec = SPEC.model_copy(update={"upstreams": {}})
    with pytest.raises(SourceError, match="role chat: no upstream uses it"):
        source_for(unused, "chat")


def test_repr_of_a_source_hides_the_external_id() -> None:
    assert EXTERNAL_ID not in repr(source_for(SPEC, "chat"))
