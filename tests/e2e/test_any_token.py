"""Tokens and JSON of any shape: no error that nobody caught, no principal but the true one, and linear time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from callers_kit import SPEC, Callers, Issuer, bearing, text64
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_procedures import Procedures

from bigip_sm.lab.aws.runtime import ACCEPTED
from bigip_sm.render.irule import render_irule
from bigip_sm.render.reasons import REASONS
from bigip_sm.spec import load

HOSTILE = st.sampled_from(
    ["[exit]", "$token", "{", "}", '"', "\\", "\0", "alice|1", "é", "\ud800", "a\nb", "cloud:alice", "group/gold", "#"]
)
texts = st.one_of(st.text(max_size=20), HOSTILE, st.sampled_from(["alice", "bob", "root", "models", "gold"]))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
claims = st.dictionaries(
    st.sampled_from(["sub", "aud", "groups", "scp", "kind", "nbf", "iat", "name"]), values, max_size=4
)


@pytest.fixture(scope="module")
def procedures() -> Procedures:
    return Procedures(render_irule(load(Path("gateway.yaml"), SPEC), "public"))


def alternatives(text: str) -> st.SearchStrategy[bytes]:
    """The text as it is, or cut, doubled, or with bytes put in or taken out."""
    raw = text.encode("utf-8", "surrogatepass")
    place = st.integers(0, len(raw))
    return st.one_of(
        st.just(raw),
        place.map(lambda at: raw[:at]),
        place.map(lambda at: raw[:at] + raw[at + 1 :]),
        st.tuples(place, st.binary(min_size=1, max_size=3)).map(lambda put: raw[: put[0]] + put[1] + raw[put[0] :]),
        st.tuples(place, st.sampled_from(list(b'{}[]:,"\\ 0-'))).map(
            lambda put: raw[: put[0]] + bytes([put[1]]) + raw[put[0] :]
        ),
    )


objects = st.dictionaries(texts, values, max_size=6)
documents = st.tuples(objects, st.booleans(), st.sampled_from([None, 1])).flatmap(
    lambda made: alternatives(json.dumps(made[0], ensure_ascii=made[1], indent=made[2]))
)


def expected(document: bytes) -> list[tuple[str, Any]] | None:
    """Names and values of an object as RFC 8259 reads it; None for what is refused here: anything that is not one."""
    try:
        text = document.decode()
        pairs = json.loads(text, object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=int)
    except (ValueError, RecursionError):
        return None
    names = [name for name, _ in pairs] if isinstance(pairs, Members) else []
    if not isinstance(pairs, Members) or len(set(names)) != len(names) or depth(pairs) > 8:
        return None
    if r"\u0000" in text.replace(r"\\", "__") or re.search("[\ud800-\udfff]", "".join(every_text(pairs))):
        return None
    return list(pairs)


def as_bytes(text: str) -> str:
    """A text as the rule has it: each byte of its UTF-8 a character."""
    return text.encode().decode("latin-1")


def every_text(value: Any) -> Iterator[str]:
    """Each string in a value, names included."""
    if isinstance(value, str):
        yield str(value)
    elif isinstance(value, Members):
        yield from (text for name, inner in value for text in (name, *every_text(inner)))
    elif isinstance(value, list):
        yield from (text for inner in value for text in every_text(inner))


class Members(tuple[tuple[str, Any], ...]):
    """An object as its members."""


class Number(str):
    """A number as it is written."""


def depth(value: Any) -> int:
    if isinstance(value, Members):
        return 1 + max((depth(inner) for _, inner in value), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents)
def test_json_is_read_as_it_is_written_or_not_at_all(procedures: Procedures, document: bytes) -> None:
    wanted, result = expected(document), procedures.run("bsm_json", document)
    assert (result is None) == (wanted is None), document
    if result is None or wanted is None:
        return
    names, kinds, found = (procedures.words(part) for part in procedures.words(result))
    assert len(names) == len(kinds) == len(found) == len(wanted)
    for (name, value), name_found, kind, value_found in zip(wanted, names, kinds, found, strict=True):
        assert name_found == as_bytes(name)
        if isinstance(value, Number):
            assert (kind, value_found) == ("number", value)
        elif isinstance(value, str):
            assert kind == "string"
            assert value_found == as_bytes(value)
        elif isinstance(value, list) and all(isinstance(item, str) and not isinstance(item, Number) for item in value):
            items = procedures.words(value_found)
            assert kind == "list"
            assert items == tuple(map(as_bytes, value))
        else:
            assert kind == ("other" if isinstance(value, (list, Members)) else "word")


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=st.one_of(st.binary(max_size=80), st.text('{}[]:,"\\u0aeE+-. \n1tn', max_size=60).map(str.encode)))
def test_bytes_that_are_no_json_are_refused(procedures: Procedures, document: bytes) -> None:
    assert (procedures.run("bsm_json", document) is None) == (expected(document) is None)


@pytest.mark.parametrize(
    "make",
    [
        lambda size: json.dumps({"a": "x" * size}),
        lambda size: json.dumps({"a": '"\\' * (size // 4)}),
        lambda size: json.dumps({"a": "\x01" * (size // 6)}),
        lambda size: json.dumps({"a": [1] * (size // 3)}),
        lambda size: json.dumps({"a": ["x"] * (size // 5)}),
        lambda size: json.dumps({f"k{number}": 1 for number in range(size // 12)}),
        lambda size: '{"a":' + '"' * size,
        lambda size: '{"a":' + "[" * size,
        lambda size: '"' + "\\" * size,
        lambda size: "{" + " " * size,
    ],
)
def test_reading_json_takes_linear_time(procedures: Procedures, make: Any) -> None:
    small, large = (procedures.steps("bsm_json", make(size).encode()) for size in (8_000, 64_000))
    assert large <= 8.5 * small + 500


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=claims, nobody=st.booleans())
def test_a_signed_token_has_its_own_principal_or_none(callers: Callers, changes: dict[str, Any], nobody: bool) -> None:
    body = json.dumps({**callers.cloud.claims(), **changes}).encode()
    issuer = Issuer("cloud", callers.cloud.issuer, key=callers.realm.key) if nobody else callers.cloud
    lines, before = len(callers.lab.data_plane.log_lines), len(callers.seen())
    with callers.client(None) as client:
        answer = bearing(client, issuer.with_payload(body))
    assert list(callers.lab.data_plane.log_lines)[lines:] == []
    if answer.reason:
        assert answer.status == REASONS[answer.reason].status
        assert answer.reason != "internal-error"
        assert len(callers.seen()) == before
        return
    assert not nobody
    assert [request.verdict for request in callers.seen()[before:]] == [ACCEPTED]
    subject = changes.get("sub", "alice")
    encoded = "".join({c: f"%{ord(c):02X}" for c in " +,/:=@"}.get(c, c) for c in subject)
    assert callers.principal() == f"principal=cloud%3A{encoded},route=open"


parts = st.one_of(
    st.binary(max_size=40).map(text64),
    st.text('abcAZ09-_=+/{}[]$\\" .', max_size=20),
    st.sampled_from([text64(b'{"alg":"RS256","kid":"key-1"}'), text64(b'{"alg":"none"}'), text64(b"{}"), ""]),
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(token=st.one_of(st.lists(parts, max_size=5).map(".".join).map(str.encode), st.binary(max_size=60)))
def test_bytes_that_are_no_token_are_refused(callers: Callers, token: bytes) -> None:
    token = bytes(byte for byte in token if byte not in b"\r\n\0" and (byte >= 32 or byte == 9) and byte != 127)
    lines, before = len(callers.lab.data_plane.log_lines), len(callers.seen())
    answer = callers.bearing(token)
    assert answer.status == 401
    assert answer.reason.startswith("jwt-")
    assert list(callers.lab.data_plane.log_lines)[lines:] == []
    assert len(callers.seen()) == before
