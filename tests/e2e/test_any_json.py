"""The JSON reader of the iRule against Python's: what it accepts, what it finds, and how long it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_procedures import Procedures

IRULES = Path(__file__).parents[2] / "irules"
LEVELS, MEMBERS = 6, 12

texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["a", "b", "model", "max_tokens", '"', "\\", "\\\\", "{", "}]", ",", ":", "\x7f", "é", "😀", "\ud800"]
    ),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=15
)
objects = st.dictionaries(texts, values, max_size=8)
layouts = st.tuples(st.booleans(), st.sampled_from([None, 1, "\t"]), st.sampled_from([(",", ":"), (" , ", " : ")]))


def written(value: Any, layout: tuple[bool, Any, tuple[str, str]]) -> bytes:
    text = json.dumps(value, ensure_ascii=layout[0], indent=layout[1], separators=layout[2])
    return text.encode("utf-8", "surrogatepass")


def changed(raw: bytes) -> st.SearchStrategy[bytes]:
    """As it is, or cut, or with bytes taken out, put in, or a part of it doubled."""
    place = st.integers(0, len(raw))
    sign = st.one_of(st.sampled_from(list(b'{}[]:,"\\ 0-.eEut\n')), st.integers(0, 255))
    return st.one_of(
        st.just(raw),
        st.tuples(place, place).map(lambda cut: raw[: min(cut)] + raw[max(cut) :]),
        st.tuples(place, place).map(lambda cut: raw[: max(cut)] + raw[min(cut) :]),
        st.tuples(place, sign).map(lambda put: raw[: put[0]] + bytes([put[1]]) + raw[put[0] :]),
        st.tuples(place, sign).map(lambda put: raw[: put[0]] + bytes([put[1]]) + raw[put[0] + 1 :]),
    )


documents = st.one_of(
    st.tuples(st.one_of(objects, values), layouts).map(lambda made: written(*made)).flatmap(changed),
    st.binary(max_size=60),
    st.text('{}[]:,"\\u0aeE+-. \n1tn', max_size=40).map(str.encode),
    st.text('{}[]:,"1', max_size=12).map(lambda inner: f'{{"a":{inner}}}'.encode()),
)


class Object(tuple[tuple[str, Any], ...]):
    """An object as its members, in order."""


def depth(value: Any) -> int:
    if isinstance(value, Object):
        return 1 + max((depth(inner) for _, inner in value), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def every_text(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Object):
        yield from (text for name, inner in value for text in (name, *every_text(inner)))
    elif isinstance(value, list):
        yield from (text for inner in value for text in every_text(inner))


def no_constant(text: str) -> None:
    raise ValueError(text)


def python_reads(document: bytes) -> Object | None:
    """An object that Python's json reads and that nothing can read in another way; None for anything else."""
    try:
        found = json.loads(document.decode(), object_pairs_hook=Object, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, Object) or len({name for name, _ in found}) != len(found):
        return None
    if any(re.search("[\0\ud800-\udfff]", text) for text in every_text(found)):
        return None
    return found


def as_bytes(text: str) -> str:
    """A text as the rule has it: each byte of its UTF-8 a character."""
    return text.encode().decode("latin-1")


KINDS = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", Object: "object"}


@pytest.fixture(scope="module")
def procedures() -> Procedures:
    return Procedures("".join((IRULES / f"{name}.tcl.j2").read_text() for name in ("json_read", "events")))


def read(
    procedures: Procedures, document: bytes, levels: int = LEVELS, most: int = MEMBERS
) -> tuple[str, list[tuple[str, ...]]]:
    result = procedures.run("bsm_json_read", document, str(levels), str(most))
    assert result is not None
    reason, members = procedures.words(result)
    words = procedures.words(members)
    return reason, list(zip(words[::4], words[1::4], words[2::4], words[3::4], strict=True))


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents)
def test_json_is_judged_and_read_as_python_does(procedures: Procedures, document: bytes) -> None:
    reason, members = read(procedures, document)
    wanted = python_reads(document)
    if wanted is None or depth(wanted) > LEVELS or len(wanted) > MEMBERS:
        assert reason in (("json-invalid", "json-too-complex") if wanted is None else ("json-too-complex",))
        assert members == []
        return
    assert reason == ""
    assert len(members) == len(wanted)
    for (name, kind, first, last), (name_wanted, value) in zip(members, wanted, strict=True):
        assert name == as_bytes(name_wanted)
        assert kind == ("null" if value is None else KINDS[type(value)])
        raw = document[int(first) : int(last) + 1].decode()
        assert raw == raw.strip()
        assert json.loads(raw, object_pairs_hook=Object) == value
        if kind == "string":
            assert procedures.run("bsm_json_text", raw.encode()[1:-1]) == as_bytes(value)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    found=st.dictionaries(st.sampled_from(["a", "b", "max_tokens", "é", "n\nm"]), values, max_size=5),
    layout=layouts,
    changes=st.lists(st.tuples(st.sampled_from(["a", "max_tokens", "model"]), scalars), min_size=1, max_size=3),
)
def test_members_are_put_in_place_of_others_or_added(
    procedures: Procedures, found: dict[str, Any], layout: Any, changes: list[tuple[str, Any]]
) -> None:
    document = written(found, layout)
    if python_reads(document) is None or any("\ud800" in str(value) for _, value in changes):
        return
    text, members = document.decode("latin-1"), read(procedures, document, 60)[1]
    expected = dict(found)
    for name, value in changes:
        raw = json.dumps(value)
        flat = [word for member in members for word in member]
        kind = "null" if value is None else KINDS[type(value)]
        result = procedures.run("bsm_json_put", text, tuple(flat), name, raw, kind)
        assert result is not None
        text, listed = procedures.words(result)
        words = procedures.words(listed)
        members = list(zip(words[::4], words[1::4], words[2::4], words[3::4], strict=True))
        expected[name] = json.loads(raw)
    assert json.loads(text.encode("latin-1")) == expected
    assert sorted(members) == sorted(read(procedures, text.encode("latin-1"), 60)[1])


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"1",
        b'""',
        b"{}{}",
        b"{},{}",
        b"{} {}",
        b"{}x",
        b'{"a":1}}',
        b'{"a":[[],[]],{}}',
        b'{"a":{[],[]}}',
        b'{"a":{"b":[]},[]}',
        b'{"a":[1,"b":2]}',
        b'{"a":{"b":1,2}}',
        b'{"a":{"b":1,"c"}}',
        b'{"a":1,}',
        b'{,"a":1}',
        b'{"a"}',
        b'{"a":1 2}',
        b'{"a":1\n2}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":1e}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":truefalse}',
        b'{"a":True}',
        b"{a:1}",
        b"{'a':1}",
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\0"}',
        b'{"a":"\\u0000"}',
        b'{"a":"\xff"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xf4\x90\x80\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"a":"\\ud800\\u0041"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\u00g0"}',
        b'{"a":"\\"}',
        b'{"a":"\n"}',
        b'{"a":\\u0031}',
        b'{"a":1}\0',
        b'{"a":/* no */1}',
        b'{"a":1}//',
        b"{\x0b}",
        b"{\xc2\xa0}",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(procedures: Procedures, document: bytes) -> None:
    assert read(procedures, document, 32, 100) == ("json-invalid", [])


