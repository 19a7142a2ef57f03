"""Generated hostile requests against the lab's data plane: no uncaught Python error, no hang.

    python benchmarks/hostile.py [--requests 100000] [--seed 1]

Three quarters of them go to a virtual server without TLS, the rest to one with it: mutated heads, framing that could
be read in two ways (request smuggling), bodies that end early or late, garbage instead of TLS, mutated handshakes, TLS
that breaks later; sent at once or in pieces, and ended by a close, a half-close, a reset or not at all. The rule behind
both reads every header, collects bodies and answers or forwards. Every so often an ordinary request must still be
answered.
The seed is printed; the same seed sends the same requests.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import faulthandler
import os
import random
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import (
    ClientSsl,
    HttpProfile,
    OneConnect,
    Pool,
    PoolMember,
    Rule,
    SslCertificate,
    SslKey,
    TcpProfile,
    VirtualServer,
)
from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.network import Network
from bigip_sm.lab.pki import Authority, client_context
from bigip_sm.lab.tmm import DataPlane

RULE = """
when HTTP_REQUEST {
    foreach name [HTTP::header names] {
        set seen($name) "[HTTP::header value $name] [HTTP::header count $name] [HTTP::header values $name]"
    }
    set all "[HTTP::method] [HTTP::uri] [HTTP::path] [HTTP::query] [HTTP::host] [HTTP::version]"
    switch -glob -- [HTTP::path] {
        /respond* { HTTP::respond 200 content $all }
        /collect* { HTTP::collect 200 }
    }
}
when HTTP_REQUEST_DATA {
    set body [HTTP::payload]
    HTTP::payload replace 0 [HTTP::payload length] [string toupper $body]
}
when HTTP_RESPONSE { HTTP::header replace X-Status [HTTP::status] }
"""
PLAIN, SECURE, MEMBER = ("192.0.2.1", 80), ("192.0.2.1", 443), ("198.51.100.1", 80)
HOSTNAME = "models.example.com"
AT_ONCE = 64
"""Connections at a time."""

PATIENCE = 0.03
"""Seconds that a client waits for an answer before it goes: half a request never gets one."""

STUCK = 60.0
"""Seconds without progress after which the run counts as hung."""

METHODS = (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI", b"G\0T", b"", b"post")
TARGETS = (
    *(
        b"/",
        b"/respond",
        b"/collect",
        b"/a?b=c",
        b"*",
        b"//",
        b"/%00",
        b"/%zz",
        b"http://a/",
        b"a:443",
        b"/\xff",
        b"/ a",
    ),
    b"/" + b"x" * 9000,
)
VERSIONS = (b"HTTP/1.1",) * 6 + (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b"HTTP/11", b"HTTPS/1.1", b"")
FIELDS = (
    *(b"Host: a", b"Host: a", b"Host: a", b"Host: b", b"Host:", b"host: a:99999", b"Host : a", b"Connection: close"),
    *(b"Connection: keep-alive", b"Connection: upgrade", b"Upgrade: websocket", b"Expect: 100-continue", b"Expect: x"),
    *(b"Content-Length: 5", b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: -1", b"Content-Length: 5, 5"),
    *(b"Content-Length: 99999999999999999999", b"Content-Length: 0x5", b"Content-Length: +5", b"Content-Length: 5 5"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked"),
    *(b"Transfer-Encoding: identity", b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked"),
    *(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length: 5\r\nContent-Length: 6", b"TE: trailers"),
    *(
        b"X: a\r\n b",
        b" X: a",
        b"\tX: a",
        b": a",
        b"X",
        b"X\0: a",
        b"X: a\0b",
        b"X: \xff\xfe",
        b"X: a\rb",
        b"X: a\nY: b",
    ),
    *(b"X: " + b"y" * 9000, b"\r\nGET / HTTP/1.1", b"X-Forwarded-For: 127.0.0.1", b"Cookie: " + b"a=b; " * 50),
    b"\r\n".join(b"X%d: y" % number for number in range(80)),
)
ENDS = (b"\r\n\r\n",) * 8 + (b"\n\n", b"\r\n\n", b"\n\r\n", b"\r\r", b"\r\n", b"")
BODIES = (
    *(
        b"",
        b"hello",
        b"hello",
        b"hell",
        b"hello!",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"0\r\n\r\n",
    ),
    *(b"5\r\nhell\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n", b"fffffffffffffffff\r\n", b"-5\r\nhello\r\n"),
    *(b"5\nhello\n0\n\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"0\r\nX: " + b"y" * 70_000, b"z\r\n"),
    b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"x" * 70_000,
)


def hostile_request(chance: random.Random) -> bytes:
    """The bytes of one request that no honest client sends, or of several in a row."""

    def one(choices: Sequence[bytes], usual: bytes) -> bytes:
        return usual if chance.random() < 0.6 else chance.choice(choices)

    first = [
        one(METHODS, b"POST"),
        one(TARGETS, chance.choice((b"/", b"/collect", b"/respond"))),
        one(VERSIONS, VERSIONS[0]),
    ]
    framing, body = chance.choice(
        ((b"Content-Length: 5", b"hello"), (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"))
    )
    fields = [
        b"Host: " + HOSTNAME.encode(),
        one(FIELDS, framing),
        *chance.sample(FIELDS, chance.choice((0, 0, 0, 1, 2))),
    ]
    data = b"\r\n".join([b" ".join(first), *fields]) + one(ENDS, ENDS[0]) + one(BODIES, body)
    if chance.random() < 0.2:
        data = mutated(data, chance)
    return data * chance.choice((1, 1, 1, 1, 1, 2))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """``data`` with a few bytes changed, inserted, removed or repeated, or cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                changed[at:at] = chance.choice((b"\0", b"\r", b"\n", b"\r\n", b" ", b":", b"\xff", b"{[$"))
            case 2:
                del changed[at : at + chance.choice((1, 2, 10))]
            case 3:
                changed[at:at] = changed[at : at + 20]
            case 4:
                changed[at:at] = chance.randbytes(chance.choice((1, 4, 50)))
            case _:
                del changed[at:]
    return bytes(changed)


