"""The emulated AWS as a whole, used by the real clients: boto3, the openai SDK, and TLS by hand."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import boto3
import openai
import pytest
from aws_signing import ROLE
from botocore.config import Config
from botocore.exceptions import ClientError

from bigip_sm.aws.bearer import mint
from bigip_sm.aws.hosts import runtime_host
from bigip_sm.errors import LabError
from bigip_sm.lab.aws.cloud import Cloud
from bigip_sm.lab.aws.endpoints import Chat, Endpoint, echo
from bigip_sm.lab.aws.moto import MotoServer
from bigip_sm.lab.aws.runtime import ACCEPTED
from bigip_sm.lab.network import Network
from bigip_sm.lab.pki import Authority, client_context

EAST, WEST = "us-east-1", "us-west-2"
VPCE = "vpce-1.runtime.sagemaker.us-east-1.vpce.amazonaws.com"
VPCE_WEST = "vpce-2.runtime.sagemaker.us-west-2.vpce.amazonaws.com"
CHAT_ROLE = "arn:aws:iam::123456789012:role/bigip-chat"


class Lab:
    """A cloud in a thread of its own, with an asyncio loop."""

    def __init__(self, directory: Path) -> None:
        self.gate = threading.Event()
        self.cancelled = threading.Event()
        self.chat = Chat(["Hel", "lo"], self._wait)
        endpoints = [Endpoint("churn-v7", "sagemaker", echo), Endpoint("llama", "sagemaker-openai", self.chat)]
        self.network = Network()
        self.authority = Authority.create("Test CA")
        self.ca = directory / "ca.pem"
        self.ca.write_text(self.authority.certificate_pem)
        self.cloud = Cloud(endpoints)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    async def _wait(self, index: int) -> None:
        try:
            while index and not self.gate.is_set():
                await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def run(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    def start(self) -> None:
        self._thread.start()
        vpc_endpoints = {VPCE: EAST, VPCE_WEST: WEST}
        self.run(
            self.cloud.start(
                self.network, self.authority, regions=[EAST, WEST], vpc_endpoints=vpc_endpoints, private_dns=[EAST]
            )
        )

    def stop(self) -> None:
        self.run(self.cloud.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def port(self, host: str) -> int:
        return self.network.resolve(host, 443)[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def client(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes boto3 clients that find the lab as the rotator does, and the runtime through the lab's network."""
    for name, value in lab.cloud.environment(lab.ca, EAST).items():
        monkeypatch.setenv(name, value)
    resolve = socket.getaddrinfo

    def lookup(host: str, port: int, *rest: Any, **named: Any) -> Any:
        place = (host, port) if host == "127.0.0.1" else lab.network.resolve(host, int(port))
        return resolve(*place, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    once = Config(retries={"total_max_attempts": 1})

    def make(service: str, **settings: Any) -> Any:
        return boto3.session.Session().client(service, config=once, **settings)  # type: ignore[call-overload]  # any

    return make


def keys(lab: Lab) -> dict[str, str]:
    session = lab.cloud.sessions.issue(ROLE, 900)
    return {
        "aws_access_key_id": session.access_key_id,
        "aws_secret_access_key": session.secret_access_key,
        "aws_session_token": session.session_token,
    }


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ClientError) as error:
        call()
    answer: Any = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_boto3_invokes_an_endpoint(lab: Lab, client: Callable[..., Any]) -> None:
    runtime = client("sagemaker-runtime", **keys(lab))
    body = bytes(range(256)) * 4000
    answer = runtime.invoke_endpoint(EndpointName="churn-v7", Body=body, CustomAttributes="principal=x", Accept="*/*")
    assert answer["Body"].read() == body
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    seen = lab.cloud.runtime.requests[-1]
    assert (seen.verdict, seen.sni) == (ACCEPTED, runtime_host(EAST))
    assert dict(seen.container_headers or ())["x-amzn-sagemaker-custom-attributes"] == "principal=x"
    call = lambda: runtime.invoke_endpoint(EndpointName="churn-v8", Body=b"")  # noqa: E731 - used once, below
    assert refused(call) == (400, "ValidationError")


def test_boto3_through_a_vpc_endpoint_name(lab: Lab, client: Callable[..., Any]) -> None:
    runtime = client("sagemaker-runtime", endpoint_url=f"https://{VPCE}", **keys(lab))
    assert runtime.invoke_endpoint(EndpointName="churn-v7", Body=b"x")["Body"].read() == b"x"


def test_boto3_is_refused_with_a_wrong_secret_and_after_the_end(lab: Lab, client: Callable[..., Any]) -> None:
    good = keys(lab)
    runtime = client("sagemaker-runtime", **{**good, "aws_secret_access_key": "wrong"})
    call = {"EndpointName": "churn-v7", "Body": b"x"}
    assert refused(lambda: runtime.invoke_endpoint(**call)) == (403, "InvalidSignatureException")
    lab.cloud.sessions.expire(good["aws_access_key_id"])
    runtime = client("sagemaker-runtime", **good)
    assert refused(lambda: runtime.invoke_endpoint(**call)) == (403, "ExpiredTokenException")


