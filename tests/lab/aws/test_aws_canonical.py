"""Canonical requests, by AWS's published signing vectors and by hand."""

from __future__ import annotations

import pytest

from bigip_sm.lab.aws.canonical import (
    NotCanonical,
    canonical_headers,
    canonical_path,
    canonical_query,
    query_parameters,
)


@pytest.mark.parametrize(
    ("wire", "canonical"),
    [
        (b"/", b"/"),
        (b"", b"/"),
        (b"//", b"/"),
        (b"/./", b"/"),
        (b"/./example", b"/example"),
        (b"/example/..", b"/"),
        (b"/example1/example2/../..", b"/"),
        (b"/../x", b"/x"),
        (b"//example//", b"/example/"),
        ("/\u1234".encode(), b"/%E1%88%B4"),
        (b"/example space/", b"/example%20space/"),
        (b"/model/a%3A1/invoke", b"/model/a%253A1/invoke"),
        (b"/-._~0aZ", b"/-._~0aZ"),
    ],
)
def test_path(wire: bytes, canonical: bytes) -> None:
    assert canonical_path(wire) == canonical


@pytest.mark.parametrize(
    ("wire", "canonical"),
    [
        (b"", b""),
        (b"Param2=value2&Param1=value1", b"Param1=value1&Param2=value2"),
        (b"Param1=value2&Param1=Value1", b"Param1=Value1&Param1=value2"),
        (b"key", b"key="),
        (b"a=b+c", b"a=b%20c"),
        (b"a=%2f", b"a=%2F"),
        (b"a=b=c", b"a=b%3Dc"),
        (b"a=1&&b=2&", b"a=1&b=2"),
        ("\u1234=bar".encode(), b"%E1%88%B4=bar"),
    ],
)
def test_query(wire: bytes, canonical: bytes) -> None:
    assert canonical_query(query_parameters(wire)) == canonical


@pytest.mark.parametrize("wire", [b"a=%", b"a=%4", b"%zz=1", b"a=%%41"])
def test_broken_escape(wire: bytes) -> None:
    with pytest.raises(NotCanonical):
        query_parameters(wire)


def test_headers_are_squeezed_and_joined() -> None:
    headers = [(b"My-Header2", b' "a  b \t c" '), (b"MY-HEADER1", b"value2"), (b"my-header1", b" value1")]
    expected = b'absent:\nmy-header1:value2,value1\nmy-header2:"a b c"\n'
    assert canonical_headers(headers, ["absent", "my-header1", "my-header2"]) == expected
