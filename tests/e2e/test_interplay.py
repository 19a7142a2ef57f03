"""Optional stages together: what one of them does must be right by the lights of the others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from audit_kit import AUDIT
from content_kit import DONE, JSON, Content, _pieces, event
from gateway_kit import Answer, Client, Headers, message, running_gateway

from bigip_sm.audit.record import AuditRecord
from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import Fault, throttled, unavailable
from bigip_sm.lab.http import Response

SPEC = (
    """
version: 1
gateway: interplay
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.60
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {ca: /Common/clients-ca.crt}
identities:
  staff: {type: client-certificate}
roles:
  plain: {arn: "arn:aws:iam::123456789012:role/plain", source: {type: secrets-manager, secret: plain}}
upstreams:
  two:
    kind: sagemaker
    endpoint: two-v1
    role: plain
    timeout: 30s
    failover: {retries: 1, budget: 100%}
    circuit: {failures: 2, window: 10m, open: 20s}
    regions: [{name: eu-central-1, private_dns: true}, {name: us-east-1, private_dns: true}]
  new:
    kind: sagemaker
    endpoint: new-v1
    role: plain
    regions: [{name: eu-central-1, private_dns: true}]
  talk:
    kind: sagemaker-openai
    endpoint: talk-v1
    role: plain
    timeout: 30s
    chat: {alias: talker}
    regions: [{name: eu-central-1, private_dns: true}]
guards:
  blocking: {version: 1, chain: [{type: pii, find: [SSN], action: block}]}
  noting: {version: 2, chain: [{type: pii, find: [EMAIL], action: record}]}
routes:
"""
    + "".join(
        f"""
  {name}:
    listener: public
    match: {{path: /{name}{models}}}
    upstream: {upstream}
    allow: ["staff:*"]
    approved_by: {{name: tests, ticket: T-1, date: 2026-01-01}}
    {more}
"""
        for name, upstream, models, more in (
            (
                "most",
                "two",
                "",
                "limits: {concurrency: 1, tokens: 10000/day}\n    guards: [blocking, noting]\n    shape: {}",
            ),
            ("least", "two", "", "limits: {body: 1MiB}"),
            (
                "chat",
                "talk",
                ", models: [talker]",
                "limits: {concurrency: 1, tokens: 10000/day, max_tokens: 50}\n    guards: [blocking]",
            ),
        )
    )
    + """
  versions:
    listener: public
    match: {path: /versions}
    upstreams: [{name: two, weight: 80}, {name: new, weight: 20}]
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
"""
    + AUDIT
)
SSN = "078-05-1120"


class Interplay(Content):
    """The gateway, and what its collector got."""

    def faults(self, *faults: Fault) -> None:
        """What happens to the next requests at AWS."""
        self.lab.cloud.runtime.faults.extend(faults)

    def records(self, answer: Answer) -> list[dict[str, Any]]:
        """The records of an answer's request, in their form; waits for one, and for a second that must not come."""
        wanted, deadline = answer.headers["x-request-id"], time.monotonic() + 5
        while True:
            found = [json.loads(line) for line in list(self.lab.collector.lines)]
            mine = [one for one in found if one["request_id"] == wanted]
            if mine:
                break
            assert time.monotonic() < deadline, "a record is missing"
            time.sleep(0.01)
        time.sleep(0.05)
        assert sum(json.loads(line)["request_id"] == wanted for line in list(self.lab.collector.lines)) == 1
        AuditRecord.model_validate(mine[0])
        return mine

    def left(self) -> int:
        """Tokens that are left, told by an answer that costs nothing."""
        self.faults(priced(0))
        return int(self.post("/most", {"a": 1}).headers["ratelimit"].split(";r=")[1].split(";")[0])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interplay]:
    folder = tmp_path_factory.mktemp("interplay")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        yield Interplay(gateway.stage)


