"""Pools: the choice of a member, failures, monitors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from gateway_bench import BACKEND, POOL, SERVER_SSL, VIRTUAL, Bench, bench, certificates, scenario
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.lab.bigip.objects import HttpsMonitor, Pool, PoolMember
from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.pki import server_context
from bigip_sm.lab.tmm.pools import PoolState, matches

DEAD = PoolMember("dead.example.com", 443, True)
ALIVE = POOL.members[0]
SPARE = PoolMember("spare.example.com", 443, True)
MONITOR = HttpsMonitor("/T/A/monitor", r"GET /alive HTTP/1.0\r\n\r\n", "HTTP/1[.]1 [1-5]", 1, 1, "/T/A/tls_backend")
FAILED = """
    when LB_FAILED { HTTP::respond 503 content "failed [LB::server addr]" X-Gateway-Reason upstream-unreachable }
"""


def pool(*members: PoolMember, path: str = "/T/A/pool", monitored: bool = False) -> Pool:
    return Pool(path, members, ("/T/A/monitor",) if monitored else ())


NAMELESS = replace(SERVER_SSL, server_name=None, authenticate_name=None)  # so that every backend here will do


@contextlib.asynccontextmanager
async def another_backend(b: Bench, host: str, body: bytes) -> AsyncIterator[None]:
    async def answer(_: Request) -> Response:
        return Response(200, [], body)

    server = HttpsServer(answer, server_context(certificates().backend))
    b.network.publish(host, 443, await server.start())
    b.config.commit(put=[NAMELESS])
    await b.plane.settled()
    try:
        yield
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "members", [(DEAD,), (), (replace(ALIVE, enabled=False),)], ids=["refused", "none", "disabled"]
)
def test_lb_failed_can_answer(members: tuple[PoolMember, ...]) -> None:
    @scenario
    async def check() -> None:
        async with bench(FAILED, objects=[pool(*members)]) as b, b.connect() as client:
            for _ in range(2):
                reply = await client.get()
                assert (reply.status, reply.header("X-Gateway-Reason")) == (503, "upstream-unreachable")
                assert reply.body == (b"failed dead.example.com" if members == (DEAD,) else b"failed ")

    check()


@scenario
async def test_lb_failed_without_an_answer_resets() -> None:
    async with bench(objects=[pool(DEAD)]) as b:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await b.get()
        assert "dead.example.com:443" in b.log[0]


@scenario
async def test_a_virtual_server_without_a_pool_fails_to_balance() -> None:
    async with bench(FAILED, virtual=replace(VIRTUAL, pool=None)) as b:
        assert (await b.get()).status == 503


@scenario
async def test_the_pool_command_chooses_and_stays_chosen() -> None:
    rule = """
        when HTTP_REQUEST { if {[HTTP::query] ne ""} { pool [HTTP::query] } }
        when LB_SELECTED { HTTP::header insert X-Pool [LB::server pool] X-Server [LB::server] }
    """
    async with (
        bench(rule, objects=[pool(SPARE, path="/T/A/spare")]) as b,
        another_backend(b, SPARE.host, b"spare"),
        b.connect() as client,
    ):
        assert (await client.get("/")).body == b""
        assert (await client.get("/?spare")).body == b"spare"
        assert (await client.get("/")).body == b"spare"
        assert (await client.get("/?/T/A/pool")).body == b""
        assert b.seen[0].header("X-Pool") == "/T/A/pool"
        assert b.seen[0].header("X-Server") == "/T/A/pool backend.example.com 443"


@scenario
async def test_before_a_choice_the_pool_is_the_one_that_would_be_used() -> None:
    rule = """
        when CLIENT_ACCEPTED { set own [LB::server pool] }
        when HTTP_REQUEST {
            if {[active_members [LB::server pool]] < 1} { HTTP::respond 503 ; return }
            set before [LB::server]
            pool spare
            HTTP::respond 200 content "$own/$before/[LB::server pool]/[LB::server addr]"
        }
    """
    async with bench(rule, objects=[pool(SPARE, path="/T/A/spare")]) as b:
        assert (await b.get()).body == b"/T/A/pool//T/A/pool//T/A/spare/"
    async with bench(rule, virtual=replace(VIRTUAL, pool=None), objects=[pool(SPARE, path="/T/A/spare")]) as b:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await b.get()
        assert "no such pool" in b.log[0]


@scenario
async def test_an_unknown_pool_is_a_runtime_error() -> None:
    async with bench("when HTTP_REQUEST { catch { pool no[HTTP::method] } why; HTTP::respond 200 content $why }") as b:
        assert (await b.get()).body == b"no such pool noGET"


@scenario
async def test_members_take_turns_and_priority_groups_come_first() -> None:
    async with bench(objects=[pool(ALIVE, SPARE)]) as b, another_backend(b, SPARE.host, b"spare"):
        assert [(await b.get()).body for _ in range(4)] == [b"", b"spare", b"", b"spare"]
        b.config.commit(put=[pool(replace(ALIVE, priority_group=5), SPARE)])
        await b.plane.settled()
        assert [(await b.get()).body for _ in range(3)] == [b"", b"", b""]


@scenario
async def test_monitors_probe_at_once_over_tls_and_decide_who_is_available() -> None:
    rule = "when HTTP_REQUEST { HTTP::respond 200 content [active_members /T/A/pool] }"
    async with bench(rule, objects=[MONITOR, pool(ALIVE, DEAD, monitored=True)]) as b:
        assert b.plane.member_states("/T/A/pool") == {"backend.example.com:443": "up", "dead.example.com:443": "down"}
        assert (await b.get()).body == b"1"
        assert b.seen[0].path == "/alive"
        assert b.seen[0].sni == BACKEND[0]
        assert b.plane.member_states("/T/A/nowhere") == {}


@scenario
async def test_a_member_that_dies_is_down_after_the_timeout_and_comes_back() -> None:
    quick = replace(MONITOR, interval=1, timeout=2)
    async with bench(objects=[quick, pool(ALIVE, monitored=True)]) as b:
        address = b.network.resolve(*BACKEND)
        b.network.withdraw(*BACKEND)
        await until(b, "down")
        b.network.publish(*BACKEND, address[1])
        await until(b, "up")


async def until(b: Bench, state: str) -> None:
    while b.plane.member_states("/T/A/pool") != {"backend.example.com:443": state}:
        await asyncio.sleep(0.05)


@scenario
async def test_a_monitor_that_gets_another_answer_fails() -> None:
    async with bench(objects=[replace(MONITOR, receive="HTTP/1.1 200 NO"), pool(ALIVE, monitored=True)]) as b:
        assert b.plane.member_states("/T/A/pool") == {"backend.example.com:443": "down"}


@scenario
async def test_a_monitor_verifies_like_its_server_ssl_profile() -> None:
    strict = replace(SERVER_SSL, path="/T/A/strict", server_name="other", authenticate_name="other")
    async with bench(objects=[strict, replace(MONITOR, server_ssl="/T/A/strict"), pool(ALIVE, monitored=True)]) as b:
        assert b.plane.member_states("/T/A/pool") == {"backend.example.com:443": "down"}
        b.config.commit(put=[replace(MONITOR, server_ssl=None)])
        await b.plane.settled()
        assert b.plane.member_states("/T/A/pool") == {"backend.example.com:443": "up"}


@scenario
async def test_members_that_stay_keep_their_state_when_the_pool_changes() -> None:
    async with bench(objects=[MONITOR, pool(ALIVE, monitored=True)]) as b:
        b.config.commit(put=[pool(ALIVE, DEAD, monitored=True)])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert b.plane.member_states("/T/A/pool")["backend.example.com:443"] == "up"
        await b.plane.settled()
        assert b.plane.member_states("/T/A/pool")["dead.example.com:443"] == "down"


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_every_available_member_of_the_best_group_gets_the_same_share(groups: list[int]) -> None:
    members = tuple(PoolMember(f"m{index}", 443, True, priority_group=group) for index, group in enumerate(groups))
    state = PoolState(pool(*members))
    chosen = [state.choose() for _ in range(len(members) * 6)]
    best = [member for member in members if member.priority_group == max(groups)]
    assert set(chosen) == set(best)
    counts = [chosen.count(member) for member in best]
    assert max(counts) - min(counts) <= 1


class Clock:
    """A time that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def shares_of(state: PoolState, turns: int = 120) -> dict[str, int]:
    chosen = [state.choose() for _ in range(turns)]
    return {member.host: chosen.count(member) for member in state.pool.members}


