"""`bigip-sm iam`: documents for AWS, and the egress list for the firewall team."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gateway_kit import QUICKSTART
from kinds_kit import SPEC as KINDS
from policy_evaluator import Asked, decision

from bigip_sm.aws.documents import documents
from bigip_sm.aws.egress import flows
from bigip_sm.commands.main import main
from bigip_sm.spec import load

Capture = pytest.CaptureFixture[str]
EAST, WEST = "vpce-0a1b2c3d4e5f60718", "vpce-0f9e8d7c6b5a43210"


def test_the_quickstarts_documents_are_named_and_explained(capsys: Capture) -> None:
    assert main(["iam", str(QUICKSTART), "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in report["documents"]] == [
        "rotator",
        *("classifier-trust", "classifier-permissions", "chat-trust", "chat-permissions"),
        *(f"{EAST}-endpoint", f"{WEST}-endpoint", "organization"),
    ]
    policies = {one["name"]: one["policy"] for one in report["documents"]}
    (statement,) = policies["classifier-permissions"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Action": ["sagemaker:InvokeEndpoint"],
        "Resource": ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/churn-v7"],
        "Condition": {"StringEquals": {"aws:SourceVpce": [EAST]}},
    }


def test_text_and_files_hold_the_same(tmp_path: Path, capsys: Capture) -> None:
    assert main(["iam", str(QUICKSTART)]) == 0
    shown = capsys.readouterr().out
    assert main(["iam", str(QUICKSTART), "-o", str(tmp_path / "iam")]) == 0
    for path in (tmp_path / "iam").glob("*.json"):
        assert path.read_text() in shown
    assert (tmp_path / "iam" / "egress.txt").read_text() in shown
    assert "note: classifier-trust: the rotator is taken to be" in capsys.readouterr().err


def test_the_rotators_own_arn_is_in_the_trust(capsys: Capture) -> None:
    arn = "arn:aws:iam::123456789012:role/ours"
    assert main(["iam", str(QUICKSTART), "--rotator", arn, "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    trust = next(one for one in report["documents"] if one["name"] == "chat-trust")
    assert trust["policy"]["Statement"][0]["Principal"] == {"AWS": arn}
    assert trust["notes"] == []


def test_the_organizations_guard_denies_everybody_who_does_not_come_through_the_gateway() -> None:
    guard = next(one for one in documents(load(QUICKSTART)) if one.name == "organization").policy
    endpoint = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/churn-v7"
    for vpce, wanted in ((EAST, "implicit deny"), ("vpce-0other", "deny"), (None, "deny")):
        context = (("aws:ViaAWSService", "false"), *((("aws:SourceVpce", vpce),) if vpce else ()))
        assert decision(guard, Asked("sagemaker:InvokeEndpoint", endpoint, context)) == wanted
    assert decision(guard, Asked("sagemaker:InvokeEndpoint", f"{endpoint}-other")) == "implicit deny"


def test_where_an_endpoint_is_not_named_it_is_said_and_not_guessed() -> None:
    found = {one.name: one for one in documents(load(Path("gateway.yaml"), KINDS))}
    notes = " ".join(found["models-permissions"].notes)
    assert "a VPC endpoint in us-west-2 is not named in gateway.yaml" in notes
    assert "organization" not in found


def test_the_egress_list_has_every_way_out_once() -> None:
    found = flows(load(Path("gateway.yaml"), KINDS))
    assert len(found) == len(set(found))
    destinations = {(flow.destination, flow.port) for flow in found}
    assert {
        ("10.8.0.7", 8443),
        ("10.9.0.5", 443),
        ("10.9.0.6", 443),
        ("bedrock-runtime-fips.us-east-1.amazonaws.com", 443),
        ("vpce-0a1b2c3d4e5f60718-abcdefgh.lambda.us-east-1.vpce.amazonaws.com", 443),
        ("secretsmanager.us-east-1.amazonaws.com", 443),
        ("its name servers", 53),
        ("BIG-IP management", 443),
    } <= destinations
    assert not [one for one, _ in destinations if one == "vllm.example.internal"]
