"""Versions whose regions fail, and what audit records say of the version that was chosen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from audit_kit import AUDIT
from gateway_kit import Answer, Headers, running_gateway
from versions_kit import AWAY, HOME, SPEC, Versions, region_of

from bigip_sm.audit.record import AuditRecord
from bigip_sm.bigip.device import Record
from bigip_sm.lab.aws.runtime import throttled
from bigip_sm.spec.names import weights_group

REGIONS = "[{name: eu-central-1, private_dns: true}, {name: us-east-1, private_dns: true}]"
UPSTREAMS = "".join(
    f"""
  {name}:
    kind: sagemaker
    endpoint: {endpoint}
    role: plain
    failover: {{budget: 100%}}
    regions: {REGIONS}
"""
    for name, endpoint in (("first", "both-v1"), ("second", "both-v2"))
)
ROUTE = """
  both:
    listener: public
    match: {path: /both}
    upstreams: [{name: first, weight: 50}, {name: second, weight: 50}]
    version_header: ["staff:tester"]
    allow: ["staff:alice", "staff:tester"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
"""


class Failing(Versions):
    """The gateway, faults of its regions, and its records."""

    def record(self, answer: Answer) -> dict[str, Any]:
        """The one record of an answer's request; waits for it, and for a second that must not come."""
        wanted, deadline = answer.headers["x-request-id"], time.monotonic() + 10
        while not (found := self._records(wanted)):
            assert time.monotonic() < deadline, "a record is missing"
            time.sleep(0.01)
        time.sleep(0.05)
        (record,) = self._records(wanted)
        AuditRecord.model_validate(record)
        assert record == found[0]
        return record

    def _records(self, wanted: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in list(self.lab.collector.lines)]
        return [line for line in lines if line["request_id"] == wanted]

    def choose(self, version: str) -> None:
        """Give one version everything."""
        with self.stage.device.connect("administrator") as device:
            device.replace_records(weights_group("regions"), [Record("both", f"1|{version}=100")])
        self.lab.settle()

    def both(self, subject: str = "alice", headers: Headers = ()) -> Answer:
        """One request on the route with two versions."""
        return self.ask_as(subject, "/both", b"1,2", tuple((name, str(value)) for name, value in headers))


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failing]:
    folder = tmp_path_factory.mktemp("failing")
    text = SPEC.replace("\nroutes:\n", f"\n{UPSTREAMS.strip(chr(10))}\nroutes:\n") + ROUTE.lstrip("\n") + AUDIT
    (folder / "gateway.yaml").write_text(text)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        yield Failing(gateway.stage)


@pytest.mark.parametrize(("version", "endpoint"), [("first", "both-v1"), ("second", "both-v2")])
def test_a_version_fails_over_within_itself_and_its_record_names_it(
    failing: Failing, version: str, endpoint: str
) -> None:
    failing.choose(version)
    failing.lab.cloud.runtime.faults.append(throttled())
    before = len(failing.seen())
    answer = failing.both()
    assert answer.status == 200
    seen = failing.seen()[before:]
    # Both requests are the chosen version's, each signed for its own region.
    assert [region_of(one) for one in seen] == [HOME, AWAY]
    assert {one.target.decode().split("/")[2] for one in seen} == {endpoint}
    record = failing.record(answer)
    assert (record["upstream"], record["endpoint"], record["region"]) == (version, endpoint, AWAY)
    assert (record["decision"], record["approved_by"], record["ticket"]) == ("allowed", "tests", "T-1")


def test_a_version_that_fails_everywhere_is_not_replaced_by_the_other(failing: Failing) -> None:
    failing.choose("second")
    failing.lab.cloud.runtime.faults += [throttled(), throttled()]
    before = len(failing.seen())
    answer = failing.both()
    assert answer.status in (400, 429)
    assert [one.target.decode().split("/")[2] for one in failing.seen()[before:]] == ["both-v2", "both-v2"]
    assert failing.record(answer)["endpoint"] == "both-v2"


def test_the_version_of_a_tester_is_in_the_record_and_none_where_none_was_chosen(failing: Failing) -> None:
    failing.choose("first")
    record = failing.record(failing.both("tester", [("X-Gateway-Version", "second")]))
    assert (record["upstream"], record["endpoint"]) == ("second", "both-v2")
    for subject, reason in (("alice", "version-not-allowed"), ("mallory", "not-allowed")):
        answer = failing.both(subject, [("X-Gateway-Version", "second")])
        assert (answer.status, answer.reason) == (403, reason)
        record = failing.record(answer)
        assert (record["route"], record["upstream"], record["endpoint"]) == ("both", "", "")
        assert (record["ticket"], record["reason"]) == ("T-1", reason)


def test_a_choice_is_forgotten_by_the_next_request_of_the_connection(failing: Failing) -> None:
    failing.choose("second")
    with failing.client("alice") as client:
        chosen = failing.record(client.request("/both", b"1,2"))
        other = failing.record(client.request("/spread", b"1,2"))
    assert (chosen["endpoint"], other["endpoint"], other["upstream"]) == ("both-v2", "spread-v1", "spread")