def test_the_openai_sdk_gets_the_first_token_before_the_last_is_made(lab: Lab, client: Callable[..., Any]) -> None:
    session = lab.cloud.sessions.issue(CHAT_ROLE, 900)
    token = mint(session, EAST, now=time.time(), expires=300)
    base_url = f"https://{runtime_host(EAST)}/endpoints/llama/openai/v1"
    trusted = openai.DefaultHttpxClient(verify=client_context(lab.authority.certificate_pem), trust_env=False)
    lab.gate.clear()
    produced = len(lab.chat.produced)
    with openai.OpenAI(api_key=token, base_url=base_url, http_client=trusted, max_retries=0) as sdk:
        messages: Any = [{"role": "user", "content": "Hi"}]
        stream = sdk.chat.completions.create(model="", messages=messages, stream=True)
        chunks = iter(stream)
        assert next(chunks).choices[0].delta.content == "Hel"
        assert len(lab.chat.produced) == produced + 1
        lab.gate.set()
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "lo"
        answer = sdk.chat.completions.create(model="", messages=messages)
        assert answer.choices[0].message.content == "Hello"
        with pytest.raises(openai.PermissionDeniedError) as error:
            sdk.with_options(api_key=token + "AAAA").chat.completions.create(model="", messages=messages)
        assert error.value.code == "unrecognized_client"


def test_a_client_that_leaves_a_stream_stops_the_model(lab: Lab) -> None:
    session = lab.cloud.sessions.issue(CHAT_ROLE, 900)
    token = mint(session, EAST, now=time.time(), expires=300)
    lab.gate.clear()
    produced = len(lab.chat.produced)
    connection = connect(lab, runtime_host(EAST), runtime_host(EAST))
    path = "/endpoints/llama/openai/v1/chat/completions"
    body = json.dumps({"messages": [], "stream": True})
    connection.request("POST", path, body, {"Host": runtime_host(EAST), "Authorization": f"Bearer {token}"})
    assert connection.getresponse().read(6) == b"data: "
    assert not lab.cancelled.is_set()
    connection.close()
    assert lab.cancelled.wait(5)
    lab.gate.set()
    assert len(lab.chat.produced) == produced + 1


def connect(lab: Lab, host: str, sni: str) -> http.client.HTTPConnection:
    """An HTTP connection over TLS to where the lab serves ``host``, with ``sni`` in the handshake."""
    raw = socket.create_connection(("127.0.0.1", lab.port(host)), timeout=5)
    connection = http.client.HTTPConnection(host)
    connection.sock = client_context(lab.authority.certificate_pem).wrap_socket(raw, server_hostname=sni)
    return connection


@pytest.mark.parametrize("sni", [runtime_host(EAST), VPCE])
def test_the_certificate_has_the_public_name_and_the_endpoint_s(lab: Lab, sni: str) -> None:
    connection = connect(lab, VPCE, sni)
    connection.request("GET", "/", headers={"Host": sni})
    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize("sni", [VPCE_WEST, runtime_host(WEST), "example.com", None])
def test_another_name_or_none_ends_the_handshake(lab: Lab, sni: str | None) -> None:
    trusted = client_context(lab.authority.certificate_pem)
    trusted.check_hostname = False
    with (
        socket.create_connection(("127.0.0.1", lab.port(VPCE)), timeout=5) as raw,
        pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"),
    ):
        trusted.wrap_socket(raw, server_hostname=sni)


def test_the_public_name_is_known_where_there_is_private_dns_only(lab: Lab) -> None:
    assert lab.port(runtime_host(EAST)) == lab.port(VPCE) != lab.port(VPCE_WEST)
    with pytest.raises(ConnectionRefusedError):
        lab.port(runtime_host(WEST))


def test_a_session_in_a_secret_is_one_that_the_runtime_accepts(lab: Lab, client: Callable[..., Any]) -> None:
    for _ in range(2):
        stored = lab.run(lab.cloud.put_session("bigip/classifier", ROLE, EAST))
        secret = client("secretsmanager").get_secret_value(SecretId="bigip/classifier", VersionStage="AWSCURRENT")
        value = json.loads(secret["SecretString"])
        assert value["AccessKeyId"] == stored.access_key_id
        assert (value["RoleArn"], value["Region"]) == (ROLE, EAST)
        assert value["Expiration"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stored.expiration))
    used = {
        "aws_access_key_id": value["AccessKeyId"],
        "aws_secret_access_key": value["SecretAccessKey"],
        "aws_session_token": value["SessionToken"],
    }
    assert client("sagemaker-runtime", **used).invoke_endpoint(EndpointName="churn-v7", Body=b"1")
    assert lab.cloud.front.calls[-2:] == ["secretsmanager:GetSecretValue"] * 2


def assume(client: Callable[..., Any], **arguments: Any) -> Any:
    settings = arguments.pop("settings", {})
    arguments = {"RoleArn": CHAT_ROLE, "RoleSessionName": "bigip-sm", "ExternalId": "id", **arguments}
    return client("sts", **settings).assume_role(**{key: value for key, value in arguments.items() if value})


