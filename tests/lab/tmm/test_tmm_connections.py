"""Commands on the connection: addresses, TLS, its end, events switched off, counters, logging to a pool."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from gateway_bench import ADDRESS, BACKEND, VIRTUAL, Bench, Client, bench, certificates, scenario

from bigip_sm.lab.bigip.objects import Pool, PoolMember, Rule, StatisticsProfile
from bigip_sm.lab.network import LOOPBACK


async def answered(rule: str) -> str:
    async with bench(rule) as b:
        return (await b.get()).body.decode()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("IP::client_addr", "127.0.0.1"),
        ("IP::remote_addr", "127.0.0.1"),
        ("IP::local_addr", "10.0.0.10"),
        ("TCP::local_port", "443"),
        ("IP::protocol", "6"),
        ("IP::version", "4"),
        ("TMM::cmp_count", "1"),
        ("virtual", "/T/A/listener"),
        ("virtual name", "/T/A/listener"),
        ("serverside {catch {IP::remote_addr} why}; set why", "there is no server-side connection"),
        ("catch {IP::server_addr} why; set why", "no pool member is selected"),
        ("clientside {IP::local_addr}", "10.0.0.10"),
        ("set a [clientside {set b [TCP::local_port]}]; list $a $b", "443 443"),
        ("catch {clientside {error mine}} why; set why", "mine"),
        ("IP::addr 10.1.2.3 equals 10.0.0.0/8", "1"),
        ("IP::addr 11.1.2.3 equals 10.0.0.0/8", "0"),
        ("IP::addr 10.1.2.3%2 equals 10.1.2.3", "1"),
        ("IP::addr 10.1.2.3 equals 10.1.0.0 mask 255.255.0.0", "1"),
        ("IP::addr 10.1.2.3 mask 255.255.0.0", "10.1.0.0"),
        ("IP::addr 2001:db8::1 equals 2001:db8::/32", "1"),
        ("IP::addr 10.0.0.1 equals ::1", "0"),
        ("catch {IP::addr nonsense equals 10.0.0.0/8} why; set why", "IP::addr: not an IP address or mask"),
        ("expr {[TCP::client_port] == [TCP::remote_port]}", "1"),
        ("snat automap; snat none", ""),
        ("persist none", ""),
    ],
)
def test_addresses(script: str, expected: str) -> None:
    @scenario
    async def check() -> None:
        *first, last = script.split("; ")
        rule = f"when HTTP_REQUEST {{ {'; '.join(first)}\nHTTP::respond 200 content [{last}] }}"
        assert await answered(rule) == expected

    check()


@scenario
async def test_addresses_on_the_side_of_the_server() -> None:
    rule = """
        when SERVER_CONNECTED { set one "[IP::remote_addr] [TCP::remote_port] [IP::local_addr] [TCP::local_port]" }
        when HTTP_RESPONSE {
            HTTP::header insert X-One $one
            HTTP::header insert X-Two "[IP::server_addr]:[TCP::server_port] [clientside {TCP::local_port}]"
        }
        when HTTP_RESPONSE_RELEASE { HTTP::header insert X-Three "[IP::local_addr] [serverside {TCP::remote_port}]" }
    """
    async with bench(rule) as b, b.connect() as client:
        for _ in range(2):
            reply = await client.get()
            assert reply.header("X-One") == f"{BACKEND[0]} 443 127.0.0.1 {b.seen[0].peer[1]}"
            assert reply.header("X-Two") == f"{BACKEND[0]}:443 443"
            assert reply.header("X-Three") == "10.0.0.10 443"


# TLS

TLS = """
    when CLIENTSSL_HANDSHAKE { set first "[SSL::cipher version] [SSL::sni name]" }
    when SERVERSSL_HANDSHAKE {
        set peer "[SSL::cert count] [X509::subject [SSL::cert 0] commonName] [SSL::cipher version]"
    }
    when HTTP_REQUEST { set mine "[SSL::mode] [SSL::cipher name] [SSL::cipher bits]" }
    when HTTP_RESPONSE { HTTP::header insert X-First $first X-Peer $peer X-Mine $mine X-Theirs [SSL::cipher bits] }
