"""A running gateway for tests: spec applied in the lab, credentials rotated; and a client that sends raw bytes."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bigip_sm.demo.stage import Stage
from bigip_sm.lab.aws.runtime import SeenRequest
from bigip_sm.lab.lab import ClientFiles, Lab
from bigip_sm.lint import find_schema

ROOT = Path(__file__).parent.parent
QUICKSTART = ROOT / "declarations" / "quickstart" / "gateway.yaml"
HOSTNAME = "models.example.com"
INVOKE = "/endpoints/churn-v7/invocations"
CHAT = "/v1/chat/completions"

Headers = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """The gateway's reason; empty if the answer came from behind it."""
        return self.headers.get("x-gateway-reason", "")

    @property
    def verdict(self) -> str:
        """Status and reason."""
        return f"{self.status} {self.reason}".strip()


class Client:
    """One TLS connection to a listener of the lab's gateway, kept alive while the gateway keeps it."""

    def __init__(
        self,
        lab: Lab,
        certificate: ClientFiles | None,
        session: ssl.SSLSession | None = None,
        hostname: str = HOSTNAME,
    ) -> None:
        self.hostname = hostname
        self.context = ssl.create_default_context(cafile=str(lab.ca_file))
        if certificate is not None:
            self.context.load_cert_chain(certificate.certificate, certificate.key)
        self._open(lab, session)

    def _open(self, lab: Lab, session: ssl.SSLSession | None) -> None:
        raw = socket.create_connection(lab.listener("public"), timeout=15)
        self.socket = self.context.wrap_socket(raw, server_hostname=self.hostname, session=session)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def receive(self, method: str = "POST") -> Answer:
        """Read one answer."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body)

    def request(
        self,
        target: str | bytes,
        body: bytes = b"",
        headers: Headers = (),
        *,
        method: str = "POST",
        host: str = HOSTNAME,
    ) -> Answer:
        """Send a request with a Content-Length and read its answer."""
        self.send(message(target, body, headers, method=method, host=host))
        return self.receive(method)


def message(
    target: str | bytes, body: bytes = b"", headers: Headers = (), *, method: str = "POST", host: str = HOSTNAME
) -> bytes:
    """The bytes of a request; a ``Content-Length`` is added unless the headers say how long the body is."""
    target = target if isinstance(target, bytes) else target.encode("latin-1")
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: " + host.encode()]
    lines += [
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode("latin-1"))
        for name, value in headers
    ]
    if not {name.lower() for name, _ in headers} & {"content-length", "transfer-encoding"}:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Gateway:
    """A gateway in the lab, with the credentials of every role rotated in."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.lab = stage.lab

    def client(
        self, subject: str | None = "alice", session: ssl.SSLSession | None = None, *, hostname: str = HOSTNAME
    ) -> Client:
        """A connection with a client certificate for ``subject``, or without one."""
        return Client(self.lab, None if subject is None else self.lab.client(subject), session, hostname)

    def ask(self, target: str | bytes, body: bytes = b"{}", headers: Headers = (), **how: str) -> Answer:
        """One request as alice on a connection of its own."""
        with self.client() as client:
            return client.request(target, body, headers, **how)

    def seen(self) -> list[SeenRequest]:
        """What reached the emulated SageMaker runtime."""
        return self.stage.seen()


@contextmanager
def running_gateway(spec_file: Path, directory: Path, *, rotated: bool = True, tmms: int = 2) -> Iterator[Gateway]:
    """Start a lab, apply the spec in the file, rotate once. Raises AssertionError if that does not work."""
    with ExitStack() as stack:
        stage = Stage(spec_file, directory, find_schema(), stack, tmms=tmms)
        applied = stage.apply()
        assert [tenant.message for tenant in applied.outcome.tenants] == ["success"]
        if rotated:
            code, report = stage.rotate()
            assert code == 0, json.dumps(report)
        yield Gateway(stage)
