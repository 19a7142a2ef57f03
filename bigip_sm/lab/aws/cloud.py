"""The emulated AWS as a whole: a server per service and region, and a front for STS and Secrets Manager."""

from __future__ import annotations

import datetime
import os
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bigip_sm.aws.credentials import SessionCredentials
from bigip_sm.aws.hosts import partition_of, runtime_host
from bigip_sm.lab.aws.apis import Api
from bigip_sm.lab.aws.assume import Role
from bigip_sm.lab.aws.endpoints import Endpoint
from bigip_sm.lab.aws.front import Front
from bigip_sm.lab.aws.moto import MotoServer
from bigip_sm.lab.aws.outages import Outages
from bigip_sm.lab.aws.refusal import ACCOUNT
from bigip_sm.lab.aws.runtime import Runtime
from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.http import HttpsServer
from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.pki import Authority, server_context


@dataclass(frozen=True)
class Served:
    """A service in a region: the names that its certificate has, and where it is reached.

    ``api`` is None for the SageMaker runtime. ``names`` begin with the public host name and go on with those of VPC
    endpoints; ``destinations`` are those names and addresses that lead to it.
    """

    region: str
    api: Api | None
    names: tuple[str, ...]
    destinations: tuple[str, ...]


class Cloud:
    """An AWS for the lab. ``runtime`` and ``sessions`` exist from the beginning, the rest after ``start``.

    ``clock`` gives epoch seconds; expiry and signature age go by it.
    """

    def __init__(self, endpoints: Iterable[Endpoint], *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._hosts: dict[str, str] = {}
        self._regions: list[str] = []
        self._apis: dict[str, Api] = {}
        self._stack = AsyncExitStack()
        self.sessions = SessionStore(clock)
        self.moto = MotoServer()
        self.runtime = Runtime(
            endpoints={endpoint.name: endpoint for endpoint in endpoints},
            sessions=self.sessions,
            hosts=self._hosts,
            clock=clock,
            apis=self._apis,
        )
        self.front = Front(self.moto, self.sessions, self._regions, clock=clock)
        self.outages = Outages(self.runtime)
        self.front_url = ""

    async def start(
        self,
        network: Network,
        authority: Authority,
        *,
        regions: Collection[str],
        vpc_endpoints: Mapping[str, str],
        private_dns: Collection[str] = (),
        services: Collection[Served] = (),
    ) -> None:
        """Start everything. ``vpc_endpoints`` maps DNS names of interface endpoints of the runtime to their regions.

        Each region has one TLS server whose certificate carries the public runtime name and the region's endpoint
        names. The network learns the endpoint names, and the public name of the regions in ``private_dns``. What else
        is served is in ``services``, each with a TLS server of its own.
        Raises LabError or OSError if something cannot start; nothing is left running then.
        """
        try:
            self._stack.push_async_callback(self.moto.stop)
            await self.moto.start()
            self._regions.extend({*regions, *(service.region for service in services)})
            for region in regions:
                endpoints = sorted(name for name, where in vpc_endpoints.items() if where == region)
                public = runtime_host(region)
                resolved = (*endpoints, *((public,) if region in private_dns else ()))
                await self._serve(network, authority, Served(region, None, (public, *endpoints), resolved))
            for service in services:
                await self._serve(network, authority, service)
            self.front_url = f"https://{LOOPBACK}:{await self._serve_front(authority)}"
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything and withdraw it from the network."""
        await self.outages.stop()
        await self._stack.aclose()
        self._hosts.clear()
        self._apis.clear()
        self._regions.clear()

    def add_role(self, arn: str, *, external_id: str | None = None, max_session: int = 3600) -> None:
        """Make a role that any known caller may assume, with ``external_id`` if one is given."""
        self.front.roles[arn] = Role(arn, external_id, max_session)

    async def put_session(self, secret: str, role_arn: str, region: str, duration: float = 3600) -> SessionCredentials:
        """Make a session of the role, as the writer of such secrets does, and store it as the secret's value."""
        credentials = self.sessions.issue(role_arn, duration)
        expiration = datetime.datetime.fromtimestamp(int(credentials.expiration), datetime.timezone.utc)
        value = {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "RoleArn": role_arn,
            "Region": region,
        }
        await self.moto.put_secret(secret, value, region)
        return credentials

    def environment(self, ca_file: Path, region: str) -> dict[str, str]:
        """Environment variables that lead an AWS SDK here, with an access key of a user made for it.

        ``ca_file`` is a PEM file with the certificate of the authority that ``start`` was given.
        """
        user = self.sessions.add_user(f"arn:{partition_of(region)}:iam::{ACCOUNT}:user/bigip-sm-rotator")
        return {
            "AWS_ACCESS_KEY_ID": user.access_key_id,
            "AWS_SECRET_ACCESS_KEY": user.secret_access_key,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL_STS": self.front_url,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.front_url,
            "AWS_CA_BUNDLE": str(ca_file),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    async def _serve(self, network: Network, authority: Authority, served: Served) -> None:
        """Start one TLS server and publish where it is reached."""
        context = server_context(authority.issue(served.names[0], hosts=served.names))
        context.sni_callback = _only(served.names)
        server = HttpsServer(self.runtime.handle, context, date=self._clock)
        self._stack.push_async_callback(server.stop)
        self._hosts.update(dict.fromkeys(served.names, served.region))
        if served.api is not None:
            self._apis.update(dict.fromkeys(served.names, served.api))
        port = await server.start()
        for name in served.destinations:
            network.publish(name, 443, port)
            self._stack.callback(network.withdraw, name, 443)
        self.outages.add(network, served.region, server, served.destinations, port)

    async def _serve_front(self, authority: Authority) -> int:
        context = server_context(authority.issue("sts.amazonaws.com", hosts=[LOOPBACK, "localhost"]))
        server = HttpsServer(self.front.handle, context, date=self._clock)
        self._stack.push_async_callback(server.stop)
        return await server.start()


def _only(names: Collection[str]) -> Callable[[ssl.SSLObject, str, ssl.SSLContext], int | None]:
    """An SNI callback that ends the handshake unless the client asks for one of ``names``."""

    def callback(tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        return None if name in names else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    return callback
