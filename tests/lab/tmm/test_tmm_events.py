"""Events: their order, their handlers, variables that live as long as the connection, errors, answers of the rule."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import httpx
import pytest
from gateway_bench import ADDRESS, ONE_CONNECT, VIRTUAL, Bench, bench, certificates, scenario

from bigip_sm.lab.pki import client_context

EVENTS = (
    "CLIENT_ACCEPTED",
    "CLIENTSSL_HANDSHAKE",
    "HTTP_REQUEST",
    "HTTP_REQUEST_DATA",
    "LB_SELECTED",
    "SERVER_CONNECTED",
    "HTTP_REQUEST_SEND",
    "HTTP_RESPONSE",
)


def tracing(*extra: str) -> str:
    """A rule that writes the name of each event into the log."""
    bodies = {event: f'log local0. "event {event}"' for event in EVENTS}
    for event, text in zip(extra[::2], extra[1::2], strict=True):
        bodies[event] += f"\n{text}"
    return "\n".join(f"when {event} {{\n{body}\n}}" for event, body in bodies.items())


def fired(log: list[str]) -> list[str]:
    return [found.group(1) for line in log if (found := re.search(r": event (\w+)$", line))]


@scenario
async def test_events_come_in_tmms_order() -> None:
    async with bench(tracing("HTTP_REQUEST", "HTTP::collect 5")) as b:
        await b.get("/", method="POST", body=b"hello")
        assert fired(b.log) == list(EVENTS)


@scenario
async def test_a_reused_server_side_connection_is_not_connected_again() -> None:
    async with bench(tracing()) as b:
        async with b.connect() as client:
            await client.get("/1")
            first = len(fired(b.log))
            await client.get("/2")
        assert fired(b.log)[first:] == ["HTTP_REQUEST", "LB_SELECTED", "HTTP_REQUEST_SEND", "HTTP_RESPONSE"]
        assert b.seen[0].peer == b.seen[1].peer


@scenario
async def test_variables_live_as_long_as_the_connection_and_no_longer() -> None:
    rule = """
        when CLIENT_ACCEPTED { set n 0 }
        when HTTP_REQUEST {
            incr n
            set known [info exists leftover]
            set leftover 1
            set table([HTTP::path]) $n
            HTTP::respond 200 content "$n $known [array size table]"
        }
    """
    async with bench(rule) as b:
        async with b.connect() as client:
            assert (await client.get("/a")).body == b"1 0 1"
            assert (await client.get("/b")).body == b"2 1 2"
        assert (await b.get("/c")).body == b"1 0 1"


@scenario
async def test_connections_do_not_share_variables_while_open() -> None:
    rule = "when HTTP_REQUEST { append seen [HTTP::path]; HTTP::respond 200 content $seen }"
    async with bench(rule) as b, b.connect() as one, b.connect() as two:
        assert (await one.get("/1")).body == b"/1"
        assert (await two.get("/2")).body == b"/2"
        assert (await one.get("/3")).body == b"/1/3"


@scenario
async def test_handlers_run_by_priority_then_by_order_of_rules_and_return_ends_one() -> None:
    first = """
        when HTTP_REQUEST priority 600 { append order c; HTTP::respond 200 content $order }
        when CLIENT_ACCEPTED { set order "" }
    """
    second = "when HTTP_REQUEST priority 500 { append order a; return; append order x }"
    third = "when HTTP_REQUEST { append order b }"
    async with bench(rules=(first, second, third)) as b:
        assert (await b.get()).body == b"abc"


@scenario
async def test_an_uncaught_error_is_logged_and_resets_the_connection() -> None:
    rules = ("when HTTP_REQUEST { set x $missing }", 'when HTTP_REQUEST priority 900 { log local0. "went on" }')
    async with bench(rules=rules) as b:
        with pytest.raises(ConnectionError):
            await b.get()
        assert b.log[0].startswith(
            '01220001:3: TCL error: /T/A/rule <HTTP_REQUEST> - can\'t read "missing": no such variable'
        )
        assert not any("went on" in line for line in b.log)
        assert not b.seen


@scenario
async def test_a_caught_error_has_the_message_of_the_command() -> None:
    rule = """
        when HTTP_REQUEST {
            set failed [catch { HTTP::uri nowhere } message]
            HTTP::respond 200 content "$failed $message"
        }
    """
    async with bench(rule) as b:
        assert (await b.get()).body == b"1 the URI of a request must start with /"


@scenario
async def test_after_respond_later_handlers_run_and_the_backend_is_not_contacted() -> None:
    rules = (
        'when HTTP_REQUEST { HTTP::respond 403 content no; log local0. "on" }',
        'when HTTP_REQUEST { log local0. "later [HTTP::has_responded]" }',
        'when HTTP_RESPONSE { log local0. "response" }',
    )
    async with bench(rules=rules) as b:
        reply = await b.get()
        assert (reply.status, reply.body) == (403, b"no")
        assert [line.rpartition(": ")[2] for line in b.log] == ["on", "later 1"]
        assert not b.seen


@pytest.mark.parametrize(
    "touch", ["HTTP::header names", "HTTP::uri", "HTTP::respond 200", "HTTP::collect 5", "HTTP::method"]
)
def test_touching_the_request_after_respond_resets(touch: str) -> None:
    @scenario
    async def check() -> None:
        async with bench(f"when HTTP_REQUEST {{ HTTP::respond 403; set x [{touch}] }}") as b:
            with pytest.raises(ConnectionError):
                await b.get()
            assert "Can't call after responding - ERR_NOT_SUPPORTED" in b.log[0]

    check()


@scenario
async def test_reject_resets_but_later_handlers_run() -> None:
    rules = ("when HTTP_REQUEST { reject }", 'when HTTP_REQUEST { log local0. "later" }')
    async with bench(rules=rules) as b:
        with pytest.raises(ConnectionError):
            await b.get()
        assert b.log == ["Rule /T/A/rule1 <HTTP_REQUEST>: later"]
        assert not b.seen


@scenario
async def test_reject_when_the_connection_is_accepted() -> None:
    async with bench("when CLIENT_ACCEPTED { reject }") as b:
        with pytest.raises(OSError):  # noqa: PT011 - reset before or during the handshake, as TCP will have it
            await b.get()


@scenario
async def test_procedures_are_called_with_upvar_and_per_rule() -> None:
    rules = (
        """
        proc bump {name by} { upvar 1 $name value; incr value $by; return [call twice $value] }
        proc twice {value} { return [expr {$value * 2}] }
        when HTTP_REQUEST { set n 1; set first "[call bump n 2] $n" }
        """,
        """
        proc twice {value} { return other$value }
        when HTTP_REQUEST { HTTP::respond 200 content "$first [call twice x]" }
        """,
    )
    async with bench(rules=rules) as b:
        assert (await b.get()).body == b"6 3 otherx"


@scenario
async def test_every_tmm_has_its_own_statics_and_its_own_number() -> None:
    rule = """
        when RULE_INIT { set static::count 0 }
        when HTTP_REQUEST { incr static::count; HTTP::respond 200 content "[TMM::cmp_unit]:$static::count" }
    """
    async with bench(rule, tmms=2) as b:
        bodies = [(await b.get()).body for _ in range(4)]
        assert bodies == [b"0:1", b"1:1", b"0:2", b"1:2"]


@scenario
async def test_rules_see_the_planes_clock_and_the_mapped_address() -> None:
    rule = """
        when HTTP_REQUEST {
            set now [clock seconds]
            set stamp [clock format $now -gmt 1 -format %Y%m%dT%H%M%SZ]
            HTTP::respond 200 content "$now $stamp [IP::client_addr] [TCP::client_port]"
        }
    """
    async with bench(rule) as b:
        b.plane.clock = lambda: 86_400.9
        b.plane.client_addresses = lambda peer: "10.30.1.2"
        async with b.connect() as client:
            body = (await client.get()).body
            assert body == f"86400 19700102T000000Z 10.30.1.2 {client.port}".encode()


@scenario
async def test_log_lines_name_rule_and_event_and_cannot_be_forged() -> None:
    forged = 'log local0.err "a[HTTP::query]\\nRule /x <Y>: forged"'
    rule = f'when HTTP_REQUEST {{ {forged}; log -noname local0. "bare"; reject }}'
    async with bench(rule) as b:
        with pytest.raises(ConnectionError):
            await b.get("/?q")
        assert b.log == ["Rule /T/A/rule <HTTP_REQUEST>: aq.Rule /x <Y>: forged", "bare"]


@scenario
async def test_without_one_connect_the_server_side_belongs_to_the_client() -> None:
    async with bench(tracing(), virtual=replace(VIRTUAL, one_connect=None)) as b:
        async with b.connect() as client:
            await client.get("/1")
            await client.get("/2")
        await b.get("/3")
        peers = [request.peer for request in b.seen]
        assert peers[0] == peers[1] != peers[2]
        assert fired(b.log).count("LB_SELECTED") == 2


@scenario
async def test_one_connect_serves_several_clients_until_it_is_worn() -> None:
    async with bench(objects=[replace(ONE_CONNECT, max_reuse=2)]) as b:
        for _ in range(4):
            await b.get()
        peers = [request.peer for request in b.seen]
        assert peers[0] == peers[1] != peers[2] == peers[3]


@scenario
async def test_break_outside_a_loop_is_an_error() -> None:
    async with bench("proc stop {} { return -code break }\nwhen HTTP_REQUEST { call stop }") as b:
        with pytest.raises(ConnectionError):
            await b.get()
        assert 'invoked "break" or "continue" outside of a loop' in b.log[0]


@scenario
async def test_ssl_respond_goes_out_before_the_answer() -> None:
    rule = """
        when HTTP_REQUEST { SSL::respond "HTTP/1.1 100 Continue\\r\\n\\r\\n"; HTTP::collect 2 }
        when HTTP_REQUEST_DATA { HTTP::respond 200 content [HTTP::payload] }
    """
    async with bench(rule) as b, b.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await client.head()).status == 100
        await client.send(b"ok")
        assert (await client.reply()).body == b"ok"


@scenario
async def test_many_connections_at_once_keep_their_own_variables() -> None:
    rule = """
        when CLIENT_ACCEPTED { set n 0 }
        when HTTP_REQUEST { incr n; set mine [HTTP::path]; HTTP::collect [HTTP::header value Content-Length] }
        when HTTP_REQUEST_DATA { append mine :[HTTP::payload] }
        when HTTP_RESPONSE { HTTP::header insert X-Mine $mine:$n }
    """

    async def talk(b: Bench, name: int) -> None:
        async with b.connect() as client:
            for turn in range(1, 9):
                reply = await client.get(f"/{name}", method="POST", body=b"%d-%d" % (name, turn))
                assert reply.header("X-Mine") == f"/{name}:{name}-{turn}:{turn}"
                assert reply.body == b"%d-%d" % (name, turn)

    async with bench(rule, tmms=2) as b:
        await asyncio.gather(*(talk(b, name) for name in range(40)))
        assert len(b.seen) == 320
        assert not b.log


@scenario
async def test_an_ordinary_client_library_works() -> None:
    rule = 'when HTTP_REQUEST { if {[HTTP::path] eq "/no"} { HTTP::respond 403 content no } }'
    async with bench(rule) as b:
        port = b.network.resolve(*ADDRESS)[1]
        context = client_context(certificates().authority.certificate_pem)
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False) as client:
            for path, status in (("/a", 200), ("/no", 403), ("/b", 200)):
                sni = {"sni_hostname": "models.example.com"}
                reply = await client.post(path, content=b"x" * 5000, extensions=sni)
                assert reply.status_code == status
                assert len(reply.content) == (5000 if status == 200 else 2)
