"""Every documented reason, made to happen, with its documented status; and nothing of it reaches AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gateway_kit import CHAT, INVOKE, QUICKSTART, Answer, Client, Gateway, running_gateway

from bigip_sm.bigip.device import Record
from bigip_sm.lab.files import private_file
from bigip_sm.lab.lab import ClientFiles
from bigip_sm.lab.pki import Authority
from bigip_sm.render.reasons import REASONS

ROUTES = "/quickstart/gateway/routes_public"
CLASSIFIER = "/bigip_sm/quickstart.classifier"


def header_invalid(gateway: Gateway) -> Answer:
    return gateway.ask(INVOKE, headers=[("Accept", "a"), ("Accept", "b")])


def path_not_normalized(gateway: Gateway) -> Answer:
    return gateway.ask("/endpoints/./churn-v7/invocations")


def query_invalid(gateway: Gateway) -> Answer:
    return gateway.ask(INVOKE + "?x-amz-signature=0")


def unauthenticated(gateway: Gateway) -> Answer:
    with gateway.client(None) as client:
        return client.request(INVOKE, b"{}")


def client_certificate_untrusted(gateway: Gateway) -> Answer:
    issued = Authority.create("somebody else").issue("alice", client=True)
    files = ClientFiles(gateway.lab.directory / "untrusted.crt", gateway.lab.directory / "untrusted.key")
    private_file(files.certificate, issued.certificate_pem)
    private_file(files.key, issued.key_pem)
    with Client(gateway.lab, files) as client:
        return client.request(INVOKE, b"{}")


def client_certificate_unusable(gateway: Gateway) -> Answer:
    with gateway.client("a;b") as client:
        return client.request(INVOKE, b"{}")


def not_allowed(gateway: Gateway) -> Answer:
    with gateway.client("mallory") as client:
        return client.request(INVOKE, b"{}")


def no_route(gateway: Gateway) -> Answer:
    return gateway.ask("/nothing/here")


def method_not_allowed(gateway: Gateway) -> Answer:
    answer = gateway.ask(INVOKE, b"", method="GET")
    assert answer.headers["allow"] == "POST"
    return answer


def length_required(gateway: Gateway) -> Answer:
    return gateway.ask(CHAT, b"2\r\n{}\r\n0\r\n\r\n", [("Transfer-Encoding", "chunked")])


def body_too_large(gateway: Gateway) -> Answer:
    """The head alone is enough: the answer comes before any of the body is sent."""
    with gateway.client() as client:
        client.send(f"POST {INVOKE} HTTP/1.1\r\nHost: models.example.com\r\nContent-Length: 1048577\r\n\r\n".encode())
        return client.receive()


def content_encoding_refused(gateway: Gateway) -> Answer:
    return gateway.ask(INVOKE, b"\x1f\x8b", [("Content-Encoding", "gzip")])


def expectation_failed(gateway: Gateway) -> Answer:
    return gateway.ask(INVOKE, headers=[("Expect", "a-miracle")])


def unknown_host(gateway: Gateway) -> Answer:
    return gateway.ask(INVOKE, host="elsewhere.example.com")


def internal_error(gateway: Gateway) -> Answer:
    """A route whose pool does not exist can only come from somebody who edits the data group by hand."""
    record = "1|churn|sigv4|sagemaker|nowhere|classifier|10|/endpoints/churn-v7/invocations|us-east-1=host"
    with changed(gateway, ROUTES, [Record(f"POST {INVOKE}", record)]):
        return gateway.ask(INVOKE)


def credentials_missing(gateway: Gateway) -> Answer:
    with changed(gateway, CLASSIFIER, []):
        return gateway.ask(INVOKE)


def credentials_expired(gateway: Gateway) -> Answer:
    gateway.lab.clock_offset = 7200.0
    try:
        return gateway.ask(INVOKE)
    finally:
        gateway.lab.clock_offset = 0.0


def credentials_invalid(gateway: Gateway) -> Answer:
    names = [record.name for record in gateway.stage.credentials()[CLASSIFIER].records if record.name != "meta"]
    with changed(gateway, CLASSIFIER, [Record(name, "1|garbage") for name in names]):
        return gateway.ask(INVOKE)


REFUSALS = [
    header_invalid,
    path_not_normalized,
    query_invalid,
    unauthenticated,
    client_certificate_untrusted,
    client_certificate_unusable,
    not_allowed,
    no_route,
    method_not_allowed,
    length_required,
    body_too_large,
    content_encoding_refused,
    expectation_failed,
    unknown_host,
    internal_error,
    credentials_missing,
    credentials_expired,
    credentials_invalid,
]
ELSEWHERE = ["no-region-available", "upstream-unreachable", "aws-refused", "api-key-unknown"]


@pytest.mark.parametrize("refuse", REFUSALS, ids=lambda refuse: refuse.__name__)
def test_refusal_has_its_reason(quickstart: Gateway, refuse: Callable[[Gateway], Answer]) -> None:
    before = len(quickstart.seen())
    answer = refuse(quickstart)
    reason = REASONS[refuse.__name__.replace("_", "-")]
    assert answer.verdict == f"{reason.status} {reason.code}"
    assert reason.message.encode() in answer.body
    assert answer.headers["x-request-id"].encode() in answer.body
    assert len(quickstart.seen()) == before
    assert quickstart.ask(INVOKE).status == 200, "the next request is served again"


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "Content-Encoding", "Expect"])
@pytest.mark.parametrize("values", [("gzip", "identity"), ("identity", "gzip"), ("identity", "identity")])
def test_a_header_that_decides_is_refused_when_repeated(
    quickstart: Gateway, name: str, values: tuple[str, str]
) -> None:
    before = len(quickstart.seen())
    headers = [(name, values[0]), (name.lower(), values[1])]
    assert quickstart.ask(INVOKE, headers=headers).verdict == "400 header-invalid"
    assert len(quickstart.seen()) == before


def test_other_headers_may_be_repeated_and_go_no_further(quickstart: Gateway) -> None:
    headers = [("Cookie", "a=1"), ("cookie", "b=2"), ("X-Forwarded-For", "10.0.0.1"), ("COOKIE", "c=3")]
    assert quickstart.ask(INVOKE, headers=headers).status == 200
    assert not {b"cookie", b"x-forwarded-for"} & {name.lower() for name, _ in quickstart.seen()[-1].headers}


def test_a_403_of_aws_is_the_gateways_affair_and_its_text_stays_here(quickstart: Gateway) -> None:
    store = quickstart.lab.cloud.sessions
    sessions = [one for one in store.all() if one.session_token is not None]
    for one in sessions:
        store.expire(one.access_key_id)
    try:
        answer = quickstart.ask(INVOKE)
        assert answer.verdict == "502 aws-refused"
        assert quickstart.seen()[-1].verdict == "ExpiredTokenException"
        assert not [one for one in sessions if str(one.session_token).encode() in answer.body]
        assert "ExpiredTokenException" in quickstart.lab.data_plane.log_lines[-1]
        assert quickstart.ask(CHAT, b'{"messages": []}').verdict == "502 aws-refused"
    finally:
        for one in sessions:
            store.add(one)
    assert quickstart.ask(INVOKE).status == 200


def test_every_reason_is_made_to_happen() -> None:
    stages = {
        "jwt",
        "content",
        "json",
        "validate",
        "answer",
        "quota",
        "acquire",
        "circuit",
        "canary",
        "operation mlflow",
        "owe",
        "measure",
        "ask",
        "target",
        "guard",
        "guard_response",
        "target translate",
        "reframe",
        "generate",
    }  # tests with other gateways
    elsewhere = {code for code, reason in REASONS.items() if reason.stage in stages}
    made = {refuse.__name__.replace("_", "-") for refuse in REFUSALS}
    assert made | set(ELSEWHERE) | elsewhere == set(REASONS)


def test_no_region_available_while_monitors_hold_the_pools_down(tmp_path: Path) -> None:
    with running_gateway(QUICKSTART, tmp_path) as gateway:
        for host in vpc_endpoints(gateway):
            gateway.lab.network.withdraw(host, 443)
        fresh = gateway.stage
        fresh.lab.call(fresh.lab.data_plane.stop())
        fresh.lab.call(fresh.lab.data_plane.start())
        fresh.lab.settle()
        assert gateway.ask(INVOKE).verdict == "503 no-region-available"
        assert gateway.seen() == []


def test_upstream_unreachable_before_the_monitor_notices(tmp_path: Path) -> None:
    with running_gateway(QUICKSTART, tmp_path) as gateway:
        for host in vpc_endpoints(gateway):
            gateway.lab.network.withdraw(host, 443)
        assert gateway.ask(INVOKE).verdict == "502 upstream-unreachable"
        assert gateway.seen() == []


def vpc_endpoints(gateway: Gateway) -> set[str]:
    upstreams = gateway.stage.spec.upstreams.values()
    return {str(region.vpc_endpoint) for upstream in upstreams for region in upstream.regions}


@contextmanager
def changed(gateway: Gateway, path: str, records: list[Record]) -> Iterator[None]:
    """A data group with other records for a while."""
    with gateway.stage.device.connect("administrator") as device:
        before = device.data_group(path).records
        device.replace_records(path, records)
        gateway.lab.settle()
        try:
            yield
        finally:
            device.replace_records(path, before)
            gateway.lab.settle()
