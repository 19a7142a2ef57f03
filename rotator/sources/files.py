"""Reading the files that sources are given: regular ones, of bounded size, and private where they hold a key."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bigip_sm.errors import SourceError


def read(role: str, what: str, path: Path, limit: int, *, private: bool = False) -> bytes:
    """The content of ``path``, at most ``limit`` bytes. ``what`` names it in errors; ``private``: others may not read.

    Raises SourceError, which never carries the content.
    """
    where = f"role {role}: {what} {path}"
    try:
        # Not blocking: a pipe that nobody writes to would keep the rotator here.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SourceError(f"{where}: it is not a regular file")
            if private and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SourceError(f"{where}: others may read or change it; only its owner should: chmod 600")
            content = file.read(limit + 1)
    except OSError as error:
        raise SourceError(f"{where}: {error.strerror or type(error).__name__}") from None
    if len(content) > limit:
        raise SourceError(f"{where}: it is larger than {limit} bytes")
    return content
