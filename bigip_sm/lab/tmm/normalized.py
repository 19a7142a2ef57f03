"""``-normalized`` of HTTP::path, HTTP::uri and HTTP::query.

F5's pages say that unneeded encodings and directory traversals go, and not how each case ends. So the lab knows the
one case that is not in doubt: what is in its normal form already comes back as it is. Anything else is a run-time
error, which refuses too much and lets nothing pass.
"""

from __future__ import annotations

import re

from bigip_sm.lab.tmm.session import CommandError

FLAG = "-normalized"

_PATH = re.compile(rb"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~:@=,-]+)*/?")
"""Segments that are not empty, nor . or .., of characters that nobody encodes or decodes."""

_QUERY = re.compile(rb"[A-Za-z0-9._~:@=,/&-]*")


def normal_path(path: bytes) -> bytes:
    """The path if it is in its normal form. Raises CommandError."""
    return _checked(path, _PATH)


def normal_query(query: bytes) -> bytes:
    """The query if it is in its normal form. Raises CommandError."""
    return _checked(query, _QUERY)


def normal_target(target: bytes) -> bytes:
    """Path and query if both are in their normal form. Raises CommandError."""
    path, mark, query = target.partition(b"?")
    return normal_path(path) + mark + normal_query(query)


def _checked(text: bytes, normal: re.Pattern[bytes]) -> bytes:
    if not normal.fullmatch(text):
        raise CommandError(f"not emulated by the lab: what {FLAG} makes of {text.decode('ascii', 'backslashreplace')}")
    return text
