"""The management interface of one emulated BIG-IP: iControl REST and AS3 over HTTPS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bigip_sm.lab.bigip.accounts import Account, Accounts
from bigip_sm.lab.bigip.as3.service import Appsvcs
from bigip_sm.lab.bigip.builtin import builtin_objects
from bigip_sm.lab.bigip.cluster import Unit
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.faults import Fault, page
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.rest import ManagementApi
from bigip_sm.lab.bigip.rest_cm import ClusterApi
from bigip_sm.lab.bigip.system import DEFAULT_VERSION, System
from bigip_sm.lab.bigip.tokens import TokenStore
from bigip_sm.lab.bigip.transactions import Transactions
from bigip_sm.lab.bigip.views import Views
from bigip_sm.lab.http import HttpsServer, Request, Response

RESTARTING = "Configuration Utility restarting..."
"""What Apache's page says while restjavad is not there."""


class ControlPlane:
    """Answers ``/mgmt`` and changes ``config``; runs in the asyncio loop that starts it.

    ``schema`` is F5's AS3 schema file; without it AS3's schema validation is left out and only the structure of the
    emulated classes is checked. ``clock`` gives epoch seconds: lives of tokens and the Date header follow it, plus
    ``skew`` seconds. ``version`` is that of TMOS, ``provisioned`` its modules. ``faults`` are applied to the requests
    that they match. ``appsvcs`` holds the timing of AS3, ``folders`` the partitions, ``tokens`` the live tokens,
    ``unit`` is what a ``Cluster`` links, ``views.states`` tells how pool members are. What is configured when it
    starts for the first time counts as saved. Raises SchemaError if the schema file cannot be read, LabError for a
    version or module that is none.
    """

    def __init__(
        self,
        config: Config,
        *,
        accounts: Sequence[Account],
        tls: ssl.SSLContext,
        schema: Path | None,
        clock: Callable[[], float] = time.time,
        hostname: str = "bigip.lab",
        version: str = DEFAULT_VERSION,
        provisioned: Sequence[str] = ("ltm",),
    ) -> None:
        self.faults: list[Fault] = []
        self.skew = 0.0
        self.hostname = hostname
        self.folders = Folders()
        self.system = System(config, self.folders, hostname=hostname, version=version, provisioned=provisioned)
        self.unit = Unit(self.system)
        numbers = self.system.version_numbers
        self._clock = clock
        self.tokens = TokenStore(self._now, reaps=numbers[:3] != (17, 1, 2))
        self.transactions = Transactions(config, self._now, numbers)
        self.views = Views(config)
        cm = ClusterApi(self.unit)
        self.appsvcs = Appsvcs(self.system, schema, self._now, cm.sync_to)
        self._api = ManagementApi(
            self.system, Accounts(accounts), self.tokens, self.appsvcs, cm, self.transactions, self.views
        )
        self._tls = tls
        self._server = HttpsServer(self.handle, tls, date=self._now)
        self._port = 0
        self._started = False
        self._restarting: asyncio.Task[None] | None = None
        self._unavailable = False
        config.commit(put=[each for each in builtin_objects() if config.get(type(each), each.path) is None])

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1:``port`` (0: any free one); returns the port. Raises OSError if taken."""
        if not self._started:
            self._started = True
            self.system.save()
        self._port = await self._server.start(port)
        return self._port

    async def stop(self) -> None:
        """Stop listening and end the AS3 tasks at work."""
        if self._restarting is not None:
            self._restarting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restarting
        await self._server.stop()
        await self.appsvcs.stop()

    async def present_certificate(self, tls: ssl.SSLContext) -> None:
        """Serve with another certificate from now on; drops all connections."""
        await self._server.stop()
        self._tls = tls
        self._server = HttpsServer(self.handle, tls, date=self._now)
        await self._server.start(self._port)

    async def reboot(self, *, refused: float = 0.0, unavailable: float = 0.0) -> None:
        """Restart the device; returns when it is down, and it comes back by itself.

        Connections are refused for ``refused`` seconds, then every request is answered 503 with a page for
        ``unavailable`` seconds. Tokens, transactions and running AS3 tasks are gone, and so is whatever was not saved.
        """
        await self._server.stop()
        await self.appsvcs.restart()
        self.tokens.clear()
        self.transactions.clear()
        self.system.load()
        self._come_back_later(unavailable, refused)

    async def restart_services(self, *, unavailable: float = 0.0) -> None:
        """Restart restjavad and restnoded: every request is answered 503 with a page for ``unavailable`` seconds.

        Tokens, transactions and running AS3 tasks are gone; the configuration stays.
        """
        await self.appsvcs.restart()
        self.tokens.clear()
        self.transactions.clear()
        self._come_back_later(unavailable)

    @property
    def collections(self) -> tuple[str, ...]:
        """The paths below which there are answers, but for AS3 and the login."""
        return self._api.collections

    @property
    def restarting(self) -> bool:
        """Whether the device, or its services, are still coming back."""
        return self._unavailable

    def _come_back_later(self, unavailable: float, refused: float | None = None) -> None:
        self._unavailable = True
        self._restarting = asyncio.get_running_loop().create_task(self._come_back(unavailable, refused))

    async def _come_back(self, unavailable: float, refused: float | None) -> None:
        if refused is not None:
            await asyncio.sleep(refused)
            await self._server.start(self._port)
        await asyncio.sleep(unavailable)
        self._unavailable = False

    def _now(self) -> float:
        return self._clock() + self.skew

    async def handle(self, request: Request) -> Response:
        """Answer one request, as if it came over the network."""
        if self._unavailable:
            return page(503, RESTARTING)
        for fault in self.faults:
            if fault.matches(request):
                answer = await fault.apply()
                return answer if answer is not None else fault.slow_down(await self._api.handle(request))
        return await self._api.handle(request)