def test_a_member_that_has_come_up_gets_the_part_of_its_share_that_has_passed_of_the_ramp() -> None:
    clock = Clock()
    state = PoolState(replace(pool(ALIVE, SPARE, monitored=True), slow_ramp=60), None, clock)
    state.set(ALIVE, "up")
    clock.now += 1000
    state.set(SPARE, "up")
    assert shares_of(state)["spare.example.com"] == 0
    for age, part in ((30, 40), (45, 51), (60, 60), (3600, 60)):  # a half of the other's, three quarters, as much
        clock.now = 1100 + age
        assert abs(shares_of(state)["spare.example.com"] - part) <= 1
    state.set(SPARE, "down")
    assert shares_of(state)["spare.example.com"] == 0
    state.set(SPARE, "up")
    clock.now += 30
    assert abs(shares_of(state)["spare.example.com"] - 40) <= 1


def test_a_ramp_is_kept_when_the_pool_changes_and_alone_a_member_gets_everything() -> None:
    clock = Clock()
    before = PoolState(replace(pool(ALIVE, SPARE, monitored=True), slow_ramp=60), None, clock)
    before.set(ALIVE, "up")
    clock.now += 1000
    before.set(SPARE, "up")
    clock.now += 30
    changed = PoolState(replace(before.pool, slow_ramp=120), before, clock)
    assert abs(shares_of(changed)["spare.example.com"] - 24) <= 1  # a quarter of the other's share
    changed.set(ALIVE, "down")
    assert shares_of(changed) == {"backend.example.com": 0, "spare.example.com": 120}


