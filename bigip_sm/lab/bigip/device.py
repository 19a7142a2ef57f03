"""The management interface of one emulated BIG-IP: iControl REST and AS3 over HTTPS."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bigip_sm.lab.bigip.accounts import Account, Accounts
from bigip_sm.lab.bigip.as3.service import Appsvcs
from bigip_sm.lab.bigip.builtin import BUILTIN
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.faults import Fault
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.rest import ManagementApi
from bigip_sm.lab.bigip.tokens import TokenStore
from bigip_sm.lab.http import HttpsServer, Request, Response


class ControlPlane:
    """Answers ``/mgmt`` and changes ``config``; runs in the asyncio loop that starts it.

    ``schema`` is F5's AS3 schema file; without it AS3's schema validation is left out and only the structure of the
    emulated classes is checked. ``clock`` gives epoch seconds: lives of tokens and the Date header follow it.
    ``faults`` are applied to the requests that they match. ``appsvcs`` holds the timing of AS3, ``folders`` the
    partitions, ``tokens`` the live tokens. Raises SchemaError if the schema file cannot be read.
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
    ) -> None:
        self.faults: list[Fault] = []
        self.hostname = hostname
        self.folders = Folders()
        self.tokens = TokenStore(clock)
        self.appsvcs = Appsvcs(config, self.folders, schema, clock)
        self._api = ManagementApi(config, self.folders, Accounts(accounts), self.tokens, self.appsvcs)
        self._server = HttpsServer(self._handle, tls, date=clock)
        config.commit(put=[profile for profile in BUILTIN if config.get(type(profile), profile.path) is None])

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1:``port`` (0: any free one); returns the port. Raises OSError if taken."""
        return await self._server.start(port)

    async def stop(self) -> None:
        """Stop listening and end the AS3 tasks at work."""
        await self._server.stop()
        await self.appsvcs.stop()

    async def _handle(self, request: Request) -> Response:
        for fault in self.faults:
            if fault.matches(request):
                answer = await fault.apply()
                if answer is not None:
                    return answer
                break
        return await self._api.handle(request)
