"""moto as a process of its own on 127.0.0.1: STS, Secrets Manager and IAM behind the lab's front.

As a process it is ready in under a second and stays out of this one's memory. It checks no signature and knows no
expiry; the front does.
"""

from __future__ import annotations

import json
from asyncio.subprocess import Process
from typing import Any

import httpx

from bigip_sm.errors import LabError
from bigip_sm.lab.aws import child

READY = 30.0
"""Seconds that moto has to start."""


class MotoServer:
    """``url`` is known after ``start``. The process ends with ``stop``, or with this one, even if that is killed."""

    def __init__(self) -> None:
        self.url = ""
        self._process: Process | None = None
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Start moto and wait until it listens. Raises LabError if it does not within READY seconds."""
        self._process = await child.start("bigip_sm.lab.aws.moto_process")
        port = await child.port(self._process, READY)
        if port is None:
            await self.stop()
            raise LabError("moto did not start; is the extra 'lab' installed (moto[server])?")
        self.url = f"http://127.0.0.1:{port}"
        self._client = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=30.0)

    async def stop(self) -> None:
        """End the process and wait for it; does nothing if it does not run."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.communicate()

    async def forward(self, method: str, target: bytes, headers: list[tuple[str, str]], body: bytes) -> httpx.Response:
        """Send a request to moto as it is. Raises LabError if moto does not answer."""
        if self._client is None:
            raise LabError("moto is not running; start it first")
        try:
            return await self._client.request(method, target.decode("latin-1"), headers=headers, content=body)
        except httpx.HTTPError as error:
            raise LabError(f"moto does not answer: {type(error).__name__}") from error

    async def put_secret(self, name: str, value: dict[str, Any], region: str) -> None:
        """Make ``value``, as JSON, the current version of the secret, which is created if there is none."""
        secret = {"Name": name, "SecretString": json.dumps(value)}
        answer = await self._secrets_manager("CreateSecret", secret, region)
        if answer.status_code == 400 and answer.json().get("__type") == "ResourceExistsException":
            secret = {"SecretId": name, "SecretString": secret["SecretString"]}
            answer = await self._secrets_manager("PutSecretValue", secret, region)
        if answer.status_code != 200:
            raise LabError(f"moto did not take the secret {name}: HTTP {answer.status_code}")

    async def _secrets_manager(self, action: str, body: dict[str, Any], region: str) -> httpx.Response:
        headers = [
            ("Authorization", _authorization("secretsmanager", region)),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", f"secretsmanager.{action}"),
        ]
        return await self.forward("POST", b"/", headers, json.dumps(body).encode())


def _authorization(service: str, region: str) -> str:
    """What moto takes service and region from; it does not look at the signature."""
    return f"AWS4-HMAC-SHA256 Credential=lab/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
