"""Data groups: the ``class`` command, and how a commit reaches the TMMs."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest
from gateway_bench import bench, scenario
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.tmm.groups import Group, Groups
from bigip_sm.lab.tmm.session import CommandError

ROUTES = DataGroup("/T/A/routes", "string", (("GET /a", "1|a"), ("GET /b", ""), ("-x", "dash"), ("/v1/", "v")))
NETWORKS = DataGroup(
    "/T/A/networks", "ip", (("10.0.0.0/8", "wide"), ("10.30.0.0/16", "narrow"), ("2001:db8::/32", "six"))
)
NUMBERS = DataGroup("/Common/numbers", "integer", (("7", "seven"), ("-3", "minus three")))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("class match -- {GET /a} equals routes", "1"),
        ("class match -- {GET /A} equals routes", "0"),
        ("class match -value -- {GET /a} equals /T/A/routes", "1|a"),
        ("class match -value -- {GET /b} equals routes", ""),
        ("class match -value -- nothing equals routes", ""),
        ("class match -name -- /v1/models starts_with routes", "/v1/"),
        ("class match -- {a GET /b} ends_with routes", "1"),
        ("class match -- xx/v1/yy contains routes", "1"),
        ("class match -value -- -x equals routes", "dash"),
        ("class lookup {GET /a} routes", "1|a"),
        ("class lookup nothing routes", ""),
        ("class size routes", "4"),
        ("class exists routes", "1"),
        ("class exists /T/A/nothing", "0"),
        ("class match -value -- 10.30.1.2 equals networks", "narrow"),
        ("class match -value -- 10.31.1.2 equals networks", "wide"),
        ("class match -value -- 2001:db8::1 equals networks", "six"),
        ("class match -- 192.0.2.1 equals networks", "0"),
        ("class match -- 7 equals numbers", "1"),
        ("class match -element -- {GET /a} equals routes", "{GET /a} 1|a"),
        ("class match -index -- {GET /b} equals routes", "3"),
        ("class match -all -name -- {GET /a/v1/} contains routes", "/v1/ {GET /a}"),
        ("class match -all -value -- 10.30.1.2 equals networks", "narrow wide"),
        ("class search -name -- routes starts_with GET", "GET /a"),
        ("class search -all -name -- routes starts_with GET", "{GET /a} {GET /b}"),
        ("class search -value -- routes contains /a", "1|a"),
        ("class search -- routes ends_with nothing", "0"),
        ("class search -- routes equals {GET /a}", "1"),
        ("class search -name -- networks equals 10.30.1.1", "10.30.0.0/16"),
        ("class names routes", "-x /v1/ {GET /a} {GET /b}"),
        ("class names routes GET*", "{GET /a} {GET /b}"),
        ("class names -nocase routes get*b", "{GET /b}"),
        ("class names numbers", "-3 7"),
        ("class get routes GET*", "{{GET /a} 1|a} {{GET /b} {}}"),
        ("class type routes", "string"),
        ("class type networks", "ip"),
        ("class type numbers", "integer"),
        ("class element 1 routes", "/v1/ v"),
        ("class element -name 2 routes", "GET /a"),
        ("class element -value -- 2 routes", "1|a"),
        ("class element 4 routes", ""),
        ("matchclass {GET /a} equals routes", "3"),
        ("matchclass nothing starts_with routes", "0"),
        ("findclass 7 numbers", "7 seven"),
        ("findclass 7 numbers { }", "seven"),
        ("findclass 8 numbers", ""),
        ("class match -value -- -3 equals numbers", "minus three"),
    ],
)
def test_class_finds_what_f5_documents(command: str, expected: str) -> None:
    @scenario
    async def check() -> None:
        rule = f"when HTTP_REQUEST {{ HTTP::respond 200 content [{command}] }}"
        async with bench(rule, objects=[ROUTES, NETWORKS, NUMBERS]) as b:
            assert (await b.get()).body.decode() == expected

    check()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("class match -- x equals nothing[HTTP::query]", "could not find class nothing"),
        ("class match -- [HTTP::path] equals networks", '"/" is not an IP address'),
        ("class match -- x equals numbers", 'expected integer but got "x"'),
        (
            "class match $dash equals routes",
            'bad option "-x": must be -all, -index, -element, -list, -name, or -value',
        ),
    ],
)
def test_errors_of_class(command: str, message: str) -> None:
    @scenario
    async def check() -> None:
        rule = f"when HTTP_REQUEST {{ set dash -x; catch {{ {command} }} why; HTTP::respond 200 content $why }}"
        async with bench(rule, objects=[ROUTES, NETWORKS, NUMBERS]) as b:
            assert (await b.get()).body.decode() == message

    check()


NETWORK = st.builds(
    lambda address, length: ipaddress.ip_network((address, length), strict=False),
    st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address),
    st.integers(0, 32),
)


@given(st.sets(NETWORK, max_size=12), st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_addresses_match_the_longest_prefix(
    networks: set[ipaddress.IPv4Network], address: ipaddress.IPv4Address
) -> None:
    group = Group("/T/A/n", "ip")
    for network in networks:
        group.put(str(network), "")
    containing = [network for network in networks if address in network]
    expected = [str(network) for network in sorted(containing, key=lambda network: -network.prefixlen)]
    assert list(group.matches(str(address), "equals")) == expected


@given(st.dictionaries(st.text("ab/", max_size=4), st.just("v"), max_size=8), st.text("ab/", max_size=6))
def test_string_operators_agree_with_python(records: dict[str, str], item: str) -> None:
    group = Group("/T/A/s", "string")
    for name, value in records.items():
        group.put(name, value)
    assert list(group.matches(item, "starts_with")) == sorted(name for name in records if item.startswith(name))
    assert list(group.matches(item, "ends_with")) == sorted(name for name in records if item.endswith(name))
    assert list(group.matches(item, "contains")) == sorted(name for name in records if name in item)
    with pytest.raises(CommandError):
        group.matches(item, "matches")


COMMITS = st.lists(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123")), min_size=1, max_size=5)


@given(COMMITS, st.booleans())
def test_any_series_of_commits_ends_with_the_last(commits: list[dict[str, str]], backwards: bool) -> None:
    groups = Groups()
    before: DataGroup | None = None
    for records in commits:
        after = DataGroup("/T/A/g", "string", tuple(sorted(records.items())))
        groups.apply(before, after, backwards=backwards, over=0)
        before = after
    assert groups.by_path["/T/A/g"].records == commits[-1]
    groups.apply(before, None, backwards=backwards, over=0)
    assert not groups.by_path


def group(value: str, count: int = 40) -> DataGroup:
    return DataGroup("/T/A/g", "string", tuple((f"{number:02}", f"{value}{number}") for number in range(count)))


READ = """
    when HTTP_REQUEST {
        set all [TMM::cmp_unit]
        foreach name {00 10 20 30 39} { append all " [class lookup $name g]" }
        HTTP::respond 200 content $all
    }
