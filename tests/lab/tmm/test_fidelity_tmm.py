"""Facts of TMM that no other test holds; docs/fidelity.md lists them all."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import pytest
from gateway_bench import POOL, bench, scenario

from bigip_sm.lab.bigip.objects import Pool, PoolMember, Rule

DIGESTS = ["md5", "ripemd160", "sha1", "sha224", "sha256", "sha384", "sha512"]


@scenario
async def test_statics_of_the_rule_loaded_last_win() -> None:
    show = "when HTTP_REQUEST { HTTP::respond 200 content $static::shared }"
    first, second = (f"when RULE_INIT {{ set static::shared {name} }}" for name in ("first", "second"))
    async with bench(rules=(first, second, show), tmms=2) as b:
        assert [(await b.get()).body for _ in range(2)] == [b"second", b"second"]
        b.config.commit(put=[Rule("/T/A/rule", "# changed\n" + first)])
        await b.plane.settled()
        assert [(await b.get()).body for _ in range(2)] == [b"first", b"first"]


@scenario
async def test_a_replacement_of_no_bytes_inserts() -> None:
    rule = """
        when HTTP_REQUEST { HTTP::collect [HTTP::header value Content-Length] }
        when HTTP_REQUEST_DATA { HTTP::payload replace 2 0 "--" }
    """
    async with bench(rule) as b:
        assert (await b.get("/", method="POST", body=b"abcd")).body == b"ab--cd"


@pytest.mark.parametrize("name", DIGESTS)
def test_every_digest(name: str) -> None:
    """What OpenSSL of this machine can do; ripemd160 is no longer in every build."""
    if name not in hashlib.algorithms_available:
        pytest.skip(f"OpenSSL has no {name} here")

    @scenario
    async def check() -> None:
        rule = f"""
            when HTTP_REQUEST {{
                binary scan [CRYPTO::hash -alg {name} [HTTP::path]] H* digest
                binary scan [CRYPTO::sign -alg hmac-{name} -key k [HTTP::path]] H* signature
                HTTP::respond 200 content "$digest $signature"
            }}
        """
        async with bench(rule) as b:
            expected = [hashlib.new(name, b"/x").hexdigest(), hmac.new(b"k", b"/x", name).hexdigest()]
            assert (await b.get("/x")).body.decode().split() == expected

    check()


@scenario
async def test_the_last_of_several_collects_wins() -> None:
    rules = (
        "when HTTP_REQUEST priority 300 { HTTP::collect 6 }",
        "when HTTP_REQUEST priority 700 { HTTP::collect 3 }",
        "when HTTP_REQUEST_DATA { HTTP::respond 200 content [HTTP::payload] }",
    )
    async with bench(rules=rules) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nabcd")
        assert (await client.reply()).body.startswith(b"abc")
        assert not b.seen


DEAD = PoolMember("dead.example.com", 443, True)
ALIVE = POOL.members[0]
FAILING = "LB_SELECTED SA_PICKED SERVER_CONNECTED LB_FAILED HTTP_REQUEST_SEND HTTP_RESPONSE CLIENT_CLOSED"


@scenario
async def test_a_node_can_be_chosen_by_its_address() -> None:
    rule = f'when HTTP_REQUEST {{ node {ALIVE.host} 443 }}\nwhen LB_SELECTED {{ log local0. "[LB::server pool]-" }}'
    async with bench(rule, objects=[Pool("/T/A/pool", (DEAD,), ())]) as b:
        assert (await b.get()).status == 200
        assert b.log == ["Rule /T/A/rule <LB_SELECTED>: -"]


@scenario
async def test_events_of_a_member_that_refuses() -> None:
    rule = "\n".join(f"when {name} {{ log local0. {name} }}" for name in FAILING.split())
    async with bench(rule, objects=[Pool("/T/A/pool", (DEAD,), ())]) as b:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await b.get()
        await asyncio.sleep(0.02)
        fired = [line.rpartition(": ")[2] for line in b.log if line.startswith("Rule ")]
        assert fired == ["LB_SELECTED", "SA_PICKED", "LB_FAILED", "CLIENT_CLOSED"]


@scenario
async def test_headers_can_be_changed_until_the_request_is_released() -> None:
    rule = """
        when HTTP_REQUEST_SEND { HTTP::header replace X-Stage send }
        when HTTP_REQUEST_RELEASE { HTTP::header replace X-Stage "[HTTP::header X-Stage] release" }
    """
    async with bench(rule) as b:
        await b.get()
        assert b.seen[0].values("X-Stage") == ["send release"]
