"""A management interface over real HTTPS that answers by a script, for the corners no well-behaved device shows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from background_loop import BackgroundLoop

from bigip_sm.bigip.connection import Patience
from bigip_sm.bigip.session import Session
from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.pki import Authority, server_context

USER = "rotator"
PASSWORD = "correct-horse-battery"
QUICK = Patience(connect=1.0, read=1.0, repeats=3, backoff=0.01)


@dataclass
class Say:
    """One scripted answer: a JSON document or raw bytes, late by ``delay`` seconds, or broken off half-way."""

    body: Any = None
    status: int = 200
    delay: float = 0.0
    reset: bool = False
    drip: float = 0.0

    async def response(self) -> Response:
        """As the HTTPS server takes it."""
        await asyncio.sleep(self.delay)
        if self.reset or self.drip:
            return Response(self.status, [], _broken() if self.reset else _dripping(self.drip))
        content = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return Response(self.status, [("Content-Type", "application/json")], b"" if self.body is None else content)


async def _broken() -> AsyncIterator[bytes]:
    yield b'{"half":'
    raise ConnectionResetError


async def _dripping(pause: float) -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(pause)


@dataclass
class ScriptedDevice:
    """Logs in with tokens; everything else is answered from ``script`` in order, the last entry again and again."""

    background: BackgroundLoop
    ca: Path
    script: list[Say] = field(default_factory=list)
    login: list[Say] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    issued: int = 0
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    port: int = 0
    on_request: Callable[[Request], None] | None = None
    stop: Callable[[], None] = lambda: None

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: Request) -> Response:
        if request.path == "/mgmt/shared/authn/login":
            if self.login:
                return await self.login.pop(0).response()
            self.issued += 1
            token = f"TOKEN{self.issued:08d}SECRET"
            self.tokens.add(token)
            return await Say({"token": {"token": token, "timeout": 1200, "lastUpdateMicros": 0}}).response()
        token = request.header("X-F5-Auth-Token") or ""
        if token not in self.tokens:
            return await Say({"message": "X-F5-Auth-Token does not exist."}, 401).response()
        if request.method == "DELETE" and request.path.startswith("/mgmt/shared/authz/tokens/"):
            self.tokens.discard(request.path.rsplit("/", 1)[1])
            return await Say({}).response()
        if self.on_request:
            self.on_request(request)
        say = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await say.response()

    def session(
        self, *, patience: Patience = QUICK, deadline: float | None = None, password: str = PASSWORD
    ) -> Session:
        """A session with this device."""
        return Session(
            "bigip-a", f"127.0.0.1:{self.port}", USER, password, ca=self.ca, patience=patience, deadline=deadline
        )

    def seen(self) -> list[str]:
        """Method and path of every request, tokens replaced."""
        shown = []
        for request in self.requests:
            path = request.path
            if "/authz/tokens/" in path:
                path = "/mgmt/shared/authz/tokens/(token)"
            shown.append(f"{request.method} {path}")
        return shown


def start(background: BackgroundLoop, folder: Path) -> ScriptedDevice:
    """A running device."""
    authority = Authority.create("Test CA")
    ca = folder / "ca.pem"
    ca.write_text(authority.certificate_pem)
    device = ScriptedDevice(background, ca)
    server = HttpsServer(device.handle, server_context(authority.issue("bigip-a", hosts=["127.0.0.1"])))
    device.port = background.run(server.start())
    device.stop = lambda: background.run(server.stop())
    return device