"""


@scenario
async def test_a_commit_arrives_record_by_record_and_not_everywhere_at_once() -> None:
    async with (
        bench(READ, objects=[group("old")], tmms=2, data_group_delay=0.4) as b,
        b.connect() as c0,
        b.connect() as c1,
    ):
        b.config.commit(put=[group("new")])
        states: tuple[set[str], set[str]] = (set(), set())
        disagreed = False
        for _ in range(60):
            views = []
            for client in (c0, c1):
                unit, *values = (await client.get()).body.decode().split(" ")
                assert all(value[:3] in ("old", "new") and value[3:].isdigit() for value in values)
                states[int(unit)].add(" ".join(value[:3] for value in values))
                views.append(values)
            disagreed = disagreed or views[0] != views[1]
            await asyncio.sleep(0.01)
        assert disagreed
        for seen in states:
            assert any("old" in state and "new" in state for state in seen)
        await b.plane.settled()
        for client in (c0, c1):
            assert b"old" not in (await client.get()).body


@scenario
async def test_a_new_group_exists_at_once_but_fills_slowly_and_a_deleted_one_goes() -> None:
    rule = """
        when HTTP_REQUEST {
            set group /T/A/g
            if {[class exists $group]} { set size [class size $group] } else { set size none }
            HTTP::respond 200 content $size
        }
    """
    async with bench(rule, data_group_delay=0.2) as b:
        assert (await b.get()).body == b"none"
        b.config.commit(put=[group("x")])
        assert int((await b.get()).body) < 40
        await b.plane.settled()
        assert (await b.get()).body == b"40"
        b.config.commit(delete=[group("x")])
        await b.plane.settled()
        assert (await b.get()).body == b"none"


@scenario
async def test_a_group_deleted_and_made_again_at_once_survives() -> None:
    async with bench(READ, objects=[group("old")], data_group_delay=0.1) as b:
        b.config.commit(delete=[group("old")])
        b.config.commit(put=[group("new")])
        await b.plane.settled()
        assert (await b.get()).body == b"0 new0 new10 new20 new30 new39"


@scenario
async def test_non_ascii_records_are_utf8_bytes() -> None:
    rule = "when HTTP_REQUEST { HTTP::respond 200 content [string length [class lookup k g]][class lookup k g] }"
    async with bench(rule, objects=[DataGroup("/T/A/g", "string", (("k", "é€"),))]) as b:
        assert (await b.get()).body == b"5\xc3\xa9\xe2\x82\xac"