@pytest.fixture
def both(running: Interplay) -> Iterator[Interplay]:
    """No count and no open circuit of an earlier test, and after a test no unforeseen error in a rule."""
    running.lab.call(_forget(running))
    yield running
    running.lab.cloud.runtime.faults.clear()
    assert running.faultless()


async def _forget(gateway: Interplay) -> None:
    gateway.lab.data_plane.tables.clear()


def ask(client: Client, path: str, value: Any = None, headers: Headers = ()) -> Answer:
    """A small JSON request on a connection that goes on."""
    return client.request(path, json.dumps(value or {"a": 1}).encode(), [*JSON, *headers])


def priced(tokens: int, text: str = "fine") -> Fault:
    """An answer that says what it has cost."""
    body = json.dumps({"text": text, "usage": {"total_tokens": tokens}}).encode()
    return Fault(answer=_json(200, body))


def _json(status: int, body: bytes) -> Response:
    return Response(status, [("Content-Type", "application/json")], body)


def test_a_request_that_is_tried_again_keeps_its_place_pays_once_and_has_one_record(both: Interplay) -> None:
    before = both.left()
    both.faults(throttled(), priced(100))
    with both.client() as client:
        answer = ask(client, "/most")
        assert answer.status == 200
        (record,) = both.records(answer)
        assert (record["decision"], record["status"], record["region"]) == ("allowed", 200, "us-east-1")
        both.faults(priced(7))
        assert ask(client, "/most").status == 200  # its place was given back
    assert len({request.values("Host")[0] for request in both.seen()[-3:]}) == 2
    assert before - both.left() == 107


def test_a_request_that_is_tried_again_is_counted_while_it_waits(both: Interplay) -> None:
    both.faults(throttled(), Fault(delay=1.0))
    body = b'{"a": 1}'
    with both.client() as first, both.client("bob") as second:
        first.send(message("/most", body, JSON))
        time.sleep(0.4)
        assert second.request("/most", body, JSON).status == 200  # others have places of their own
        with both.client() as third:
            assert third.request("/most", body, JSON).verdict == "429 too-many-at-once"
        assert first.receive().status == 200


def test_a_guard_sees_the_answer_of_the_second_region(both: Interplay) -> None:
    both.faults(unavailable(), priced(100, SSN))
    with both.client() as client:
        answer = ask(client, "/most")
        assert answer.verdict == "502 answer-blocked"
        (record,) = both.records(answer)
        assert (record["reason"], record["status"], record["region"]) == ("answer-blocked", 502, "us-east-1")
        assert record["findings"] == ["blocking/1/pii/SSN=1:block"]


def test_a_blocked_answer_has_cost_its_tokens(both: Interplay) -> None:
    before = both.left()
    both.faults(priced(1234, SSN))
    assert both.post("/most", {"a": 1}).verdict == "502 answer-blocked"
    assert before - both.left() == 1234


def test_a_region_whose_circuit_is_open_is_no_other_region(both: Interplay) -> None:
    """The caller gets what AWS said, rather than that nothing is left."""
    boom = Fault(Refusal(500, "InternalFailure", "boom"))
    with both.client() as client:
        both.faults(boom, boom)
        assert [ask(client, "/least").status for _ in range(2)] == [500, 500]  # opens that of the first region
        both.faults(throttled())
        assert ask(client, "/least").status == 400
        both.faults(boom, boom)
        assert [ask(client, "/least").status for _ in range(2)] == [500, 500]
        answer = ask(client, "/least")
        assert answer.verdict == "503 circuit-open"
        assert int(answer.headers["retry-after"]) > 0
        (record,) = both.records(answer)
        assert (record["decision"], record["reason"]) == ("failed", "circuit-open")


