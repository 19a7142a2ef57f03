"""A virtual server without an HTTP profile: plain TCP in, verified TLS out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from gateway_bench import scenario

from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Pool, PoolMember, Rule, ServerSsl, SslCertificate, VirtualServer
from bigip_sm.lab.network import LOOPBACK, Network
from bigip_sm.lab.pki import Authority, server_context
from bigip_sm.lab.tmm import DataPlane

RIGHT, WRONG = Authority.create("right"), Authority.create("wrong")
NAME = "audit.example.com"
ENTRY = ("255.255.255.254", 6514)
TLS = ServerSsl("/T/A/tls", NAME, NAME, True, "/Common/ca.crt", "1.2", "1.3")
POOL = Pool("/T/A/collectors", (PoolMember("10.0.9.5", 6514, False),), ())
VIRTUAL = VirtualServer(
    "/T/A/relay",
    *ENTRY,
    rules=(),
    pool=POOL.path,
    client_ssl=None,
    server_ssl=(TLS.path,),
    http=None,
    tcp_client=None,
    tcp_server=None,
    one_connect=None,
)


class Rig:
    """A data plane with a relay, and an echoing collector behind it."""

    def __init__(self, config: Config, network: Network, plane: DataPlane) -> None:
        self.config, self.network, self.plane = config, network, plane

    async def ask(self, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self.network.resolve(*ENTRY))
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(100), 3)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    def logged(self, text: str) -> bool:
        return any(text in line for line in self.plane.log_lines)


@asynccontextmanager
async def rig(
    authority: Authority = RIGHT, name: str = NAME, *, virtual: VirtualServer = VIRTUAL
) -> AsyncIterator[Rig]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"got " + await reader.readline())

    context = server_context(authority.issue(name, hosts=[name]))
    server = await asyncio.start_server(echo, LOOPBACK, 0, ssl=context)
    config, network = Config(), Network()
    network.publish("10.0.9.5", 6514, server.sockets[0].getsockname()[1])
    plane = DataPlane(config, network)
    await plane.start()
    config.commit(put=[SslCertificate("/Common/ca.crt", RIGHT.certificate_pem), TLS, POOL, virtual])
    await plane.settled()
    try:
        yield Rig(config, network, plane)
    finally:
        await plane.stop()
        server.close()


@scenario
async def test_what_enters_plain_leaves_in_tls_and_answers_come_back() -> None:
    async with rig() as made:
        assert await made.ask(b"a record\n") == b"got a record\n"


@scenario
async def test_a_collector_with_another_name_gets_nothing() -> None:
    async with rig(name="other.example.com") as made:
        assert await made.ask(b"a record\n") == b""
        assert made.logged("no connection to a member of /T/A/collectors")


@scenario
async def test_a_collector_of_another_authority_gets_nothing() -> None:
    async with rig(WRONG) as made:
        assert await made.ask(b"a record\n") == b""
        assert made.logged("certificate verify failed")


@scenario
async def test_nobody_behind_it_ends_the_connection_and_is_logged() -> None:
    async with rig() as made:
        made.network.withdraw("10.0.9.5", 6514)
        assert await made.ask(b"a record\n") == b""
        assert made.logged("nothing in the lab serves 10.0.9.5:6514")


@scenario
async def test_a_changed_pool_is_used_at_once_and_a_removed_virtual_server_is_gone() -> None:
    async with rig() as made:
        place = made.network.resolve(*ENTRY)
        made.config.commit(put=[replace(POOL, members=())])
        await made.plane.settled()
        assert await made.ask(b"a record\n") == b""
        made.config.commit(delete=[VIRTUAL])
        await made.plane.settled()
        with pytest.raises(ConnectionRefusedError):
            made.network.resolve(*ENTRY)
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection(*place)


@scenario
async def test_rules_need_an_http_profile_here() -> None:
    async with rig() as made:
        made.config.commit(put=[Rule("/T/A/r", "when CLIENT_ACCEPTED { }"), replace(VIRTUAL, rules=("/T/A/r",))])
        await made.plane.settled()
        assert made.logged("need an HTTP profile in the lab")
