"""MLflow's own server, as a process of its own: what SageMaker runs behind its signature check."""

from __future__ import annotations

import importlib.metadata
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from bigip_sm.errors import LabError
from bigip_sm.lab.aws import child
from bigip_sm.lab.http import Response

READY = 120.0
"""Seconds that the server has to start; it takes about 14 on an idle machine."""

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


def check_installed() -> None:
    """Raise LabError if mlflow is not installed; mlflow-skinny has no server."""
    try:
        importlib.metadata.version("mlflow")
    except importlib.metadata.PackageNotFoundError:
        message = "this gateway has MLflow behind it, and the package mlflow is not installed: pip install 'mlflow>=3'"
        raise LabError(message) from None


class MlflowServer:
    """One server with experiments, runs, a registry of models, and artifacts, gone with ``stop``.

    All MLflow upstreams of a lab share it, since each takes seconds to start.
    """

    def __init__(self) -> None:
        self._process: Process | None = None
        self._client: httpx.AsyncClient | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises LabError if it does not within READY seconds."""
        check_installed()
        self._folder = tempfile.TemporaryDirectory(prefix="bigip-sm-mlflow-", ignore_cleanup_errors=True)
        self._process = await child.start("bigip_sm.lab.aws.mlflow_process", self._folder.name)
        port = await child.port(self._process, READY)
        if port is None:
            await self.stop()
            raise LabError(f"mlflow server did not start within {READY:.0f} s; try: mlflow server")
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60.0)

    async def stop(self) -> None:
        """End the server and its workers, and remove all it kept; does nothing if it does not run."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None  # noqa: S101 - it is a pipe, see child.start
            process.stdin.close()  # the sign to end
            await process.communicate()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def folder(self) -> Path | None:
        """Where the running server keeps its data; None if it does not run."""
        return None if self._folder is None else Path(self._folder.name)

    async def forward(self, method: str, target: bytes, headers: list[tuple[str, str]], body: bytes) -> Response:
        """Send a request as it is; the body of the answer comes as the server sends it. Raises LabError."""
        if self._client is None:
            raise LabError("mlflow server is not running; start it first")
        url = self._client.base_url.copy_with(raw_path=target)
        request = self._client.build_request(method, url, headers=headers, content=body)
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise LabError(f"mlflow server does not answer: {type(error).__name__}") from error
        passed = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in _HOP_BY_HOP]
        if method == "HEAD" or int(answer.headers.get("content-length", "-1")) in range(65536):
            whole = await answer.aread()
            return Response(answer.status_code, passed, whole)
        return Response(answer.status_code, passed, _pieces(answer))


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()