def test_a_stream_that_is_ended_is_recorded_as_that(both: Interplay) -> None:
    body = event({"text": "My number is"}) + event({"text": SSN}) + event({"text": "x " * 400}) + DONE
    both.faults(Fault(answer=Response(200, [("Content-Type", "text/event-stream")], body)))
    with both.client() as client:
        answer = ask(client, "/most")
        assert answer.status == 200
        assert SSN.encode() not in answer.body
        assert b'"param":null,"code":"answer-blocked"' in answer.body
        (record,) = both.records(answer)
        assert (record["decision"], record["reason"], record["status"]) == ("failed", "answer-blocked", 200)
        assert ask(client, "/most").status == 200  # its place is free again


def test_the_status_of_a_models_error_is_recorded_as_the_caller_saw_it(both: Interplay) -> None:
    both.faults(Fault(answer=_json(400, b'{"message": "bad shape"}')))  # which SageMaker makes 424 of
    answer = both.post("/most", {"a": 1})
    assert answer.status == 400
    assert both.records(answer)[0]["status"] == 400


def test_what_guards_only_note_is_in_the_record(both: Interplay) -> None:
    answer = both.post("/most", {"text": "write to ada@example.com"})
    assert answer.status == 200
    assert "noting/2/pii/EMAIL=1:record" in both.records(answer)[0]["findings"]
    assert "ada@example.com" not in json.dumps(both.records(answer))


def test_request_two_inherits_nothing_from_a_request_with_everything(both: Interplay) -> None:
    """Maximal and minimal requests in turn on one connection: the minimal ones are always the same."""
    told = []
    with both.client() as client:
        for fault in (priced(5), priced(5, SSN), throttled(), None):
            if fault is not None:
                both.faults(fault)
            ask(client, "/most", {"text": "ada@example.com"})
            answer = ask(client, "/least", headers=[("X-Gateway-Retry", "0000000000000000")])
            (record,) = both.records(answer)
            told.append((answer.status, sorted(set(answer.headers) - {"date", "x-request-id", "x-amzn-requestid"})))
            assert (record["route"], record["reason"], record["findings"]) == ("least", None, [])
            assert not [name for name in answer.headers if "ratelimit" in name]
            assert not both.seen()[-1].values("X-Gateway-Retry")
    assert [status for status, _ in told] == [200] * 4
    assert all(one == told[0] for one in told)


def test_a_client_that_leaves_within_a_stream_has_one_record_and_gives_its_place_back(both: Interplay) -> None:
    stream = _pieces([event({"text": "word"}) for _ in range(500)])
    both.faults(Fault(answer=Response(200, [("Content-Type", "text/event-stream")], stream)))
    before = len(both.lab.collector.lines)
    with both.client() as client:
        client.send(b"POST /most HTTP/1.1\r\nHost: models.example.com\r\nContent-Type: application/json\r\n")
        client.send(b'Content-Length: 8\r\n\r\n{"a": 1}')
        assert client.socket.recv(100)
    deadline = time.monotonic() + 5
    while len(both.lab.collector.lines) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    (record,) = [json.loads(line) for line in list(both.lab.collector.lines)[before:]]
    assert (record["route"], record["decision"]) == ("most", "allowed")
    assert both.post("/most", {"a": 1}).status == 200


def test_a_translated_request_is_capped_counted_and_frees_its_place(both: Interplay) -> None:
    body = {"model": "talker", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}
    with both.client() as client:
        for _ in range(2):
            both.faults(priced(40))
            answer = ask(client, "/chat", body)
            assert answer.status == 200, answer
        over = ask(client, "/chat", {**body, "max_tokens": 51})
        assert over.status == 400
        error = json.loads(over.body)["error"]
        assert (set(error), error["param"]) == ({"message", "type", "param", "code", "request_id"}, None)


def test_a_choice_of_versions_leaves_the_number_of_a_request_in_its_record(both: Interplay) -> None:
    with both.client() as client:
        answers = [ask(client, path) for path in ("/versions", "/least", "/versions")]
        assert [both.records(answer)[0]["number"] for answer in answers] == [1, 2, 3]
