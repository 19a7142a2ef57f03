"""AWS's event streams as server-sent events: any cut gives the same bytes, anything wrong ends the stream cleanly."""

from __future__ import annotations

import itertools
import json
import random
import struct
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds_kit import SPEC
from rule_procedures import Procedures

from bigip_sm.lab.aws.eventstream import event, exception, frame
from bigip_sm.render import render
from bigip_sm.spec import load

LIMIT = "1048576"
CUTS = 10_000


@pytest.fixture(scope="module")
def rule() -> Procedures:
    text = render(load(Path("gateway.yaml"), SPEC)).irules["public"]
    return Procedures(text, {"crc32": lambda text: str(zlib.crc32(text.encode("latin-1")))})


def step(rule: Procedures, buffer: bytes) -> tuple[bytes, bytes, str]:
    """What one event of the rule takes out of a buffer: payloads, rest, reason."""
    assert rule.run("bsm_frames", buffer.decode("latin-1"), LIMIT) is not None
    text, rest, reason = (rule.element(index) for index in range(3))
    return text.encode("latin-1"), rest.encode("latin-1"), reason


def fed(rule: Procedures, pieces: list[bytes]) -> tuple[bytes, str]:
    """All pieces, one after the other, as HTTP_RESPONSE_DATA would get them."""
    output, rest = b"", b""
    for piece in pieces:
        text, rest, reason = step(rule, rest + piece)
        output += text
        if reason:
            return output, reason
    return output, "rest" if rest else ""


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(stream)]
    return [stream[begin:end] for begin, end in itertools.pairwise(edges)]


def test_ten_thousand_cuts_give_the_same_bytes(rule: Procedures) -> None:
    chosen = random.Random(8)  # noqa: S311 - not a secret
    texts = [{"n": number, "text": "\u00e9\U0001f600" * (number % 5)} for number in range(8)]
    events = [f"data: {json.dumps(text, ensure_ascii=False)}\n\n" for text in texts]
    wanted = "".join(events).encode() + b"data: \x00\xff\n\ndata: [DONE]\n\n"
    done = 0
    while done < CUTS:
        # The frames are cut anywhere in the text, and the stream anywhere in the frames.
        parts = cut(wanted, [chosen.randrange(len(wanted)) for _ in range(chosen.randrange(12))])
        stream = b"".join(event("PayloadPart", part) for part in parts)
        places = [chosen.randrange(len(stream)) for _ in range(chosen.randrange(1, 60))]
        assert fed(rule, cut(stream, places)) == (wanted, "")
        done += len(places)


def test_one_byte_at_a_time(rule: Procedures) -> None:
    stream = event("PayloadPart", b"data: a\n\n") + event("PayloadPart", b"") + event("PayloadPart", b"data: b\n\n")
    assert fed(rule, [stream[at : at + 1] for at in range(len(stream))]) == (b"data: a\n\ndata: b\n\n", "")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_one_changed_byte_ends_the_stream(rule: Procedures, data: st.DataObject) -> None:
    first, second = event("PayloadPart", b"data: one\n\n"), event("PayloadPart", b"data: two\n\n")
    at = data.draw(st.integers(0, len(second) - 1))
    changed = bytearray(second)
    changed[at] ^= data.draw(st.integers(1, 255))
    output, reason = fed(rule, [first + bytes(changed)])
    assert (output, reason) == (b"data: one\n\n", "stream-invalid")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_anything_is_refused_or_waited_for(rule: Procedures, junk: bytes) -> None:
    text, rest, reason = step(rule, junk)
    assert text == b""
    assert reason == "stream-invalid" or (reason == "" and rest == junk and len(junk) < 12)


@pytest.mark.parametrize("kind", ["ModelStreamError", "InternalStreamFailure"])
def test_an_exception_ends_the_stream(rule: Procedures, kind: str) -> None:
    stream = event("PayloadPart", b"data: one\n\nda") + exception(kind, {"Message": "arn:aws:x"})
    assert fed(rule, [stream + event("PayloadPart", b"ta: two\n\n")]) == (b"data: one\n\nda", "model-stream-failed")


def wrong(headers: bytes, payload: bytes = b"x") -> bytes:
    """A message with right checksums and these bytes as headers."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (wrong(b""), "model-stream-failed"),
        (wrong(b"\x0d:message-type\x07\x00\x05event"), ""),
        (wrong(b"\x0d:message-type\x07\x00\x06event"), "stream-invalid"),
        (wrong(b"\x0d:message-type\x07\x00"), "stream-invalid"),
        (wrong(b"\x0d:message-type\x04\x00\x00\x00\x05"), "stream-invalid"),
        (wrong(b"\xff:x"), "stream-invalid"),
        (wrong(b"\x00"), "stream-invalid"),
        (frame({":message-type": "error"}, b""), "model-stream-failed"),
        (frame({":message-type": "event" * 200}, b""), "model-stream-failed"),
        (event("PayloadPart", b"x" * 1_048_576), "stream-invalid"),
    ],
)
def test_malformed_messages(rule: Procedures, message: bytes, reason: str) -> None:
    assert step(rule, message)[2] == reason


def test_lengths_that_lie(rule: Procedures) -> None:
    for total, head in ((15, 0), (16, 1), (0xFFFFFFFF, 0), (100, 0xFFFFFFFF), (0x80000000, 4)):
        prelude = struct.pack(">II", total, head)
        assert step(rule, prelude + struct.pack(">I", zlib.crc32(prelude)) + b"x" * 200)[2] == "stream-invalid"


def test_frames_take_work_and_time_in_line_with_their_number(rule: Procedures) -> None:
    streams = [(event("PayloadPart", b"data: x\n\n") * number).decode("latin-1") for number in (1000, 4000)]
    steps = [rule.steps("bsm_frames", stream, LIMIT) for stream in streams]
    assert steps[1] < 4.2 * steps[0]
    spent = []
    for stream in streams:
        begin = time.process_time()
        rule.run("bsm_frames", stream, LIMIT)
        spent.append(time.process_time() - begin)
    assert spent[1] < 8 * spent[0], "no buffer is turned into another form for each frame"
