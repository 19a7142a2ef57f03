"""The files that the writer is deployed from, and the page about them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bigip_sm.aws.policy import rotator_policy, secret_arn, trust_policy, writer_policy
from bigip_sm.errors import CredentialError
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from bigip_sm.spec.sources import ProfileSource, RolesAnywhereSource, SecretsManagerSource, StsSource, WebIdentitySource
from rotator.writer.__main__ import deployment, main
from rotator.writer.archive import HANDLER, archive
from rotator.writer.function import LONGEST, PAUSE, PROOFS, Settings

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "declarations" / "quickstart" / "gateway.yaml"
SPEC = load(QUICKSTART)
PAGE = ROOT / "docs" / "credentials-writer.md"
KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d"
WRITER = "arn:aws:iam::123456789012:role/bigip-sm-writer"


def spec_with(source: object) -> Spec:
    role = SPEC.roles["chat"].model_copy(update={"source": source})
    return SPEC.model_copy(update={"roles": {"chat": role}})


def test_the_page_shows_the_policies_of_the_quickstart() -> None:
    text = PAGE.read_text("utf-8")
    documents = deployment(SPEC, "classifier")
    shown = re.findall(r"<!-- (\S+\.json) -->\n```json\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in shown] == ["writer-policy.json", "role-trust.json", "rotator-policy.json"]
    if os.environ.get("UPDATE_CASES"):
        for name, block in shown:
            wanted = json.dumps(documents[name], indent=2) + "\n"
            text = text.replace(f"<!-- {name} -->\n```json\n{block}```", f"<!-- {name} -->\n```json\n{wanted}```")
        PAGE.write_text(text, encoding="utf-8")
        shown = re.findall(r"<!-- (\S+\.json) -->\n```json\n(.*?)```", text, re.DOTALL)
    for name, block in shown:
        assert json.loads(block) == documents[name], f"{name}: run UPDATE_CASES=1 pytest {Path(__file__).name}"


def test_the_page_says_what_the_code_does() -> None:
    text = PAGE.read_text("utf-8")
    fields = {name.upper(): field.default for name, field in Settings.__dataclass_fields__.items()}
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| `?([^`|]+?)`? \|", text, re.MULTILINE))
    assert set(table) == set(fields)
    for name, default in fields.items():
        assert table[name] == (
            "none" if default is None else str(default) if isinstance(default, str | int) else "required"
        )
    assert f"--handler {HANDLER} " in text
    assert (LONGEST, PAUSE, PROOFS) == (3600, 600, 5)
    for stated in ("1 hour at most", "every 4 hours at most", "10 minutes", "rate(30 minutes)", "up to 5 times"):
        assert stated in text
    assert "writer/answer.json" in text


def test_the_command_writes_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "made" / "writer"
    arguments = [str(QUICKSTART), "classifier", "--output", str(folder), "--external-id", "x1", "--kms-key", KEY]
    assert main(arguments) == 0
    assert "writer.zip" in capsys.readouterr().out
    listed = re.findall(r"^\| `([a-z-]+\.[a-z]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(path.name for path in folder.iterdir()) == sorted(listed)
    assert (folder / "writer.zip").read_bytes() == archive()
    documents = deployment(SPEC, "classifier", external_id="x1", kms_key=KEY)
    for name, document in documents.items():
        assert json.loads((folder / name).read_text()) == document
    variables = documents["environment.json"]["Variables"]
    assert (variables["EXTERNAL_ID"], variables["SECRET_ID"]) == ("x1", "bigip/classifier")
    assert Settings.read(variables).role_arn == SPEC.roles["classifier"].arn
    assert "endpoint/churn-v7" in variables["SESSION_POLICY"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([str(QUICKSTART), "chat"], "error: role chat: its source is sts, not a secret"),
        ([str(QUICKSTART), "nobody"], "has no role 'nobody'; it has classifier, chat"),
        (["no-such.yaml", "chat"], "error: no-such.yaml:1: cannot be read"),
        ([], "Missing argument"),
        ([str(QUICKSTART), "classifier", "--output", "/dev/null/x"], "error: /dev/null"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments: list[str], problem: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "rotator.writer", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert problem in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_writer_may_write_one_secret_and_assume_one_role() -> None:
    policy = writer_policy(SPEC, "classifier", kms_key=KEY)
    assume, write, key = policy["Statement"]
    assert (assume["Action"], assume["Resource"]) == (["sts:AssumeRole"], [SPEC.roles["classifier"].arn])
    assert write["Action"] == ["secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"]
    assert write["Resource"] == ["arn:aws:secretsmanager:us-east-1:123456789012:secret:bigip/classifier-??????"]
    assert key["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert key["Condition"]["StringEquals"] == {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}
    assert len(writer_policy(SPEC, "classifier")["Statement"]) == 2


@pytest.mark.parametrize(
    ("source", "actions", "resource"),
    [
        (StsSource(type="sts"), ["sts:AssumeRole"], SPEC.roles["chat"].arn),
        (
            StsSource(type="sts", source_identity="bigip", tags={"a": "b"}),
            ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
            SPEC.roles["chat"].arn,
        ),
        (
            StsSource(type="sts", chain=("arn:aws:iam::210987654321:role/hub", "arn:aws:iam::210987654321:role/spoke")),
            ["sts:AssumeRole"],
            "arn:aws:iam::210987654321:role/hub",
        ),
        (ProfileSource(type="profile"), ["sts:AssumeRole"], SPEC.roles["chat"].arn),
    ],
)
def test_the_rotator_may_only_take_the_first_step(source: object, actions: list[str], resource: str) -> None:
    policy = rotator_policy(spec_with(source))
    assert policy is not None
    (statement,) = policy["Statement"]
    assert statement == {"Sid": "AssumeChat", "Effect": "Allow", "Action": actions, "Resource": [resource]}


def test_the_rotator_needs_no_identity_to_show_a_token() -> None:
    assert rotator_policy(spec_with(WebIdentitySource(type="web-identity"))) is None


def test_the_rotator_reads_only() -> None:
    policy = rotator_policy(SPEC, kms_key=KEY)
    assert policy is not None
    read, key, assume = policy["Statement"]
    assert read["Action"] == ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    assert key["Action"] == ["kms:Decrypt"]
    assert assume["Resource"] == [SPEC.roles["chat"].arn]


def test_where_a_secret_is() -> None:
    full = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:x-AbCdEf"
    given = SecretsManagerSource(type="secrets-manager", secret=full)
    assert secret_arn(spec_with(given), "chat") == full
    named = SecretsManagerSource(type="secrets-manager", secret="a/b", region="eu-west-1")
    assert secret_arn(spec_with(named), "chat") == "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b-??????"
    with pytest.raises(CredentialError, match="role chat: its source is sts, not a secret"):
        secret_arn(SPEC, "chat")


def test_who_is_trusted() -> None:
    anchor = "arn:aws:rolesanywhere:us-east-1:123456789012:trust-anchor/0a1b2c3d-0a1b-4c2d-8e3f-0a1b2c3d4e5f"
    anywhere = RolesAnywhereSource(
        type="roles-anywhere",
        trust_anchor=anchor,
        profile=anchor.replace("trust-anchor", "profile"),
        certificate="/a",
        key="/b",
    )
    (statement,) = trust_policy(spec_with(anywhere), "chat", "unused")["Statement"]
    assert statement["Principal"] == {"Service": "rolesanywhere.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": anchor}}
    provider = "arn:aws:iam::123456789012:oidc-provider/example.com"
    (statement,) = trust_policy(spec_with(WebIdentitySource(type="web-identity")), "chat", provider)["Statement"]
    assert statement["Principal"] == {"Federated": provider}
    assert statement["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    settings = StsSource(type="sts", external_id="x1", source_identity="bigip", tags={"a": "b"})
    (statement,) = trust_policy(spec_with(settings), "chat", WRITER)["Statement"]
    assert statement["Principal"] == {"AWS": WRITER}
    assert statement["Action"] == ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    assert statement["Condition"] == {"StringEquals": {"sts:SourceIdentity": "bigip", "sts:ExternalId": "x1"}}
    (statement,) = trust_policy(SPEC, "classifier", WRITER)["Statement"]
    assert "Condition" not in statement
