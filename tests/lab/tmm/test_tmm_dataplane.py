"""The configuration while it changes: virtual servers, rules, certificates; what existing connections keep."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import tkinter
from dataclasses import replace

import pytest
from gateway_bench import ADDRESS, ONE_CONNECT, VIRTUAL, Bench, bench, certificates, scenario

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Rule, SslCertificate, SslKey
from bigip_sm.lab.network import Network
from bigip_sm.lab.tmm import DataPlane, interpreter
from bigip_sm.lab.tmm.interpreter import create_tcl
from bigip_sm.lab.tmm.tmm import Tmm, World


def answering(text: str) -> str:
    return f"when HTTP_REQUEST {{ HTTP::respond 200 content {text} }}"


async def commit(b: Bench, *objects: object) -> None:
    b.config.commit(put=objects)  # type: ignore[arg-type]  # all of them are objects
    await b.plane.settled()


@scenario
async def test_a_new_rule_counts_for_new_connections_and_old_ones_keep_theirs() -> None:
    async with bench(answering("old")) as b, b.connect() as client:
        assert (await client.get()).body == b"old"
        await commit(b, Rule("/T/A/rule", answering("new")))
        assert (await client.get()).body == b"old"
        assert (await b.get()).body == b"new"


@scenario
async def test_rules_that_nobody_uses_any_more_are_forgotten() -> None:
    async with bench("proc p {} { return 1 }\n" + answering("[call p]")) as b:
        for number in range(5):
            await commit(b, Rule("/T/A/rule", f"proc p {{}} {{ return {number} }}\n" + answering("[call p]")))
            assert (await b.get()).body == str(number).encode()
        await asyncio.sleep(0.01)
        interpreter = b.plane._tmms[0].interpreter
        assert len(interpreter.call("split", interpreter.call("namespace", "children", "::rules"))) == 1
        assert len(interpreter.call("split", interpreter.call("info", "commands", "::virtuals::[0-9]*"))) == 1


@scenario
async def test_rule_init_runs_once_per_version_of_a_rule() -> None:
    rule = 'when RULE_INIT { log local0. "init" }\n' + answering("x")
    async with bench(rule, tmms=2) as b:
        assert len(b.log) == 2
        await commit(b, replace(ONE_CONNECT, max_size=7))
        assert len(b.log) == 2
        await commit(b, Rule("/T/A/rule", "\n" + rule))
        assert len(b.log) == 4


@scenario
async def test_an_error_in_rule_init_is_logged() -> None:
    async with bench("when RULE_INIT { set static::x $missing }\n" + answering("x")) as b:
        assert b.log[0].startswith("01220001:3: TCL error: /T/A/rule <RULE_INIT> - can't read")
        assert (await b.get()).status == 200


@scenario
async def test_a_deleted_virtual_server_resets_its_connections() -> None:
    async with bench(answering("x")) as b, b.connect() as client:
        await client.get()
        b.config.commit(delete=[VIRTUAL])
        await b.plane.settled()
        assert await client.closed()
        with pytest.raises(ConnectionRefusedError):
            b.network.resolve(*ADDRESS)
        await commit(b, VIRTUAL)
        assert (await b.get()).status == 200


@scenario
async def test_a_virtual_server_can_move_and_be_disabled() -> None:
    async with bench(answering("x")) as b:
        await commit(b, replace(VIRTUAL, address="10.0.0.11"))
        with pytest.raises(ConnectionRefusedError):
            b.network.resolve(*ADDRESS)
        b.network.resolve("10.0.0.11", 443)
        await commit(b, replace(VIRTUAL, enabled=False))
        with pytest.raises(ConnectionRefusedError):
            b.network.resolve("10.0.0.11", 443)


@scenario
async def test_what_cannot_be_applied_is_logged_and_changes_nothing() -> None:
    async with bench(answering("old")) as b:
        await commit(b, Rule("/T/A/rule", "when HTTP_REQUEST { nonsense }"))
        assert b.log[-1].startswith(
            "01070712:3: virtual server /T/A/listener was not changed: 01070151:3: Rule [/T/A/rule]"
        )
        assert (await b.get()).body == b"old"
        await commit(b, Rule("/T/A/rule", answering("new")), SslCertificate("/T/A/cert.crt", "no certificate"))
        assert "client-ssl profile /T/A/tls" in b.log[-1]
        assert (await b.get()).body == b"old"


@scenario
async def test_a_new_certificate_is_served() -> None:
    async with bench(answering("x")) as b:
        issued = certificates().strangers.issue("models", hosts=["models.example.com"])
        await commit(
            b, SslCertificate("/T/A/cert.crt", issued.certificate_pem), SslKey("/T/A/cert.key", issued.key_pem)
        )
        with pytest.raises(OSError, match="certificate verify failed"):
            await b.get()


@scenario
async def test_commits_before_start_and_after_stop_do_no_harm() -> None:
    config, network = Config(), Network()
    plane = DataPlane(config, network)
    config.commit(put=[Rule("/T/A/rule", "")])
    await plane.start()
    await plane.stop()
    config.commit(put=[Rule("/T/A/rule", "when CLIENT_ACCEPTED { }")])
    await plane.settled()
    await plane.start()
    await plane.stop()


def test_a_plane_can_be_made_in_one_thread_and_run_and_stopped_in_another() -> None:
    plane = DataPlane(Config(), Network())

    async def live() -> None:
        await plane.start()
        await plane.stop()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


FORGOTTEN = """
import gc, threading
from bigip_sm.lab.tmm import interpreter
from bigip_sm.lab.tmm.interpreter import create_tcl
from bigip_sm.lab.tmm.tmm import Tmm, World
class Holder: pass
gc.disable()
holder = Holder()
holder.tcl, holder.itself = create_tcl(), holder
del holder
collector = threading.Thread(target=gc.collect)
collector.start()
collector.join()
print("alive")
"""


STILL_USED = """
import gc, threading
from bigip_sm.lab.tmm.tmm import Tmm, World
gc.disable()
tmm = Tmm(0, World({}, {}, lambda: 0.0, print))
cycle = [tmm.interpreter.call]
cycle.append(cycle)
del cycle
tmm.close()
collector = threading.Thread(target=gc.collect)
collector.start()
collector.join()
print("alive")
"""


@pytest.mark.parametrize("script", [FORGOTTEN, STILL_USED], ids=["forgotten", "still used when disposed of"])
def test_an_interpreter_that_another_thread_would_collect_does_not_end_the_process(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_an_interpreter_that_is_disposed_of_is_freed() -> None:
    before = len(interpreter._kept)
    tmm = Tmm(0, World({}, {}, lambda: 0.0, print))
    with pytest.raises(tkinter.TclError):
        tmm.interpreter.call("HTTP::header", "value", "x")
    tmm.interpreter.count({})
    assert len(interpreter._kept) == before + 1
    tmm.close()
    assert len(interpreter._kept) == before


def test_a_python_without_tcl_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_tkinter", None)
    with pytest.raises(LabError, match="python3-tk") as raised:
        create_tcl()
    assert "\n" not in str(raised.value)


def test_commands_that_reach_outside_are_gone_at_run_time() -> None:
    from bigip_sm.lab.tmm.tmm import Tmm, World

    tmm = Tmm(0, World({}, {}, lambda: 0.0, print))
    for name in ("exec", "open", "socket", "file", "source", "interp", "load", "exit"):
        code = tmm.interpreter.call("catch", name, "::tmm::result")
        assert (code, tmm.interpreter.call("set", "::tmm::result")) == (1, f'invalid command name "{name}"')
    tmm.close()
