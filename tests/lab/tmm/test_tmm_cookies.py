"""``HTTP::cookie`` and the smaller ``HTTP::`` commands."""

from __future__ import annotations

import pytest
from gateway_bench import bench, scenario
from hypothesis import given
from hypothesis import strategies as st
from tcl_bench import Tcl, tcl

from bigip_sm.lab.http import Request, Response
from bigip_sm.lab.tmm.messages import RequestHead, ResponseHead


def request(*headers: tuple[bytes, bytes], target: bytes = b"/") -> RequestHead:
    head = RequestHead(b"GET", target, b"1.1")
    for name, value in headers:
        head.headers.add(name, value)
    return head


def fields(head: RequestHead | ResponseHead) -> list[tuple[bytes, bytes]]:
    return [(name, value) for _, name, value in head.headers.fields]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("HTTP::cookie names", "one two empty"),
        ("HTTP::cookie count", "3"),
        ("HTTP::cookie one", "1"),
        ("HTTP::cookie value two", "2=b"),
        ("HTTP::cookie value none", ""),
        ("HTTP::cookie exists empty", "1"),
        ("HTTP::cookie exists ONE", "0"),
        ("HTTP::cookie remove one; HTTP::header Cookie", "two=2=b; empty="),
        ("HTTP::cookie value one new; HTTP::header Cookie", "one=new; two=2=b; empty="),
        ("HTTP::cookie value none new; HTTP::header Cookie", "one=1; two=2=b; empty="),
        ("HTTP::cookie insert name four value 4; HTTP::header Cookie", "one=1; two=2=b; empty=; four=4"),
        ("HTTP::cookie insert name one value 9; HTTP::cookie one", "9"),
        ("foreach n [HTTP::cookie names] {HTTP::cookie remove $n}; HTTP::header exists Cookie", "0"),
    ],
)
def test_cookies_of_a_request(script: str, expected: str) -> None:
    with tcl() as run:
        run.session.request = request((b"Host", b"a"), (b"Cookie", b"one=1; two=2=b;empty="))
        assert run(script) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("HTTP::cookie names", "sid lang"),
        ("HTTP::cookie sid", "abc"),
        ("HTTP::cookie path sid", "/app"),
        ("HTTP::cookie domain sid", ""),
        ("HTTP::cookie secure sid", "enable"),
        ("HTTP::cookie secure lang", "disable"),
        ("HTTP::cookie httponly sid", "disable"),
        ("HTTP::cookie value sid new; HTTP::header values Set-Cookie", "sid=new; Path=/app; Secure lang=de"),
        ("HTTP::cookie remove sid; HTTP::header values Set-Cookie", "lang=de"),
        ("HTTP::cookie secure sid disable; HTTP::header Set-Cookie; HTTP::cookie secure sid", "disable"),
        ("HTTP::cookie httponly lang enable; HTTP::header Set-Cookie", "lang=de; HttpOnly"),
        ("HTTP::cookie path lang /x; HTTP::header Set-Cookie", "lang=de; Path=/x"),
        ("HTTP::cookie maxage lang 60; HTTP::cookie maxage lang", "60"),
        ("HTTP::cookie domain none x; HTTP::header Set-Cookie", "lang=de"),
        (
            "HTTP::cookie insert name new value 1 path / domain a.b; HTTP::header Set-Cookie",
            "new=1; Path=/; Domain=a.b",
        ),
    ],
)
def test_cookies_of_a_response(script: str, expected: str) -> None:
    with tcl() as run:
        run.session.event = "HTTP_RESPONSE"
        head = run.session.response = ResponseHead(200, b"OK", b"1.1")
        head.headers.add(b"Set-Cookie", b"sid=abc; Path=/app; Secure")
        head.headers.add(b"Set-Cookie", b"lang=de")
        assert run(script) == expected


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("HTTP::cookie insert name {a b} value c", "the name of a cookie is empty or holds a character"),
        ('HTTP::cookie insert name a value "b; Path=/"', "a cookie holds a semicolon, a line break or NUL"),
        ('HTTP::cookie value a "b\\r\\nX: y"', "a cookie holds a semicolon, a line break or NUL"),
        ("HTTP::cookie path a", "the cookies of a request have no attributes"),
        ("HTTP::cookie maxage a 5", "the cookies of a request have no attributes"),
        ("HTTP::cookie secure a maybe", 'bad state "maybe": must be enable or disable'),
        ("HTTP::cookie insert name a path /", "wrong # args: HTTP::cookie insert name N value V"),
        ("HTTP::host {a\nb}", "the value of an HTTP header holds a line break or NUL"),
        ("HTTP::query {a b}", "the URI of a request holds a blank or a control character"),
        ("HTTP::redirect {http://a\r\nX: y}", "the value of an HTTP header holds a line break or NUL"),
        ("HTTP::retry x", "HTTP::retry is not emulated in event HTTP_REQUEST"),
        ("HTTP::status", "command is not valid in current event context (HTTP_REQUEST)"),
        ("HTTP::header insert {a}", 'wrong # args: should be "HTTP::header insert name value ?name value ...?"'),
        ("HTTP::header insert \\{", "unmatched open brace in list"),
        ("HTTP::header at x", 'expected non-negative integer but got "x"'),
    ],
)
def test_what_would_forge_a_message_is_refused(script: str, message: str) -> None:
    with tcl() as run:
        head = run.session.request = request((b"Cookie", b"a=b"))
        before = fields(head)
        assert run.fails(script).startswith(message)
        assert fields(head) == before


