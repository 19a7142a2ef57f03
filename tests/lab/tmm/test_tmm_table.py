"""The session table: what it stores, when entries go, and that another TMM's data suspends a rule."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from gateway_bench import bench, scenario
from hypothesis import given
from hypothesis import strategies as st
from tcl_bench import Tcl, tcl

from bigip_sm.lab.tmm.tables import Tables, owner
from bigip_sm.lab.tmm.tmm import World


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(clock: Clock) -> Iterator[Tcl]:
    with tcl(World({}, {}, clock, print, tables=Tables(clock))) as made:
        yield made


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("table set k v", "v"),
        ("table set k v; table lookup k", "v"),
        ("table lookup k", ""),
        ("table set k one; table add k two", "one"),
        ("table set k one; table add k two; table lookup k", "one"),
        ("table add k two; table lookup k", "two"),
        ("table set -excl k one; table set -excl k two", "one"),
        ("table replace k v", ""),
        ("table replace k v; table lookup k", ""),
        ("table set k one; table replace k two; table lookup k", "two"),
        ("table set -mustexist k v; table lookup k", ""),
        ("table incr k", "1"),
        ("table incr k 5; table incr k; table lookup k", "6"),
        ("table incr k -1", "18446744073709551615"),
        ("table incr -mustexist k", ""),
        ("table set k 4; table incr -mustexist k 2", "6"),
        ("table append k a; table append k b", "ab"),
        ("table append -mustexist k a", ""),
        ("table set k v; table delete k; table lookup k", ""),
        ("table set -subtable t k inner; table lookup k", ""),
        ("table set -subtable t k inner; table lookup -subtable t k", "inner"),
        ("table set -subtable t a 1; table set -subtable t b 2; lsort [table keys -subtable t]", "a b"),
        ("table set -subtable t a 1; table set -subtable t b 2; table keys -subtable t -count", "2"),
        ("table keys -count -subtable t", "0"),
        ("table set -subtable t a 1; table delete -subtable t -all; table keys -subtable t -count", "0"),
        ("table set -subtable t a 1; table delete -all -subtable t; table keys -subtable t -count", "0"),
        ("table set -- -k v; table lookup -- -k", "-v"[1:]),
        ("table set k v; table timeout k", "180"),
        ("table set k v 30 60; table timeout k", "30"),
        ("table set k v 30 60; table lifetime k", "60"),
        ("table set k v indefinite; table timeout k", "indefinite"),
        ("table set k v indef; table timeout k", "indefinite"),
        ("table set k v; table lifetime k", "indefinite"),
        ("table timeout k", "-1"),
        ("table set k v; table timeout k 10; table timeout k", "10"),
        ("table set k v; table lifetime k 10", "10"),
        ("table set k v 30 60; table set k w 0 0; list [table timeout k] [table lifetime k]", "30 60"),
        ("table set k v 30 60; table set k w; list [table timeout k] [table lifetime k]", "180 indefinite"),
        ("table set k v 30 60; table add k w 5 5; list [table timeout k] [table lifetime k]", "30 60"),
        ("table set k 1 30 60; table incr k; list [table timeout k] [table lifetime k]", "30 60"),
        ('table set k "\\xff\\0"; string length [table lookup k]', "2"),
    ],
)
def test_what_f5_documents(run: Tcl, script: str, expected: str) -> None:
    assert run(script) == expected


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("table set k word; table incr k", 'expected integer but got "word"'),
        ("table incr k many", 'expected integer but got "many"'),
        ("table set k v -5", 'bad time "-5": must be indefinite or a number of seconds'),
        ("table set k v soon", 'expected integer but got "soon"'),
        ("table delete -subtable t", "wrong # args: table delete ?-subtable name? key | -all -subtable name"),
        ("table keys", "wrong # args: table keys -subtable name ?-count|-notouch?"),
    ],
)
def test_what_cannot_be_done(run: Tcl, script: str, message: str) -> None:
    assert run.fails(script) == message


def test_an_entry_goes_when_it_was_not_touched_for_its_timeout(run: Tcl, clock: Clock) -> None:
    run("table set k v 10")
    clock.now += 9
    assert run("table lookup k") == "v"
    clock.now += 9
    assert run("table lookup -notouch k") == "v"
    clock.now += 1
    assert run("table lookup k") == ""


def test_an_entry_goes_at_the_end_of_its_lifetime_however_often_it_is_touched(run: Tcl, clock: Clock) -> None:
    run("table add k 0 indefinite 60")
    for turn in range(1, 7):
        clock.now += 9
        assert run("table incr -notouch k") == str(turn)
    assert run("table lifetime -remaining k") == "6"
    clock.now += 6
    assert run("table incr k") == "1"


def test_what_is_left_of_a_timeout(run: Tcl, clock: Clock) -> None:
    run("table set k v 10 100")
    clock.now += 4
    assert run("table timeout -remaining k") == "6"
    assert run("table lifetime -remaining k") == "96"
    assert run("table lookup k; table timeout -remaining k") == "10"


def test_keys_touch_unless_told_not_to(run: Tcl, clock: Clock) -> None:
    run("table set -subtable t k v 10")
    clock.now += 6
    run("table keys -subtable t -notouch")
    clock.now += 3
    run("table keys -subtable t")
    clock.now += 9
    assert run("table keys -subtable t") == "k"
    clock.now += 10
    assert run("table keys -subtable t") == ""


def test_expired_entries_do_not_pile_up(clock: Clock) -> None:
    tables = Tables(clock)
    for number in range(20_000):
        tables.set("t", str(number), "x", 1.0)
        clock.now += 0.01
    assert len(tables._tables["t"]) < 10_000


MODEL = st.lists(
    st.tuples(st.sampled_from(["set", "add", "replace", "incr", "delete", "lookup"]), st.sampled_from("ab")),
    max_size=30,
)


@given(MODEL)
def test_without_time_it_is_a_dictionary(operations: list[tuple[str, str]]) -> None:
    model: dict[str, str] = {}
    with tcl(World({}, {}, lambda: 0.0, print, tables=Tables(lambda: 0.0))) as run:
        for number, (operation, key) in enumerate(operations):
            value = str(number)
            words = {"incr": f"{key} 2", "delete": key, "lookup": key}.get(operation, f"{key} {value}")
            found = run(f"table {operation} {words}")
            written = {"set": True, "add": key not in model, "replace": key in model}
            if written.get(operation):
                model[key] = value
            elif operation == "incr":
                model[key] = str(int(model.get(key, "0")) + 2)
            elif operation == "delete":
                model.pop(key, None)
            assert found == ("" if operation == "delete" else model.get(key, ""))


def key_of(tmm: int) -> str:
    """A key that this TMM of two holds."""
    return next(str(number) for number in range(100) if owner(str(number), 2) == tmm)


COUNTER = """
    when HTTP_REQUEST {{
        set seen [table lookup {key}]
        if {{$seen eq ""}} {{ set seen 0 }}
        table set {key} [expr {{$seen + 1}}]
        HTTP::respond 200 content "[TMM::cmp_unit] $seen"
    }}
