"""What the record of a request says of the stages that are not always there: limits, tokens, operations, the gateway's
own answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kinds_kit
import limits_kit
import pytest
from audit_kit import AUDIT
from gateway_kit import Answer, Gateway, message, running_gateway
from limits_kit import Limited

from bigip_sm.audit.record import AuditRecord

OPERATIONS = """
  told:
    listener: public
    match: {path: /told}
    upstream: chat
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
    grants: {"infer:stream": [staff:alice]}
"""

CHAT = {"model": "m", "messages": [{"role": "user"}]}


def recorded(gateway: Gateway, do: Callable[[], object], number: int = 1) -> list[dict[str, Any]]:
    """The records of what ``do`` does; no more may come."""
    collector = gateway.lab.collector
    before = len(collector.lines)
    do()
    deadline = time.monotonic() + 10
    while len(collector.lines) < before + number:
        assert time.monotonic() < deadline, "a record is missing"
        time.sleep(0.01)
    time.sleep(0.05)
    found = [json.loads(line) for line in list(collector.lines)[before:]]
    assert len(found) == number, found
    for record in found:
        AuditRecord.model_validate(record)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    folder = tmp_path_factory.mktemp("outcomes")
    (folder / "gateway.yaml").write_text(limits_kit.SPEC + OPERATIONS + AUDIT)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        yield Limited(gateway.stage)


@pytest.fixture
def limited(running: Limited) -> Iterator[Limited]:
    """Nothing is counted yet; a model whose answers cost 20 tokens more than what they are asked."""
    running.fresh()
    model = running.lab.chat("chat-v1")
    model.tokens, model.pause = ("word ",) * 20, None
    yield running
    assert not [line for line in running.lab.log_lines if "TCL error" in line or "failed in stage" in line]


def chat(**changes: Any) -> bytes:
    return json.dumps({**CHAT, **changes}).encode()


def test_the_limit_that_refused_is_named(limited: Limited) -> None:
    records = recorded(limited, lambda: [limited.ask_as("alice", "/each") for _ in range(4)], 4)
    assert [one["limits"] for one in records] == [[]] * 3 + [["requests-principal-minute:refused"]]
    assert records[3]["reason"] == "too-many-requests"
    records = recorded(limited, lambda: [limited.ask_as("alice", "/several") for _ in range(3)], 3)
    assert [one["limits"] for one in records] == [[], [], ["requests-principal-minute:refused"]]


def test_every_hit_of_a_shadow_limit_is_in_its_record(limited: Limited) -> None:
    records = recorded(limited, lambda: [limited.ask_as("alice", "/shadow") for _ in range(4)], 4)
    hit = ["requests-principal-minute:shadow"]
    assert [one["limits"] for one in records] == [[], [], hit, hit]
    assert {one["decision"] for one in records} == {"allowed"}


def test_shadow_limits_of_tokens_and_of_requests_at_one_time_are_in_the_record(limited: Limited) -> None:
    records = recorded(limited, lambda: [limited.ask_as(who, "/metered", chat()) for who in ("a", "b", "c", "d")], 4)
    assert [one["limits"] for one in records][:2] == [[], []]
    assert records[3]["limits"] == ["tokens-route-day:shadow"]
    limited.slow("echo-v1", 1.0)

    def at_once() -> None:
        with limited.client("erin") as client:
            client.send(message("/shadow", b"{}"))
            limits_kit.wait_for(lambda: not limited.waiting())
            assert limited.ask_as("erin", "/shadow").status == 200
            assert client.receive().status == 200

    second, first = recorded(limited, at_once, 2)
    assert (first["limits"], second["limits"]) == ([], ["concurrency-principal:shadow"])


def test_too_many_at_once_names_the_limit(limited: Limited) -> None:
    limited.slow("echo-v1", 1.0)
    limited.slow("echo-v1", 1.0)

    def ask() -> None:
        with limited.client("alice") as first, limited.client("alice") as second:
            first.send(message("/slots", b"{}"))
            second.send(message("/slots", b"{}"))
            limits_kit.wait_for(lambda: not limited.waiting())
            assert limited.ask_as("alice", "/slots").verdict == "429 too-many-at-once"
            assert [first.receive().status, second.receive().status] == [200, 200]

    refused, *others = recorded(limited, ask, 3)
    assert (refused["limits"], refused["tokens"]) == (["concurrency-principal:refused"], None)
    assert [one["limits"] for one in others] == [[], []]


def total(answer: Answer) -> int:
    found = json.loads(answer.body)["usage"]["total_tokens"]
    assert isinstance(found, int)
    return found


def test_tokens_are_those_that_the_answer_tells(limited: Limited) -> None:
    answers: list[Answer] = []
    (record,) = recorded(limited, lambda: answers.append(limited.ask_as("alice", "/both", chat())))
    assert record["tokens"] == {"total": total(answers[0]), "estimated": False}
    (record,) = recorded(limited, lambda: limited.ask_as("alice", "/both", chat(stream=True)))
    assert record["tokens"] == {"total": total(answers[0]), "estimated": False}
    assert record["at"]["last"] is not None


def test_tokens_are_estimated_where_the_answer_does_not_tell_them(limited: Limited) -> None:
    body = b'{"inputs": "0123456789"}'
    (record,) = recorded(limited, lambda: limited.ask_as("alice", "/measured", body))
    assert record["tokens"]["estimated"] is True
    assert record["tokens"]["total"] >= len(body) // 4


def test_a_caller_who_leaves_a_stream_has_the_tokens_of_what_he_got_in_the_record(limited: Limited) -> None:
    model = limited.lab.chat("chat-v1")
    model.pause = _no_end

    def leave() -> None:
        with limited.client("alice") as client:
            client.send(message("/both", chat(stream=True)))
            assert client.socket.recv(100)

    (record,) = recorded(limited, leave)
    assert record["decision"] == "allowed"
    assert record["tokens"]["estimated"] is True
    assert record["tokens"]["total"] > 0


async def _no_end(token: int) -> None:
    await asyncio.sleep(3600 if token > 3 else 0)


def test_a_request_inherits_no_tokens_limits_or_operation_of_the_one_before(limited: Limited) -> None:
    def ask() -> None:
        with limited.client("alice") as client:
            for _ in range(3):
                client.request("/shadow", b"{}")
            client.request("/both", chat())
            client.request("/told", chat(stream=True))
            client.request("/unlimited", b"{}")
            client.request("/nowhere", b"{}")

    *_, shadowed, paid, told, plain, nowhere = recorded(limited, ask, 7)
    assert shadowed["limits"] == ["requests-principal-minute:shadow"]
    assert (paid["limits"], paid["tokens"]["estimated"], paid["operation"]) == ([], False, None)
    assert (told["limits"], told["tokens"], told["operation"]) == ([], None, "infer:stream")
    assert (plain["limits"], plain["tokens"], plain["operation"]) == ([], None, "infer")
    assert (nowhere["limits"], nowhere["tokens"], nowhere["operation"]) == ([], None, None)


def test_the_operation_is_told_where_rules_tell_it_apart_also_of_a_refusal(limited: Limited) -> None:
    def ask() -> None:
        assert limited.ask_as("alice", "/told", chat()).status == 200
        assert limited.ask_as("bob", "/told", chat(stream=True)).verdict == "403 operation-not-granted"

    whole, refused = recorded(limited, ask, 2)
    assert whole["operation"] == "infer"
    assert (refused["operation"], refused["reason"]) == ("infer:stream", "operation-not-granted")


def test_answers_of_the_gateway_itself_and_of_the_control_plane_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(kinds_kit.SPEC + AUDIT)
    with running_gateway(tmp_path / "gateway.yaml", tmp_path) as gateway:

        def ask() -> None:
            with gateway.client("alice") as client:
                answer = client.request("/openai/v1/models", b"", method="GET")
                assert (answer.status, json.loads(answer.body)["object"]) == (200, "list")
                headers = [
                    ("X-Amz-Target", "SageMaker.DescribeTrainingJob"),
                    ("Content-Type", "application/x-amz-json-1.1"),
                ]
                assert not client.request("/", b"{}", headers).reason

        listed, trained = recorded(gateway, ask, 2)
    assert (listed["decision"], listed["status"], listed["reason"]) == ("allowed", 200, None)
    assert (listed["route"], listed["upstream"], listed["region"], listed["role"]) == ("models", "models", None, "")
    assert [listed["at"][name] for name in ("signed", "sent", "answer")] == [None] * 3
    assert (trained["route"], trained["operation"]) == ("training", "train")
