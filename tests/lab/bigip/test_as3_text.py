"""How AS3 rewrites text."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.lab.bigip.as3.text import braces_balance, decoded, monitor_text, record_text, rule_text
from bigip_sm.lab.bigip.replies import Refusal


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("\n\n  when X {\n}\n\n", "when X {\n}"),
        ("a\r\nb", "a\nb"),
        ("a  \t\nb", "a\nb"),
        ('set a "x  \ny"', 'set a "x\ny"'),
        ("foo\\\n   bar", "foobar"),
        ("foo \\\n\tbar", "foo bar"),
        ("a\n\\\nb", "a\n\\\nb"),
        ("a\n\n\n\tb", "a\n\n\n\tb"),
        ("", ""),
    ],
)
def test_rule_text(sent: str, stored: str) -> None:
    assert rule_text(sent) == stored


@given(st.text(alphabet="ab {} \t\n", max_size=40))
def test_rule_text_settles(text: str) -> None:
    """A text that AS3 has rewritten stays as it is, so a second POST finds no change."""
    once = rule_text(text)
    assert rule_text(once) == once


@pytest.mark.parametrize(
    ("text", "balanced"),
    [
        ("a { b } c", True),
        ("{", False),
        ("}{", False),
        ('set a "}"', False),
        (r"set a \}", True),
        ("# { in a comment", False),
        (r"{\\}", True),
        ("", True),
    ],
)
def test_braces(text: str, balanced: bool) -> None:
    assert braces_balance(text) is balanced


def test_every_spelling_of_a_string() -> None:
    assert decoded("x", "/w") == "x"
    assert decoded({"text": "x"}, "/w") == "x"
    assert decoded({"base64": "eA=="}, "/w") == "x"
    assert decoded({"base64": "eA"}, "/w") == "x"


@given(st.text())
def test_base64_of_both_alphabets(text: str) -> None:
    raw = text.encode()
    assert decoded({"base64": base64.b64encode(raw).decode()}, "/w") == text
    assert decoded({"base64": base64.urlsafe_b64encode(raw).decode()}, "/w") == text


@pytest.mark.parametrize(
    "value",
    [1, None, {}, {"base64": "a b"}, {"base64": "/w=="}, {"base64": 1}, {"text": 1}, {"url": "x"}, {"a": 1, "b": 2}],
)
def test_strings_refused(value: object) -> None:
    with pytest.raises(Refusal) as refused:
        decoded(value, "/w")
    assert refused.value.status == 422


@given(st.text())
def test_record_text_is_plain_or_refused(text: str) -> None:
    try:
        stored = record_text(text, "/w")
    except Refusal:
        assert not text.isascii() or not text.isprintable()
        return
    assert stored == text.replace("\\", "")


def test_monitor_keeps_its_escapes() -> None:
    send = "GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
    assert monitor_text(send, "/w") == send
    assert monitor_text("HTTP/1\\.[01]", "/w") == "HTTP/1\\.[01]"


@pytest.mark.parametrize("text", ["`N`", "a\r\nb", "\\x41", "é"])
def test_monitor_strings_refused(text: str) -> None:
    with pytest.raises(Refusal):
        monitor_text(text, "/w")
