"""``after``: rules that stand still, scripts that run later; and that nothing overtakes a suspended event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from gateway_bench import bench, scenario

from bigip_sm.lab.http import Request, Response


@scenario
async def test_a_delay_suspends_one_connection_and_no_other() -> None:
    rule = """
        when HTTP_REQUEST {
            set started [clock clicks -milliseconds]
            if {[HTTP::path] eq "/slow"} { after 120 }
            set x kept
            HTTP::respond 200 content "$x [expr {[clock clicks -milliseconds] - $started}]"
        }
    """
    async with bench(rule) as b:
        slow = asyncio.create_task(b.get("/slow"))
        await asyncio.sleep(0.02)
        begun = time.monotonic()
        assert (await b.get("/quick")).body.startswith(b"kept")
        assert time.monotonic() - begun < 0.1
        assert not slow.done()
        text, waited = (await slow).body.split()
        assert text == b"kept"
        assert int(waited) >= 100


@pytest.mark.parametrize(
    "event", ["CLIENT_ACCEPTED", "CLIENTSSL_HANDSHAKE", "LB_SELECTED", "SERVER_CONNECTED", "SERVERSSL_HANDSHAKE"]
)
def test_whatever_comes_meanwhile_waits(event: str) -> None:
    @scenario
    async def check() -> None:
        rules = (f"when {event} {{ after 30; append order 1 }}", f"when {event} {{ append order 2 }}")
        rest = 'when HTTP_RESPONSE { append order 3; HTTP::header insert X-Order $order; set order "" }'
        async with bench(rules=(*rules, rest)) as b, b.connect() as client:
            reply = await client.get("/", method="POST", body=b"x" * 200_000)
            assert reply.header("X-Order") == "123"
            assert reply.body == b"x" * 200_000
            assert (await client.get("/again")).status == 200

    check()


@scenario
async def test_a_suspended_response_keeps_its_body_in_order() -> None:
    async def serve(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(5):
                yield b"%d" % number * 1000
                await asyncio.sleep(0.005)

        return Response(200, [], pieces())

    async with bench("when HTTP_RESPONSE { after 40; HTTP::header insert X-Late 1 }", handler=serve) as b:
        reply = await b.get()
        assert reply.header("X-Late") == "1"
        assert reply.body == b"".join(b"%d" % number * 1000 for number in range(5))


@scenario
async def test_a_delay_in_a_procedure_and_within_catch() -> None:
    rule = """
        proc wait {ms} { after $ms; return waited }
        when HTTP_REQUEST {
            set n 0
            foreach ms {1 2 3} { catch { call wait $ms; incr n; error out } }
            HTTP::respond 200 content "$n [call wait 1]"
        }
    """
    async with bench(rule) as b:
        assert (await b.get()).body == b"3 waited"


@scenario
async def test_the_rule_that_was_suspended_is_still_the_one_that_runs() -> None:
    rules = (
        'proc name {} { return one }\nwhen HTTP_REQUEST { after 10; log local0. "[call name]" }',
        'proc name {} { return two }\nwhen HTTP_REQUEST { log local0. "[call name]"; HTTP::respond 200 }',
    )
    async with bench(rules=rules) as b:
        await asyncio.gather(b.get(), b.get())
        assert sorted(b.log) == [
            *["Rule /T/A/rule <HTTP_REQUEST>: one"] * 2,
            *["Rule /T/A/rule1 <HTTP_REQUEST>: two"] * 2,
        ]


@scenario
async def test_an_error_after_a_delay_is_still_logged_with_its_line() -> None:
    async with bench("when HTTP_REQUEST {\n    after 5\n    set x $missing\n}") as b:
        with pytest.raises(ConnectionError):
            await b.get()
        assert b.log == [
            '01220001:3: TCL error: /T/A/rule <HTTP_REQUEST> - can\'t read "missing": no such variable'
            '     while executing "set x $missing"'
        ]


@scenario
async def test_the_data_plane_stops_while_rules_are_suspended() -> None:
    rule = "when HTTP_REQUEST { after 60000; log local0. late }\nwhen CLIENT_CLOSED { after 60000; log local0. closed }"
    async with bench(rule) as b:
        async with b.connect() as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.sleep(0.05)
            await b.plane.stop()
            assert await client.closed()
        assert not b.seen


@scenario
async def test_a_script_runs_later_among_the_connections_variables() -> None:
    rule = """
        when CLIENT_ACCEPTED {
            set n 0
            set id [after 20 { incr n; log local0. "later $n" }]
        }
        when HTTP_REQUEST { incr n; HTTP::respond 200 content "$n [string match after#* $id]" }
    """
    async with bench(rule) as b, b.connect() as client:
        assert (await client.get()).body == b"1 1"
        await asyncio.sleep(0.06)
        assert (await client.get()).body == b"3 1"
        assert b.log == ["Rule /T/A/rule <CLIENT_ACCEPTED>: later 2"]


@scenario
async def test_a_periodic_script_ends_when_it_is_cancelled_or_the_connection_closes() -> None:
    rule = """
        when CLIENT_ACCEPTED { set n 0; set id [after 10 -periodic { incr n; log local0. tick }] }
        when HTTP_REQUEST {
            if {[HTTP::path] eq "/stop"} { after cancel $id }
            HTTP::respond 200 content "$n [llength [after info]]"
        }
    """
    async with bench(rule) as b:
        async with b.connect() as client:
            await asyncio.sleep(0.06)
            count, waiting = (await client.get("/stop")).body.split()
            assert int(count) >= 2
            assert waiting == b"0"
            await asyncio.sleep(0.03)
            assert (await client.get("/")).body.split()[0] == count
        async with b.connect() as client:
            await client.get("/")
        ticks = len(b.log)
        await asyncio.sleep(0.04)
        assert len(b.log) <= ticks + 1


@scenario
async def test_a_script_of_after_may_log_reject_and_read_the_request() -> None:
    script = 'log local0. "$t [HTTP::uri] [IP::client_addr]"; reject'
    rule = f"when HTTP_REQUEST {{ set t x; after 5 {{ {script} }}; HTTP::collect 9 }}"
    async with bench(rule) as b, b.connect() as client:
        await client.send(b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        assert await client.closed()
        assert b.log == ["Rule /T/A/rule <HTTP_REQUEST>: x /p 127.0.0.1"]


@scenario
async def test_a_script_of_after_calls_procedures() -> None:
    rule = """
        proc note {name} { upvar 1 $name value; append value !; log local0. $value }
        when CLIENT_ACCEPTED { set x hi; after 5 { call note x } }
        when HTTP_REQUEST { HTTP::respond 200 content $x }
    """
    async with bench(rule) as b, b.connect() as client:
        await asyncio.sleep(0.03)
        assert (await client.get()).body == b"hi!"
        assert b.log == ["Rule /T/A/rule <CLIENT_ACCEPTED>: hi!"]


@scenario
async def test_the_data_plane_stops_when_the_client_has_gone_already() -> None:
    async with bench("when CLIENT_CLOSED { after 60000; log local0. late }") as b:
        async with b.connect() as client:
            await client.get()
        await asyncio.sleep(0.02)
        await b.plane.stop()
        assert b.log == ["Rule /T/A/rule <CLIENT_CLOSED>: late"]


@scenario
async def test_an_error_in_a_script_of_after_resets() -> None:
    async with bench("when CLIENT_ACCEPTED { after 10 { set x $missing } }") as b, b.connect() as client:
        assert await client.closed()
        assert b.log[0].startswith('01220001:3: TCL error: /T/A/rule <CLIENT_ACCEPTED> - can\'t read "missing"')


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("after $n", 'bad delay "-1": the lab takes 0 to 86400000 milliseconds'),
        ("after $n {set x 1}", 'bad delay "-1": the lab takes 0 to 86400000 milliseconds'),
        ("after info nothing", 'event "nothing" doesn\'t exist'),
        ("after 0 -periodic {set x 1}", "after 0 -periodic would never end"),
    ],
)
def test_what_after_refuses(script: str, message: str) -> None:
    @scenario
    async def check() -> None:
        rule = f"when HTTP_REQUEST {{ set n -1; catch {{ {script} }} why; HTTP::respond 200 content $why }}"
        async with bench(rule) as b:
            assert (await b.get()).body.decode() == message

    check()