@pytest.mark.parametrize(
    "document",
    [
        b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
        b'{"a":' + b'{"a":' * 31 + b"[]" + b"}" * 32,
        b'{"a":' + b"[0," * 31 + b"[{}]" + b"]" * 31 + b"}",
        b"{" + b",".join(b'"%d":0' % number for number in range(101)) + b"}",
        b'{"a":[' + b",".join([b'""'] * 50_001) + b"]}",
        b'{"a":[' + b",".join([b"[[[]]]"] * 9_000) + b"]}",
    ],
)
def test_what_is_too_deep_or_too_much_is_refused(procedures: Procedures, document: bytes) -> None:
    json.loads(document)
    assert read(procedures, document, 32, 100) == ("json-too-complex", [])


@pytest.mark.parametrize(
    "document",
    [
        b'{"a":' + b"[" * 31 + b"]" * 31 + b"}",
        b'{"a":' + b'{"a":' * 30 + b"[]" + b"}" * 31,
        b'{"a":"' + b"x" * 1_000_000 + b'"}',
        b'{"a":"' + b'\\"' * 500_000 + b'"}',
        b'{"a":[' + b",".join([b"[[[1,2,3],[4,5,6]],[7]]"] * 3_000) + b"]}",
    ],
)
def test_what_is_just_not_too_much_is_read(procedures: Procedures, document: bytes) -> None:
    reason, members = read(procedures, document, 32, 100)
    assert (reason, len(members)) == ("", 1)
    name, _, first, last = members[0]
    assert (name, document[int(first) - 1 : int(first)], int(last)) == ("a", b":", len(document) - 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda size: json.dumps({"a": "x" * size}),
        lambda size: json.dumps({"a": '"\\' * (size // 4)}),
        lambda size: json.dumps({"a": "é" * (size // 6)}),
        lambda size: json.dumps({"a": [1] * (size // 3)}),
        lambda size: json.dumps({"a": ["x"] * (size // 5)}),
        lambda size: json.dumps({"a": [{"b": [1, 2]}] * (size // 15)}),
        lambda size: json.dumps({f"k{number}": 1 for number in range(size // 12)}),
        lambda size: '{"a":' + "[{" * (size // 2),
        lambda size: '{"a":' + '"' * size,
        lambda size: '{"a":"' + "\\" * size,
        lambda size: "{" + " " * size,
    ],
)
def test_reading_takes_linear_time(procedures: Procedures, make: Any) -> None:
    small, large = (procedures.steps("bsm_json_read", make(size).encode(), "32", "9999") for size in (8_000, 64_000))
    assert large <= 8.5 * small + 500


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(["data: a", "data:b", ": c", "event: d", "", "\n", "\r\n", "\r", "\n\n"]), max_size=12
    )
)
def test_a_stream_is_split_between_events(procedures: Procedures, pieces: list[str]) -> None:
    text = "".join(pieces)
    result = procedures.run("bsm_whole_events", text)
    assert result is not None
    whole, rest = procedures.words(result)
    assert whole + rest == text
    assert whole == "" or re.search(r"(\n\n|\r\n\r\n|\r\r)\Z", whole)
    assert not re.search(r"\n\n|\r\n\r\n|\r\r", rest)


def test_the_data_of_events(procedures: Procedures) -> None:
    result = procedures.run(
        "bsm_event_data", 'data: {"a": 1}\r\n\r\n: nothing\n\nevent: x\ndata:b\ndata:  c\n\ndata: [DONE]\n\n'
    )
    assert result is not None
    assert procedures.words(result) == ('{"a": 1}', "b\n c", "[DONE]")