def test_members_that_came_up_together_get_the_same_and_without_a_ramp_all_do() -> None:
    clock = Clock()
    state = PoolState(replace(pool(ALIVE, SPARE, monitored=True), slow_ramp=60), None, clock)
    state.set(ALIVE, "up")
    state.set(SPARE, "up")
    assert set(shares_of(state).values()) == {60}
    without = PoolState(pool(ALIVE, SPARE, monitored=True), None, clock)
    without.set(ALIVE, "up")
    clock.now += 1000
    without.set(SPARE, "up")
    assert set(shares_of(without).values()) == {60}


@scenario
async def test_a_member_is_up_when_it_has_answered_for_the_time_until_up() -> None:
    slow = replace(MONITOR, interval=1, timeout=2, time_until_up=2)
    async with bench(objects=[slow, pool(ALIVE, monitored=True)]) as b:
        began = asyncio.get_running_loop().time()
        assert b.plane.member_states("/T/A/pool") == {"backend.example.com:443": "checking"}
        await until(b, "up")
        assert asyncio.get_running_loop().time() - began > 1.8
        address = b.network.resolve(*BACKEND)
        b.network.withdraw(*BACKEND)
        await until(b, "down")
        b.network.publish(*BACKEND, address[1])
        began = asyncio.get_running_loop().time()
        await until(b, "up")
        assert asyncio.get_running_loop().time() - began > 1.8


def test_receive_strings_are_patterns_and_a_broken_one_is_text() -> None:
    assert matches("HTTP/1\\.(0|1) 2", b"HTTP/1.1 200 OK")
    assert matches("", b"anything")
    assert matches("a(b", b"xa(by")
    assert not matches("a(b", b"ab")


# what rules choose

TWO = pool(ALIVE, DEAD)


@scenario
async def test_reselect_after_a_failure_tries_the_next_member() -> None:
    rule = """
        when HTTP_REQUEST { set failures 0 }
        when LB_FAILED {
            incr failures
            log local0. "failed [LB::server addr]"
            if {$failures < 3} { LB::reselect } else { HTTP::respond 503 content "gave up" }
        }
        when LB_SELECTED { log local0. "selected [LB::server addr]" }
    """
    async with bench(rule, objects=[pool(DEAD, ALIVE)]) as b, b.connect() as client:
        assert (await client.get(method="POST", body=b"kept")).body == b"kept"
        assert [line.rpartition(": ")[2] for line in b.log] == [
            *("selected dead.example.com", "failed dead.example.com", "selected backend.example.com")
        ]
    async with bench(rule, objects=[pool(DEAD)]) as b:
        reply = await b.get()
        assert (reply.status, reply.body) == (503, b"gave up")
        assert len(b.log) == 6


