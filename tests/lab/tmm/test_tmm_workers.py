"""The data plane in several processes: one port, TMMs of their own, one configuration, no process left behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gateway_bench
import pytest
from gateway_bench import ADDRESS, POOL, VIRTUAL, Bench, bench, scenario

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup, Rule
from bigip_sm.lab.network import Network
from bigip_sm.lab.tmm.worker_messages import Commit, encode, receive
from bigip_sm.lab.tmm.workers import Workers

UNIT = "when HTTP_REQUEST { HTTP::respond 200 content [TMM::cmp_unit] }"


@contextlib.asynccontextmanager
async def two_workers(
    rule: str, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> AsyncIterator[tuple[Bench, Workers]]:
    """A gateway whose virtual server two processes serve."""
    monkeypatch.setattr(gateway_bench, "DataPlane", functools.partial(Workers, number=2))
    async with bench(rule, **options) as b:
        workers: Any = b.plane
        yield b, workers


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to pass")


async def answers(b: Bench, wanted: set[bytes]) -> set[bytes]:
    """Bodies of new connections until all ``wanted`` ones have come, or 200 have."""
    seen: set[bytes] = set()
    for _ in range(200):
        seen.add((await b.get()).body)
        if seen >= wanted:
            break
    return seen


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@scenario
async def test_processes_share_the_port_and_number_their_tmms_on(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = {b"0", b"1", b"2", b"3"}
    async with two_workers(UNIT, monkeypatch, tmms=2) as (b, workers):
        assert await answers(b, everybody) == everybody
        pids = workers.process_ids
        assert len(set(pids) | {os.getpid()}) == 3
        local = b.network.resolve(*ADDRESS)
    assert not any(alive(pid) for pid in pids)
    with pytest.raises(ConnectionRefusedError):
        b.network.resolve(*ADDRESS)
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(local)


@scenario
async def test_commits_reach_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = 'when HTTP_REQUEST { HTTP::respond 200 content "[TMM::cmp_unit] [class lookup k /T/A/group]" }'
    group = DataGroup("/T/A/group", "string", (("k", "old"),))
    async with two_workers(rule, monkeypatch, objects=[group]) as (b, workers):
        assert await answers(b, {b"0 old", b"1 old"}) == {b"0 old", b"1 old"}
        b.config.commit(put=[replace(group, records=(("k", "new"),))])
        await workers.settled()
        assert await answers(b, {b"0 new", b"1 new"}) == {b"0 new", b"1 new"}
        b.config.commit(put=[Rule("/T/A/rule", UNIT)])
        await workers.settled()
        assert await answers(b, {b"0", b"1"}) == {b"0", b"1"}
        b.config.commit(put=[replace(VIRTUAL, address="10.0.0.77", rules=("/T/A/rule",))])
        await workers.settled()
        b.network.resolve("10.0.0.77", 443)
        with pytest.raises(ConnectionRefusedError):
            b.network.resolve(*ADDRESS)
        b.config.commit(delete=[VIRTUAL])
        await workers.settled()
        with pytest.raises(ConnectionRefusedError):
            b.network.resolve("10.0.0.77", 443)


@scenario
async def test_what_is_served_where_clock_and_log_are_the_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = 'when HTTP_REQUEST { log local0. "at [clock seconds]" }'
    async with two_workers(rule, monkeypatch) as (b, workers):
        assert (await b.get("/first")).header("X-Target") == "/first"

        async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nother")

        workers.set_clock_offset(1_000_000_000.0)
        async with b.raw_backend(other):
            await workers.settled()
            b.config.commit(put=[replace(gateway_bench.ONE_CONNECT, max_size=7)])
            await workers.settled()
            assert (await b.get()).body == b"other"
        await until(lambda: len(b.log) == 2)
        first, second = (int(line.rpartition(" ")[2]) for line in b.log)
        assert second - first >= 1_000_000_000
        assert await workers.member_states("/T/A/pool") == {f"{POOL.members[0].host}:443": "unchecked"}


@scenario
async def test_a_process_that_ends_is_noticed_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_workers(UNIT, monkeypatch) as (b, workers):
        os.kill(workers.process_ids[0], signal.SIGKILL)
        await until(lambda: bool(workers.failure))
        assert workers.failure == "worker 0 of the data plane ended (exit code -9)"
        assert {(await b.get()).body for _ in range(5)} == {b"1"}
        with pytest.raises(LabError, match="worker 0"):
            await workers.settled()


@scenario
async def test_a_rule_that_does_not_end_is_ended_in_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = 'when HTTP_REQUEST { if {[HTTP::path] eq "/"} { while 1 {} }; HTTP::respond 200 }'
    monkeypatch.setattr(gateway_bench, "DataPlane", functools.partial(Workers, number=2, rule_limit=0.2))
    async with bench(rule) as b:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await b.get("/")
        await until(lambda: bool(b.log))
        assert "ran for more than 0.2 s" in b.log[0]
        assert {(await b.get("/x")).status for _ in range(8)} == {200}


@scenario
async def test_a_rule_that_does_not_load_is_logged_by_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_workers("when HTTP_REQUEST { HTTP::uri ]", monkeypatch) as (b, _):
        assert len(b.log) == 2
        assert all("01070151" in line for line in b.log)


@scenario
async def test_workers_end_when_their_parent_is_killed() -> None:
    program = (
        "import asyncio\n"
        "from bigip_sm.lab.bigip.config import Config\n"
        "from bigip_sm.lab.network import Network\n"
        "from bigip_sm.lab.tmm.workers import Workers\n"
        "async def main():\n"
        "    workers = Workers(Config(), Network(), number=2)\n"
        "    await workers.start()\n"
        "    print(*workers.process_ids, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.communicate()
    await until(lambda: not any(alive(pid) for pid in pids))


@scenario
async def test_a_worker_that_cannot_start_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    workers = Workers(Config(), Network(), number=2)
    with pytest.raises(LabError, match=r"worker [01] of the data plane ended"):
        await workers.start()
    await workers.stop()


def test_a_worker_runs_the_code_of_its_parent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "bigip_sm"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('not the code of the parent')")
    monkeypatch.chdir(tmp_path)

    @scenario
    async def check() -> None:
        async with two_workers(UNIT, monkeypatch) as (b, _):
            assert (await b.get()).status == 200

    check()


@scenario
async def test_messages_survive_the_pipe_in_any_pieces() -> None:
    message = Commit((Rule("/T/A/rule", "x" * 100_000),), (), {ADDRESS: 1})
    reader = asyncio.StreamReader()
    data = encode(message) * 2
    for at in range(0, len(data), 7001):
        reader.feed_data(data[at : at + 7001])
    reader.feed_eof()
    assert [await receive(reader), await receive(reader), await receive(reader)] == [message, message, None]


def test_keys_are_not_shown_in_messages() -> None:
    assert "secret" not in repr(Commit((Rule("/T/A/rule", "secret"),), (), {}))