"""


@scenario
async def test_all_tmms_share_the_table() -> None:
    rule = "when HTTP_REQUEST { HTTP::respond 200 content [table incr [HTTP::query]] }"
    async with bench(rule, tmms=2) as b:
        assert [(await b.get(f"/?{key_of(number % 2)}")).body for number in range(4)] == [b"1", b"1", b"2", b"2"]
        b.plane.clock = lambda: 4e9
        assert (await b.get(f"/?{key_of(0)}")).body == b"1"


@scenario
async def test_lookup_and_set_race_where_the_key_is_another_tmms() -> None:
    """All connections are on TMM 1 (a second virtual server's on TMM 0 would do as well); the key is TMM 0's."""
    async with bench(COUNTER.format(key=key_of(0)), tmms=2) as b:
        replies = await asyncio.gather(*(b.get() for _ in range(24)))
        far = [int(reply.body.split()[1]) for reply in replies if reply.body.startswith(b"1")]
        assert len(far) == 12
        assert len(set(far)) < len(far)


@scenario
async def test_add_and_incr_do_not_race() -> None:
    key = key_of(0)
    rule = f"""
        when HTTP_REQUEST {{
            table add {key} 0 indefinite 60
            HTTP::respond 200 content [table incr -notouch {key}]
        }}
    """
    async with bench(rule, tmms=2) as b:
        replies = await asyncio.gather(*(b.get() for _ in range(24)))
        assert sorted(int(reply.body) for reply in replies) == list(range(1, 25))


@scenario
async def test_a_table_command_works_in_every_event_and_in_procedures() -> None:
    rule = f"""
        proc note {{event}} {{ foreach key {{{key_of(0)} {key_of(1)}}} {{ table append $key "$event " }} }}
        when CLIENT_ACCEPTED {{ call note accepted }}
        when CLIENTSSL_HANDSHAKE {{ call note handshake }}
        when HTTP_REQUEST {{ call note request; HTTP::collect 2 }}
        when HTTP_REQUEST_DATA {{ call note data }}
        when LB_SELECTED {{ call note selected }}
        when SERVER_CONNECTED {{ call note connected }}
        when HTTP_REQUEST_SEND {{ call note send }}
        when HTTP_RESPONSE {{ call note response; HTTP::header insert X-Notes [table lookup {key_of(1)}] }}
        when CLIENT_CLOSED {{ call note closed; log local0. [table lookup {key_of(0)}] }}
    """
    async with bench(rule, tmms=2) as b:
        reply = await b.get(method="POST", body=b"hi")
        assert reply.body == b"hi"
        expected = "accepted handshake request data selected connected send response "
        assert reply.header("X-Notes") == expected
        await asyncio.sleep(0.02)
        assert b.log == [f"Rule /T/A/rule <CLIENT_CLOSED>: {expected}closed "]


@scenario
async def test_a_client_that_goes_while_its_rule_is_suspended_leaves_nothing_behind() -> None:
    key = key_of(0)
    rule = f"when HTTP_REQUEST {{ after 50; table incr {key}; log local0. [table lookup {key}] }}"
    async with bench(rule, tmms=2) as b:
        for _ in range(2):
            async with b.connect() as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.15)
        assert [line.rpartition(": ")[2] for line in b.log] == ["1", "2"]


@scenario
async def test_a_rule_that_counts_with_0_is_suspended_all_the_same() -> None:
    rule = f"""
        when HTTP_REQUEST {{
            set sum [expr {{0 + 1}}]
            foreach key {{{key_of(0)} {key_of(1)}}} {{ incr sum [table incr $key] }}
            HTTP::collect 2
        }}
        when HTTP_REQUEST_DATA {{ HTTP::respond 200 content $sum }}
    """
    async with bench(rule, tmms=2) as b:
        assert (await b.get(method="POST", body=b"hi")).body == b"3"
        assert (await b.get(method="POST", body=b"hi")).body == b"5"
