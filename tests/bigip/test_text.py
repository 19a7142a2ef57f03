"""What is shown of a device's message."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.bigip.text import masked, one_line

SECRETS = st.text(string.ascii_letters + string.digits + "+/=_-.", min_size=16, max_size=80)


@given(SECRETS, st.data())
def test_no_eight_characters_of_a_secret_are_left(secret: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(secret) - 8))
    end = data.draw(st.integers(start + 8, len(secret)))
    around = st.text(string.ascii_letters + " '\"{}|.:", max_size=20)
    shown = masked(data.draw(around) + secret[start:end] + data.draw(around), [secret])
    hidden = shown.replace("(hidden)", "\0")
    assert all(secret[at : at + 8] not in hidden for at in range(len(secret) - 7))


def test_everything_else_is_left() -> None:
    message = "01070712:3: Data group /bigip_sm/quickstart.chat: value too long"
    assert masked(message, ["", "1|ASIAEXAMPLE|FwoGZXIvYXdzEXAMPLETOKEN"]) == message


def test_short_secrets_are_masked_as_a_whole() -> None:
    assert masked("user x with password hunter2!", ["hunter2"]) == "user x with password (hidden)!"


@given(st.text())
def test_one_line(text: str) -> None:
    line = one_line(text, 50)
    assert len(line) <= 50
    assert line.isprintable()