def test_an_assumed_role_is_one_that_the_runtime_accepts(lab: Lab, client: Callable[..., Any]) -> None:
    lab.cloud.add_role(CHAT_ROLE, external_id="id", max_session=7200)
    answer = assume(client, DurationSeconds=7200)["Credentials"]
    assert abs(answer["Expiration"].timestamp() - time.time() - 7200) < 5
    assert answer["Expiration"].microsecond == 0
    used = {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }
    session = lab.cloud.sessions.find(answer["AccessKeyId"])
    assert session is not None
    assert session.principal == CHAT_ROLE
    assert client("sagemaker-runtime", **used).invoke_endpoint(EndpointName="churn-v7", Body=b"1")
    assert "assumed-role/bigip-chat/bigip-sm" in client("sts", **used).get_caller_identity()["Arn"]
    chained = refused(lambda: assume(client, DurationSeconds=3601, settings=used))
    assert chained == (400, "ValidationError")
    assert assume(client, DurationSeconds=3600, settings=used)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"ExternalId": "wrong"}, (403, "AccessDenied")),
        ({"ExternalId": None}, (403, "AccessDenied")),
        ({"RoleArn": ROLE + "-unknown"}, (403, "AccessDenied")),
        ({"DurationSeconds": 43201}, (400, "ValidationError")),
        ({"DurationSeconds": 7201}, (400, "ValidationError")),
        ({"RoleSessionName": "not a name"}, (400, "ValidationError")),
        ({"settings": {"aws_secret_access_key": "wrong", "aws_access_key_id": None}}, (403, "SignatureDoesNotMatch")),
        ({"settings": {"aws_secret_access_key": "s", "aws_access_key_id": "A"}}, (403, "InvalidClientTokenId")),
    ],
)
def test_sts_refuses_what_moto_would_allow(
    lab: Lab, client: Callable[..., Any], arguments: dict[str, Any], answer: tuple[int, str]
) -> None:
    lab.cloud.add_role(CHAT_ROLE, external_id="id", max_session=7200)
    settings = arguments.get("settings", {})
    if settings and settings["aws_access_key_id"] is None:
        settings["aws_access_key_id"] = os.environ["AWS_ACCESS_KEY_ID"]
    assert refused(lambda: assume(client, **arguments)) == answer


def test_secrets_manager_refuses_wrong_signatures_and_ended_sessions(lab: Lab, client: Callable[..., Any]) -> None:
    good = keys(lab)
    call = {"SecretId": "bigip/classifier"}
    wrong = client("secretsmanager", **{**good, "aws_session_token": "other"})
    assert refused(lambda: wrong.get_secret_value(**call)) == (400, "UnrecognizedClientException")
    lab.cloud.sessions.expire(good["aws_access_key_id"])
    ended = client("secretsmanager", **good)
    assert refused(lambda: ended.get_secret_value(**call)) == (400, "ExpiredTokenException")
    assert refused(lambda: client("sts", **good).get_caller_identity()) == (403, "ExpiredToken")
    assert refused(lambda: client("secretsmanager").get_secret_value(SecretId="none")) == (
        400,
        "ResourceNotFoundException",
    )
    assert refused(lambda: client("sts").get_session_token()) == (400, "InvalidAction")


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({}, 403, b"<Code>MissingAuthenticationToken</Code>"),
        ({"Authorization": "AWS4-HMAC-SHA256 x"}, 400, b"<Code>IncompleteSignature</Code>"),
        ({"X-Amz-Target": "secretsmanager.GetSecretValue"}, 400, b'"__type": "MissingAuthenticationTokenException"'),
    ],
)
def test_the_front_refuses_unsigned_requests(lab: Lab, headers: dict[str, str], status: int, text: bytes) -> None:
    port = int(lab.cloud.front_url.rpartition(":")[2])
    trusted = client_context(lab.authority.certificate_pem)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=5)
    connection.request("POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", headers)
    answer = connection.getresponse()
    assert (answer.status, text in answer.read()) == (status, True)
    connection.close()


def test_nothing_listens_and_nothing_is_published_after_stop(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.start()
    port, moto = lab.port(VPCE), int(lab.cloud.moto.url.rpartition(":")[2])
    lab.stop()
    for each in (port, moto, int(lab.cloud.front_url.rpartition(":")[2])):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", each), timeout=5)
    with pytest.raises(ConnectionRefusedError):
        lab.port(VPCE)


PARENT = """
import asyncio
from bigip_sm.lab.aws.moto import MotoServer

async def main():
    server = MotoServer()
    await server.start()
    print(server.url, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_moto_ends_with_its_parent_even_if_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline().strip().rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail("moto outlived its parent")


def test_moto_that_cannot_start_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LabError, match="extra 'lab'"):
        asyncio.run(MotoServer().start())


def test_moto_that_does_not_run_is_one_clear_error() -> None:
    with pytest.raises(LabError, match="not running"):
        asyncio.run(MotoServer().put_secret("s", {}, EAST))