"""


@scenario
async def test_what_a_rule_sees_of_tls_on_both_sides() -> None:
    async with bench(TLS) as b:
        reply = await b.get()
        assert reply.header("X-First") == "TLSv1.3 models.example.com"
        assert reply.header("X-Peer") == "1 backend TLSv1.3"
        mode, name, bits = (reply.header("X-Mine") or "").split()
        assert (mode, name.startswith("TLS13-"), bits) == ("1", True, name.split("AES")[1][:3])
        assert reply.header("X-Theirs") in ("128", "256")


@scenario
async def test_without_tls_there_is_no_cipher() -> None:
    rule = 'when HTTP_REQUEST { HTTP::respond 200 content "[SSL::mode] [SSL::cipher name] [SSL::cipher bits]" }'
    async with bench(rule, virtual=replace(VIRTUAL, client_ssl=None)) as b, plain(b) as client:
        assert (await client.get()).body == b"0 none 0"


@contextlib.asynccontextmanager
async def plain(b: Bench) -> AsyncIterator[Client]:
    """A connection without TLS."""
    reader, writer = await asyncio.open_connection(*b.network.resolve(*ADDRESS))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@scenario
async def test_a_certificate_tells_all_about_itself() -> None:
    issued = certificates().clients.issue("alice", client=True)
    rule = r"""
        when HTTP_REQUEST {
            set cert [SSL::cert 0]
            set out [list [SSL::cert count] [SSL::verify_result]]
            lappend out [X509::subject $cert] [X509::issuer $cert] [X509::version $cert]
            lappend out [string length [X509::hash $cert]] [X509::signature_algorithm $cert]
            lappend out [X509::subject_public_key_type $cert] [X509::not_valid_after $cert] [X509::serial_number $cert]
            lappend out [string equal $cert [X509::pem2der [X509::whole $cert]]]
            lappend out [X509::verify_cert_error_string 20] [string length [SSL::cert 7]]
            lappend out [catch {X509::subject garbage} why] $why
            SSL::verify_result 0
            lappend out [SSL::verify_result]
            HTTP::respond 200 content [join $out |]
        }
    """
    from cryptography import x509

    made = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    async with bench(rule) as b, b.connect(issued) as client:
        fields = (await client.get()).body.decode().split("|")
    assert fields[1:3] == ["0", "CN=alice"]
    assert fields[3] == "CN=clients CA"
    assert fields[4:6] == ["3", "47"]
    assert fields[6:8] == ["ecdsa-with-SHA256", "EC"]
    assert fields[8].endswith(" GMT")
    assert str(made.not_valid_after_utc.year) in fields[8]
    assert int(fields[9].replace(":", ""), 16) == made.serial_number
    assert fields[10:] == ["1", "unable to get local issuer certificate", "0", "1", "not a certificate", "0"]


@scenario
async def test_extensions_are_printed_as_openssl_does() -> None:
    rule = "when SERVERSSL_HANDSHAKE { set text [X509::extensions [SSL::cert 0]] }\n" + (
        'when HTTP_RESPONSE { HTTP::header insert X-San [findstr $text "Subject Alternative Name" 42 "\\n"] }'
    )
    async with bench(rule) as b:
        assert (await b.get()).header("X-San") == f"DNS:{BACKEND[0]}"


@scenario
async def test_the_server_side_can_do_without_tls() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    rule = "when HTTP_REQUEST { SSL::disable serverside; pool plain }"
    member = PoolMember("plain.example.com", 80, True)
    async with bench(rule, objects=[Pool("/T/A/plain", (member,), ())]) as b:
        server = await asyncio.start_server(serve, LOOPBACK, 0)
        b.network.publish("plain.example.com", 80, server.sockets[0].getsockname()[1])
        for _ in range(2):
            assert (await b.get("/x")).body == b"ok"
        server.close()
    assert len(seen) == 2
    assert seen[0].startswith(b"GET /x HTTP/1.1\r\n")


# the end of connections


@scenario
async def test_close_sends_the_answer_first() -> None:
    rule = "when HTTP_REQUEST { HTTP::respond 200 content bye; TCP::close }"
    async with bench(rule) as b, b.connect() as client:
        assert (await client.get()).body == b"bye"
        assert await client.closed()


@scenario
async def test_close_without_an_answer_ends_in_order() -> None:
    rule = "when HTTP_REQUEST { TCP::close }\nwhen CLIENT_CLOSED { log local0. closed }"
    async with bench(rule) as b, b.connect() as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await client.reader.read() == b""
        await asyncio.sleep(0.02)
        assert b.log == ["Rule /T/A/rule <CLIENT_CLOSED>: closed"]
        assert not b.seen


@pytest.mark.parametrize("command", ["drop", "discard"])
def test_a_dropped_connection_hears_nothing(command: str) -> None:
    @scenario
    async def check() -> None:
        rules = (f"when HTTP_REQUEST {{ {command} }}", "when HTTP_REQUEST { log local0. later }")
        async with bench(rules=rules) as b:
            async with b.connect() as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.reader.read(1), 0.1)
                client.writer.transport.abort()
            assert not b.seen
            assert len(b.log) == 1

    check()


@scenario
async def test_respond_past_http_goes_out_as_it_is() -> None:
    rule = 'when CLIENT_ACCEPTED { TCP::respond "220 ready\\r\\n" }'
    async with bench(rule, virtual=replace(VIRTUAL, client_ssl=None)) as b, plain(b) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await client.reader.readline() == b"220 ready\r\n"


@scenario
async def test_respond_past_http_is_refused_under_tls() -> None:
    rule = "when HTTP_REQUEST { catch { TCP::respond x } why; HTTP::respond 200 content $why }"
    assert await answered(rule) == "TCP::respond is not emulated under TLS; SSL::respond is"


# events


@scenario
async def test_event_disable_stops_later_handlers_and_that_event() -> None:
    rules = (
        "when HTTP_REQUEST { append order a; event disable }",
        "when HTTP_REQUEST { append order b }",
        "when HTTP_RESPONSE { HTTP::header insert X-Order $order }",
    )
    async with bench(rules=rules) as b, b.connect() as client:
        assert [(await client.get()).header("X-Order") for _ in range(2)] == ["a", "a"]
        assert (await b.get()).header("X-Order") == "a"


@scenario
async def test_event_disable_all_silences_the_rest_of_the_connection() -> None:
    rules = (
        "when HTTP_REQUEST { log local0. one; event disable all }",
        "when HTTP_REQUEST { log local0. two }\nwhen HTTP_RESPONSE { log local0. three }",
        "when CLIENT_CLOSED { log local0. four }",
    )
    async with bench(rules=rules) as b, b.connect() as client:
        assert [(await client.get()).status for _ in range(2)] == [200, 200]
        assert [line.rpartition(": ")[2] for line in b.log] == ["one"]


@scenario
async def test_another_event_is_disabled_and_enabled_by_name() -> None:
    rule = """
        when HTTP_REQUEST {
            if {[HTTP::path] eq "/off"} { event HTTP_RESPONSE disable } else { event HTTP_RESPONSE enable }
        }
        when HTTP_RESPONSE { HTTP::header insert X-Seen 1 }
    """
    async with bench(rule) as b, b.connect() as client:
        seen = [(await client.get(path)).header("X-Seen") for path in ("/on", "/off", "/off", "/on")]
        assert seen == ["1", None, None, "1"]


@scenario
async def test_all_events_come_in_tmms_order() -> None:
    names = re.findall(
        r"\w+",
        "CLIENT_ACCEPTED CLIENTSSL_CLIENTCERT CLIENTSSL_HANDSHAKE HTTP_REQUEST HTTP_REQUEST_DATA LB_SELECTED SA_PICKED"
        " SERVER_CONNECTED SERVERSSL_CLIENTHELLO_SEND SERVERSSL_HANDSHAKE HTTP_REQUEST_SEND HTTP_REQUEST_RELEASE"
        " HTTP_RESPONSE HTTP_RESPONSE_DATA HTTP_RESPONSE_RELEASE SERVER_CLOSED CLIENT_CLOSED",
    )
    bodies = {name: f"log local0. {name}" for name in names}
    for name in ("HTTP_REQUEST", "HTTP_RESPONSE"):
        bodies[name] += "; HTTP::collect 2"
    rule = "\n".join(f"when {name} {{ {body} }}" for name, body in bodies.items())
    issued = certificates().clients.issue("alice", client=True)
    async with bench(rule, virtual=replace(VIRTUAL, one_connect=None)) as b:
        async with b.connect(issued) as client:
            await client.get("/", method="POST", body=b"hi")
        await asyncio.sleep(0.02)
        assert [line.rpartition(": ")[2] for line in b.log] == names


@scenario
async def test_100_continue_of_the_server_has_an_event() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(2)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with bench('when HTTP_RESPONSE_CONTINUE { log local0. "got [HTTP::status]" }') as b, b.raw_backend(serve):
        assert (await b.get(method="POST", body=b"hi")).status == 200
        assert b.log == ["Rule /T/A/rule <HTTP_RESPONSE_CONTINUE>: got 100"]


# procedures of other rules, statics, globals


@scenario
async def test_procedures_of_other_rules() -> None:
    library = """
        when RULE_INIT { set static::lib_made 1 }
        proc greet {name} { return "hello $name" }
        proc bump {variable} { upvar 1 $variable value; incr value; set static::lib_last $value; call inner $value }
        proc inner {value} { return inner$value }
        proc answer {} { HTTP::respond 200 content late }
    """
    rule = """
        when CLIENT_ACCEPTED { catch { call /T/lib/tools::answer } why; set where $why }
        when HTTP_REQUEST {
            set n 1
            set out [list [call /T/lib/tools::greet you] [call /T/lib/tools::bump n] $n $static::lib_last]
            lappend out [catch { call tools::nowhere } why] $why [call root::one] $where
            HTTP::respond 200 content [join $out |]
        }
    """
    others = [Rule("/T/lib/tools", library), Rule("/T/root", "proc one {} { return rooted }")]
    async with bench(rule, objects=others) as b:
        expected = "hello you|inner2|2|2|1|proc tools::nowhere not found|rooted|"
        expected += "proc /T/lib/tools::answer is not valid in current event context (CLIENT_ACCEPTED)"
        assert (await b.get()).body.decode() == expected
        b.config.commit(put=[Rule("/T/root", "proc one {} { return changed }")])
        assert b"|changed|" in (await b.get()).body
        b.config.commit(delete=[Rule("/T/root", "")])
        assert b"|changed|" in (await b.get()).body


@scenario
async def test_a_static_variable_can_be_made_in_a_procedure_of_rule_init_and_in_a_handler() -> None:
    rule = """
        proc setup {} { set static::from_proc 1; array set static::map {a 1 b 2} }
        when RULE_INIT { call setup }
        when HTTP_REQUEST {
            append static::seen [HTTP::path]
            HTTP::respond 200 content "$static::from_proc $static::map(b) $static::seen [call peek]"
        }
        proc peek {} { return $static::seen }
    """
    async with bench(rule) as b:
        assert (await b.get("/1")).body == b"1 2 /1 /1"
        assert (await b.get("/2")).body == b"1 2 /1/2 /1/2"


@pytest.mark.parametrize("statement", ["incr ::hits", "global hits; incr hits"])
def test_a_global_variable_binds_the_virtual_server_to_one_tmm(statement: str) -> None:
    @scenario
    async def check() -> None:
        rule = f"""
            when RULE_INIT {{ set hits 0 }}
            when HTTP_REQUEST {{ {statement}; HTTP::respond 200 content "[TMM::cmp_unit] $::hits" }}
        """
        async with bench(rule, tmms=2) as b:
            assert [(await b.get()).body for _ in range(3)] == [b"0 1", b"0 2", b"0 3"]
            message = "runs on one TMM only: rule /T/A/rule has the global ::hits"
            assert [message in line for line in b.log] == [True]

    check()


# errors


@scenario
async def test_an_error_is_logged_as_tmm_logs_it() -> None:
    rule = """
        proc outer {x} {
            set y 1
            call inner $x
        }
        proc inner {x} {
            expr {$x / 0}
        }
        when HTTP_REQUEST {
            switch -- [HTTP::path] {
                "/proc" { call outer 5 }
                "/command" {
                    HTTP::respond 200
                    HTTP::header insert A b
                }
                default {
                    set x $missing
                }
            }
        }
    """
    async with bench(rule) as b:
        for path in ("/tcl", "/command", "/proc"):
            with pytest.raises(ConnectionError):
                await b.get(path)
        start = "01220001:3: TCL error: /T/A/rule <HTTP_REQUEST> - "
        assert b.log[0] == f'{start}can\'t read "missing": no such variable     while executing "set x $missing"'
        assert b.log[1] == (
            f"{start}Can't call after responding - ERR_NOT_SUPPORTED (line 14)     invoked from within"
            ' "HTTP::header insert A b"'
        )
        assert b.log[2].startswith(f'{start}divide by zero     while executing "')
        assert '(procedure "inner" line 7)' in b.log[2]
        assert '(procedure "outer" line 4)' in b.log[2]


@scenario
async def test_an_error_in_rule_init_is_logged_and_the_rule_stays() -> None:
    rule = "when RULE_INIT { set static::a $missing }\nwhen HTTP_REQUEST { HTTP::respond 200 content on }"
    async with bench(rule) as b:
        assert (await b.get()).body == b"on"
        start = '01220001:3: TCL error: /T/A/rule <RULE_INIT> - can\'t read "missing": no such variable'
        assert [line.startswith(start) for line in b.log] == [True]


# counters and logging

STATISTICS = """
    when HTTP_REQUEST {
        STATS::incr hits total
        STATS::incr /T/A/hits total 2
        STATS::setmax hits largest 7
        STATS::setmax hits largest 3
        STATS::setmin hits smallest -1
        STATS::set hits last [HTTP::request_num]
        set out [list [STATS::get hits total] [STATS::get hits largest]]
        lappend out [STATS::get hits smallest] [STATS::get hits last] [catch { STATS::incr hits nothing } why] $why
        HTTP::respond 200 content [join $out |]
    }