def client_hello() -> bytes:
    """A real first flight of TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=HOSTNAME)
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


class Attack:
    """The hostile clients of one run, and what they saw."""

    def __init__(self, network: Network, ca: str, seed: int) -> None:
        self.outcomes: collections.Counter[str] = collections.Counter()
        self._network = network
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._hello = client_hello()
        self._tls = client_context(ca)

    async def one(self) -> None:
        """One hostile connection."""
        kind = self._chance.random()
        if kind < 0.75:
            await self._connection(PLAIN, None, hostile_request(self._chance))
        elif kind < 0.85:
            await self._connection(SECURE, None, mutated(self._hello, self._chance))
        elif kind < 0.88:
            await self._connection(SECURE, None, self._chance.randbytes(self._chance.choice((1, 5, 300))))
        else:
            await self._connection(SECURE, self._tls, hostile_request(self._chance))

    async def _connection(self, where: tuple[str, int], tls: ssl.SSLContext | None, data: bytes) -> None:
        chance = self._chance
        pieces = [data]
        if chance.random() < 0.2 and len(data) > 1:
            at = chance.randrange(1, len(data))
            pieces = [data[:at], data[at:]]
        ending = chance.choice(("close", "close", "half-close", "reset", "break"))
        host, port = self._network.resolve(*where)
        reader, writer = await asyncio.open_connection(
            host, port, ssl=tls, server_hostname=None if tls is None else HOSTNAME
        )
        opened = writer.get_extra_info("socket")
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            if ending == "half-close" and tls is None:
                writer.write_eof()
            elif ending == "break" and tls is not None:
                with contextlib.suppress(OSError):
                    os.write(opened.fileno(), b"\x17\x03\x03\x00\x10" + chance.randbytes(16))  # past the TLS object
            answer = await asyncio.wait_for(reader.read(65536), PATIENCE)
            self.outcomes[_outcome(answer)] += 1
        except asyncio.TimeoutError:
            self.outcomes["waiting for more"] += 1
        except (OSError, ssl.SSLError):
            self.outcomes["reset"] += 1
        finally:
            if ending == "reset":
                with contextlib.suppress(OSError):
                    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def ordinary(self) -> None:
        """An honest request must still be answered. Raises RuntimeError if it is not."""
        host, port = self._network.resolve(*SECURE)
        reader, writer = await asyncio.open_connection(host, port, ssl=self._tls, server_hostname=HOSTNAME)
        writer.write(b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        if not (answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"HELLO")):
            raise RuntimeError(f"an ordinary request was answered {answer[:100]!r}")


def _outcome(answer: bytes) -> str:
    if not answer:
        return "closed"
    return f"answered {answer[9:12].decode()}" if answer.startswith(b"HTTP/1.") else "TLS alert"


async def _echo(request: Request) -> Response:
    return Response(200, [], request.body)


def configuration(authority: Authority) -> Config:
    """Two virtual servers, with TLS and without, and the same rule on both."""
    issued = authority.issue(HOSTNAME, hosts=[HOSTNAME])
    tls = ClientSsl("/C/tls", (("/C/a.crt", "/C/a.key"),), None, "request", "/C/ca.crt", "1.2", "1.3", False)
    secure = VirtualServer(
        "/C/secure", *SECURE, ("/C/rule",), "/C/pool", "/C/tls", (), "/C/http", "/C/tcp", "/C/tcp", "/C/one"
    )
    config = Config()
    config.commit(
        put=[
            Rule("/C/rule", RULE),
            SslCertificate("/C/a.crt", issued.certificate_pem),
            SslKey("/C/a.key", issued.key_pem),
            SslCertificate("/C/ca.crt", authority.certificate_pem),
            HttpProfile("/C/http", True, False, True, ("GET", "POST", "PUT", "HEAD", "DELETE"), False, None, 32768, 64),
            TcpProfile("/C/tcp", 30, 1800, 500, 1),
            OneConnect("/C/one", 60, 1000, 100),
            Pool("/C/pool", (PoolMember(*MEMBER, False),), ()),
            tls,
            secure,
            replace(secure, path="/C/plain", address=PLAIN[0], port=PLAIN[1], client_ssl=None),
        ]
    )
    return config


async def attack(
    requests: int, seed: int, progress: Callable[[int], None]
) -> tuple[collections.Counter[str], list[str]]:
    """Send them all; returns what clients saw, and every sign of a defect."""
    defects: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(_described(context)))
    network, authority = Network(), Authority.create("hostile")
    backend = HttpsServer(_echo, None)
    network.publish(*MEMBER, await backend.start())

    def log(line: str) -> None:
        if line.startswith(("lab:", "01220001")) or "internal error" in line:
            defects.append(line)

    plane = DataPlane(configuration(authority), network, tmms=2, log=log)
    await plane.start()
    await plane.settled()
    attackers = Attack(network, authority.certificate_pem, seed)
    for done in range(0, requests, AT_ONCE):
        faulthandler.dump_traceback_later(STUCK, exit=True)
        await asyncio.gather(*(attackers.one() for _ in range(min(AT_ONCE, requests - done))))
        if done % (AT_ONCE * 20) == 0:
            await attackers.ordinary()
            progress(done)
    await attackers.ordinary()
    for _ in range(500):
        if not plane.connections:
            break
        await asyncio.sleep(0.01)
    else:
        defects.append(f"{plane.connections} connections are left")
    faulthandler.dump_traceback_later(STUCK, exit=True)
    await plane.stop()
    await backend.stop()
    faulthandler.cancel_dump_traceback_later()
    return attackers.outcomes, defects


def _described(context: dict[str, Any]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"


def main() -> None:
    """Print what the clients saw and every defect; exit code 1 if there was one."""
    parser = argparse.ArgumentParser(description="Hostile requests against the lab's data plane.")
    parser.add_argument("--requests", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="which (default: 1)")
    arguments = parser.parse_args()

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}", end="", file=sys.stderr)

    started = time.monotonic()
    outcomes, defects = asyncio.run(attack(arguments.requests, arguments.seed, progress))
    print(f"seed {arguments.seed}: {arguments.requests} hostile requests in {time.monotonic() - started:.0f} s")
    for outcome, count in outcomes.most_common():
        print(f"  {outcome:<20}{count:>8}")
    print(f"defects: {len(defects)}")
    for defect, count in collections.Counter(defects).most_common(20):
        print(f"  {count} x {defect[:300]}")
    sys.exit(1 if defects else 0)


if __name__ == "__main__":
    main()
