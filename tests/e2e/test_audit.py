"""Audit records, from a request at a real TLS client to the collector behind the internal virtual server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audit_kit import AUDITED, Audited, Record
from callers_kit import API_KEY, bearing
from gateway_kit import message, running_gateway
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigip_sm.audit.record import AuditRecord
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import Fault
from bigip_sm.render.audit import policy_digest, revision
from bigip_sm.render.reasons import REASONS


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    folder = tmp_path_factory.mktemp("audited")
    (folder / "gateway.yaml").write_text(AUDITED)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        made = Audited(gateway.stage)
        made.cloud = made.lab.issuers.by_name["cloud"]  # type: ignore[assignment]  # it makes tokens all the same
        yield made


def token(audited: Audited, subject: str = "dora", **more: Any) -> str:
    return audited.lab.issuers.by_name["cloud"].token(subject, **more)


def test_a_record_has_the_documented_form_and_says_who_what_when_and_under_whose_approval(audited: Audited) -> None:
    began = time.time() * 1000
    (record,) = audited.recorded(
        lambda: audited.bearing(token(audited, groups=["gold", '"quoted"', "other"]), "/groups")
    )
    AuditRecord.model_validate_json(json.dumps(record))
    spec = audited.stage.spec
    assert {key: record[key] for key in ("identity", "subject", "class", "groups", "route", "endpoint", "role")} == {
        "identity": "cloud",
        "subject": "dora",
        "class": "human",
        "groups": ["gold", "other"],
        "route": "groups",
        "endpoint": "echo-v1",
        "role": "premium",
    }
    assert (record["approved_by"], record["ticket"], record["approved_on"]) == ("tests", "T-2", "2026-01-01")
    assert record["tags"] == {"team": "ml-platform", "environment": "test"}
    assert (record["decision"], record["reason"], record["status"]) == ("allowed", None, 200)
    assert (record["method"], record["path"], record["region"]) == ("POST", "/groups", "eu-central-1")
    assert (record["policy"], record["revision"]) == (policy_digest(spec), revision(spec))
    assert record["retention_days"] == 400
    at = record["at"]
    order = [at[name] for name in ("accepted", "tls", "request", "body", "signed", "sent", "answer")]
    assert order == sorted(order)
    assert began - 1000 < order[0] <= order[-1] < time.time() * 1000 + 1000
    assert at["last"] is None
    assert record["aws"] is None


def test_the_ids_of_a_record_are_those_of_the_answer_and_of_what_aws_got(audited: Audited) -> None:
    answers: list[str] = []
    (record,) = audited.recorded(lambda: answers.append(audited.with_key(API_KEY).headers["x-request-id"]))
    assert answers == [record["request_id"]]
    assert audited.seen()[-1].values("X-Amzn-SageMaker-Inference-Id") == [record["request_id"].encode()]


@pytest.mark.parametrize(
    ("path", "headers", "reason", "stage"),
    [
        ("/open", [("Host", "other.example.com")], "unknown-host", "read"),
        ("/open", [("Accept", "x" * 2000)], "header-invalid", "strip"),
        ("/open", [], "unauthenticated", "authenticate"),
        ("/nowhere", [("X-Api-Key", API_KEY)], "no-route", "route"),
        ("/scopes", [("X-Api-Key", API_KEY)], "not-allowed", "authorize"),
        ("/open", [("X-Api-Key", API_KEY), ("Content-Encoding", "gzip")], "content-encoding-refused", "limit"),
    ],
)
def test_a_refusal_in_any_stage_is_recorded(
    audited: Audited, path: str, headers: list[tuple[str, str]], reason: str, stage: str
) -> None:
    def ask() -> None:
        with audited.client(None) as client:
            data = message(path, b"{}", [pair for pair in headers if pair[0] != "Host"])
            for name, value in headers:
                data = data.replace(b"Host: models.example.com", f"Host: {value}".encode()) if name == "Host" else data
            client.send(data)
            assert client.receive().reason == reason

    (record,) = audited.recorded(ask)
    AuditRecord.model_validate_json(json.dumps(record))
    assert (record["decision"], record["reason"], record["stage"]) == ("refused", reason, stage)
    assert record["status"] == REASONS[reason].status
    assert record["at"]["sent"] is None
    assert (record["route"] is None) == (stage in ("read", "strip", "authenticate", "route"))


def test_a_body_that_is_too_large_is_recorded_once(audited: Audited) -> None:
    def ask() -> None:
        with audited.client("carol") as client:
            client.send(message("/open", b"", [("Transfer-Encoding", "chunked")]))
            client.send(b"%x\r\n" % (1024**2 + 1) + bytes(1024**2 + 1) + b"\r\n0\r\n\r\n")
            assert client.receive().reason == "body-too-large"

    (record,) = audited.recorded(ask)
    assert (record["reason"], record["request_bytes"]) == ("body-too-large", 1024**2 + 1)


def test_what_aws_refuses_is_recorded_with_what_it_takes_to_compute_the_signature_anew(audited: Audited) -> None:
    audited.lab.cloud.runtime.faults.append(Fault(Refusal(403, "AccessDeniedException", "User: arn is not authorized")))
    (record,) = audited.recorded(lambda: audited.with_key(API_KEY))
    AuditRecord.model_validate_json(json.dumps(record))
    assert (record["decision"], record["reason"], record["status"]) == ("failed", "aws-refused", 502)
    aws, seen = record["aws"], audited.seen()[-1]
    assert aws["amz_date"].encode() == seen.values("X-Amz-Date")[0]
    assert aws["scope"] == f"{aws['amz_date'][:8]}/eu-central-1/sagemaker/aws4_request"
    (authorization,) = seen.values("Authorization")
    assert f"SignedHeaders={aws['signed_headers']},".encode() in authorization
    assert [len(aws[name]) for name in ("payload_sha256", "canonical_sha256")] == [64, 64]
    assert aws["request_id"]


def test_an_upstream_that_cannot_be_reached_is_recorded_as_failed(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(AUDITED)
    with running_gateway(tmp_path / "gateway.yaml", tmp_path) as gateway:
        made = Audited(gateway.stage)
        gateway.lab.network.withdraw("runtime.sagemaker.eu-central-1.amazonaws.com", 443)
        (record,) = made.recorded(lambda: made.with_key(API_KEY))
    AuditRecord.model_validate_json(json.dumps(record))
    assert (record["decision"], record["reason"], record["status"]) == ("failed", "upstream-unreachable", 502)
    assert (record["at"]["sent"], record["at"]["answer"]) == (None, None)
    assert record["at"]["signed"] is not None


def test_nothing_of_one_request_is_in_the_record_of_the_next(audited: Audited) -> None:
    def ask() -> None:
        with audited.client(None) as client:
            assert bearing(client, token(audited, groups=["gold"]), "/groups").status == 200
            assert client.request("/open", b"", method="GET").reason == "unauthenticated"
            assert client.request("/open", b"{}", [("X-Api-Key", API_KEY)]).status == 200

    first, second, third = audited.recorded(ask, 3)
    assert [one["number"] for one in (first, second, third)] == [1, 2, 3]
    assert len({one["connection_id"] for one in (first, second, third)}) == 1
    assert len({one["request_id"] for one in (first, second, third)}) == 3
    for name in ("identity", "subject", "class", "route", "role", "ticket", "region", "request_bytes"):
        assert second[name] is None, name
    assert (second["groups"], second["tags"], second["path"], second["method"]) == ([], {}, "/open", "GET")
    assert [second["at"][name] for name in ("body", "signed", "sent", "answer")] == [None] * 4
    assert (third["identity"], third["subject"], third["groups"], third["role"]) == ("partner", "acme", [], "plain")


def test_a_connection_that_ends_before_the_answer_is_recorded_at_its_end(audited: Audited) -> None:
    audited.lab.cloud.runtime.faults.append(Fault(delay=1.0))

    def ask() -> None:
        with audited.client("carol") as client:
            client.send(message("/open", b"{}"))
            time.sleep(0.2)

    (record,) = audited.recorded(ask)
    assert (record["decision"], record["status"]) == ("allowed", None)
    assert record["at"]["sent"] is not None
    assert record["at"]["answer"] is None
    time.sleep(1)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.binary(max_size=300))
def test_hostile_texts_leave_a_record_valid_and_one_line(audited: Audited, path: bytes) -> None:
    target = b"/" + bytes(byte for byte in path if byte > 0x20 and byte != 0x7F and byte < 0x80)

    def ask() -> None:
        with audited.client(None) as client:
            client.send(message(target, b"", [("X-Api-Key", API_KEY)], method="GET"))
            client.receive("GET")

    (record,) = audited.recorded(ask)
    AuditRecord.model_validate_json(json.dumps(record))
    assert record["path"] == target.partition(b"?")[0].decode()[:256]


def test_records_hold_no_secret(audited: Audited) -> None:
    bearer = token(audited)
    body = b'{"prompt": "my secret question"}'

    def ask() -> None:
        with audited.client(None) as client:
            assert bearing(client, bearer, "/open", body).status == 200

    audited.recorded(ask)
    everything = b"\n".join(audited.lines()).decode()
    secrets = [bearer, bearer.split(".")[2], API_KEY, "my secret question"]
    for session in audited.lab.cloud.sessions.all():
        secrets += [session.secret_access_key, *([session.session_token] if session.session_token else [])]
    for group in audited.stage.credentials().values():
        secrets += [field for record in group.records for field in record.data.split("|") if len(field) > 20]
    assert [secret for secret in secrets if secret in everything] == []


def test_a_collector_that_is_gone_does_not_touch_traffic_and_gets_records_when_it_is_back(audited: Audited) -> None:
    network = audited.lab.network
    _, port = network.resolve("10.0.9.5", 6514)
    network.withdraw("10.0.9.5", 6514)
    audited.lab.call(_drop_connections(audited))
    try:
        for _ in range(3):
            assert audited.with_key(API_KEY).status == 200
    finally:
        network.publish("10.0.9.5", 6514, port)
    deadline = time.monotonic() + 10
    before = len(audited.lines())
    while len(audited.lines()) == before:
        assert audited.with_key(API_KEY).status == 200
        assert time.monotonic() < deadline
        time.sleep(0.1)


async def _drop_connections(audited: Audited) -> None:
    for task in list(audited.lab.collector._connections.tasks):
        task.cancel()


def test_pseudonyms_are_the_same_for_one_subject_and_tell_nothing_without_the_key(tmp_path: Path) -> None:
    import hashlib
    import hmac

    (tmp_path / "gateway.yaml").write_text(AUDITED.replace("retention_days: 400", "subject: hmac"))
    with running_gateway(tmp_path / "gateway.yaml", tmp_path) as gateway:
        made = Audited(gateway.stage)

        def ask() -> None:
            for subject in ("carol", "carol", "dave"):
                with made.client(subject) as client:
                    assert client.request("/open", b"{}").status == 200

        records: list[Record] = made.recorded(ask, 3)
        with gateway.stage.device.connect("rotator") as device:
            (record,) = device.data_group("/bigip_sm/callers.audit").records
        key = bytes.fromhex(record.data.partition("|")[2])
        wanted = [f"hmac:{hmac.new(key, name, hashlib.sha256).hexdigest()}" for name in (b"carol", b"carol", b"dave")]
        assert [one["subject"] for one in records] == wanted
        assert gateway.stage.apply().changed is False
        with gateway.stage.device.connect("rotator") as device:
            assert device.data_group("/bigip_sm/callers.audit").records == (record,)
