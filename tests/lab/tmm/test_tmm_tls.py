"""TLS on both sides: client certificates and what the rule sees of them, verification of the server, SSL::profile."""

from __future__ import annotations

import asyncio
import gc
import itertools
import socket
import ssl
from dataclasses import replace

import pytest
from gateway_bench import BACKEND, CLIENT_SSL, SERVER_SSL, VIRTUAL, Bench, bench, certificates, scenario
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.lab.bigip.objects import SslCertificate
from bigip_sm.lab.pki import Issued, client_context
from bigip_sm.lab.tmm.tls import Records

SHOW = """
    when CLIENTSSL_HANDSHAKE {
        set name ""
        if {[SSL::cert count] > 0} { set name [X509::subject [SSL::cert 0] commonName] }
        set seen "[SSL::cert count] [SSL::verify_result] $name"
    }
    when HTTP_REQUEST { HTTP::respond 200 content $seen }
"""


def issue(name: str, *, trusted: bool = True, days: int = 30) -> Issued:
    authority = certificates().clients if trusted else certificates().strangers
    return authority.issue(name, client=True, days=days)


async def seen(b: Bench, issued: Issued | None) -> str:
    async with b.connect(issued) as client:
        return (await client.get()).body.decode()


@scenario
async def test_the_rule_sees_which_client_certificate_came_and_whether_it_is_trusted() -> None:
    async with bench(SHOW) as b:
        assert await seen(b, None) == "0 50 "
        assert await seen(b, issue("partner")) == "2 0 partner"
        assert await seen(b, issue("stranger", trusted=False)) in ("2 19 stranger", "2 20 stranger")
        assert await seen(b, issue("late", days=-1)) == "2 10 late"
        assert await seen(b, issue("käse")) == "2 0 käse"
        leaf = issue("alone", trusted=False)
        assert await seen(b, replace(leaf, chain_pem=leaf.certificate_pem)) == "1 20 alone"


@scenario
async def test_a_server_certificate_is_no_client_certificate() -> None:
    async with bench(SHOW) as b:
        issued = certificates().clients.issue("server", hosts=["server.example.com"])
        assert await seen(b, issued) == "2 26 server"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_resumed_session_keeps_certificate_and_verify_result(version: ssl.TLSVersion, trusted: bool) -> None:
    @scenario
    async def check() -> None:
        context = client_context(certificates().authority.certificate_pem, issue("partner", trusted=trusted))
        context.minimum_version = context.maximum_version = version
        async with bench(SHOW) as b:
            async with b.connect(context=context) as client:
                first = (await client.get()).body
                session = client.session
            async with b.connect(context=context, session=session) as client:
                assert client.writer.get_extra_info("ssl_object").session_reused
                assert (await client.get()).body == first
            assert (first[:3] == b"2 0") == trusted

    check()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("end", ["reset", "fin"])
def test_a_session_can_be_resumed_after_an_end_without_close_notify(version: ssl.TLSVersion, end: str) -> None:
    @scenario
    async def check() -> None:
        context = client_context(certificates().authority.certificate_pem, issue("partner"))
        context.minimum_version = context.maximum_version = version
        async with bench(SHOW) as b:
            async with b.connect(context=context) as client:
                first = (await client.get()).body
                session = client.session
                if end == "reset":
                    client.writer.transport.abort()
                else:
                    client.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
            while b.plane.connections:
                await asyncio.sleep(0.01)
            gc.collect()  # what is left of the connection must not take the session along
            async with b.connect(context=context, session=session) as client:
                assert client.writer.get_extra_info("ssl_object").session_reused
                assert (await client.get()).body == first

    check()


@pytest.mark.parametrize("issued", [None, "untrusted"])
def test_mode_require_lets_nobody_in_without_a_trusted_certificate(issued: str | None) -> None:
    @scenario
    async def check() -> None:
        async with bench(SHOW, objects=[replace(CLIENT_SSL, client_certificate="require")]) as b:
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await seen(b, issue("stranger", trusted=False) if issued else None)
            assert await seen(b, issue("partner")) == "2 0 partner"
            assert any("01260009" in line for line in b.log)

    check()


