"""Text commands: URIs, fields of strings, base64, digests, byte order."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tcl_bench import Tcl, tcl

from bigip_sm.lab.tmm import commands_text
from bigip_sm.lab.tmm.session import CommandError
from bigip_sm.lab.tmm.words import options


@pytest.fixture(scope="module")
def run() -> Iterator[Tcl]:
    with tcl() as made:
        yield made


URI = "https://user.example.com:8443/a/b%20c/index.html?x=1&y=%41&x=2#top"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("URI::protocol {%s}", "https"),
        ("URI::host {%s}", "user.example.com"),
        ("URI::port {%s}", "8443"),
        ("URI::port http://a/", "80"),
        ("URI::port https://a", "443"),
        ("URI::port /a", "0"),
        ("URI::host {http://[2001:db8::1]:80/x}", "[2001:db8::1]"),
        ("URI::path {%s}", "/a/b%%20c/"),
        ("URI::path /index.html", "/"),
        ("URI::path /main/index.jsp?user=test", "/main/"),
        ("URI::path /dir1/dir2/dir3/file depth", "3"),
        ("URI::path /dir1/dir2/dir3/file 2", "/dir2/dir3/"),
        ("URI::path /dir1/dir2/dir3/file 1 1", "/dir1/"),
        ("URI::path /dir1/dir2/dir3/file 4", "/"),
        ("URI::basename {%s}", "index.html"),
        ("URI::basename /a/", ""),
        ("URI::query {%s}", "x=1&y=%%41&x=2"),
        ("URI::query {%s} y", "%%41"),
        ("URI::query {%s} x", "1"),
        ("URI::query {%s} z", ""),
        ("URI::decode a%%20b%%2fc%%zz%%", "a b/c%%zz%%"),
        ("URI::encode {a b/c_d-e.f~g%%}", "a%%20b%%2Fc_d-e.f~g%%25"),
        ("URI::compare http://A.com/x HTTP://a.com:80/%%78", "1"),
        ("URI::compare http://a.com/x http://a.com/X", "0"),
        ("findstr abcdefgh cd", "cdefgh"),
        ("findstr abcdefgh cd 2", "efgh"),
        ("findstr type=books&x=1 type= 5 &", "books"),
        ("findstr type=books type= 5 &", "books"),
        ("findstr type=books&x=1 type= 5 3", "boo"),
        ("findstr abc x", ""),
        ("getfield 10.1.2.3%%1 %% 1", "10.1.2.3"),
        ("getfield a::b::c :: 3", "c"),
        ("getfield a,b , 3", ""),
        ("substr abcdef 2", "cdef"),
        ("substr abcdef 2 3", "cde"),
        ("substr abc?def 1 ?", "bc"),
        ("substr abc 9", ""),
        ("domain www.sub.my.domain.com 3", "my.domain.com"),
        ("domain com 3", "com"),
        ("b64encode {a b}", "YSBi"),
        ("b64decode YSBi", "a b"),
        ("crc32 123456789", str(zlib.crc32(b"123456789"))),
        ("htonl 1", "16777216"),
        ("ntohs 258", "513"),
    ],
)
def test_what_f5_documents(run: Tcl, script: str, expected: str) -> None:
    assert run(script.replace("%s", URI).replace("%%", "%")) == expected.replace("%%", "%")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("getfield a,b , 0", "getfield needs a separator and a field number from 1"),
        ("getfield a,b {} 1", "getfield needs a separator and a field number from 1"),
        ("getfield a,b , x", 'expected non-negative integer but got "x"'),
        ("URI::path /a/b 0", 'bad level "0" in URI::path: levels are counted from 1'),
        ("b64decode a", "b64decode: the text is not base64"),
        ("b64decode {YSBi*}", "b64decode: the text is not base64"),
        ("htonl x", 'expected integer but got "x"'),
    ],
)
def test_text_that_cannot_be_read(run: Tcl, script: str, message: str) -> None:
    assert run.fails(script) == message


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_digests_are_binary(run: Tcl, name: str) -> None:
    assert run(f'{name} "\\xff\\0x"') == hashlib.new(name, b"\xff\0x").digest().decode("latin-1")


@given(st.binary(max_size=40))
def test_encodings_are_undone(data: bytes) -> None:
    text = data.decode("latin-1")
    known = commands_text.commands()
    encoded = known["URI::encode"](text)
    assert isinstance(encoded, str)
    assert known["URI::decode"](encoded) == data
    assert known["b64encode"](text) == base64.b64encode(data)
    assert known["b64decode"](base64.b64encode(data).decode()) == data


@given(st.text(max_size=60))
def test_any_uri_has_its_parts_or_none(text: str) -> None:
    known = commands_text.commands()
    for name in ("protocol", "host", "port", "path", "basename", "query"):
        assert isinstance(known[f"URI::{name}"](text), bytes)


def test_options_end_where_they_end() -> None:
    known = {"-a": 0, "-b": 1}
    assert options(["-a", "-b", "x", "y"], known, "c") == ({"-a": "", "-b": "x"}, ("y",))
    assert options(["--", "-a"], known, "c") == ({}, ("-a",))
    for words, message in ((["-c"], 'bad option "-c" in c: must be -a or -b'), (["-b"], "-b of c needs a value")):
        with pytest.raises(CommandError, match=message):
            options(words, known, "c")
