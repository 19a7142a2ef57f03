"""Rules in the style of published ones load and do what they are for."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import published_rules as rules
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from gateway_bench import BACKEND, POOL, SERVER_SSL, Bench, bench, certificates, scenario

from bigip_sm.lab.bigip.objects import DataGroup, Pool, PoolMember
from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.network import LOOPBACK
from bigip_sm.lab.pki import server_context
from bigip_sm.lab.tcl import load

TEXTS = {name: text for name, text in vars(rules).items() if name.isupper()}
NAMELESS = replace(SERVER_SSL, server_name=None, authenticate_name=None)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_one_loads(name: str) -> None:
    assert load("/T/A/r", TEXTS[name]).handlers


def test_there_are_a_dozen_and_more() -> None:
    assert len(TEXTS) >= 12


def other(name: str, *hosts: str) -> Pool:
    return Pool(f"/T/A/{name}", tuple(PoolMember(host, 443, True) for host in hosts), ())


def group(name: str, *records: tuple[str, str], kind: str = "string") -> DataGroup:
    return DataGroup(f"/T/A/{name}", kind, records)  # type: ignore[arg-type]  # one of the three kinds


async def backend(b: Bench, host: str) -> HttpsServer:
    """A server behind ``host`` that says its name."""

    async def answer(_: Request) -> Response:
        return Response(200, [], host.encode())

    server = HttpsServer(answer, server_context(certificates().backend))
    b.network.publish(host, 443, await server.start())
    return server


@scenario
async def test_redirect_to_https() -> None:
    async with bench(rules.TO_HTTPS) as b, b.connect() as client:
        reply = await client.get("/a?b=c", headers=["X: y"])
        assert (reply.status, reply.header("Location")) == (302, "https://models.example.com/a?b=c")
        assert (await client.get("/health")).status == 200
        assert (await client.get("/.well-known/acme-challenge/x")).status == 200
        assert len(b.seen) == 2


@scenario
async def test_maintenance_page() -> None:
    async with bench(rules.MAINTENANCE, objects=[other("app")]) as b:
        reply = await b.get()
        assert (reply.status, reply.header("Retry-After"), reply.header("Content-Type")) == (503, "300", "text/html")
        assert b"Back soon" in reply.body
        b.plane.client_addresses = lambda _: "192.0.2.7"
        assert (await b.get()).status == 200


@scenario
async def test_routing_by_path() -> None:
    pools = (other("api", "api.example.com"), other("static_files", "static.example.com"))
    paths = group("path_pools", ("/docs/", "static_files"), ("/old/", "gone"))
    async with bench(rules.ROUTING, objects=[*pools, NAMELESS, paths]) as b:
        servers = [await backend(b, f"{name}.example.com") for name in ("api", "static")]
        for path, body in (
            ("/API/v2/x", b"api.example.com"),
            ("/img/x.JPG", b"static.example.com"),
            ("/docs/index", b"static.example.com"),
            ("/docs/index?x", b"static.example.com"),
        ):
            assert (await b.get(path)).body == body
        assert (await b.get("/else")).header("X-Target") == "/else"
        assert (await b.get("/old/x")).status == 404
        assert b.log == ["Rule /T/A/rule <HTTP_REQUEST>: no pool gone for models.example.com/old/x: no such pool gone"]
        for server in servers:
            await server.stop()


@scenario
async def test_headers_in_and_out() -> None:
    async def answer(request: Request) -> Response:
        headers = [("Server", "leaky/1.0"), ("X-Powered-By", "PHP"), ("Location", "http://models.example.com/x")]
        return Response(302, headers, json.dumps(request.values("x-forwarded-for")).encode())

    async with bench(rules.HEADERS, handler=answer) as b:
        reply = await b.get(headers=["X-Forwarded-For: 6.6.6.6", "x-forwarded-for: 7.7.7.7"])
        assert json.loads(reply.body) == ["127.0.0.1"]
        assert b.seen[0].header("X-Forwarded-Port") == "443"
        assert (reply.header("Server"), reply.header("X-Powered-By")) == (None, None)
        assert reply.header("Strict-Transport-Security") == "max-age=31536000; includeSubDomains"
        assert reply.header("Location") == "https://models.example.com/x"


@scenario
async def test_rate_limit() -> None:
    now = 1000.0
    async with bench(rules.RATE_LIMIT, tmms=2) as b:
        b.plane.clock = lambda: now
        replies = await asyncio.gather(*(b.get() for _ in range(8)))
        assert sorted(reply.status for reply in replies) == [200] * 3 + [429] * 5
        now += 20
        late = await b.get()
        assert (late.status, late.header("Retry-After")) == (429, "40")
        now += 41
        assert (await b.get()).status == 200


@scenario
async def test_penalty_box() -> None:
    async def answer(request: Request) -> Response:
        return Response(401 if request.target == b"/app/login" else 200)

    async with bench(rules.PENALTY_BOX, handler=answer, tmms=2) as b:
        for _ in range(3):
            assert (await b.get("/app/login", method="POST", body=b"x")).status == 401
        with pytest.raises(ConnectionError):
            await b.get("/anything")
        assert b.log == ["Rule /T/A/rule <HTTP_RESPONSE>: blocking 127.0.0.1"]
        b.plane.clock = lambda: time.time() + 601
        assert (await b.get("/anything")).status == 200


@scenario
async def test_client_certificates_become_headers() -> None:
    issued = certificates().clients.issue("alice", client=True)
    stranger = certificates().strangers.issue("mallory", client=True)
    made = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    async with bench(rules.CLIENT_CERTIFICATE) as b:
        assert (await b.get(headers=["X-Client-Subject: CN=root"])).status == 401
        async with b.connect(stranger) as client:
            assert (await client.get()).body.startswith(b"certificate refused: self-signed")
        async with b.connect(issued) as client:
            assert (await client.get(headers=["X-Client-Subject: CN=root"])).status == 200
        seen = b.seen[0]
        assert seen.values("x-client-subject") == ["CN=alice"]
        assert seen.header("X-Client-Issuer") == "CN=clients CA"
        assert seen.header("X-Client-Thumb") == base64.b64encode(made.fingerprint(hashes.SHA256())).decode()
        assert (seen.header("X-Client-Pem") or "").startswith("-----BEGIN CERTIFICATE-----MII")


@scenario
async def test_tokens_of_rs256() -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def token(**claims: object) -> str:
        signed = f"{part(b'{}')}.{part(json.dumps(claims, separators=(',', ':')).encode())}"
        return f"{signed}.{part(private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    async with bench(rules.JWT, objects=[group("keys", ("jwt", public.decode()))]) as b, b.connect() as client:

        async def status(bearer: str) -> tuple[int, bytes]:
            reply = await client.get(headers=[f"Authorization: Bearer {bearer}"])
            return reply.status, reply.body

        good = token(sub="alice", exp=int(time.time()) + 60)
        assert await status(good) == (200, b"")
        assert b.seen[0].header("X-User") == "alice"
        assert b.seen[0].header("Authorization") is None
        assert await status(token(sub="alice", exp=int(time.time()) - 60)) == (401, b"expired")
        other_claims = good.split(".")[0] + "." + part(b'{"sub":"root","exp":9999999999}') + "." + good.split(".")[2]
        assert await status(other_claims) == (401, b"bad token")
        assert await status("x.y.!!") == (401, b"bad token")
        assert await status("x") == (401, b"no token")
        assert "token refused: b64decode" in b.log[0]


@scenario
async def test_numbers_are_scrubbed_from_responses() -> None:
    async def answer(request: Request) -> Response:
        kind = "text/html" if request.target == b"/page" else "image/png"
        return Response(200, [("Content-Type", kind)], b"ssn 123-45-6789 and 987-65-4321.")

    async with bench(rules.SCRUB, handler=answer) as b, b.connect() as client:
        assert (await client.get("/page")).body == b"ssn XXXXXXXXXXX and XXXXXXXXXXX."
        assert (await client.get("/image")).body == b"ssn 123-45-6789 and 987-65-4321."
        assert b.log == ["Rule /T/A/rule <HTTP_RESPONSE_DATA>: 2 numbers hidden"]


@scenario
async def test_failures_are_tried_again() -> None:
    tries = 0

    async def answer(request: Request) -> Response:
        nonlocal tries
        tries += 1
        return Response(503 if tries % 3 else 200, [], request.method.encode())

    members = (PoolMember("dead.example.com", 443, True), *POOL.members)
    async with bench(rules.RETRY, handler=answer, objects=[replace(POOL, members=members)]) as b, b.connect() as client:
        reply = await client.get("/")
        assert (reply.status, reply.body, reply.header("X-Retries")) == (200, b"GET", "2")
        assert len(b.seen) == 3
        assert [line.rpartition(", ")[2] for line in b.log] == ["try 1", "try 2"]


@scenario
async def test_an_access_log_over_udp() -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((LOOPBACK, 0))
    listener.setblocking(False)
    with listener:
        async with bench(rules.ACCESS_LOG, objects=[other("logs", "logs.example.com")]) as b:
            b.network.publish("logs.example.com", 443, listener.getsockname()[1])
            await b.get("/a%20b", headers=['User-Agent: a "b"'])
            line = (await asyncio.get_running_loop().sock_recv(listener, 1000)).decode()
            expected = r"<134>/T/A/listener 127\.0\.0\.1:\d+ GET models\.example\.com/a b ua=\"a 'b'\" tls=TLSv1\.3"
            assert re.fullmatch(expected + rf" -> 200 0 {re.escape(BACKEND[0])} \d+ms\n", line)


@scenario
async def test_an_ab_test_by_cookie() -> None:
    async with bench(rules.AB_TEST, objects=[NAMELESS, other("beta", "beta.example.com")]) as b:
        server = await backend(b, "beta.example.com")
        first = await b.get(headers=["X-Beta: 1", "Cookie: x=1"])
        assert first.body == b"beta.example.com"
        assert first.header("Set-Cookie") == "ab=b; Path=/; Secure; HttpOnly; Max-Age=3600"
        again = await b.get(headers=["Cookie: x=1; ab=b"])
        assert (again.body, again.header("Set-Cookie")) == (b"beta.example.com", None)
        plain = await b.get(headers=["Cookie: x=1; ab=unknown"])
        assert (
            plain.header(
                "Set-Cookie",
            )
            == "ab=a; Path=/; Secure; HttpOnly; Max-Age=3600"
        )
        assert b.seen[0].header("Cookie") == "x=1"
        await server.stop()


@scenario
async def test_basic_authentication() -> None:
    users = group("users", ("alice", hashlib.sha256(b"secret").hexdigest()))
    networks = group("trusted_networks", ("10.0.0.0/8", ""), kind="ip")

    def basic(name: str, password: str) -> list[str]:
        return [f"Authorization: Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"]

    async with bench(rules.BASIC_AUTH, objects=[users, networks]) as b:
        refused = await b.get()
        assert (refused.status, refused.header("WWW-Authenticate")) == (401, 'Basic realm="/T/A/listener"')
        assert (await b.get(headers=basic("alice", "secret"))).status == 200
        assert (await b.get(headers=basic("alice", "Secret"))).status == 401
        assert (await b.get(headers=basic("bob", ""))).status == 401
        b.plane.client_addresses = lambda _: "10.9.9.9"
        assert (await b.get()).status == 200


@scenario
async def test_an_event_stream_is_rewritten_message_by_message() -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in (b"data: on", b"e\n\ndata: sec", b"ret\n", b"\ndata: [DONE]\n\n"):
            yield piece
            await asyncio.sleep(0.01)

    async def answer(_: Request) -> Response:
        return Response(200, [("Content-Type", "text/event-stream")], body())

    async with bench(rules.EVENT_STREAM, handler=answer) as b:
        assert (await b.get()).body == b"data: one\n\ndata: ****\n\ndata: [DONE]\n\n"
        await asyncio.sleep(0.02)
        assert b.log == ["Rule /T/A/rule <CLIENT_CLOSED>: 3 messages"]
