"""The lab as one thing: an emulated BIG-IP and an emulated AWS for a spec, in a thread of their own."""

from __future__ import annotations

import asyncio
import functools
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bigip_sm.errors import LabError
from bigip_sm.lab import seed, seed_aws
from bigip_sm.lab.aws.cloud import Cloud
from bigip_sm.lab.aws.endpoints import Chat
from bigip_sm.lab.aws.mlflow_server import READY as MLFLOW_READY
from bigip_sm.lab.aws.mlflow_server import MlflowServer
from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.device import ControlPlane
from bigip_sm.lab.collector import Collector
from bigip_sm.lab.files import private_file
from bigip_sm.lab.issuers import Issuers
from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.own import OwnServers
from bigip_sm.lab.pki import server_context
from bigip_sm.lab.proxy import ConnectProxy
from bigip_sm.lab.tmm.dataplane import DataPlane
from bigip_sm.lab.tmm.workers import Workers
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import PARTITION
from bigip_sm.spec.sources import SecretsManagerSource, StsSource

T = TypeVar("T")

START_TIMEOUT = 60.0
"""Seconds that the lab has to start, moto included."""

DEVICE = "lab"
"""Name of the emulated BIG-IP in the inventory that the lab writes."""


@dataclass(frozen=True)
class ClientFiles:
    """PEM files of a client certificate."""

    certificate: Path
    key: Path