@scenario
async def test_reselect_goes_to_another_pool_a_member_or_a_node() -> None:
    rule = """
        when HTTP_REQUEST { set path [HTTP::path] }
        when LB_FAILED {
            switch -- $path {
                "/pool" { LB::reselect pool /T/A/spare }
                "/member" { LB::reselect pool /T/A/two member backend.example.com 443 }
                "/node" { LB::reselect node backend.example.com 443 }
            }
        }
        when HTTP_RESPONSE { HTTP::header insert X-Server [LB::server] }
    """
    objects = [pool(DEAD), pool(ALIVE, path="/T/A/spare"), pool(DEAD, ALIVE, path="/T/A/two")]
    async with bench(rule, objects=objects) as b:
        servers = [(await b.get(path)).header("X-Server") for path in ("/pool", "/member", "/node")]
        assert servers == [
            "/T/A/spare backend.example.com 443",
            "/T/A/two backend.example.com 443",
            "{} backend.example.com 443",
        ]


@scenario
async def test_reselect_when_a_member_was_selected() -> None:
    rule = """
        when HTTP_REQUEST { set turns 0 }
        when LB_SELECTED { incr turns; if {[LB::server addr] starts_with "dead"} { LB::reselect } }
        when HTTP_REQUEST_SEND { HTTP::header insert X-Turns $turns }
    """
    async with bench(rule, objects=[TWO]) as b:
        for _ in range(4):
            assert (await b.get()).status == 200
        assert {request.header("X-Turns") for request in b.seen} == {"1", "2"}


@scenario
async def test_a_pool_and_a_member_of_it() -> None:
    rule = """
        when HTTP_REQUEST {
            switch -- [HTTP::path] {
                "/alive" { pool pool member backend.example.com 443 }
                "/dead" { pool pool member dead.example.com }
                "/unknown" { catch { pool pool member nobody 443 } why; HTTP::respond 200 content $why }
            }
        }
        when LB_FAILED { HTTP::respond 503 content [LB::server addr] }
    """
    async with bench(rule, objects=[TWO]) as b, b.connect() as client:
        for _ in range(3):
            assert (await client.get("/alive")).status == 200
            assert (await client.get("/dead")).body == b"dead.example.com"
        assert (await client.get("/unknown")).body == b"no such member nobody 443 in pool /T/A/pool"


@scenario
async def test_a_disabled_member_cannot_be_chosen() -> None:
    rule = (
        "when HTTP_REQUEST { pool pool member backend.example.com 443 }\n"
        "when LB_FAILED { HTTP::respond 503 content [LB::status pool pool member backend.example.com 443] }"
    )
    async with bench(rule, objects=[pool(replace(ALIVE, enabled=False), DEAD)]) as b:
        assert (await b.get()).body == b"session_disabled"


@scenario
async def test_what_rules_can_ask_about_members() -> None:
    rule = """
        when HTTP_REQUEST {
            set out [list [active_members pool] [active_members -list pool] [members pool] [members -list pool]]
            lappend out [nodes -list pool] [active_nodes pool] [nodes pool]
            lappend out [LB::status pool pool member backend.example.com 443]
            lappend out [LB::status pool pool member backend.example.com 443 up]
            lappend out [LB::status pool pool member off.example.com 443 up]
            HTTP::respond 200 content [join $out |]
        }
    """
    off = PoolMember("off.example.com", 443, True, enabled=False)
    async with bench(rule, objects=[pool(ALIVE, off, replace(ALIVE, port=8443))]) as b:
        assert (await b.get()).body.decode().split("|") == [
            "2",
            "{backend.example.com 443} {backend.example.com 8443}",
            "3",
            "{backend.example.com 443} {off.example.com 443} {backend.example.com 8443}",
            "backend.example.com off.example.com",
            "1",
            "2",
            "up",
            "1",
            "0",
        ]


@scenario
async def test_detach_ends_the_bond_with_the_server() -> None:
    rule = 'when HTTP_REQUEST { if {[HTTP::path] eq "/new"} { LB::detach } }'
    async with bench(rule, virtual=replace(VIRTUAL, one_connect=None)) as b, b.connect() as client:
        for path in ("/1", "/2", "/new", "/3"):
            await client.get(path)
        peers = [request.peer for request in b.seen]
        assert peers[0] == peers[1] != peers[2] == peers[3]


@scenario
async def test_endless_reselection_does_not_stop_other_connections() -> None:
    rule = 'when HTTP_REQUEST { if {[HTTP::path] eq "/loop"} { pool dead } }\nwhen LB_FAILED { LB::reselect }'
    async with bench(rule, objects=[pool(DEAD, path="/T/A/dead")]) as b, b.connect() as looping:
        await looping.send(b"GET /loop HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        assert (await b.get("/ok")).status == 200
        looping.writer.transport.abort()