"""


@scenario
async def test_counters_are_shared_and_must_be_fields_of_the_profile() -> None:
    profile = StatisticsProfile("/T/A/hits", ("total", "largest", "smallest", "last"))
    virtual = replace(VIRTUAL, statistics="/T/A/hits")
    async with bench(STATISTICS, objects=[profile], virtual=virtual, tmms=2) as b:
        assert (await b.get()).body == b"3|7|-1|1|1|statistics profile hits has no field nothing"
        assert (await b.get()).body.startswith(b"6|7|-1|1|")


@scenario
async def test_counters_need_a_statistics_profile() -> None:
    rule = "when HTTP_REQUEST { catch { STATS::incr hits total } why; HTTP::respond 200 content $why }"
    assert await answered(rule) == "the virtual server has no statistics profile hits"


LOGGING = """
    when CLIENT_ACCEPTED { set hsl [HSL::open -proto %s -pool logs] }
    when HTTP_REQUEST {
        HSL::send $hsl "<190>[HTTP::uri]\\n"
        catch { HSL::send nonsense x } why
        HTTP::respond 200 content $why
    }
"""
LOGS = Pool("/T/A/logs", (PoolMember("logs.example.com", 514, True),), ())


@scenario
async def test_messages_go_out_over_udp() -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((LOOPBACK, 0))
    listener.setblocking(False)
    with listener:
        async with bench(LOGGING % "UDP", objects=[LOGS]) as b:
            b.network.publish("logs.example.com", 514, listener.getsockname()[1])
            for path in ("/1", "/2"):
                assert (await b.get(path)).body == b"HSL::send: not a handle of HSL::open"
            loop = asyncio.get_running_loop()
            assert [await loop.sock_recv(listener, 100) for _ in range(2)] == [b"<190>/1\n", b"<190>/2\n"]


@scenario
async def test_messages_go_out_over_tcp_and_a_lost_connection_is_made_again() -> None:
    lines: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.put_nowait(await reader.readline())
        writer.close()

    async with bench(LOGGING % "TCP", objects=[LOGS]) as b:
        assert (await b.get("/lost")).status == 200
        server = await asyncio.start_server(serve, LOOPBACK, 0)
        b.network.publish("logs.example.com", 514, server.sockets[0].getsockname()[1])
        for path in (b"/1", b"/2"):
            await b.get(path.decode())
            assert await lines.get() == b"<190>%b\n" % path
            await asyncio.sleep(0.02)
        server.close()


@scenario
async def test_log_without_a_facility() -> None:
    async with bench('when HTTP_REQUEST { log "plain"; log -noname "bare"; HTTP::respond 200 }') as b:
        await b.get()
        assert b.log == ["Rule /T/A/rule <HTTP_REQUEST>: plain", "bare"]