NAMES = st.text("abcXYZ019-_", min_size=1, max_size=8)
VALUES = st.text("abc =,\"\\'", max_size=8).map(str.strip)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=6))
def test_inserted_cookies_are_found_again(cookies: dict[str, str]) -> None:
    with tcl() as run:
        run.session.request = request()
        for name, value in cookies.items():
            call(run, "HTTP::cookie", "insert", "name", name, "value", value)
        assert run("HTTP::cookie names").split() == list(cookies)
        assert {name: call(run, "HTTP::cookie", "value", name) for name in cookies} == cookies


def call(run: Tcl, *words: str) -> str:
    run.tmm.session = run.session
    result = run.tmm.interpreter.call(*words)
    return result.decode("latin-1") if isinstance(result, bytes) else str(result)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("HTTP::host new.example.com; HTTP::header Host", "new.example.com"),
        ("HTTP::query a=b; HTTP::uri", "/p?a=b"),
        ("HTTP::query {}; HTTP::uri", "/p"),
        ("HTTP::username", "user"),
        ("HTTP::password", "p:w"),
        ("HTTP::header replace Authorization {Basic ???}; HTTP::username", ""),
        ("HTTP::header remove Authorization; HTTP::username", ""),
        ("HTTP::header at 1", "Authorization"),
        ("HTTP::header at 9", ""),
        ("HTTP::header insert {A 1 B {2 3}}; HTTP::header B", "2 3"),
        ("HTTP::request_num", "0"),
        ("HTTP::is_keepalive", "1"),
        ("string match {GET /p?q HTTP/1.1\r\n*\r\n\r\n} [HTTP::request]", "1"),
    ],
)
def test_smaller_commands(script: str, expected: str) -> None:
    with tcl() as run:
        run.session.request = request((b"Host", b"a"), (b"Authorization", b"Basic dXNlcjpwOnc="), target=b"/p?q")
        assert run(script) == expected


@scenario
async def test_redirects_answer_and_are_seen_in_responses() -> None:
    async def moved(_: Request) -> Response:
        return Response(301, [("Location", "/new")])

    rule = """
        when HTTP_REQUEST {
            if {[HTTP::path] eq "/old"} { HTTP::redirect "https://[HTTP::host][HTTP::uri]&n=[HTTP::request_num]" }
        }
        when HTTP_RESPONSE { HTTP::header insert X-Redirect [HTTP::is_redirect] }
    """
    async with bench(rule, handler=moved) as b, b.connect() as client:
        reply = await client.get("/old?x")
        assert (reply.status, reply.header("Location")) == (302, "https://models.example.com/old?x&n=1")
        assert not b.seen
        assert (await client.get("/other")).header("X-Redirect") == "1"