@scenario
async def test_mode_ignore_asks_for_no_certificate() -> None:
    async with bench(SHOW, objects=[replace(CLIENT_SSL, client_certificate="ignore", trusted_ca=None)]) as b:
        assert await seen(b, issue("partner")) == "0 50 "


@scenario
async def test_versions_outside_the_profile_are_refused() -> None:
    context = client_context(certificates().authority.certificate_pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with bench(SHOW, objects=[replace(CLIENT_SSL, minimum_version="1.3")]) as b:
        with pytest.raises(OSError):  # noqa: PT011 - an alert or the end of the connection
            async with b.connect(context=context) as client:
                await client.get()


@pytest.mark.parametrize(
    "profile",
    [
        replace(SERVER_SSL, server_name="other.example.com", authenticate_name="other.example.com"),
        replace(SERVER_SSL, ca_file="/T/A/ca.crt"),
        replace(SERVER_SSL, ca_file=None),
    ],
    ids=["another name", "another CA", "no CA"],
)
def test_a_server_that_cannot_be_verified_gets_no_request(profile: object) -> None:
    @scenario
    async def check() -> None:
        async with bench(objects=[profile]) as b:  # type: ignore[list-item]  # all of them are objects
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await b.get()
            assert not b.seen
            assert b.log[0].startswith("01010028:3: TLS with backend.example.com:443 failed: ")

    check()


@scenario
async def test_without_verification_any_certificate_will_do_as_on_tmos() -> None:
    profile = replace(SERVER_SSL, verify=False, authenticate_name=None, server_name=None, ca_file=None)
    async with bench(objects=[profile]) as b:
        assert (await b.get()).status == 200
        assert b.seen[0].sni is None


@scenario
async def test_ssl_profile_switches_the_name_in_the_handshake() -> None:
    rule = "when SERVER_CONNECTED { SSL::profile /T/A/tls_[string range [HTTP::path] 1 end] }"
    second = replace(SERVER_SSL, path="/T/A/tls_second", verify=False, server_name="second.example.com")
    async with bench(rule, objects=[second]) as b, b.connect() as client:
        await client.get("/second")
        assert b.seen[0].sni == "second.example.com"
    async with bench(rule, objects=[second]) as b:
        await b.get("/backend")
        assert b.seen[0].sni == BACKEND[0]


@scenario
async def test_an_unknown_ssl_profile_is_a_runtime_error() -> None:
    async with bench("when SERVER_CONNECTED { SSL::profile /T/A/[HTTP::method] }") as b:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await b.get()
        assert "no such SSL profile /T/A/GET" in b.log[0]
        assert not b.seen


@scenario
async def test_an_authenticate_name_of_its_own_is_refused_not_ignored() -> None:
    profile = replace(SERVER_SSL, authenticate_name="other.example.com")
    async with bench(objects=[profile]) as b:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await b.get()
        assert "not emulated" in b.log[0]
        assert not b.seen


@scenario
async def test_a_new_ca_counts_for_new_server_side_connections() -> None:
    async with bench(objects=[SslCertificate("/T/A/other.crt", certificates().clients.certificate_pem)]) as b:
        assert (await b.get()).status == 200
        b.config.commit(put=[replace(SERVER_SSL, ca_file="/T/A/other.crt")])
        await b.plane.settled()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await b.get()


@scenario
async def test_a_server_side_without_tls() -> None:
    async with bench(virtual=replace(VIRTUAL, server_ssl=())) as b:

        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nplain")
            writer.close()

        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        b.network.publish(*BACKEND, server.sockets[0].getsockname()[1])
        assert (await b.get()).body == b"plain"
        server.close()


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_records_are_followed_however_the_stream_is_cut(contents: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(b"\x17\x03\x03" + len(one).to_bytes(2, "big") + one for one in contents)
    ends = set(itertools.accumulate(5 + len(one) for one in contents))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)) | {0, len(stream)})
    records = Records()
    for start, end in itertools.pairwise(cuts):
        ended = sum(start < place <= end for place in ends)
        assert records.follow(stream[start:end]) == (ended if end in ends else 0)
