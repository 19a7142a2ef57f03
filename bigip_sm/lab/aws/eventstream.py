"""AWS's binary event streams, as services send them (AWS sheet, section 1.8)."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

MEDIA_TYPE = "application/vnd.amazon.eventstream"


def event(kind: str, payload: bytes, content_type: str = "application/octet-stream") -> bytes:
    """One event of a stream."""
    return frame({":event-type": kind, ":content-type": content_type, ":message-type": "event"}, payload)


def json_event(kind: str, members: Mapping[str, object]) -> bytes:
    """One event whose payload is JSON."""
    return event(kind, json.dumps(members).encode(), "application/json")


def exception(kind: str, members: Mapping[str, object]) -> bytes:
    """The exception that a stream ends with."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps(members).encode())


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: lengths, headers of type string, payload, and a checksum behind the lengths and behind all."""
    encoded = b"".join(
        struct.pack(f">B{len(name)}sBH", len(name), name.encode(), 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + payload
    return head + struct.pack(">I", zlib.crc32(head))