class Lab:
    """An emulated BIG-IP and an emulated AWS that know what ``spec`` refers to; nothing is applied yet.

    ``directory`` gets the files that clients need: ``ca.pem`` (signs every server certificate), ``devices.yaml`` (the
    inventory, with passwords in files beside it) and client certificates. ``schema`` is F5's AS3 schema, if at hand.
    ``workers`` is the number of processes that serve the virtual servers, with ``tmms`` TMMs each; a single one is
    this process. Everything listens on 127.0.0.1. Use it as a context manager, or call ``start`` and ``stop``.
    """

    def __init__(
        self,
        spec: Spec,
        directory: Path,
        *,
        schema: Path | None = None,
        tmms: int = 2,
        workers: int = 1,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self.spec = spec
        self.directory = directory
        self.ca_file = directory / "ca.pem"
        self.devices_file = directory / "devices.yaml"
        self._clock_offset = 0.0
        self.management = ""
        endpoints = seed_aws.endpoints(spec)
        self._containers = {endpoint.name: endpoint.container for endpoint in endpoints}
        self.cloud = Cloud(endpoints)
        self.mlflow = MlflowServer()
        self.issuers = Issuers(spec)
        self.own = OwnServers()
        self.collector = Collector()
        self.network = Network()
        self._proxy = ""
        self.authorities = seed.Authorities.create()
        self.config = Config()
        self._plane: DataPlane | Workers
        self._make_plane: Callable[[], DataPlane | Workers] = (
            functools.partial(DataPlane, self.config, self.network, tmms=tmms, log=log)
            if workers == 1
            else functools.partial(Workers, self.config, self.network, number=workers, tmms=tmms, log=log)
        )
        self._passwords = {name: secrets.token_urlsafe(24) for name in ("admin", "bigip-sm-rotator")}
        self.control_plane = ControlPlane(
            self.config,
            accounts=[
                Account("admin", self._passwords["admin"], "admin"),
                Account("bigip-sm-rotator", self._passwords["bigip-sm-rotator"], "manager", (PARTITION,)),
            ],
            tls=server_context(self.authorities.servers.issue("bigip.lab", hosts=[LOOPBACK, "localhost"])),
            schema=schema,
            clock=self._device_clock,
        )
        self._clients: dict[str, ClientFiles] = {}
        self._issuing = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bigip-sm lab", daemon=True)

    def __enter__(self) -> Lab:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything. Raises LabError if it cannot be; nothing is left running then."""
        limit = START_TIMEOUT + (MLFLOW_READY if seed_aws.uses_mlflow(self.spec) else 0)
        self._thread.start()
        if not self._ready.wait(limit):
            self.stop()
            raise LabError(f"the lab did not start within {limit:.0f} s")
        if self._failure is not None:
            self._thread.join()
            raise LabError(f"the lab could not start: {self._failure}") from self._failure

    def stop(self) -> None:
        """End everything that the lab started."""
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        # A rule that neither ends nor can be ended holds the thread for as long as the process lives.
        self._thread.join(START_TIMEOUT if not self._stuck else 0.1)

    def call(self, coroutine: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """Run a coroutine in the lab's event loop and wait for its result, at most ``timeout`` seconds."""
        if self._loop is None:
            coroutine.close()
            raise LabError("the lab is not running")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def settle(self) -> None:
        """Wait until the last commit has reached every TMM and every pool member was probed."""
        self.call(self._plane.settled())

    @property
    def data_plane(self) -> DataPlane:
        """The data plane of this process. Raises LabError if it runs in processes of its own."""
        if not isinstance(self._plane, DataPlane):
            raise LabError("the data plane of this lab runs in processes of its own")
        return self._plane

    @property
    def log_lines(self) -> Sequence[str]:
        """What TMM would have written to /var/log/ltm so far, the last 10,000 lines."""
        return self._plane.log_lines

    @property
    def clock_offset(self) -> float:
        """Seconds that the BIG-IP's clock is ahead of this machine's; may be set at any time."""
        return self._clock_offset

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._clock_offset = seconds
        if self._loop is not None and isinstance(self._plane, Workers):
            self._loop.call_soon_threadsafe(self._plane.set_clock_offset, seconds)

    def check(self) -> None:
        """Raise LabError if a part of the running lab has ended or is stuck."""
        if self._plane.failure:
            raise LabError(self._plane.failure)

    @property
    def _stuck(self) -> bool:
        plane = getattr(self, "_plane", None)
        return isinstance(plane, DataPlane) and bool(plane.failure)

    def renew(self) -> None:
        """Put a new session, which lasts an hour, into every secret that holds one. Raises LabError."""
        self.call(self._put_sessions())

    def listener(self, name: str) -> tuple[str, int]:
        """Where the virtual server of a listener is on this machine. Raises LabError before it is applied."""
        listener = self.spec.listeners[name]
        try:
            return self.network.resolve(str(listener.address), listener.port)
        except ConnectionRefusedError:
            raise LabError(f"listener {name} is not there yet: apply the gateway first") from None

    def client(self, subject: str) -> ClientFiles:
        """Files with a client certificate for ``subject`` from the CA that the gateway trusts. For any thread."""
        with self._issuing:
            if subject not in self._clients:
                issued = self.authorities.clients.issue(subject, client=True)
                stem = f"client-{len(self._clients) + 1}" if "/" in subject else subject
                files = ClientFiles(self.directory / f"{stem}.crt", self.directory / f"{stem}.key")
                private_file(files.certificate, issued.certificate_pem)
                private_file(files.key, issued.key_pem)
                self._clients[subject] = files
            return self._clients[subject]

    def chat(self, endpoint: str) -> Chat:
        """The chat model behind an endpoint. Raises LabError if the endpoint has another kind of model."""
        container = self._containers.get(endpoint)
        if not isinstance(container, Chat):
            raise LabError(f"endpoint {endpoint} has no chat model")
        return container

    def rotator_environment(self) -> dict[str, str]:
        """Environment variables that lead the rotator into the lab: to its AWS, and to the issuers of tokens."""
        return {
            **self.cloud.environment(self.ca_file, seed_aws.home_region(self.spec)),
            "HTTPS_PROXY": self._proxy,
            "NO_PROXY": f"{LOOPBACK},localhost",
            "SSL_CERT_FILE": str(self.ca_file),
        }

    def _device_clock(self) -> float:
        return time.time() + self._clock_offset

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # whatever it is, the thread that waits in start() has to know
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with AsyncExitStack() as stack:
            await self._start_cloud(stack)
            await self._start_issuers(stack)
            if self.spec.audit is not None:
                stack.push_async_callback(self.collector.stop)
                await self.collector.start(self.spec.audit, self.network, self.authorities.servers)
            # A Tcl interpreter belongs to the thread that made it.
            self._plane = self._make_plane()
            if isinstance(self._plane, DataPlane):
                self._plane.clock = self._device_clock
                self.control_plane.views.states = self._plane.member_states
            self.config.commit(put=seed.device_objects(self.spec, self.authorities))
            stack.push_async_callback(self._plane.stop)
            await self._plane.start()
            stack.push_async_callback(self.control_plane.stop)
            self.management = f"{LOOPBACK}:{await self.control_plane.start()}"
            self._write_files()
            self._ready.set()
            await self._stopping.wait()

    async def _start_cloud(self, stack: AsyncExitStack) -> None:
        if seed_aws.uses_mlflow(self.spec):
            stack.push_async_callback(self.mlflow.stop)
            await self.mlflow.start()
        stack.push_async_callback(self.cloud.stop)
        await self.cloud.start(
            self.network,
            self.authorities.servers,
            regions=(),
            vpc_endpoints={},
            services=seed_aws.served(self.spec, self.mlflow.forward),
        )
        stack.push_async_callback(self.own.stop)
        await self.own.start(self.spec, self.network, self.authorities.own)
        for role in self.spec.roles.values():
            if isinstance(role.source, StsSource):
                source = role.source
                self.cloud.add_role(role.arn, external_id=source.external_id, max_session=source.duration)
                for hop in source.chain:
                    self.cloud.add_role(hop)
            elif not isinstance(role.source, SecretsManagerSource):
                self.cloud.add_role(role.arn, max_session=role.source.duration)
        await self._put_sessions()

    async def _start_issuers(self, stack: AsyncExitStack) -> None:
        proxy = ConnectProxy(self.network)
        for part in (self.issuers, proxy):
            stack.push_async_callback(part.stop)
        await self.issuers.start(self.network, self.authorities.servers)
        self._proxy = await proxy.start()

    async def _put_sessions(self) -> None:
        for name, role in self.spec.roles.items():
            if isinstance(role.source, SecretsManagerSource):
                region = role.source.region or seed_aws.first_region(self.spec, name)
                await self.cloud.put_session(role.source.secret, role.arn, region)

    def _write_files(self) -> None:
        private_file(self.ca_file, self.authorities.servers.certificate_pem)
        for name, password in self._passwords.items():
            private_file(self.directory / f"{name}.password", password)
        private_file(
            self.devices_file,
            "version: 1\n"
            "devices:\n"
            f"  {DEVICE}:\n"
            f"    address: {self.management}\n"
            f"    ca: {self.ca_file.name}\n"
            "    administrator: {user: admin, password: {file: admin.password}}\n"
            "    rotator: {user: bigip-sm-rotator, password: {file: bigip-sm-rotator.password}}\n",
        )
